"""Reading a log back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from ..errors import RecordingError
from ..protocol import PROTOCOL_VERSION, Logged
from ._files import BLOBS, LOG_NAME
from ._lines import MAGIC, GetBlob, decode
from .inside import read_inside
from .migrate import migrated

_HEADER = b'{"v":'


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


def scan_log(path: Path, *, blobs: bool = True) -> Scan:
    """Read a log file; raises as ``read_log``."""
    folder = path.parent.resolve()

    def read_blob(digest: str) -> bytes | None:
        try:
            data = read_inside(folder, BLOBS, digest)
        except OSError:
            return None
        return data if sha256(data).hexdigest() == digest else None

    try:
        with path.open("rb") as file:
            return scan(file, path, read_blob if blobs else None)
    except OSError as error:
        msg = f"There is no log that can be read at {path}: {error.strerror or error}."
        raise RecordingError(msg) from error


def scan(file: IO[bytes], path: Path, get_blob: GetBlob | None) -> Scan:
    """Read the lines of a log.

    Args:
        file: them, from the first on.
        path: what the log is called in errors.
        get_blob: gives the texts that are kept apart; None leaves them out.

    Raises:
        RecordingError: as ``read_log``.
    """
    events: list[Logged] = []
    seq = 0
    first = file.readline()
    if not first.endswith(b"\n") and _is_cut_header(first):
        return Scan([], 0, 0)
    version = _check_header(first, path)
    size = len(first)
    for number, line in enumerate(file, 2):
        if not line.endswith(b"\n"):
            break
        size += len(line)
        data = migrated(_parse(line, number, path), version)
        logged = _decode(data, number, path, get_blob)
        # the same number again: a process was interrupted right after it had written
        if data["seq"] > seq:
            seq = data["seq"]
            if logged is not None:
                events.append(logged)
    return Scan(events, seq, size)


def _is_cut_header(line: bytes) -> bool:
    return _HEADER.startswith(line[: len(_HEADER)])


def _check_header(line: bytes, path: Path) -> int:
    """Give the version that a log was written in."""
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("log") != MAGIC:
        msg = f"{path} isn't a log of rlm-kernel: its first line doesn't say so."
        raise RecordingError(msg)
    version = head.get("v")
    if not isinstance(version, int) or version > PROTOCOL_VERSION:
        msg = (
            f"{path} was written by a later rlm-kernel (log version {version}, this one reads up "
            f"to {PROTOCOL_VERSION}); it is unchanged: upgrade rlm-kernel to read it."
        )
        raise RecordingError(msg)
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
    data: dict[str, Any], number: int, path: Path, get_blob: GetBlob | None
) -> Logged | None:
    try:
        return decode(data, get_blob)
    except ValueError as error:
        raise _damaged(number, path, str(error)) from error
    except RecursionError as error:
        raise _damaged(number, path, "it is nested too deep") from error


def _damaged(number: int, path: Path, why: str) -> RecordingError:
    return RecordingError(f"Line {number} of {path} is damaged ({why}); the file is unchanged.")
