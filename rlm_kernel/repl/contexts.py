"""The value that code sees as ``context``, from what was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..context.text import Text


def live_value(loaded: Any) -> Any:
    """Give the value of a loaded context by reference (anything else is the value itself)."""
    return getattr(loaded, "value", loaded)


def texts_in(values: Iterable[Any]) -> Iterator[Text]:
    """Give the texts that stay in their files, in values and in what they hold."""
    for value in values:
        inner: Iterable[Any] = ()
        if isinstance(value, Mapping):
            inner = value.values()
        elif isinstance(value, (list, tuple)):
            inner = value
        yield from (text for text in (value, *inner) if isinstance(text, Text))


def paths_in(values: Iterable[Any]) -> frozenset[str]:
    """Give the paths of those texts."""
    return frozenset(str(text.path) for text in texts_in(values))
