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


@pytest.mark.parametrize("question", [None, b"what?", 5])
def test_a_question_that_is_no_text_is_one_sentence(question):
    with pytest.raises(ConfigError, match=f"a text, not {type(question).__name__}"):
        RLM(model=ScriptedModel([]), save=False).start(question)


def test_a_model_that_is_none_is_one_sentence():
    with pytest.raises(ConfigError, match="sub_model"):
        RLM(model=ScriptedModel([]), sub_model=5)


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ({"llm_query": print}, "'llm_query' is bound already"),
        ({"rlm_query_batched": print}, "is bound already"),
        ({"look up": print}, "'look up' can't be a name"),
        ({"class": print}, "'class' can't be a name"),
        ({"rate": 5}, "'rate' is no function"),
    ],
)
def test_tools_that_code_couldnt_call_are_refused_before_anything_is_spent(tools, said):
    for which in ("tools", "sub_tools"):
        rlm = RLM(model=ScriptedModel([]), save=False, **{which: tools})
        with pytest.raises(ConfigError, match=said):
            rlm.start("q")


def test_an_option_of_the_wrong_type_is_one_sentence():
    with pytest.raises(ConfigError, match="max_turns"):
        RLM(model=ScriptedModel([]), max_turns="many")
