"""Files of a run's folder, opened through no link: hostile code may have made the folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from itertools import islice
from pathlib import Path

NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)


def open_inside(folder: Path, *names: str, flags: int = os.O_RDONLY) -> int:
    """Open a file below a folder; neither the folder nor anything below it may be a link.

    Args:
        folder: resolve it first, where whoever names it may do so by a link.
        names: of the folders below, and of the file.
        flags: of ``os.open``.

    Raises:
        OSError: it isn't there, or it is a link.
    """
    flags |= getattr(os, "O_BINARY", 0)
    if not NO_LINK:
        refuse_links(folder, *names)
        return os.open(folder.joinpath(*names), flags, 0o600)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | NO_LINK)
    try:
        for name in names[:-1]:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_LINK, dir_fd=place)
            os.close(place)
            place = below
        # Without O_NONBLOCK a pipe would be waited for.
        return os.open(names[-1], flags | NO_LINK | os.O_NONBLOCK, 0o600, dir_fd=place)
    finally:
        os.close(place)


def read_inside(folder: Path, *names: str, most: int | None = None) -> bytes:
    """Read a file below a folder, as ``open_inside`` opens it.

    Raises:
        OSError: as there; or it is no file, or has more than ``most`` bytes.
    """
    with os.fdopen(open_inside(folder, *names), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if most is not None and about.st_size > most:
            raise OSError(errno.EFBIG, "it is too big")
        return file.read()


def list_inside(folder: Path, *names: str, most: int) -> list[str]:
    """Give the names in a folder below a folder, as ``open_inside`` opens it; at most so many.

    Raises:
        OSError: as there; or it is no folder.
    """
    if not NO_LINK:  # and a folder can't be opened there
        refuse_links(folder, *names)
        with os.scandir(folder.joinpath(*names)) as found:
            return [one.name for one in islice(found, most)]
    place = open_inside(folder, *names, flags=os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(place) as found:
            return [one.name for one in islice(found, most)]
    finally:
        os.close(place)


def refuse_links(folder: Path, *names: str) -> None:
    """Raise OSError where something below a folder is a link."""
    for number in range(1, len(names) + 1):
        if folder.joinpath(*names[:number]).is_symlink():
            raise OSError(errno.ELOOP, f"{names[number - 1]} in it is a link")


def remove_tree(folder: Path) -> None:
    """Remove a folder and what is in it, however deep it is; what can't be removed stays."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.name == "posix" and folder.exists():  # rm goes down without a limit
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["rm", "-rf", "--", str(folder)],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
            )  # fmt: skip
