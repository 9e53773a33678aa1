"""The header of a GGUF file: enough to know what a model is before it is loaded.

The file may come from anywhere: every length is checked against what is left of the file and
against a cap, nothing is read into memory that wasn't asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ConfigError

MAGIC = b"GGUF"
_MAX_PAIRS = 100_000
_MAX_STRING = 8 << 20
_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B",
            10: "<Q", 11: "<q", 12: "<d"}  # fmt: skip
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """What the header says; ``window`` is the trained one in tokens, None where it isn't said."""

    architecture: str = ""
    name: str = ""
    window: int | None = None
    chat: bool = False


class _Broken(Exception):
    pass


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size

    def number(self, form: str) -> Any:
        width = struct.calcsize(form)
        data = self.file.read(width)
        if len(data) != width:
            raise _Broken
        return struct.unpack(form, data)[0]

    def skip(self, count: int) -> None:
        if count < 0 or self.file.tell() + count > self.size:
            raise _Broken
        self.file.seek(count, 1)

    def string(self, *, keep: bool) -> str:
        length = self.number("<Q")
        if not keep or length > _MAX_STRING:
            self.skip(length)
            return ""
        data = self.file.read(length)
        if len(data) != length:
            raise _Broken
        return data.decode("utf-8", "replace")

    def value(self, kind: int, *, keep: bool) -> Any:
        if kind == _STRING:
            return self.string(keep=keep)
        if kind in _FORMATS:
            return self.number(_FORMATS[kind])
        if kind != _ARRAY:
            raise _Broken
        inner, count = self.number("<I"), self.number("<Q")
        if inner in _FORMATS:
            self.skip(struct.calcsize(_FORMATS[inner]) * count)
        elif inner == _STRING:
            for _ in range(count):
                self.string(keep=False)
        else:
            raise _Broken
        return None


def read_header(path: Path) -> GGUFHeader:
    """Read what a GGUF file says of itself.

    Raises:
        ConfigError: the file can't be read, or isn't a GGUF file.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                msg = f"{path} isn't a GGUF file; a model for the local engine must be one."
                raise ConfigError(msg)
            return _read(_Reader(file, path.stat().st_size))
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror or error}."
        raise ConfigError(msg) from error
    except _Broken as error:
        msg = f"{path} begins like a GGUF file but its header is broken; fetch it again."
        raise ConfigError(msg) from error


def _read(reader: _Reader) -> GGUFHeader:
    version = reader.number("<I")
    if version not in (2, 3):
        raise _Broken
    reader.number("<Q")  # how many tensors
    pairs = reader.number("<Q")
    if pairs > _MAX_PAIRS:
        raise _Broken
    found: dict[str, Any] = {}
    for _ in range(pairs):
        key = reader.string(keep=True)
        kind = reader.number("<I")
        wanted = key in ("general.architecture", "general.name", "tokenizer.chat_template")
        value = reader.value(kind, keep=wanted)
        if wanted or key.endswith(".context_length"):
            found[key] = value
    architecture = str(found.get("general.architecture", ""))
    window = found.get(f"{architecture}.context_length")
    return GGUFHeader(
        architecture=architecture,
        name=str(found.get("general.name", "")),
        window=window if isinstance(window, int) and window > 0 else None,
        chat=bool(found.get("tokenizer.chat_template")),
    )
