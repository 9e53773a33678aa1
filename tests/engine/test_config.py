"""The person's own defaults come from a config file, and what is given in code wins."""

import pytest

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.errors import ConfigError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_a_config_file_sets_the_defaults_of_runs_and_gateway(folder):
    (folder / "rlm_kernel_config.py").write_text(
        "c.RLM.max_turns = 7\nc.RLM.budget = '$2'\nc.Gateway.max_retries = 1\n"
    )
    rlm = RLM(model=ScriptedModel([]))
    assert (rlm.max_turns, rlm.budget, rlm.gateway.max_retries) == (7, "$2", 1)
    assert RLM(model=ScriptedModel([]), max_turns=3).max_turns == 3


def test_a_config_file_that_fails_is_named_in_one_sentence(folder):
    (folder / "rlm_kernel_config.py").write_text("c.RLM.max_turns = nonsense\n")
    with pytest.raises(ConfigError, match=r"rlm_kernel_config\.py can't be used"):
        RLM(model=ScriptedModel([]))


def test_an_option_of_the_wrong_type_is_one_sentence():
    with pytest.raises(ConfigError, match="max_turns"):
        RLM(model=ScriptedModel([]), max_turns="many")
