"""What travels between the engine and the places where cells run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .calls import Constraint
from .events import Author, CellStatus

Where = Literal["shell", "kernel"]


@dataclass(frozen=True, slots=True)
class Output:
    """What a cell wrote, cut to its head and tail; the whole is kept by the repl and can be paged.

    ``chars`` is the length of the whole in characters; ``head + tail`` is the whole
    when ``cut`` is 0, else ``cut`` characters are missing between them.
    """

    head: str = ""
    tail: str = ""
    chars: int = 0

    @property
    def cut(self) -> int:
        """The number of characters missing between head and tail."""
        return self.chars - len(self.head) - len(self.tail)


@dataclass(frozen=True, slots=True)
class CellError:
    """An exception that ended a cell; ``traceback`` is plain text, of the cell's own frames."""

    name: str
    message: str
    traceback: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerState:
    """The answer as the namespace holds it after a cell, however it was set.

    Args:
        content: the value itself where it could cross, else None (see ``problem``).
        ready: whether it is submitted.
        via: ``"answer"``, ``"FINAL"`` or ``"FINAL_VAR"``.
        text: a text form, always there.
        problem: one sentence where it isn't usable (no such variable, can't cross).
        empty: whether nothing was put in (None, "", an answer dict without content).
    """

    content: Any = None
    ready: bool = False
    via: str = "answer"
    text: str = ""
    problem: str = ""
    empty: bool = True


@dataclass(frozen=True, slots=True)
class CellResult:
    """What came of a cell."""

    status: CellStatus
    output: Output = Output()
    result: str | None = None
    error: CellError | None = None
    answer: AnswerState = AnswerState()
    changed: tuple[str, ...] = ()  # user variables made or rebound by the cell
    restored: tuple[str, ...] = ()  # our names that the cell overwrote and that were put back
    lost: tuple[str, ...] = ()  # variables that went with a kernel that was replaced
    seconds: float = 0.0
    waited: float = 0.0  # seconds of it spent waiting in calls
    note: str = ""  # one sentence more, e.g. that the kernel was replaced
    stuck: bool = False  # shell only: the cell could not be interrupted and still runs


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one cell: ``seconds`` without time waited in calls, ``memory`` in bytes more."""

    seconds: float | None = 120.0
    memory: int | None = None
    output: int = 20_000  # characters of output kept as head and tail


@dataclass(frozen=True, slots=True)
class Query:
    """One prompt from code: a sub-model call, or a child run when ``context`` can be given."""

    prompt: str
    model: str | None = None
    system: str | None = None
    constraint: Constraint | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    name: str = ""
    context: Any = None
    has_context: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Code asks for something: which cell, which line of it, and whether it is a batch."""

    cell: str
    line: int | None = None
    batch: bool = False


class Services(Protocol):
    """What code in a cell can ask for. Runs on the engine's loop; injected into the repl.

    Each method may raise ``ModelError``; batches give a text or a ``ModelError`` per item.
    Cancelling the task cancels what is in flight.
    """

    async def llm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """One completion each: text, or the parsed value where a schema was asked for."""
        ...

    async def rlm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """One child run each (or a completion, past the depth that is allowed)."""
        ...

    async def ask_human(self, call: Call, question: str, choices: Sequence[str] | None) -> str:
        """Wait for a person's answer, or raise where there is none."""
        ...

    async def tool(
        self, call: Call, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call one of the user's tools in the caller's process."""
        ...


@dataclass(slots=True)
class Setup:
    """What a repl binds before the first cell.

    ``contexts`` maps names (``context``, or ``context_0``…) to loaded contexts
    (``rlm_kernel.context.Loaded``); ``tools`` maps names to callables.
    """

    services: Services
    contexts: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    limits: Limits = Limits()
    workdir: str | None = None
    run: str = ""


class Repl(Protocol):
    """A place where cells run, one at a time. All methods are awaited on the engine's loop."""

    where: Where

    async def open(self, setup: Setup) -> None:
        """Bind the names; raise ``ReplError`` in one sentence when it can't."""
        ...

    async def execute(
        self,
        cell: str,
        code: str,
        *,
        author: Author = "model",
        limits: Limits | None = None,
        number: int | None = None,
    ) -> CellResult:
        """Run a cell and give what came of it; a failing cell is a result, not an exception.

        Args:
            cell: its node.
            code: what it runs.
            author: whose it is.
            limits: by default those of the setup.
            number: by which ``output`` and tracebacks know it, greater than any before; by default
                the next one.
        """
        ...

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, if there is one."""
        ...

    async def set_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Give ``history`` in the namespace its new value."""
        ...

    async def output(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of the whole output of the cell ``number`` (from 1)."""
        ...

    async def close(self) -> None:
        """Unbind what was bound (the person's own values come back), or end the kernel."""
        ...
