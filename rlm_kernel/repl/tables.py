"""Data frames as Arrow streams, and back, looked at before anything of them is unpacked.

Guarantees: what comes from a kernel is a table of the forms that our own sender writes; the data
frame made of it is at most ``TIMES`` times as large as what was sent, and at most ``MOST`` bytes.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

from ..errors import ReplError
from ..protocol.frames import MOST_PARTS, refuse_items

MOST = MOST_PARTS  # bytes of a data frame
TIMES = 64  # a column of one bit a row has eight bytes for each in pandas
_SMALL = 1 << 20  # bytes that any table may take
_NAMES, _NAME = 4 << 20, 4_000  # characters of all columns' names, and of one: pandas parses some
_TYPE = 200  # characters of a type's name
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2  # of the union in Arrow's Message.fbs


def to_arrow(frame: Any) -> bytes | None:
    """Give a data frame as an Arrow stream; None where Arrow can't hold it as it is."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]

        table = pa.Table.from_pandas(frame)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        data: bytes = sink.getvalue().to_pybytes()
        if not frame.equals(from_arrow(data)):
            return None
    except Exception:  # not installed, mixed columns, odd labels: it goes another way or is refused
        return None
    return data


def from_arrow(data: bytes) -> Any:
    """Make the data frame of an Arrow stream.

    Raises:
        ReplError: it is packed, too large, or of forms that aren't taken.
        ValueError, pyarrow.ArrowException: it isn't an Arrow stream, or one that is broken.
    """
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(data)):
        if _packed(message.metadata.to_pybytes()):
            msg = "A packed table isn't taken from a kernel, since it can unpack to any size."
            raise ReplError(msg)
    with pa.ipc.open_stream(data) as reader:
        _refuse_words(reader.schema)
        row = sum(_cell(field.type) for field in reader.schema)
        rows, batches = 0, []
        for batch in reader:
            rows += batch.num_rows
            batches.append(batch)
            if rows * row > min(MOST, TIMES * len(data) + _SMALL):
                msg = (
                    f"A table from a kernel has over {rows:,} rows and would be too large: at most "
                    f"{TIMES} times what is sent, and {MOST >> 30} GiB. Send it in pieces."
                )
                raise ReplError(msg)
        table = pa.Table.from_batches(batches, reader.schema)
    # Offsets that point outside of its buffers would read, or end, this process.
    table.validate(full=True)
    return table.to_pandas()


def _refuse_words(schema: Any) -> None:
    """Refuse what a table says of itself by which pandas would make far more than was sent."""
    words = schema.metadata or {}
    for text in words.values():
        refuse_items(text)
    if sum(map(len, schema.names)) > _NAMES or any(len(name) > _NAME for name in schema.names):
        msg = (
            f"A table from a kernel has column names of over {_NAME:,} characters, or too many of "
            "them."
        )
        raise ReplError(msg)
    about = json.loads(words.get(b"pandas", b"{}"))
    for one in (*about.get("columns", ()), *about.get("column_indexes", ())):
        name = one.get("numpy_type")
        if name is not None and not _is_type(name):
            msg = f"A table with a column of type {str(name)[:100]!r} isn't taken from a kernel."
            raise ReplError(msg)


def _is_type(name: Any) -> bool:
    """Whether a type's name is none of texts of a given length, nor of many types in one."""
    return (
        isinstance(name, str)
        and len(name) <= _TYPE
        and name[:1].isalpha()
        and not re.search(r"\d{4}", name)
        and (name.count(",") <= 1 or name.endswith("[pyarrow]"))
    )


def _cell(kind: Any) -> int:
    """Give about the bytes that a cell of this type takes in pandas, what it points to apart."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _cell(kind.storage_type)
    if types.is_dictionary(kind) and not types.is_null(kind.value_type):  # of any number
        _cell(kind.value_type)  # which must be taken, too
        return _cell(kind.index_type)
    if types.is_struct(kind) and kind.num_fields:
        return 256 + sum(_cell(field.type) for field in kind)
    if types.is_decimal(kind):
        return 112
    if types.is_date(kind) or types.is_time(kind):
        return 48
    if types.is_fixed_size_binary(kind):
        return 48 + int(kind.byte_width) if kind.byte_width else _refuse(kind)
    if (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    ):
        return 64
    return 8 if types.is_primitive(kind) or types.is_null(kind) else _refuse(kind)


def _refuse(kind: Any) -> int:
    # Lists of nulls, runs, views of one text: a few bytes that stand for any number of cells.
    msg = f"A table with a column of type {str(kind)[:100]} isn't taken from a kernel."
    raise ReplError(msg)


def _packed(message: bytes) -> bool:
    """Say whether the buffers that belong to an Arrow message are compressed.

    pyarrow tells it only by unpacking them, so the flatbuffer is read here: the fourth field of a
    ``RecordBatch``, which a ``DictionaryBatch`` has as its second.
    """
    root = _table(message, 0)
    kind = message[at] if (at := _field(message, root, 1)) else 0
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return False
    batch = _table(message, _field(message, root, 2))
    if kind == _DICTIONARY_BATCH:
        batch = _table(message, _field(message, batch, 1))
    return _field(message, batch, 3) != 0


def _table(message: bytes, at: int) -> int:
    """Follow the offset that stands at ``at``."""
    return at + int(struct.unpack_from("<I", message, at)[0])


def _field(message: bytes, table: int, number: int) -> int:
    """Give where a table's field is; 0 where it has none."""
    vtable = table - struct.unpack_from("<i", message, table)[0]
    size = struct.unpack_from("<H", message, vtable)[0]
    if 4 + 2 * number >= size:
        return 0
    offset = int(struct.unpack_from("<H", message, vtable + 4 + 2 * number)[0])
    return table + offset if offset else 0
