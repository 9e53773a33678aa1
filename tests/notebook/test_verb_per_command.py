"""Whoever has no panel and no live tree can say every command as a magic."""

from __future__ import annotations

from rlm_kernel.notebook._verbs import VERBS
from rlm_kernel.protocol.control import COMMANDS

SAID_AS = {
    "approve": "approve", "edit": "edit", "reject": "reject", "respond": "respond",
    "pause": "pause", "resume": "resume", "step": "step", "run to": "run", "stop": "stop",
    "cancel": "cancel", "retry": "retry", "answer": "answer", "take over": "takeover",
    "hand back": "handback", "mode": "mode", "budget": "budget",
}  # fmt: skip
BY_THE_FRONT_END = {"interrupt"}  # every front end has a button or a key for it


def test_every_command_has_a_verb() -> None:
    assert set(SAID_AS) | BY_THE_FRONT_END == set(COMMANDS)
    assert set(SAID_AS.values()) <= set(VERBS)
