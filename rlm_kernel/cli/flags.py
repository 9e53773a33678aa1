"""Sentences that name options as Python has them, in the words of the command line."""

from __future__ import annotations

import re

_NAMES = (
    "model|sub_model|api_base|budget|max_turns|max_depth|sandbox|allow_read|allow_write|allow_net|"
    "workdir|where|context|data"
)
_VALUE = r"""("[^"]*"|'[^']*'|[\w$/:…-]*)"""
_GIVEN = re.compile(rf"(?<![\w.-])({_NAMES})={_VALUE}")
_TWICE = re.compile(rf"(?<![\w.-])({_NAMES})={_VALUE} \((--[^()]*)\)")
_NAMED = re.compile(r"(?<![\w.-])(allow_read|allow_write) names ")
_ENCODING = re.compile(
    r"(?:if it is text in another encoding, )?pass (?:it, perhaps )?encoding=(?:'([\w-]+)'|…)"
    r"(?: \('latin-1' reads any bytes\))?"
)


def in_flags(sentence: str) -> str:
    """Give a sentence with ``--sandbox none`` where it has ``sandbox="none"``."""
    sentence = _TWICE.sub(lambda found: found[3], sentence)
    sentence = _GIVEN.sub(lambda found: _flag(found[1], found[2]), sentence)
    sentence = _NAMED.sub(lambda found: f"{_flag(found[1], '')} names ", sentence)
    sentence = _ENCODING.sub(lambda found: _iconv(found[1] or "latin-1"), sentence)
    return sentence.replace(", or give save=False", "").replace(" (run.log.folder)", "")


def _flag(name: str, value: str) -> str:
    flag = "--" + name.replace("_", "-")
    if name == "allow_net" or not value.strip("\"'"):
        return flag
    return f"{flag} {value.strip(chr(34) + chr(39))}"


def _iconv(encoding: str) -> str:
    # The name as iconv has it: Python's has underscores.
    return f"convert it to UTF-8 first, perhaps by iconv -f {encoding.replace('_', '-')} -t utf-8"
