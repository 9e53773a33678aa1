"""Writes the JSON Schema of a log's lines: ``python scripts/schema.py [--check]``.

Events are defined once, as the dataclasses of ``rlm_kernel.protocol``; the schema is made of them
and not edited.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

from rlm_kernel.log._lines import MAGIC
from rlm_kernel.protocol import EVENTS, PROTOCOL_VERSION

TARGET = Path(__file__).resolve().parent.parent / "docs" / "log.schema.json"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
TEXT = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/blob"}]}
BLOB = {
    "type": "object",
    "description": "A long text, kept in blobs/ under the SHA-256 of its UTF-8 bytes (surrogates "
    "passed); head: its first characters.",
    "properties": {
        "$blob": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "chars": {"type": "integer", "minimum": 0},
        "head": {"type": "string"},
    },
    "required": ["$blob", "chars", "head"],
    "additionalProperties": False,
}


def schema_of(hint: Any) -> dict[str, Any]:
    """Give the schema of a Python annotation."""
    if hint is Any:
        return {}
    if hint is str:
        return TEXT
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(arg) for arg in args]}
    if origin is list:
        return {"type": "array", "items": schema_of(args[0])}
    if origin is dict:
        return {"type": "object"}
    msg = f"{hint!r} has no schema yet"
    raise TypeError(msg)


def schema() -> dict[str, Any]:
    """Give the whole schema: of the first line, and of every other one."""
    header = {
        "type": "object",
        "properties": {"v": {"const": PROTOCOL_VERSION}, "log": {"const": MAGIC},
                       "created": {"type": "number", "description": "epoch seconds"}},
        "required": ["v", "log"],
    }  # fmt: skip
    events = {cls.type: _event(cls) for cls in EVENTS.values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of log.jsonl, the log of a run of rlm-kernel",
        "description": "The first line says what the file is; each line after it is one event. A "
        "field that has its default is left out; events and fields that a reader doesn't know are "
        "passed over. A last line without its line end was cut, and counts as not written.",
        "anyOf": [{"$ref": "#/$defs/header"}, *({"$ref": f"#/$defs/{name}"} for name in events)],
        "$defs": {"header": header, "blob": BLOB, **events},
    }


def _event(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {
        "seq": {"type": "integer", "minimum": 1},
        "time": {"type": "number", "description": "epoch seconds"},
        "type": {"const": cls.type},  # type: ignore[attr-defined]
    }
    required = ["seq", "time", "type"]
    for f in dataclasses.fields(cls):
        known[f.name] = schema_of(hints[f.name])
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            required.append(f.name)
    said = " ".join((cls.__doc__ or "").split())
    return {"type": "object", "description": said, "properties": known, "required": required}


def main() -> int:
    """Write the file, or with ``--check`` say whether it is up to date."""
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        if not same:
            print(f"{TARGET.name} isn't what the dataclasses say: python scripts/schema.py")
        return int(not same)
    TARGET.write_text(text, encoding="utf-8")
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
