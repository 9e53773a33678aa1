"""A recorded run's cells run again, with what was answered then: does the same come of it?

Nothing is called and nothing is paid. What comes otherwise is named: which cell, which call, and
what differs. Cells that had been stopped by a limit, or had ended their kernel, aren't run again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError, ModelError
from ..log.format import oneline, plural
from ..protocol import CallRequest, CellResult, Ledger, ModelInfo, Origin, Reply, Sink
from ._closing import Outcome
from .observe import cell_ended
from .record import Record, RecordedCell

SHOWN = 60  # characters of a text around where it differs


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came otherwise.

    Args:
        cell: the cell's number.
        what: ``"output"``, ``"result"``, ``"error"``, ``"answer"`` or ``"call"``.
        recorded: what the recording has; of a call it doesn't have: empty.
        now: what came this time; of a call: what it asked.
        line: of the code, for a call; None where it isn't known.
    """

    cell: int
    what: str
    recorded: str
    now: str
    line: int | None = None

    def __str__(self) -> str:
        if self.what == "call":
            where = f", line {self.line}" if self.line is not None else ""
            return (
                f"cell {self.cell}{where}: it asked {oneline(self.now, 200)!r}, which isn't in "
                "the recording"
            )
        at = next(
            (i for i, (a, b) in enumerate(zip(self.recorded, self.now, strict=False)) if a != b),
            min(len(self.recorded), len(self.now)),
        )
        start = max(0, at - SHOWN // 3)
        before, now = self.recorded[start : at + SHOWN], self.now[start : at + SHOWN]
        return (
            f"cell {self.cell}: its {self.what} differs from character {at + 1:,} on: "
            f"{oneline(now, SHOWN)!r}, and {oneline(before, SHOWN)!r} in the recording"
        )


@dataclass(slots=True)
class Rerun:
    """What came of running a recording again.

    Args:
        cells: how many cells ran.
        calls: how many calls were answered from the recording.
        left_out: the numbers of cells that weren't run again.
        differences: what came otherwise, in order.
    """

    cells: int = 0
    calls: int = 0
    left_out: list[int] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    cell: int = 0  # the one that runs now

    @property
    def same(self) -> bool:
        """Whether everything came as it is in the recording."""
        return not self.differences

    def compare(self, cell: RecordedCell, result: CellResult) -> None:
        """Look at a cell that ran again."""
        self.cells += 1
        assert cell.ended is not None
        now, before = cell_ended(cell.node, result), cell.ended
        for what in ("error", "output", "result"):
            a, b = getattr(before, what) or "", getattr(now, what) or ""
            if a != b:
                self.differences.append(Difference(cell.number, what, a, b))
                return  # the others follow from it
        given = cell.given
        said = result.answer.text if result.answer.ready else None
        if given is not None and given.accepted and said is not None and given.answer not in (
            said, str(result.answer.content)
        ):  # fmt: skip
            self.differences.append(Difference(cell.number, "answer", given.answer, said))

    def missing(self, prompt: str, line: int | None) -> None:
        """Note a call that the recording doesn't have."""
        self.differences.append(Difference(self.cell, "call", "", prompt, line))

    def outcome(self, record: Record) -> Outcome:
        """Give what the run that ran again ends as: as the recorded one."""
        ended = record.ended
        text = ended.answer if ended is not None else None
        return Outcome("done" if self.same else "failed", text, text, reason=self.first)

    @property
    def first(self) -> str:
        """The first difference in a sentence; empty where there is none."""
        return f"It didn't come the same: {self.differences[0]}." if self.differences else ""

    def __str__(self) -> str:
        ran = f"{plural(self.cells, 'cell')} ran again"
        if self.calls:
            ran += f" with {plural(self.calls, 'recorded reply', 'recorded replies')}"
        left = f" ({plural(len(self.left_out), 'cell')} left out)" if self.left_out else ""
        if self.same:
            return f"The same: {ran}{left}."
        lines = "\n".join(f"- {difference}" for difference in self.differences)
        return f"Not the same: {ran}{left}.\n{lines}"


class Offline:
    """A gateway that calls nobody: whatever isn't recorded fails. Implements GatewayClient."""

    def info(self, model: str) -> ModelInfo:
        """Say that a model is a recorded one."""
        return ModelInfo(model, "recording", note="its replies are recorded")

    def key_of(self, request: CallRequest) -> str:
        """Give no key: which provider had answered isn't known here, so calls are known by what
        they ask."""
        raise ConfigError("A recording is no provider.")

    async def call(self, request: CallRequest, origin: Origin, ledger: Ledger, sink: Sink) -> Reply:
        """Refuse."""
        raise ModelError("This call isn't in the recording, and nothing is called in its place.")

    def cancel(self, node: str) -> bool:
        """Cancel nothing."""
        return False

    retry = cancel

    def answer(self, node: str, text: str) -> bool:
        """Answer nothing."""
        return False

    def register(self, provider: Any) -> str:
        """Refuse a provider."""
        raise ConfigError("A recording is replayed without models.")

    async def close(self) -> None:
        """Close nothing."""
