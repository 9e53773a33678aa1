"""What a person allows a boxed kernel to spend, as the relay sees them do it.

Nothing that the kernel says counts. What counts is what comes from the front end: the line of a
``%%rlm`` cell, ``%rlm resume FOLDER``, ``%rlm fork``, ``%rlm budget``, and the panel's own budget
command and its forks; a cell
that the front end runs as a model's proposal is the model's, and allows nothing: its metadata say
so, or, where a server executes in the front end's place and drops them, the front end has said so
before. Each run that a
person starts adds its budget to what the kernel may spend in all, and its ``--api-base`` to the
servers that may be called.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..lm.budget import parse_budget
from ..lm.served.place import read_grants, write_grants
from ..protocol import Budget

DEFAULT = "$1, 1000 calls"  # as ``RLM.budget``


class Authority:
    """Raises what a kernel may spend, at its gateway process.

    Args:
        folder: of the gateway process; the box doesn't reach it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._armed: set[bytes] = set()  # the sources of models' cells, as digests
        self._counted: set[tuple[str, str]] = set()  # requests that have raised it

    def executed(self, content: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Look at a cell that a front end has executed."""
        if metadata.get("rlm"):
            return
        code = content.get("code")
        if isinstance(code, str) and _digest(code) not in self._armed:
            budget = budget_in(code)
            if budget is not None:
                self.allow(budget, option_in(code, "--api-base"))

    def asked(self, content: Mapping[str, Any]) -> None:
        """Look at a request of our own front end's."""
        source = content.get("source")
        if content.get("type") == "arm" and content.get("run") and isinstance(source, str):
            self._armed.add(_digest(source))
        command = content.get("command")
        if content.get("type") == "fork":
            budget = DEFAULT
        elif isinstance(command, dict) and command.get("type") == "budget":
            budget = str(command.get("budget") or "")
        else:
            return
        request = (str(content.get("client"))[:200], str(content.get("id"))[:200])
        if content.get("id") and request in self._counted:
            return  # a front end may send it twice, and it is done once
        self._counted.add(request)
        self.allow(budget)

    def allow(self, budget: str, base: str = "") -> None:
        """Add a budget to what may be spent, and a server; what isn't a budget adds nothing."""
        try:
            more = parse_budget(budget)
        except ConfigError:
            return
        grants = read_grants(self._folder)
        for token, grant in grants.items():
            before = parse_budget(grant.budget)
            bases = tuple(dict.fromkeys([*grant.bases, *filter(None, [base])]))
            grants[token] = replace(grant, budget=_text(_sum(before, more)), bases=bases)
        write_grants(self._folder, grants)


def budget_in(code: str) -> str | None:
    """Give the budget that a person's cell stands for; None: it is no question and no budget."""
    line = code.lstrip().partition("\n")[0].strip()
    if line.startswith("%rlm budget "):
        return line.removeprefix("%rlm budget ").strip().strip("'\"")
    if not re.match(r"%%rlm(\s|$)|%rlm resume\s+[^-\s]|%rlm fork(\s|$)", line):
        return None
    return option_in(code, "--budget") or option_in(code, "-b") or DEFAULT


def option_in(code: str, option: str) -> str:
    """Give the value of an option in the first line of a cell; empty where it isn't there."""
    try:
        words = shlex.split(code.lstrip().partition("\n")[0])
    except ValueError:
        return ""
    for at, word in enumerate(words):
        if word == option:
            return (words[at + 1 :] or [""])[0]
        if word.startswith(option + "="):
            return word.partition("=")[2]
    return ""


def _digest(source: str) -> bytes:
    return sha256(source.encode("utf-8", "surrogatepass")).digest()


def _text(budget: Budget) -> str | None:
    parts = [f"${budget.money:.6f}"] if budget.money is not None else []
    parts += [f"{budget.tokens} tokens"] if budget.tokens is not None else []
    parts += [f"{budget.calls} calls"] if budget.calls is not None else []
    return ", ".join(parts) or None


def _sum(a: Budget, b: Budget) -> Budget:
    def add(x: Any, y: Any) -> Any:
        return None if x is None or y is None else x + y

    # Time isn't added: the gateway process counts none.
    return Budget(add(a.money, b.money), add(a.tokens, b.tokens), add(a.calls, b.calls), None)
