"""Tab-completion of ``%rlm``, ``%%rlm`` and their options, through IPython's own matcher API.

A matcher never raises, never calls a model and never waits for the network: names of models come
from what is configured and from prefixes.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from IPython.core.completer import SimpleMatcherResult

_LINE = re.compile(r"^\s*(%{1,2})rlm(?:_cell)?\s+(.*)$")

Values = Callable[[str], Iterable[str]]


def paths(prefix: str) -> list[str]:
    """Give the paths that begin with ``prefix``; directories end with a separator."""
    quote = prefix[:1] if prefix[:1] in ("'", '"') else ""
    start = os.path.expanduser(prefix[len(quote) :])
    found = sorted(glob.glob(glob.escape(start) + "*"))[:200]
    ends = [path + (os.sep if os.path.isdir(path) else "") for path in found]
    return [f"{quote}{path}" if quote or " " not in path else f'"{path}"' for path in ends]


def variables(namespace: dict[str, Any], hidden: Iterable[str]) -> list[str]:
    """Give the names that a person made and that can be a context: no modules, no functions."""
    skip = set(hidden)
    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in skip
        and not callable(value)
        and type(value).__name__ != "module"
    )


def make_matcher(
    *, options: Sequence[str], verbs: Sequence[str], values: dict[str, Values]
) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Make the matcher for our magics.

    Args:
        options: every option of ``%%rlm``, dashes included.
        verbs: every subcommand of ``%rlm``.
        values: what can follow an option (``"--model"``) or a verb (``"mode"``), given what
            is typed so far.
    """

    @context_matcher(identifier="rlm", priority=100)  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.match(context.text_until_cursor)
        if not found or (found[1] == "%%" and context.cursor_line > 0):
            return _result([], "", suppress=False)
        typed = re.split(r"\s+", found[2])
        fragment = typed[-1]
        wanted = _wanted(found[1], typed, options, verbs, values)
        # The token is what the front end replaces; a dash or a slash in a word ends it early.
        matches = [text for text in wanted if text.startswith(fragment)]
        return _result(matches, fragment, suppress=True)

    return match  # type: ignore[no-any-return]


def _wanted(
    sigil: str,
    typed: Sequence[str],
    options: Sequence[str],
    verbs: Sequence[str],
    values: dict[str, Values],
) -> Iterable[str]:
    fragment, before = typed[-1], typed[:-1]
    if fragment.startswith("--"):
        return options if sigil == "%%" else ["--run"]
    option = next((word for word in reversed(before) if word.startswith("--")), None)
    many = option == "--context"
    if option and (many or before[-1] == option) and option in values:
        return values[option](fragment)
    if sigil == "%%":
        return options
    if not before:
        return verbs
    asked = values.get(before[0])
    return asked(fragment) if asked is not None else ()


def _result(texts: Iterable[str], fragment: str, *, suppress: bool) -> SimpleMatcherResult:
    completions = [SimpleCompletion(text=text, type="rlm") for text in texts]
    return {
        "completions": completions,
        "matched_fragment": fragment,
        "suppress": suppress and bool(completions),
        "ordered": True,
    }
