"""Runs of a boxed notebook kernel, copied to where the box can only read.

The kernel writes the folders of its runs itself, so code in its box could change them later. A
process outside of the box copies what is new every second, and what it has copied stays.

Guarantees:
- what was copied never changes and never goes: of a log the lines that came are added, other files
  are copied once;
- a log is copied as whole lines only, no further than its run's answer, and no further where its
  copied end isn't what it was, which is said;
- no link is followed, nothing but files is read, a text counts only under the digest of its
  content, and at most ``MOST`` bytes are copied, which is said;
- whatever else is in a folder, and whatever is written meanwhile, keeps no log from being copied;
- ``take_all`` leaves nothing behind but what couldn't be copied.

What was paid for is written into the copy by the gateway process itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import ReplError
from ..protocol.frames import refuse_items
from .format import size_text
from .inside import list_inside, open_inside, remove_tree
from .paid import NAME as PAID
from .paths import BLOBS, LOG_NAME, runs_dir

VARIABLE = "RLM_SEALED"
CONTEXTS = "contexts"
EVERY = 1.0  # seconds
MOST = 8 << 30  # bytes, as which count, too:
A_RUN, A_FILE = 1 << 20, 16 << 10  # each folder and each file, however small
MOST_SAID = 20  # sentences
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)
PIECE = 1 << 20
LINE = 16 << 20  # bytes; a longer line isn't copied, which is said
LAST = 64 << 10  # bytes of a log's end, in which its last line is looked for
TOP = "run1"  # the node of a log's own run
SAME = 256  # bytes before the end of a copy that must still be there


class Sealer:
    """Copies what is new in the folders of runs.

    Args:
        live: the folder of the folders that the box writes.
        sealed: the folder that it can read; made where it isn't there.
        say: is told what isn't copied and why, once.
    """

    def __init__(self, live: Path, sealed: Path, say: Callable[[str], object]) -> None:
        self.live, self.sealed = live, sealed
        self._say = say
        self._copied = 0
        self._over: set[str] = set()  # runs of whose logs no more is copied
        self._said: set[str] = set()
        self._have: dict[tuple[str, str], set[str]] = {}
        self._false: dict[Path, int] = {}  # texts under a wrong digest, as they were at what time
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        sealed.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self) -> None:
        """Look every second from now on, on a thread of our own."""

        def watch() -> None:
            while not self._stop.wait(EVERY):
                self.look()

        self._stop.clear()
        self._thread = threading.Thread(target=watch, name="rlm-seal", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Copy what is new; what can't be copied now is looked at again the next time."""
        for name in self._runs():
            with suppress(OSError):
                self._run(name)

    def take_all(self) -> None:
        """Copy the rest, once the box is gone, and remove what is now in the copy."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for name in self._runs():
            try:
                self._run(name)
            except OSError as error:
                if error.errno in NO_ROOM:
                    continue  # it stays where it is
            remove_tree(self.live / name)

    # -- private ------------------------------------------------------------------------------

    def _runs(self) -> list[str]:
        with suppress(OSError), os.scandir(self.live) as found:
            # Other names would be printed where a person looks for runs.
            named = (one for one in found if one.name.isprintable())
            return sorted(one.name for one in named if one.is_dir(follow_symlinks=False))
        return []

    def _run(self, name: str) -> None:
        into = self.sealed / name
        if not into.exists():
            self._room(A_RUN)
            into.mkdir(mode=0o700, exist_ok=True)
            self._copied += A_RUN
        # Texts first: a log never names one that isn't there.
        full = [error for below in (BLOBS, CONTEXTS) if (error := self._files(name, below))]
        self._lines(name)
        if full:
            raise full[0]

    def _files(self, run: str, below: str) -> OSError | None:
        """Copy what is new in a folder; give the error where there was no room for something."""
        have = self._have.setdefault((run, below), set())
        full = None
        try:
            names = list_inside(self.live / run, below, most=MOST // A_FILE)
            new = [n for n in names if n not in have]
            if new:
                (self.sealed / run / below).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            return error if error.errno in NO_ROOM else None
        if len(names) == MOST // A_FILE:
            self._tell(f"The run {run!r} has more than {len(names) - 1:,} files, so not all of "
                       "them are copied to where code can't change them.")  # fmt: skip
        for name in new:
            if name.startswith(".") or name.endswith(".part"):
                continue  # half written
            try:
                if (self.sealed / run / below / name).exists() or self._file(run, below, name):
                    have.add(name)
            except OSError as error:  # it keeps no other from being copied
                full = error if error.errno in NO_ROOM else full
        return full

    def _file(self, run: str, below: str, name: str) -> bool:
        """Copy a file; False where it isn't what its name says."""
        digest = hashlib.sha256()
        into = self.sealed / run / below
        half = into / f".{name}"
        with self._open(run, below, name) as file:
            about = os.fstat(file.fileno())
            if self._false.get(into / name) == about.st_mtime_ns:
                return False
            self._room(about.st_size + A_FILE)
            self._copied += A_FILE
            try:
                with half.open("wb") as out:
                    while piece := file.read(PIECE):
                        self._room(len(piece))
                        digest.update(piece)
                        out.write(piece)
                        self._copied += len(piece)
                if below == BLOBS and digest.hexdigest() != name:
                    self._false[into / name] = about.st_mtime_ns
                    return False
                half.replace(into / name)
            finally:
                half.unlink(missing_ok=True)
        return True

    def _lines(self, run: str) -> None:
        """Add the lines that have come to the copy of a log."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with (
            self._open(run, LOG_NAME) as file,
            os.fdopen(open_inside(self.sealed / run, LOG_NAME, flags=flags), "r+b", 0) as out,
        ):
            done = os.fstat(out.fileno()).st_size
            size = os.fstat(file.fileno()).st_size
            if size == done or run in self._over:
                return
            last = os.pread(out.fileno(), min(done, LAST), max(0, done - LAST))
            if _to_answer(last) is not None:
                self._over.add(run)
                return
            self._room(size - done)
            back = min(done, SAME)
            file.seek(done - back)
            if file.read(back) != os.pread(out.fileno(), back, done - back):
                self._tell(f"The log of {run!r} was written anew, so its copy is as it was before.")
                return
            rest, left = b"", size - done  # what is written meanwhile is for the next time
            while piece := file.read(min(PIECE, left)):
                left -= len(piece)
                whole, newline, rest = (rest + piece).rpartition(b"\n")
                lines = whole + newline
                end = _to_answer(lines)
                _write_all(out.fileno(), lines[:end])
                self._copied += len(lines)
                if end is not None:
                    self._over.add(run)
                    return
                if len(rest) >= LINE:
                    self._over.add(run)
                    self._tell(
                        f"The log of {run!r} has a line of more than {size_text(LINE)}: it and "
                        "what follows isn't copied to where code can't change it."
                    )
                    return

    def _open(self, *names: str) -> BinaryIO:
        file = os.fdopen(open_inside(self.live, *names), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "it is no file")
        return file

    def _room(self, size: int) -> None:
        if self._copied + size > MOST:
            self._tell(f"The runs of this kernel are larger than {size_text(MOST)}: what comes now "
                       "isn't copied to where its code can't change it.")  # fmt: skip
            raise OSError(errno.EFBIG, "too much was written to be copied")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._said and len(self._said) < MOST_SAID:
            self._said.add(sentence)
            self._say(sentence)


def sealed_dir() -> Path | None:
    """In a boxed notebook kernel, give the folder of the runs' copies; None elsewhere."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def shown_folder(folder: Path) -> Path:
    """Give where a person finds a run's folder, for one that is being written in a box."""
    sealed = sealed_dir()
    return sealed / folder.name if sealed and folder.parent == runs_dir() else folder


def to_write(folder: Path) -> Path:
    """Give a run's folder to go on writing in: in a box, a copy of one that can only be read.

    Raises:
        OSError: it can't be copied.
    """
    sealed = sealed_dir()
    if sealed is None or folder.parent != sealed:
        return folder
    live = runs_dir() / folder.name
    if not live.exists():
        shutil.copytree(folder, live)
    elif (folder / PAID).exists():
        shutil.copyfile(folder / PAID, live / PAID)
    return live


def _to_answer(lines: bytes) -> int | None:
    """Give where the line ends that tells the answer of a log's own run; None: it isn't there."""
    end = 0
    while (at := lines.find(b'"type":"run.ended"', end)) >= 0:
        start, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at) + 1
        end = end or len(lines)
        with suppress(ValueError, KeyError, TypeError, RecursionError, ReplError):
            refuse_items(lines[start:end])
            event = json.loads(lines[start:end])
            if event["type"] == "run.ended" and event["node"] == TOP and "status" not in event:
                return end
    return None


def _write_all(fd: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
