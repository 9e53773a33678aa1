"""Modes decide what a person is asked about."""

import pytest

from rlm_kernel.engine.modes import Proposed, parse_mode
from rlm_kernel.errors import ConfigError


def asks(mode, code, turn=1, depth=0):
    return parse_mode(mode).asks(Proposed(code, turn, depth))


def test_auto_never_asks_and_step_always_does():
    assert not asks("auto", "import os")
    assert asks("step", "1")


def test_a_rule_asks_for_the_imports_it_names():
    assert asks("ask when imports os, subprocess", "import os.path")
    assert asks("ask when imports os, subprocess", "from subprocess import run")
    assert not asks("ask when imports os, subprocess", "import re")


def test_rules_combine_with_or():
    mode = "ask when calls > 1 or turn >= 3 or names eval"
    assert asks(mode, "llm_query('a'); llm_query('b')")
    assert not asks(mode, "llm_query('a')")
    assert asks(mode, "1", turn=3)
    assert asks(mode, "eval('1')")


def test_a_rule_asks_before_an_answer_is_submitted():
    assert asks("ask when answer", "FINAL(x)")
    assert asks("ask when answer", "answer['content'] = 1; answer['ready'] = True")
    assert not asks("ask when answer", "print(context[:10])")


@pytest.mark.parametrize("mode", ["sometimes", "ask when", "ask when moon > 3", "ask when calls >"])
def test_a_mode_that_is_none_is_refused_with_the_modes_there_are(mode):
    with pytest.raises(ConfigError, match=r"isn.t a (mode|rule)"):
        parse_mode(mode)
