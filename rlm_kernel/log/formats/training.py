"""What a run is good for in training: a person's decisions as preferences, and its whole chat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...protocol import Logged
from ..tree import Tree
from .chat import chat


def to_pairs(events: Sequence[Logged], tree: Tree, run: str) -> Iterator[dict[str, Any]]:
    """Give a pair for each proposal that a person didn't let run as it was.

    Returns:
        Of each: ``prompt`` (the chat up to the reply), ``rejected`` (the code proposed),
        ``chosen`` (the code that ran in its place; None: none did), ``decision``, ``reason`` (the
        person's words), ``run``, ``turn``, ``cell``.
    """
    for exchange in chat(events, tree, run):
        for cell in exchange.cells:
            if cell.decision not in ("edit", "reject", "respond") or cell.by in ("auto", "stop"):
                continue
            edited = cell.decision == "edit"
            yield {
                "prompt": exchange.messages, "rejected": cell.proposed_code,
                "chosen": cell.code if edited else None, "decision": cell.decision,
                "reason": cell.output if cell.decision == "respond" else cell.reason,
                "run": tree[run].run_id, "turn": exchange.turn.number, "cell": cell.number,
            }  # fmt: skip


def to_rollout(events: Sequence[Logged], tree: Tree, run: str) -> dict[str, Any]:
    """Give the run as one rollout: ``prompt``, ``completion`` (the chat after it), ``answer``.

    As libraries for reinforcement learning with environments take them (verifiers, Inspect's
    message lists); ``reward`` is for them to fill in. ``info`` has model, status and usage.
    """
    exchanges = list(chat(events, tree, run))
    node = tree[run]
    prompt = exchanges[0].messages[:2] if exchanges else []
    whole = [*exchanges[-1].messages, {"role": "assistant", "content": exchanges[-1].reply}] if (
        exchanges
    ) else []
    return {
        "prompt": prompt, "completion": whole[len(prompt):], "answer": node.answer,
        "reward": None, "info": {
            "run": node.run_id, "question": node.question, "model": node.model,
            "sub_model": node.sub_model, "status": node.status, "turns": len(exchanges),
            "calls": node.calls, "input_tokens": node.total.input_tokens,
            "output_tokens": node.total.output_tokens, "cost": node.total.cost,
        },
    }  # fmt: skip
