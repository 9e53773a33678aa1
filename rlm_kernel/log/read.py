"""Reading a log back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO, Any

from ..errors import RecordingError
from ..protocol import PROTOCOL_VERSION, Logged
from ._lines import MAGIC, GetText, decode
from .format import size_text
from .inside import read_inside
from .migrate import migrated
from .paths import BLOBS, LOG_NAME

MOST_LINE = 64 << 20  # bytes; long texts are kept apart
MOST_TEXT = 2 << 30  # characters of the texts of a recording, each as often as it stands there
_HEADER = b'{"v":'

GetBlob = Callable[[str], bytes | None]


def read_log(path: Path | str, *, blobs: bool = True) -> list[Logged]:
    """Give the events of a log, oldest first.

    A last line that was cut is left out, and so are events of types this version doesn't know.

    Args:
        path: the folder of a run, or its ``log.jsonl``.
        blobs: whether long texts are read too; without them, their first 200 characters stand
            in their place with a note of how much is missing.

    Raises:
        RecordingError: there is no log, it isn't one of ours, or a line in it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        path = path / LOG_NAME
    return scan_log(path, blobs=blobs).events


@dataclass(frozen=True, slots=True)
class Scan:
    """What a log file holds: its events, its last number, and the bytes of its whole lines."""

    events: list[Logged]
    last_seq: int
    size: int


def scan_log(path: Path, *, blobs: bool = True, most: int | None = None) -> Scan:
    """Read a log file of at most so many events; raises as ``read_log``."""
    folder = path.parent.resolve()

    def read_blob(digest: str) -> bytes | None:
        try:
            data = read_inside(folder, BLOBS, digest)
        except OSError:
            return None
        return data if sha256(data).hexdigest() == digest else None

    try:
        with path.open("rb") as file:
            return scan(file, path, read_blob if blobs else None, most)
    except OSError as error:
        msg = f"There is no log that can be read at {path}: {error.strerror or error}."
        raise RecordingError(msg) from error


def scan(
    file: IO[bytes], path: Path, get_blob: GetBlob | None, most: int | None = None
) -> Scan:
    """Read the lines of a log.

    Args:
        file: them, from the first on.
        path: what the log is called in errors.
        get_blob: gives the texts that are kept apart; None leaves them out.
        most: how many events it may have, and then it may have ``MOST_TEXT`` of texts that are
            kept apart; None: any number.

    Raises:
        RecordingError: as ``read_log``, or it has more.
    """
    events: list[Logged] = []
    seq = 0
    get_text = get_blob and _texts(get_blob, path, MOST_TEXT if most is not None else None)
    lines = bounded_lines(file, path)
    first = next(lines, b"")
    if not first.endswith(b"\n") and _is_cut_header(first):
        return Scan([], 0, 0)
    version = _check_header(first, path)
    size = len(first)
    for number, line in enumerate(lines, 2):
        if not line.endswith(b"\n"):
            break
        size += len(line)
        data = migrated(_parse(line, number, path), version)
        logged = _decode(data, number, path, get_text)
        # the same number again: a process was interrupted right after it had written
        if data["seq"] > seq:
            seq = data["seq"]
            if logged is not None:
                events.append(logged)
                if most is not None and len(events) > most:
                    raise RecordingError(f"{path} has more than {most:,} events: it isn't read.")
    return Scan(events, seq, size)


def bounded_lines(file: IO[bytes], path: Path, most: int | None = None) -> Iterator[bytes]:
    """Give the lines of a file, of which none is endless.

    Args:
        file: it.
        path: what it is called in errors.
        most: how many lines it may have; None: any number.

    Raises:
        RecordingError: a line is too long, or there are more.
    """
    for number in count(1):
        line = file.readline(MOST_LINE + 1)
        if not line:
            return
        if len(line) > MOST_LINE:
            raise _damaged(number, path, f"it has more than {size_text(MOST_LINE)}")
        if most is not None and number > most:
            raise RecordingError(f"{path} has more than {most:,} lines: it isn't read.")
        yield line


def _texts(get_blob: GetBlob, path: Path, most: int | None) -> GetText:
    """Give what gives the texts that are kept apart: one object each, however often it is named."""
    known: dict[str, str | None] = {}
    given = 0

    def text(digest: str) -> str | None:
        nonlocal given
        if digest not in known:
            data = get_blob(digest)
            known[digest] = None if data is None else data.decode("utf-8", "surrogatepass")
        found = known[digest]
        given += len(found or "")
        if most is not None and given > most:
            raise RecordingError(
                f"{path} names texts of more than {size_text(most)} in all: it isn't read."
            )
        return found

    return text


def _is_cut_header(line: bytes) -> bool:
    return _HEADER.startswith(line[: len(_HEADER)])


def _check_header(line: bytes, path: Path) -> int:
    """Give the version that a log was written in."""
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("log") != MAGIC:
        msg = f"{path} isn't a log of rlm-kernel: its first line doesn't say so."
        raise RecordingError(msg)
    version = head.get("v")
    if not isinstance(version, int) or version > PROTOCOL_VERSION:
        msg = (
            f"{path} was written by a later rlm-kernel (log version {version!r:.20}, this one "
            f"reads up to {PROTOCOL_VERSION}); it is unchanged: upgrade rlm-kernel to read it."
        )
        raise RecordingError(msg)
    if isinstance(version, bool) or version < 1:
        raise _damaged(1, path, "its version isn't one")
    return version


def _parse(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(number, path, "it isn't JSON") from error
    if not isinstance(data, dict):
        raise _damaged(number, path, "it isn't an object")
    return data


def _decode(
    data: dict[str, Any], number: int, path: Path, get_text: GetText | None
) -> Logged | None:
    try:
        return decode(data, get_text)
    except ValueError as error:
        raise _damaged(number, path, str(error)) from error
    except RecursionError as error:
        raise _damaged(number, path, "it is nested too deep") from error


def _damaged(number: int, path: Path, why: str) -> RecordingError:
    return RecordingError(f"Line {number} of {path} is damaged ({why}); the file is unchanged.")
