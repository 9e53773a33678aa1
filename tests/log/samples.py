"""A run as its events: what the views of the tree are tested with."""

from __future__ import annotations

from rlm_kernel.log import Tree
from rlm_kernel.protocol import Logged
from rlm_kernel.protocol.events import (
    BatchEnded,
    BatchStarted,
    CallEnded,
    CallStarted,
    CellDecided,
    CellEnded,
    CellProposed,
    CellStarted,
    Event,
    Noted,
    RunEnded,
    RunStarted,
    TurnEnded,
    TurnStarted,
)


def tree_of(events: list[Event]) -> Tree:
    return Tree(Logged(n, 1000.0 + n / 8, event) for n, event in enumerate(events, 1))


def used(cost: float | None = 0.002) -> dict[str, object]:
    return {"input_tokens": 1200, "output_tokens": 80, "calls": 1, "cost": cost,
            "known_cost": cost or 0.0}  # fmt: skip


def a_turn(number: int, code: str, *, output: str = "", text: str = "```repl```") -> list[Event]:
    turn, call, cell = f"turn{number}", f"root{number}", f"cell{number}"
    return [
        TurnStarted(node=turn, parent="run1", number=number, of=30),
        CallStarted(node=call, parent=turn, role="root", model="m"),
        CallEnded(node=call, text=text, usage=used()),
        CellProposed(node=cell, parent=turn, code=code, number=number),
        CellDecided(node=cell, by="auto"),
        CellStarted(node=cell),
        CellEnded(node=cell, output=output, output_chars=len(output), seconds=0.25),
        TurnEnded(node=turn),
    ]


def a_batch(size: int, failed: int = 0, *, cell: str = "cell1", prompt: str = "P") -> list[Event]:
    ids = [f"call{n}" for n in range(1, size + 1)]
    ended: list[Event] = [
        CallEnded(node=node, status="error", error="The provider said no.", error_kind="server")
        if n < failed
        else CallEnded(node=node, text=f"reply {n}", usage=used(0.001))
        for n, node in enumerate(ids)
    ]
    return [
        BatchStarted(node="batch1", parent=cell, size=size, line=3),
        *(CallStarted(node=node, parent="batch1", prompt=prompt, index=n, line=3)
          for n, node in enumerate(ids)),
        *ended,
        BatchEnded(node="batch1", ok=size - failed, failed=failed),
    ]  # fmt: skip


def a_run(
    *middle: Event, question: str = "Which city?", answer: str | None = "Lagos"
) -> list[Event]:
    return [
        RunStarted(node="run1", question=question, model="m", sub_model="s",
                   context=[{"name": "context", "kind": "text", "size": "9 characters"}]),
        *middle,
        Noted(node="run1", text="said once"),
        RunEnded(node="run1", answer=answer, seconds=83.0),
    ]  # fmt: skip
