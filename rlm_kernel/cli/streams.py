"""The standard streams as they come: closed, full, a pipe that nobody reads, ASCII only.

What is said about the way there never stops a run; what is given on standard output is whole, or
said not to be.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, Any

from ..log.format import clean


class Undelivered(Exception):
    """What was to be given on standard output couldn't be; quiet where its reader went away."""

    def __init__(self, error: OSError | ValueError) -> None:
        why = getattr(error, "strerror", None) or str(error)
        super().__init__(f"standard output can't be written ({why})")
        self.quiet = isinstance(error, BrokenPipeError)


def prepare() -> None:
    """Give each standard stream that is closed a place, before a file of ours takes its number."""
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, flags)
    if sys.stdout is None:  # its number can only be read, so that writing is still a mistake
        with contextlib.suppress(OSError):
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(text: str, *, end: str = "\n") -> None:
    """Tell the person on standard error; where nobody can be told, nothing is."""
    if sys.stderr is None:
        return
    try:
        print(clean(text), end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _let_go(sys.stderr)


def give(text: str) -> None:
    """Write to standard output at once; raise ``Undelivered`` where that can't be."""
    try:
        print(text, flush=True)
    except (OSError, ValueError) as error:
        _let_go(sys.stdout)
        raise Undelivered(error) from None


def flush() -> None:
    """Write what waits for standard output; raise ``Undelivered`` where that can't be."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _let_go(sys.stdout)
        raise Undelivered(error) from None


def _let_go(stream: IO[Any]) -> None:
    """Have what a stream still holds go nowhere: Python's end would complain of it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
