"""Values of somebody else's JSON, made plain: of the kind that is expected, and not too large."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

TEXT = 10 << 20  # characters
DEEP = 50
KEYS_OF_CODE = {"__proto__", "constructor", "prototype"}
# Colours and what progress bars need; all else that moves a terminal, or asks it, goes.
_CONTROLS = re.compile(
    "\x1b(?!\\[[0-9;]{0,40}[ABCDGKm])|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)


def text(value: object, most: int = TEXT) -> str:
    """Give a text, which may be a list of lines, without what commands a terminal."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    cut = value if len(value) <= most else value[:most] + " …"
    return _CONTROLS.sub("", cut)


def number(value: object) -> float | int | None:
    """Give a number that is one everywhere."""
    if type(value) not in (int, float) or not -1e300 < value < 1e300:  # type: ignore[operator]
        return None
    return value  # type: ignore[return-value]


def among(value: object, known: Iterable[str], default: str) -> str:
    """Give one of the words that are known."""
    return value if isinstance(value, str) and value in known else default


def matching(value: object, pattern: str, default: str) -> str:
    """Give a text that is of a pattern."""
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else default


def texts(value: object, count: int, most: int) -> list[str]:
    """Give the texts of a list."""
    if not isinstance(value, list):
        return []
    return [text(one, most) for one in value[:count] if isinstance(one, str)]


def plain(value: object, depth: int = DEEP) -> Any:
    """Give any JSON, without keys that mean something to JavaScript, and not too deep."""
    if isinstance(value, Mapping):
        if depth == 0:
            return None
        return {
            str(k): plain(v, depth - 1) for k, v in value.items() if k not in KEYS_OF_CODE
        }  # fmt: skip
    if isinstance(value, list):
        return [plain(one, depth - 1) for one in value] if depth else None
    if isinstance(value, str | bool):
        return value
    return number(value)
