"""The answer, as the namespace holds it after a cell, however it was set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol import AnswerState
from .text import shortened

REPR = 100_000  # characters of the text form of a value that isn't a text


def fresh() -> dict[str, Any]:
    """Give the value that ``answer`` has before anything is answered."""
    return {"content": "", "ready": False}


def text_form(value: Any) -> str:
    """Give a value as text: a text as it is, anything else as ``str()`` gives it."""
    if value is None:
        return ""
    if type(value) is str:
        return value
    try:
        return shortened(str(value), REPR)
    except Exception as error:
        return f"<{type(value).__name__}: its str() failed with {type(error).__name__}>"


def read(value: Any, via: str = "answer", problem: str = "") -> AnswerState:
    """Read the answer from what is bound to ``answer``.

    Args:
        value: the dict, or another value that a cell put in its place (then a draft).
        via: how it was submitted.
        problem: one sentence where a submission could not be used.
    """
    if isinstance(value, Mapping):
        content, ready = value.get("content"), _true(value.get("ready"))
    else:
        content, ready = value, False
    return AnswerState(
        content=content,
        ready=ready or bool(problem),
        via=via,
        text=text_form(content),
        problem=problem,
        empty=content is None or (isinstance(content, str) and not content.strip()),
    )


def _true(value: Any) -> bool:
    try:
        return bool(value)
    except Exception:  # an array, or an object whose truth value fails: it isn't True
        return False
