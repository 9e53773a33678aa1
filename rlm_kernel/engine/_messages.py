"""The user-role messages of a run: the first one, observations, nudges, refusals, folding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal


def first_message(question: str, description: str, probe: str = "") -> str:
    """Give the first user message: what the context is, a probe of it, and last the question.

    The question comes last since a small model goes on from what it read last.
    """
    parts = ["`context` is " + description.strip()]
    if probe:
        parts.append("Automatic probe of `context` (nothing of it was chosen by hand):\n" + probe)
        parts.append("Now the real question, about the `context` that was probed.")
    parts.append("Question: " + question.strip())
    return "\n\n".join(parts)


def turn_header(turn: int, max_turns: int) -> str:
    """Give the line that opens a turn, with a warning near the end."""
    left = max_turns - turn
    line = f"Turn {turn} of {max_turns}."
    if left == 0:
        return line + " This is the last one: submit the answer that is best supported."
    if left <= 2:
        return line + " Few are left: finish, or leave a draft in answer['content']."
    return line


def observation(cell: int, body: str, variables: Sequence[str] = ()) -> str:
    """Give what is shown of a cell that ran: its outputs, and the variables it made."""
    text = f"Output of cell {cell}:\n" + (body.strip("\n") or no_output())
    return text + ("\nNew variables: " + ", ".join(variables) if variables else "")


def next_step(output: str | None = None) -> str:
    """Give the line that a small model gets after an output without a submitted answer.

    Args:
        output: what the cell printed, to say what to do about nothing; None where not known.
    """
    shown = None if output is None else output.split()
    if shown is not None and not shown:
        return (
            "Nothing was printed. If the search found nothing, search for a part of the name, in "
            "any case; else print the result with its evidence."
        )
    if output is not None and re.search(r"^\w*(Error|Exception)\b", output, re.MULTILINE):
        return "The cell failed: correct it, with the fields and spelling of the probe."
    if shown and shown[0] in ("0", "0.0", "[]", "None"):
        return (
            "Nothing was found: the pattern doesn't fit the way lines are written. Look at the "
            "lines in the probe and copy their spelling."
        )
    return "If the answer is in this output, submit it: a cell with only FINAL(...)."


def no_output() -> str:
    """Give what stands for the output of a cell that showed nothing."""
    return "[no output: print a value, or end the cell with it, to see it]"


def cut_note(cut: int, cell: int, paged: bool = True) -> str:
    """Give the line between head and tail of an output that was cut."""
    how = f"; show_output({cell}, start, stop) shows them" if paged else ""
    return f"\n[... {cut:,} characters left out here{how} ...]\n"


# --- nudges --------------------------------------------------------------------------------

_BLOCK = "Reply with exactly one block that starts with ```repl and ends with ```."


def no_code() -> str:
    """Say that a reply had no code to run."""
    return "There was no code block in your reply, so nothing was run. " + _BLOCK


def empty_reply() -> str:
    """Say that a reply was empty."""
    return "Your reply was empty. " + _BLOCK


def unknown_label(label: str) -> str:
    """Say that a block isn't Python."""
    return "Only Python is run here; a block labelled '" + label + "' was not. " + _BLOCK


def unclosed_fence() -> str:
    """Say that a block has no end, most often since the reply was cut."""
    return "Your code block has no closing ``` and doesn't parse, so nothing was run; write a " + (
        "shorter cell. " + _BLOCK
    )


def later_blocks_dropped(count: int) -> str:
    """Say that only the first of several blocks was run."""
    return f"Only the first block was run; {count} more were dropped. One block per reply."


def repeated_cell() -> str:
    """Say that the very same cell was run before."""
    return (
        "This is the same cell as before, so its output is the same. Change the pattern, or "
        "submit the result that you have with FINAL(variable)."
    )


def rejected(reason: str) -> str:
    """Say that a person rejected the cell."""
    why = ": " + reason.strip() if reason.strip() else "."
    return "A person rejected this cell; it was not run" + why + "\nPropose another one."


def edited(code: str) -> str:
    """Say that a person's version was run in place of the proposal."""
    return "A person changed your cell before it ran. This is what was run:\n```repl\n" + (
        code.rstrip("\n") + "\n```"
    )


# --- answers -------------------------------------------------------------------------------

Refusal = Literal[
    "empty", "failed", "unseen", "first", "zero", "echo", "unshown", "type", "problem"
]

_REFUSALS: Mapping[Refusal, str] = {
    "empty": "the answer is empty. Put a value into it, then submit again.",
    "failed": "the cell that submitted it failed. Correct the cell, then submit again.",
    "unseen": (
        "nothing of `context` had been looked at. Read it with code, look at the output, then "
        "submit."
    ),
    "first": (
        "it was submitted before you had seen any output. Look at the output of this cell; if it "
        "has the answer, submit it now."
    ),
    "zero": (
        "nothing found mostly means that the pattern doesn't fit the way it is written in "
        "`context`. Compare with the lines you were shown, and try a looser pattern first."
    ),
    "echo": (
        "it only repeats the question. Search `context` for the name in the question, print what "
        "stands around it, and submit what is said there."
    ),
    "unshown": "it stands in no output that you have seen. Print it with its evidence first.",
    "type": "it doesn't have the form that was asked for.",
    "problem": "it can't be used.",
}


def answer_refused(reason: Refusal, detail: str = "") -> str:
    """Say why a submitted answer wasn't taken, and how to go on.

    Args:
        reason: which rule it broke.
        detail: the error in a sentence (what the schema wants, which variable is missing).
    """
    text = "The answer was not accepted: " + _REFUSALS[reason]
    return text + (" " + detail.strip() if detail.strip() else "")


def forced_turn() -> str:
    """Ask for the answer when the turns are used up; the reply is taken as it is."""
    return (
        "There are no turns left and no code will be run any more. Reply with the answer alone, "
        "as the outputs above support it: no code, no explanation. If they don't support any, "
        "reply with the best guess and the word 'unsure'."
    )


# --- folding -------------------------------------------------------------------------------


def fold_request(question: str) -> str:
    """Ask for a summary that takes the place of the older turns."""
    return (
        "The chat is getting long; the older turns will be replaced by your summary, while the "
        "kernel keeps every variable. Write, in plain text without code blocks: what was found "
        "out so far with its evidence (exact numbers and names), which variables hold what, what "
        "was tried and failed, and what to do next. The question was:\n" + question.strip()
    )


def folded(summary: str, turns: int) -> str:
    """Give the message that stands for the turns that were folded."""
    return f"[{turns} earlier turns, in your own summary]\n" + summary.strip()
