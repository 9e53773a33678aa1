"""Context folding: when the root's messages near its window, older turns become a summary.

Guarantees: the system prompt, the question and the newest exchange are never folded; a failing
summary call never ends a run (older outputs are cut mechanically instead); the request for the
summary fits the window too; everything that was folded stays readable in ``history``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..errors import ModelError
from ..lm.tokens import upper_messages
from ..protocol import Message
from . import prompts

FILL = 0.75  # of the window, at which older turns are folded
KEEP = 2  # messages at the end that stay as they are: the newest reply and its observation
FIXED = 2  # the system prompt and the question

Summarize = Callable[[tuple[Message, ...]], Awaitable[str]]


def room(window: int | None, reply: int) -> int | None:
    """Give the tokens that the messages may take, or None where the window isn't known."""
    if window is None:
        return None
    return max(256, int((window - min(reply, window // 4)) * FILL))


async def fold(
    messages: Sequence[Message],
    question: str,
    limit: int,
    summarize: Summarize,
) -> tuple[list[Message], str]:
    """Fold the older turns.

    Args:
        messages: the root's messages, system prompt first.
        question: the question of the run.
        limit: tokens that the folded messages should take at most.
        summarize: makes the summary from messages; may raise ModelError.

    Returns:
        The new messages, and the summary that stands in them ("" where none could be made).
    """
    old, new = list(messages[FIXED:-KEEP]), list(messages[FIXED:][-KEEP:])
    if not old:
        return [*messages[:FIXED], *(_cut(message, limit // 3) for message in new)], ""
    turns = sum(message["role"] == "assistant" for message in old)
    request: Message = {"role": "user", "content": prompts.fold_request(question)}
    fixed = list(messages[:FIXED])
    space = limit - upper_messages([*fixed, request])
    shown = [_cut(message, max(60, space // max(1, len(old)))) for message in old]
    try:
        summary = (await summarize((*fixed, *shown, request))).strip()
    except ModelError:
        summary = ""
    if not summary:
        summary = "\n".join(
            f"{message['role']}: {_cut(message, 60)['content']}" for message in old[-8:]
        )
    summary = _cut({"role": "user", "content": summary}, max(120, limit // 4))["content"]
    standing: Message = {"role": "user", "content": prompts.folded(summary, turns)}
    left = limit - upper_messages([*fixed, standing])
    kept = [_cut(message, max(120, left // KEEP)) for message in new]
    return [*fixed, standing, *kept], summary


def _cut(message: Message, tokens: int) -> Message:
    """Cut a message to about so many tokens, head and tail."""
    text = message["content"]
    most = max(80, int(tokens * 3))
    if len(text) <= most:
        return message
    half = most // 2
    cut = f"{text[:half]}\n[... {len(text) - 2 * half:,} characters folded ...]\n{text[-half:]}"
    return {"role": message["role"], "content": cut}
