"""What the root model is told of a cell: its output, result, error, and what else it must know."""

from __future__ import annotations

from ..protocol import CellResult
from ..protocol.events import CellEnded
from . import prompts

MAX_NAMES = 20


def observe(result: CellResult, number: int, shown: int) -> str:
    """Give the observation of a cell that ran.

    Args:
        result: what came of it.
        number: the cell's number, by which ``show_output`` pages it.
        shown: the most characters of output and result together that are shown.

    Returns:
        The text; the traceback is always in it, its end never cut.
    """
    parts = [_output(result, number, shown)]
    if result.result is not None:
        parts.append(_middle_cut(result.result, max(400, shown - len(parts[0]))))
    if result.error is not None and result.status in ("error", "memory", "timeout", "interrupted"):
        parts.append(_tail(result.error.traceback, shown // 2) or _plain_error(result))
    parts += _sentences(result)
    names = result.changed[:MAX_NAMES]
    return prompts.observation(number, "\n".join(part for part in parts if part), names)


def _output(result: CellResult, number: int, shown: int) -> str:
    output = result.output
    text = output.head + output.tail
    if not output.cut and len(text) <= shown:
        return text.rstrip("\n")
    half = shown // 2
    head, tail = output.head[:half], (output.tail or output.head)[-half:]
    missing = output.chars - len(head) - len(tail)
    if missing <= 0:
        return text.rstrip("\n")
    return head + prompts.cut_note(missing, number) + tail.rstrip("\n")


def _middle_cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"


def _tail(text: str, most: int) -> str:
    return text if len(text) <= most else "[...]" + text[-most:]


def _plain_error(result: CellResult) -> str:
    error = result.error
    return f"{error.name}: {error.message}" if error else ""


def _sentences(result: CellResult) -> list[str]:
    told = [result.note] if result.note else []
    if result.status == "interrupted":
        told.append("The cell was interrupted. Variables made before that are kept.")
    elif result.status == "timeout":
        told.append("Do less in one cell.")
    elif result.status == "memory":
        told.append("The cell ran out of memory: work on smaller pieces.")
    if result.restored:
        names = ", ".join(result.restored)
        told.append(f"The cell overwrote {names}; put back as before. Use other names.")
    return told


def cell_ended(cell: str, result: CellResult, refused: int = 0) -> CellEnded:
    """Give the event for what came of a cell, ``refused`` of whose calls weren't allowed."""
    output = result.output
    text = output.head + output.tail
    if output.cut:
        text = f"{output.head}\n[... {output.cut:,} characters ...]\n{output.tail}"
    error = result.error
    said = f"{error.name}: {error.message}".removesuffix(": ") if error else None
    return CellEnded(
        node=cell, status=result.status, output=text, output_chars=output.chars,
        result=result.result, error=said,
        traceback=error.traceback if error else "", seconds=round(result.seconds, 4),
        waited=round(result.waited, 4), changed=list(result.changed), note=result.note,
        refused=refused,
    )  # fmt: skip
