"""Loading contexts: live objects by reference, files to the letter.

Guarantees: a text is never altered (line ends, NUL, a byte order mark, lone surrogates stay); a
file that isn't text is refused with the offset of the first byte that isn't; what is given as an
object is bound as that very object; a ``str`` is always text, never taken for a path.
"""

from __future__ import annotations

import glob as globs
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ContextError
from ._files import decode, from_here, read_file, read_folder
from .loaded import Loaded, kind_of
from .text import Text

TEXT_LIMIT = 64 << 20  # bytes; a larger UTF-8 file stays in its file, as Text
_MAGIC = frozenset("*?[")
_MARK = "Its first character is a byte order mark (U+FEFF)."


@dataclass(frozen=True, slots=True)
class Several:
    """More than one context, bound as ``context_0``, ``context_1``, …"""

    values: tuple[Any, ...]


def several(*values: Any) -> Several:
    """Give several contexts as one argument: ``rlm.run(question, several(a, b))``."""
    return Several(values)


def load(
    value: Any, *, name: str = "context", encoding: str | None = None, limit: int = TEXT_LIMIT
) -> Loaded:
    """Load one context.

    Args:
        value: a text, bytes, list, dict, table, any object (by reference), a ``Path``, or an open
            file (read from where it stands to its end, and left open; a binary one as UTF-8).
        name: under which it will be bound.
        encoding: of files and, where given, of bytes; None means UTF-8, and bytes as they are.
        limit: bytes above which a UTF-8 file isn't read but stays in its file, as ``Text``.

    Raises:
        ContextError: it can't be read; one sentence.
    """
    if isinstance(value, Loaded):
        return replace(value, name=name)
    if isinstance(value, Path):
        return load_path(value, name=name, encoding=encoding, limit=limit)
    if hasattr(value, "read") and hasattr(value, "readable"):
        return _load_file(value, name, encoding)
    if value is None:
        raise ContextError("The context is None: leave it out, or give a value or a path.")
    if encoding is not None and isinstance(value, bytes | bytearray | memoryview):
        return _text(name, decode(bytes(value), "The context", encoding), None)
    return Loaded(name, kind_of(value), value)


def load_all(
    value: Any, *, encoding: str | None = None, limit: int = TEXT_LIMIT
) -> list[Loaded]:  # fmt: skip
    """Load one context, or those that ``several`` or ``load_paths`` put together.

    Returns:
        One item named ``context``, or several named ``context_0``, ``context_1``, …
    """
    if isinstance(value, Several):
        values: Sequence[Any] = value.values
    elif isinstance(value, list) and value and all(isinstance(v, Loaded) for v in value):
        values = value
    else:
        values = (value,)
    if not values:
        raise ContextError("There is no context in several(): give at least one.")
    names = ["context"] if len(values) == 1 else [f"context_{i}" for i in range(len(values))]
    return [
        load(v, name=name, encoding=encoding, limit=limit)
        for name, v in zip(names, values, strict=True)
    ]


def load_paths(
    paths: Iterable[str | Path], *, encoding: str | None = None, limit: int = TEXT_LIMIT
) -> list[Loaded]:
    """Load files, globs and folders by name, as the command line and the magic do.

    Each path is one context; a glob that matches several files is one too, a dict of path to text.

    Returns:
        As ``load_all``.
    """
    return load_all([load_path(path, encoding=encoding, limit=limit) for path in paths])


def load_path(
    path: Path | str, *, name: str = "context", encoding: str | None = None, limit: int = TEXT_LIMIT
) -> Loaded:
    """Load a file as text, or a folder or glob as a dict of path to text.

    Args:
        path: ``~`` is the home folder; ``*``, ``?``, ``[…]`` and ``**`` match unless a file of
            that very name is there.
        name: under which it will be bound.
        encoding: of the files; None means UTF-8.
        limit: bytes above which a UTF-8 file isn't read but stays in its file, as ``Text``.

    Raises:
        ContextError: it isn't there, isn't text or can't be read.
    """
    path = Path(os.path.expanduser(path))  # of whose home nothing is known it is left
    if not _exists(path) and _MAGIC & set(str(path)):
        return _load_glob(path, name, encoding, limit)
    if path.is_dir():
        files, note = read_folder(path, encoding, limit)
        return Loaded(name, "files", files, path, note)
    return _text(name, read_file(path, encoding, limit), path)


def _load_glob(pattern: Path, name: str, encoding: str | None, limit: int) -> Loaded:
    found = sorted(match for match in globs.glob(str(pattern), recursive=True))
    files = [Path(match) for match in found if Path(match).is_file()]
    if not files:
        only = ", only folders" if found else ""
        raise ContextError(f"No file matches {str(pattern)!r}{from_here()}{only}.")
    if len(files) == 1:
        return _text(name, read_file(files[0], encoding, limit), files[0])
    texts = {path.as_posix(): read_file(path, encoding, limit) for path in files}
    return Loaded(name, "files", texts, None, f"The files that match {str(pattern)!r}.")


def _text(name: str, text: str | Text, path: Path | None) -> Loaded:
    return Loaded(name, "text", text, path, _MARK if text[:1] == "\ufeff" else "")


def _load_file(file: Any, name: str, encoding: str | None) -> Loaded:
    source = str(getattr(file, "name", "the open file"))
    try:
        data = file.read()
    except UnicodeDecodeError as error:
        raise ContextError(
            f"{source} isn't {error.encoding}: byte {error.start:,} can't be decoded; open it "
            "with the right encoding=, and newline='' to keep its line ends."
        ) from None
    except (OSError, ValueError) as error:
        raise ContextError(f"{source} can't be read: {str(error).rstrip('.')}.") from error
    text = decode(data, source, encoding) if isinstance(data, bytes) else data
    if not isinstance(text, str):
        raise ContextError(f"{source} gave {type(data).__name__}, neither text nor bytes.")
    return _text(name, text, None)


def _exists(path: Path) -> bool:
    name = str(path)[:200]
    if "\0" in str(path):
        raise ContextError(f"{name!r} can't be a path: it holds a NUL. A text is given as a str.")
    try:
        return path.exists()
    except OSError as error:  # a name too long
        raise ContextError(f"{name!r} can't be a path: {error.strerror or error}.") from None
