"""What went wrong in a cell, as plain text for the model: its own lines, the end always kept."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import NamedTuple

from ..protocol import CellError
from .text import plain, shortened

MESSAGE = 2_000  # characters
WHOLE = 8_000
FRAMES = 20  # of the cell's own, half from the start and half from the end
CHAIN = 3  # exceptions of a chain
_PACKAGE = str(PurePath(__file__).parent)


class Source(NamedTuple):
    """What was compiled under a file name: a cell, of which IPython dropped the first lines."""

    number: int
    dropped: int


Files = Mapping[str, Source]


def source_of(number: int, code: str) -> Source:
    """Give the source of a cell; IPython drops the empty lines it begins with."""
    dropped = 0
    for line in code.splitlines():
        if line.strip():
            break
        dropped += 1
    return Source(number, dropped)


def cell_error(error: BaseException, files: Files) -> CellError:
    """Describe the exception that ended a cell."""
    text = "\n".join(_lines(error, files, CHAIN))
    if len(text) > WHOLE:
        text = f"… [{len(text) - WHOLE:,} characters cut]\n{text[-WHOLE:]}"
    return CellError(
        name=type(error).__name__,
        message=_message(error),
        traceback=text,
        line=_line(error, files),
    )


def calling_line(frame: FrameType | None, files: Files, number: int) -> int | None:
    """Give the line of the cell ``number`` from which a frame was called, if it was."""
    while frame is not None:
        source = files.get(frame.f_code.co_filename)
        if source is not None and source.number == number:
            return frame.f_lineno + source.dropped
        frame = frame.f_back
    return None


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg or "invalid syntax"
    try:
        return shortened(plain(str(error)), MESSAGE)
    except Exception as inner:
        return f"(its str() failed with {type(inner).__name__})"


def _line(error: BaseException, files: Files) -> int | None:
    if isinstance(error, SyntaxError) and (cell := files.get(error.filename or "")) is not None:
        return (error.lineno or 1) + cell.dropped
    newest = max((source.number for source in files.values()), default=0)
    line = None
    for frame, lineno in traceback.walk_tb(error.__traceback__):
        source = files.get(frame.f_code.co_filename)
        if source is not None and source.number == newest:
            line = lineno + source.dropped
    return line


def _lines(error: BaseException, files: Files, depth: int) -> list[str]:
    lines: list[str] = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth > 1:
        lines += _lines(before, files, depth - 1)
        lines.append("")
        lines.append(
            "The exception above was the cause of:"
            if error.__cause__ is not None
            else "While it was handled, another exception came:"
        )
    frames = _frames(error.__traceback__, files)
    if frames:
        lines += ["Traceback (most recent call last):", *frames]
    if isinstance(error, SyntaxError):
        lines += _syntax(error, files)
    else:
        lines.append(f"{type(error).__name__}: {_message(error)}".removesuffix(": "))
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        lines += [shortened(plain(str(note)), MESSAGE) for note in notes]
    if isinstance(error, BaseExceptionGroup):
        lines += [f"  | {type(e).__name__}: {_message(e)}" for e in error.exceptions[:10]]
    return lines


def _frames(tb: TracebackType | None, files: Files) -> list[str]:
    shown: list[str] = []
    hidden = 0
    last = ""
    for frame, lineno in traceback.walk_tb(tb):
        name = frame.f_code.co_filename
        where = frame.f_code.co_name
        cell = files.get(name)
        if cell is None:
            # what is above the cell's first frame is how we called it
            if shown and not name.startswith(_PACKAGE):
                hidden += 1
                last = f"  {PurePath(name).name}, line {lineno}, in {where}"
            continue
        if hidden:
            shown.append(f"  [{hidden} frames of libraries]")
            hidden, last = 0, ""
        head = f"  cell {cell.number}, line {lineno + cell.dropped}"
        if where != "<module>":
            head += f", in {where}"
        source = linecache.getline(name, lineno).strip()
        shown.append(f"{head}\n    {shortened(source, 300)}" if source else head)
    if hidden > 1:
        shown.append(f"  [{hidden - 1} frames of libraries]")
    if last:
        shown.append(last)
    if len(shown) > FRAMES:
        half = FRAMES // 2
        cut = f"  [{len(shown) - FRAMES} more frames]"
        shown = [*shown[:half], cut, *shown[-half:]]
    return shown


def _syntax(error: SyntaxError, files: Files) -> list[str]:
    lines = "".join(traceback.format_exception_only(error)).rstrip("\n").split("\n")
    cell = files.get(error.filename or "")
    if cell is not None and lines and lines[0].lstrip().startswith("File "):
        lines[0] = f"  cell {cell.number}, line {(error.lineno or 1) + cell.dropped}"
    return [shortened(plain(line), MESSAGE) for line in lines]
