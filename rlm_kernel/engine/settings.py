"""What a run was started with: plain data, made by ``RLM`` and handed to its run and children."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import ConfigError
from ..protocol import Limits, Where
from ._reach import EVERYTHING
from .answers import AnswerType
from .own_tools import named
from .prompts import BOUND_NAMES

Headless = Literal["approve", "reject", "error"]
Asker = Callable[[str, "list[str] | None"], str]
_TAKEN = {*BOUND_NAMES, "rlm_query", "rlm_query_batched", "ask_human", "history"}


def callable_tools(tools: Mapping[str, Any] | Sequence[Any]) -> dict[str, Callable[..., Any]]:
    """Give the tools, each of which code in a cell can call by its name.

    Args:
        tools: by their names, or a list; a text stands for the tool of that name that comes along.

    Raises:
        ConfigError: one of them can't be called there; says why.
    """
    found = named(tools)
    for name, tool in found.items():
        if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name):
            raise ConfigError(f"The tool {name!r} can't be a name in Python: give it another.")
        if name in _TAKEN:
            raise ConfigError(f"The tool {name!r} is bound already in a run: give it another name.")
        if not callable(tool):
            kind = type(tool).__name__
            raise ConfigError(f"The tool {name!r} is no function but {kind}: give a function.")
    return found


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run has to know; see the traits of ``RLM`` for what each means."""

    model: str
    sub_model: str
    mode: str = "auto"
    where: Where = "kernel"
    max_turns: int = 30
    max_depth: int = 1
    depth: int = 0
    max_children: int = 8
    limits: Limits = field(default_factory=Limits)
    blocks: Literal["all", "first"] = "all"
    answer_type: AnswerType = field(default_factory=lambda: AnswerType(None))
    attended: bool = False
    headless: Headless = "error"
    style: Literal["full", "small"] = "full"
    instructions: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    probe: bool = True
    tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    sub_tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    workdir: str | None = None
    sandbox: str = ""  # what holds the cells of kernels of its own
    held: str = "none"  # what holds this process, and with it cells in its shell
    allowed: frozenset[str] = EVERYTHING  # which of net, reads and writes they may do

    @property
    def allowed_here(self) -> frozenset[str]:
        """Which of ``net``, ``reads`` and ``writes`` this run's own cells may do."""
        return self.allowed if self.where == "kernel" else EVERYTHING

    def for_child(self, model: str | None) -> Settings:
        """Give the settings of a child run: the sub-model as root, in a kernel of its own."""
        name = model or self.sub_model
        return replace(
            self, model=name, sub_model=self.sub_model, where="kernel", mode="auto",
            depth=self.depth + 1, answer_type=AnswerType(None), tools=self.sub_tools,
            attended=False, workdir=None,
        )  # fmt: skip
