"""What a front end shows of a run in a list or a toolbar, from the run and its tree.

The phase, the answer and the end are the tree's, not the run's own fields: those are set a moment
before or after the event, and nobody would look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..log.formats.page import recorded_info
from ..log.node import Node
from ..log.sealed import shown_folder
from ..protocol.front import AskInfo, Executor, Meter, PendingInfo, RunInfo
from ._slim import HEAD, capped, clean_text, number

if TYPE_CHECKING:
    from ..engine import Run
    from ..engine.recorded import RecordedRun
    from ..lm import BudgetLedger

ANSWER = 2_000  # characters
T = TypeVar("T", PendingInfo, RunInfo)
_KNOWN = frozenset(f.name for f in fields(RunInfo)) - {"run"}


def run_info(
    run: Run,
    *,
    run_id: str,
    seq: int,
    name: str = "",
    anchor: str = "",
    session: str = "",
    in_flight: int = 0,
    asking: AskInfo | None = None,
    extra: Mapping[str, Any] | None = None,
) -> RunInfo:
    """Describe a run.

    Args:
        run: the run.
        run_id: the id that front ends know it by.
        seq: the number of the last event.
        name: how it is called in the notebook.
        anchor: the notebook cell that started it.
        session: the session of the front end that did.
        in_flight: calls that haven't ended.
        asking: the calls that wait to be allowed.
        extra: fields of ``RunInfo`` that are known better elsewhere.
    """
    node = run.tree[run.node]
    where = run.settings.where
    executor: Executor = "inline" if where == "shell" else "kernel"
    answer = node.answer
    info = RunInfo(
        run=run_id,
        name=name,
        node=run.node,
        question=_head(run.question, ANSWER),
        phase=node.status,
        reason=_head(node.reason, HEAD),
        ended=node.ended is not None,
        answer=None if answer is None else _head(answer, ANSWER),
        mode=run.mode.text,
        where=where,
        model=run.settings.model,
        sandbox=node.sandbox,
        folder=str(shown_folder(run.log.folder)) if run.log.folder else "",
        executor=executor,
        anchor=anchor,
        session=session,
        seq=seq,
        started=node.started or 0.0,
        pending=None if node.ended is not None else _pending(run, node.status),
        asking=asking,
        budget=meters(run.ledger),
        in_flight=in_flight,
        questions=_questions(run),
    )
    if extra:
        info = replace(info, **{key: value for key, value in extra.items() if key in _KNOWN})
    pending = info.pending
    if pending is not None:  # its code is whole, however long: it is to be run as proposed
        pending = replace(_sendable(pending), estimate=capped(pending.estimate)[0])
    return replace(_sendable(info), pending=pending)


def session_info(
    node: Node, *, run_id: str, seq: int, in_flight: int, ledger: BudgetLedger | None
) -> RunInfo:
    """Describe the node to which calls typed outside of a run belong."""
    info = RunInfo(
        run=run_id,
        node=node.id,
        question=_head(node.title, ANSWER),
        phase="session",
        executor="inline",
        seq=seq,
        started=node.started or 0.0,
        budget=meters(ledger) if ledger is not None else {},
        in_flight=in_flight,
    )
    return _sendable(info)


def recording_info(recorded: RecordedRun, *, run_id: str, seq: int, name: str = "") -> RunInfo:
    """Describe a run that was read from a recording: any text in it may be anybody's."""
    info = recorded_info(recorded.tree[recorded.node], run_id, seq)
    answer = info.answer
    info = replace(
        info, name=name, question=_head(info.question, ANSWER), reason=_head(info.reason, HEAD),
        answer=None if answer is None else _head(answer, ANSWER), model=_head(info.model, HEAD),
        mode=_head(info.mode, HEAD), where=_head(info.where, HEAD),
        sandbox=_head(info.sandbox, HEAD), started=_finite(info.started) or 0.0,
    )  # fmt: skip
    return _sendable(info)


def meters(ledger: BudgetLedger) -> dict[str, Meter]:
    """Give what is used of a budget, and its limits."""
    refused = ledger.refused()
    return {
        name: Meter(used=_finite(used), limit=_finite(limit), refused=refused.get(name, 0))
        for name, (used, limit) in ledger.meters().items()
    }


def _pending(run: Run, phase: str) -> PendingInfo | None:
    proposal = run.pending
    if proposal is None:
        return None
    node = run.tree.get(proposal.id)
    return PendingInfo(
        cell=proposal.id,
        code=proposal.code,
        number=proposal.number,
        turn=proposal.turn,
        asks=phase in ("proposed", "paused", "taken over"),
        estimate=dict(node.estimate) if node is not None else {},
    )


def _sendable(info: T) -> T:
    """Give it with texts that UTF-8 can encode: some are what front ends sent, or a model wrote."""
    values: dict[str, Any] = {f.name: getattr(info, f.name) for f in fields(info)}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    changed: dict[str, Any] = {
        name: clean_text(text) for name, text in texts.items() if not text.isascii()
    }
    return replace(info, **changed)


def _finite(value: float | None) -> float | None:
    return None if value is None else number(value)


def _head(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _questions(run: Run) -> int:
    """Count what code of the run and its children asks a person just now."""
    children = list(run.children.values())
    return len(run.services.questions) + sum(_questions(child) for child in children)
