"""What a run was started with: plain data, made by ``RLM`` and handed to its run and children."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..protocol import Limits, Where
from .answers import AnswerType

Headless = Literal["approve", "reject", "error"]
Asker = Callable[[str, "list[str] | None"], str]


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

    def for_child(self, model: str | None) -> Settings:
        """Give the settings of a child run: the sub-model as root, in a kernel of its own."""
        name = model or self.sub_model
        return replace(
            self, model=name, sub_model=self.sub_model, where="kernel", mode="auto",
            depth=self.depth + 1, answer_type=AnswerType(None), tools=self.sub_tools,
            attended=False, workdir=None,
        )  # fmt: skip
