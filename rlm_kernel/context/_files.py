"""Reading files and folders as text, to the letter."""

from __future__ import annotations

import codecs
import difflib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import ContextError
from .text import Text

MOST_FILES = 100_000
_NAMED = 3  # files named in a sentence
_SKIPPED = frozenset(("__pycache__",))
_FORMATS = (
    (b"%PDF", "a PDF: extract its text first"),
    (b"PAR1", "Parquet: give the table, from pandas.read_parquet(…)"),
    (b"PK\x03\x04", "a zip or Office file: extract it first"),
    (b"\x1f\x8b", "gzip: decompress it first"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"SQLite format 3", "a SQLite database: query it, and give the rows"),
)


def read_file(path: Path, encoding: str | None, limit: int) -> str | Text:
    """Give a file as text: a ``str``, or a ``Text`` where it has more than ``limit`` bytes.

    Raises:
        ContextError: it isn't there, isn't text, or can't be read.
    """
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ContextError(f"{path} is neither a file nor a folder.")
        big = stat.S_ISREG(mode) and path.stat().st_size > limit
        if big and _is_utf8(encoding):
            return Text(path)
        return decode(path.read_bytes(), str(path), encoding)
    except UnicodeDecodeError as error:
        with path.open("rb") as file:
            head = file.read(1 << 16)
            file.seek(error.start)
            raise _not_text(str(path), error.start, file.read(1), head, None) from None
    except FileNotFoundError:
        raise ContextError(missing(path)) from None
    except MemoryError:
        raise ContextError(
            f"{path} is too big to hold in memory in the encoding {encoding!r}: convert it to "
            "UTF-8, which is read from the file as it is needed."
        ) from None
    except OSError as error:
        raise ContextError(f"{path} can't be read: {error.strerror or error}.") from error


def read_folder(
    folder: Path, encoding: str | None, limit: int
) -> tuple[dict[str, str | Text], str]:
    """Give the texts in a folder by relative path, and a sentence on what was left out.

    Hidden files and folders aren't looked at.

    Raises:
        ContextError: there are no text files in it, too many, or one can't be read.
    """
    files: dict[str, str | Text] = {}
    refused: list[str] = []
    for path in _walk(folder):
        key = path.relative_to(folder).as_posix()
        if len(files) + len(refused) >= MOST_FILES:
            raise ContextError(f"{folder} holds more than {MOST_FILES:,} files: give a glob.")
        try:
            files[key] = read_file(path, encoding, limit)
        except NotText:
            refused.append(key)
    if not files and not refused:
        raise ContextError(f"{folder} holds no files (hidden ones aren't looked at).")
    names = ", ".join(map(repr, refused[:_NAMED])) + (", …" if len(refused) > _NAMED else "")
    if not files:
        raise ContextError(
            f"{folder} holds no text: none of its {len(refused):,} files is {encoding or 'UTF-8'} "
            f"({names}); convert them to text first, or pass their encoding."
        )
    if not refused:
        return files, ""
    those = "1 file that isn't text was" if len(refused) == 1 else (
        f"{len(refused):,} files that aren't text were"
    )  # fmt: skip
    return files, f"{those} left out: {names}."


class NotText(ContextError):
    """A file whose bytes aren't text in the encoding that was asked for."""


def decode(data: bytes, source: str, encoding: str | None = None) -> str:
    """Give bytes as text, to the letter: line ends and a byte order mark stay.

    Raises:
        ContextError: naming the byte offset and how to pass an encoding.
    """
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 1]
        raise _not_text(source, error.start, bad, data[: 1 << 16], encoding) from None
    except LookupError:
        raise ContextError(
            f"{encoding!r} isn't an encoding that Python knows; usual ones are 'utf-8', 'cp1252', "
            "'latin-1', 'utf-16', 'shift_jis', 'gb18030'."
        ) from None
    except UnicodeError as error:
        raise NotText(f"{source} can't be read as {encoding}: {error}.") from None


def missing(path: Path) -> str:
    """Say that there is no such path, and which names near it there are."""
    if "://" in str(path) or str(path).startswith(("http:/", "https:/")):
        return f"{str(path)!r} looks like a web address: download it, and give the file's path."
    asked, folder = path, path.parent
    while not folder.is_dir() and folder != folder.parent:
        path, folder = folder, folder.parent
    kind = "file or folder" if path is asked else "folder"
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, _NAMED, 0.5)
    near += [n for n in names if n.lower() == path.name.lower() and n not in near]
    hint = " Did you mean " + " or ".join(repr(str(folder / name)) for name in near) + "?"
    where = "" if path.is_absolute() else from_here()
    return f"There is no {kind} {str(path)!r}{where}." + (hint if near else "")


def from_here() -> str:
    """Say which folder relative names start from."""
    try:
        return f" (from {Path.cwd()})"
    except OSError:
        return " (the working directory was removed)"


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise ContextError(f"{error.filename} can't be read: {error.strerror or error}.") from error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in _SKIPPED)
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _is_utf8(encoding: str | None) -> bool:
    if encoding is None:
        return True
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def _not_text(source: str, at: int, bad: bytes, head: bytes, encoding: str | None) -> NotText:
    byte = f" (0x{bad[0]:02x})" if bad else ""
    return NotText(
        f"{source} isn't {encoding or 'UTF-8'} text: byte {at:,}{byte} can't be decoded; "
        f"{_advice(head)}."
    )


def _advice(head: bytes) -> str:
    for start, what in _FORMATS:
        if head.startswith(start):
            return f"it looks like {what}"
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
                       (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if head.startswith(mark):
            return f"it looks like {name.upper()}: pass encoding={name!r}"
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if b"\0" in head or odd > len(head) // 50:
        return "it looks like a binary file: convert it to text first, or give its bytes"
    for name in ("shift_jis", "gb18030", "cp1252"):
        if _fits(head, name):
            return f"if it is text in another encoding, pass it, perhaps encoding={name!r}"
    return "if it is text in another encoding, pass encoding=… ('latin-1' reads any bytes)"


def _fits(head: bytes, encoding: str) -> bool:
    """Whether bytes are likely to be text in an encoding: they decode, to letters."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    foreign = [char for char in text if ord(char) > 127]
    if encoding == "cp1252":
        return True
    # in a Western text, pairs of accented letters and their neighbours decode to stray ideographs
    wide = sum("\u3000" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" for char in foreign)
    return len(foreign) >= 8 and wide > 0.9 * len(foreign) and wide > len(text) // 5
