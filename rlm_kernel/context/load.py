"""Loading contexts: live objects by reference, files to the letter.

Guarantees: a text is never altered (line ends, NUL, a byte order mark, lone surrogates stay); a
file that isn't text is refused with the offset of the first byte that isn't; what is given as an
object is bound as that very object; a ``str`` is always text, never taken for a path.
"""

from __future__ import annotations

import difflib
import glob as globs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ContextError
from .loaded import Loaded, kind_of

MOST_FILES = 100_000
_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Several:
    """More than one context, bound as ``context_0``, ``context_1``, …"""

    values: tuple[Any, ...]


def several(*values: Any) -> Several:
    """Give several contexts as one argument: ``rlm.run(question, several(a, b))``."""
    return Several(values)


def load(value: Any, *, name: str = "context", encoding: str | None = None) -> Loaded:
    """Load one context.

    Args:
        value: a text, bytes, list, dict, table, any object (by reference), a ``Path``, or an open
            file (read from where it stands to its end).
        name: under which it will be bound.
        encoding: of files; None means UTF-8.

    Raises:
        ContextError: it can't be read; one sentence.
    """
    if isinstance(value, Loaded):
        return replace(value, name=name)
    if isinstance(value, Path):
        return load_path(value, name=name, encoding=encoding)
    if hasattr(value, "read") and hasattr(value, "readable"):
        return _load_file(value, name, encoding)
    if value is None:
        raise ContextError("The context is None: leave it out, or give a value or a path.")
    return Loaded(name, kind_of(value), value)


def load_all(value: Any, *, encoding: str | None = None) -> list[Loaded]:
    """Load one context, or those that ``several`` or ``load_paths`` put together.

    Returns:
        One item named ``context``, or several named ``context_0``, ``context_1``, …
    """
    if isinstance(value, Several):
        values: Sequence[Any] = value.values
    elif isinstance(value, list) and value and all(isinstance(v, Loaded) for v in value):
        values = value
    else:
        return [load(value, encoding=encoding)]
    if len(values) == 1:
        return [load(values[0], encoding=encoding)]
    return [load(v, name=f"context_{i}", encoding=encoding) for i, v in enumerate(values)]


def load_paths(paths: Iterable[str | Path], *, encoding: str | None = None) -> list[Loaded]:
    """Load files, globs and folders by name, as the command line and the magic do."""
    found: list[Path] = []
    for path in paths:
        text = str(path)
        if Path(text).expanduser().exists() or not _MAGIC & set(text):
            found.append(Path(text).expanduser())
            continue
        matches = sorted(globs.glob(str(Path(text).expanduser()), recursive=True))
        files = [Path(match) for match in matches if Path(match).is_file()]
        if not files:
            raise ContextError(f"No file matches {text!r} (from {Path.cwd()}).")
        found += files
    return load_all(Several(tuple(found)), encoding=encoding)


def load_path(path: Path | str, *, name: str = "context", encoding: str | None = None) -> Loaded:
    """Load a file as text, or a folder as a dict of its text files."""
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            return _load_folder(path, name, encoding)
        if not path.exists():
            raise ContextError(_missing(path))
        data = path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ContextError(f"{path} can't be read: {why}.") from error
    return Loaded(name, "text", decode(data, str(path), encoding), path)


def decode(data: bytes, source: str, encoding: str | None = None) -> str:
    """Give bytes as text, to the letter.

    Raises:
        ContextError: naming the byte offset and how to pass an encoding.
    """
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        guess = _guess(data)
        hint = f"pass encoding={guess!r} if it is text in that encoding" if guess else (
            "it looks like a binary file: convert it to text first, or give its bytes"
        )  # fmt: skip
        raise ContextError(
            f"{source} isn't {encoding or 'UTF-8'}: byte {error.start:,} is "
            f"0x{data[error.start]:02x}; {hint}."
        ) from None
    except LookupError:
        raise ContextError(f"{encoding!r} isn't an encoding that Python knows.") from None


def _guess(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    sample = data[:65_536]
    if b"\0" in sample or sum(b < 9 or 13 < b < 32 for b in sample) > len(sample) // 50:
        return None
    return "cp1252"


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} (from {Path.cwd()})."
    near = difflib.get_close_matches(path.name, [p.name for p in folder.iterdir()], 3)
    hint = " Did you mean " + " or ".join(map(repr, near)) + "?" if near else ""
    return f"There is no file {str(path)!r} (from {Path.cwd()}).{hint}"


def _load_folder(folder: Path, name: str, encoding: str | None) -> Loaded:
    files: dict[str, str] = {}
    refused: list[str] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file():
            continue
        if len(files) >= MOST_FILES:
            raise ContextError(f"{folder} holds more than {MOST_FILES:,} files: give a glob.")
        key = path.relative_to(folder).as_posix()
        try:
            files[key] = decode(path.read_bytes(), str(path), encoding)
        except ContextError:
            refused.append(key)
    if refused:
        names = ", ".join(refused[:3]) + (", …" if len(refused) > 3 else "")
        raise ContextError(
            f"{len(refused)} of the files in {folder} aren't text ({names}): give a glob that "
            f"leaves them out, such as {str(folder / '**' / '*.txt')!r}."
        )
    if not files:
        raise ContextError(f"{folder} holds no files.")
    return Loaded(name, "files", files, folder)


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
        raise ContextError(f"{source} can't be read: {error}.") from error
    if isinstance(data, bytes):
        return Loaded(name, "text", decode(data, source, encoding))
    return Loaded(name, "text", data)
