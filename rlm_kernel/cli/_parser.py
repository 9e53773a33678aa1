"""A parser for which a mistake is one sentence: what isn't right, and what to type instead."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from .streams import say

MISTAKE = 2  # the exit code
_REQUIRED = "arguments are required: "  # in argparse's words


class Parser(argparse.ArgumentParser):
    """Takes no option that isn't ours for one of ours that begins alike; says what was meant.

    Args:
        example: a command that is right; it stands below the help, and in what is said of mistakes.
        **options: of ``ArgumentParser``.
    """

    def __init__(self, *, example: str = "", **options: Any) -> None:
        if example and "epilog" not in options:
            options["epilog"] = f"example: {example}"
        super().__init__(allow_abbrev=False, exit_on_error=False, **options)
        self.example = example

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a mistake is said by the command that it was made in, and ends the program."""
        given = sys.argv[1:] if args is None else list(args)
        self._refuse_before_command(given)
        try:
            found, unknown = super().parse_known_args(given, namespace)
        except argparse.ArgumentError as error:
            self._refuse(error)
        if unknown:
            self._refuse_unknown(unknown)
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Say a mistake and end; what is missing is said with what it is, and an example."""
        _, required, names = message.partition(_REQUIRED)
        if required:
            self._refuse_missing(names.split(", ")[0])
        self._end(f"{self.prog}: {message}.")

    # -- private ------------------------------------------------------------------------------

    def _end(self, sentence: str) -> NoReturn:
        say(sentence)
        raise SystemExit(MISTAKE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        if action.option_strings:
            some = " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))
            raise argparse.ArgumentError(action, f"is {some}, not {value!r:.60}")
        if " " in str(value):  # a question, most likely
            self._end(f"{self.prog} has no command {value!r:.60}: a command comes first, as in: "
                      f"{self.example}")  # fmt: skip
        self._end(f"{self.prog} has no command {value!r:.60}: "
                  f"{_meant(str(value), known) or self._listed()}")  # fmt: skip

    def _refuse(self, error: argparse.ArgumentError) -> NoReturn:
        said, name = error.message, (error.argument_name or "").split("/")[0]
        other = re.fullmatch(r"not allowed with argument (\S+)", said)
        if not name:
            self.error(said)
        if other:
            self._end(f"{self.prog} takes one of {other[1].split('/')[0]} and {name}, not both.")
        if said.startswith("expected "):
            self._end(f"{self.prog}: {name} needs what comes after it: {self._written(name)}")
        if said.startswith("ignored explicit argument"):
            self._end(f"{self.prog}: {name} stands alone: nothing is given to it.")
        self._end(f"{self.prog}: {name} {said}.")

    def _refuse_missing(self, name: str) -> NoReturn:
        what = next((a.help for a in self._actions if name in (a.dest, a.metavar) and a.help), name)
        self._end(f"{self.prog} needs {what}, as in: {self.example}")

    def _refuse_unknown(self, unknown: Sequence[str]) -> NoReturn:
        option = unknown[0].partition("=")[0]
        if option.startswith("-") and option != "-":
            known = self._option_string_actions
            self._end(f"{self.prog} has no option {option}: "
                      f"{_meant(option, known, 0.7) or self._listed()}")  # fmt: skip
        more = " ".join(unknown)
        first = "the question comes first, in quotes" if self._asks() else "it is written"
        self._end(f"{self.prog} has no place for {more!r:.60}: {first}: {self.example}")

    def _refuse_before_command(self, given: Sequence[str]) -> None:
        """Say of an option in front of a command that it comes after it."""
        commands = any(isinstance(a, argparse._SubParsersAction) for a in self._actions)
        known = self._option_string_actions
        if not (commands and len(given) > 1) or not given[0].startswith("-") or given[0] in known:
            return
        self._end(f"{self.prog} has no option {given[0]}: options come after a command, as in: "
                  f"{self.example}")  # fmt: skip

    def _asks(self) -> bool:
        return any(action.dest == "question" and not action.option_strings
                   for action in self._actions)  # fmt: skip

    def _listed(self) -> str:
        return f"{self.prog} --help lists what it has."

    def _written(self, name: str) -> str:
        action = self._option_string_actions[name]
        values = action.metavar or action.dest.upper()
        if action.choices is not None:
            values = "|".join(map(str, action.choices))
        return " ".join((name, *((values,) if isinstance(values, str) else values)))


def whole(text: str) -> int:
    """Give the whole number that an option has."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is a whole number, not {text!r:.60}") from None


def _meant(word: str, known: Iterable[str], alike: float = 0.6) -> str:
    near = difflib.get_close_matches(word, list(known), 1, alike)
    return f"did you mean {near[0]}?" if near else ""
