"""Where characters are in UTF-8 bytes: one pass that checks the text and builds a sparse index.

The text is cut into segments. A segment of ASCII has any length and needs no index within; any
other has at most ``SEGMENT`` bytes, so that finding a character in it costs one short decode.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import BinaryIO, Protocol

SEGMENT = 1 << 16  # bytes
_BLOCK = 1 << 20


class Bytes(Protocol):
    """Bytes that can be sliced: ``bytes`` or an ``mmap``."""

    def __getitem__(self, index: slice, /) -> bytes: ...
    def __len__(self) -> int: ...


class Offsets:
    """The index of one text: from character to byte and back."""

    def __init__(self) -> None:
        self.bytes_at = array("Q", [0])
        self.chars_at = array("Q", [0])
        self.chars = 0
        self.size = 0
        self._open_ascii = False

    def add(self, size: int, chars: int) -> None:
        """Append a segment; ASCII ones are joined to the one before."""
        ascii_ = size == chars
        if self.size and not (ascii_ and self._open_ascii):
            self.bytes_at.append(self.size)
            self.chars_at.append(self.chars)
        self._open_ascii = ascii_
        self.size += size
        self.chars += chars

    @property
    def ascii(self) -> bool:
        """Whether every character is one byte."""
        return self.size == self.chars

    def byte_of(self, char: int, data: Bytes) -> int:
        """Give the byte offset of a character (``0 <= char <= chars``)."""
        if self.ascii or char >= self.chars:
            return char if self.ascii else self.size
        segment = bisect_right(self.chars_at, char) - 1
        at, first, end = self.bytes_at[segment], self.chars_at[segment], self._end(segment)
        if end - at == self._last_char(segment) - first:
            return at + char - first
        piece = data[at:end].decode()[: char - first]
        return at + len(piece.encode())

    def char_of(self, byte: int, data: Bytes) -> int:
        """Give the character that begins at a byte offset."""
        if self.ascii or byte >= self.size:
            return byte if self.ascii else self.chars
        segment = bisect_right(self.bytes_at, byte) - 1
        at, first, end = self.bytes_at[segment], self.chars_at[segment], self._end(segment)
        if end - at == self._last_char(segment) - first:
            return first + byte - at
        return first + len(data[at:byte].decode())

    def _end(self, segment: int) -> int:
        return self.bytes_at[segment + 1] if segment + 1 < len(self.bytes_at) else self.size

    def _last_char(self, segment: int) -> int:
        return self.chars_at[segment + 1] if segment + 1 < len(self.chars_at) else self.chars


def scan(file: BinaryIO) -> Offsets:
    """Read a file once, without mapping it; memory stays at a few MiB whatever its size.

    Raises:
        UnicodeDecodeError: it isn't UTF-8; ``start`` is the offset in the file.
    """
    offsets = Offsets()
    buffer = bytearray(_BLOCK)
    kept = 0  # bytes of a character that the block before cut
    while True:
        got = file.readinto(memoryview(buffer)[kept:])  # type: ignore[attr-defined]
        block = buffer[: kept + got] if kept + got < _BLOCK else buffer
        if not got:
            if block:
                _add(offsets, bytes(block))
            return offsets
        if block.isascii():
            offsets.add(len(block), len(block))
            kept = 0
            continue
        whole = boundary(block, len(block))
        at = 0
        while at < whole:
            end = boundary(block, min(at + SEGMENT, whole)) if at + SEGMENT < whole else whole
            _add(offsets, bytes(block[at:end]))
            at = end
        rest = bytes(block[whole:])
        kept = len(rest)
        buffer[:kept] = rest


def _add(offsets: Offsets, piece: bytes) -> None:
    try:
        chars = len(piece) if piece.isascii() else len(piece.decode())
    except UnicodeDecodeError as error:
        start = offsets.size + error.start
        raise UnicodeDecodeError(
            "utf-8", piece[error.start :][:4], start, start + 1, error.reason
        ) from None
    offsets.add(len(piece), chars)


def boundary(data: bytes | bytearray, end: int) -> int:
    """Give the last place at or before ``end`` where no character is cut.

    ``end`` itself where the bytes there aren't UTF-8: whoever decodes them will say so.
    """
    for back in range(1, 5):
        if back > end:
            break
        byte = data[end - back]
        if byte & 0xC0 != 0x80:  # a first byte
            need = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return end - back if need > back and end - back > 0 else end
    return end


Convert = Callable[[int], int]


def forward(offsets: Offsets, data: Bytes) -> Convert:
    """Give ``char_of`` for offsets that mostly grow: each is counted on from the one before."""
    last_byte = last_char = 0

    def char_of(byte: int) -> int:
        nonlocal last_byte, last_char
        if offsets.ascii:
            return byte
        if 0 <= byte - last_byte <= SEGMENT:
            last_char += len(data[last_byte:byte].decode())
        else:
            last_char = offsets.char_of(byte, data)
        last_byte = byte
        return last_char

    return char_of
