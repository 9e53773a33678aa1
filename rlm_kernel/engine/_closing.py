"""How a run ends: with an accepted answer, or without one by a draft or a forced closing turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import AnswerError, ModelError
from ..protocol import Message
from . import prompts
from .parse import parse_reply

if TYPE_CHECKING:
    from .driver import Driver


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    status: Literal["done", "partial", "failed"]
    value: Any = None
    text: str | None = None
    forced: bool = False
    reason: str = ""


@dataclass(slots=True)
class Draft:
    """What a cell left in ``answer`` without submitting it."""

    value: Any = None
    text: str | None = None


async def close(driver: Driver, reason: str, unseen: bool) -> Outcome:
    """End without an accepted answer; see ``Driver.close``."""
    reason = full(reason)
    if driver.draft.text:
        try:
            value = driver.settings.answer_type(driver.draft.value)
        except AnswerError:
            value = driver.draft.value
        return Outcome("partial", value, driver.draft.text, reason=reason + " This is a draft.")
    if driver.cells == 0:  # nothing was seen: whatever the model says would be made up
        if not unseen:
            return Outcome("failed", reason=reason + " No cell had run, so there is no answer.")
        reason += " No cell had run, so nothing supports what it says."
    request: Message = {"role": "user", "content": prompts.forced_turn()}
    try:
        await driver._fold_if_full()
        reply = await driver.complete((*driver.messages, request), driver.run.node, "closing")
    except ModelError as error:
        said = full(error)
        why = "for the same reason." if said == reason else f"too: {said}"
        return Outcome("failed", reason=f"{reason} A closing answer failed {why}")
    parsed = parse_reply(reply.text)
    text = str(parsed.final.value) if parsed.final is not None else reply.text.strip()
    if not text or parsed.code_blocks:
        what = "held code instead of an answer" if text else "was empty"
        return Outcome("failed", reason=f"{reason} The closing reply {what}.")
    reason += " The model was made to answer without an accepted cell."
    return Outcome("partial", text, text, forced=True, reason=reason)


def full(text: object) -> str:
    """End a sentence, which may end in a provider's words, with a full stop."""
    said = str(text).rstrip()
    return said if said.endswith((".", "!", "?", "…")) else said + "."
