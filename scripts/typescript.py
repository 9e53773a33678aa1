"""Writes the TypeScript types of the protocol: ``python scripts/typescript.py [--check]``.

Events, commands and front end messages are defined once, as the dataclasses of
``rlm_kernel.protocol``; ``labextension/src/protocol.ts`` is made of them and not edited.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

from rlm_kernel.protocol import COMMANDS, EVENTS, PROTOCOL_VERSION, Ack, Usage, events, front

TARGET = Path(__file__).resolve().parent.parent / "labextension" / "src" / "protocol.ts"
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def ts_type(hint: Any) -> str:
    """Give the TypeScript type of a Python annotation."""
    if hint is Any:
        return "unknown"
    if hint in _PLAIN:
        return _PLAIN[hint]
    if dataclasses.is_dataclass(hint):
        return str(hint.__name__)  # type: ignore[union-attr]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " | ".join(json.dumps(value) for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(ts_type(arg) for arg in args)
    if origin is list:
        inner = ts_type(args[0])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<{ts_type(args[0])}, {ts_type(args[1])}>"
    msg = f"{hint!r} has no TypeScript type yet"
    raise TypeError(msg)


def interface(cls: type, *, optional: bool, constants: dict[str, str] | None = None) -> str:
    """Write one dataclass as an interface.

    Args:
        cls: the dataclass.
        optional: whether fields with a default may be missing (events leave out defaults).
        constants: fields of one fixed value, such as ``type``.
    """
    hints = typing.get_type_hints(cls)
    lines = [f"  {name}: {json.dumps(value)};" for name, value in (constants or {}).items()]
    for f in dataclasses.fields(cls):
        missing = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        sign = "?" if optional and not missing else ""
        lines.append(f"  {f.name}{sign}: {ts_type(hints[f.name])};")
    doc = (cls.__doc__ or "").strip().splitlines()[0]
    return f"/** {doc} */\nexport interface {cls.__name__} {{\n" + "\n".join(lines) + "\n}\n"


def _union(name: str, classes: typing.Iterable[type]) -> str:
    members = "".join(f"\n  | {cls.__name__}" for cls in classes)
    return f"export type {name} ={members};\n"


def _literals(module: types.ModuleType, names: list[str]) -> list[str]:
    return [f"export type {name} = {ts_type(getattr(module, name))};\n" for name in names]


def typescript() -> str:
    """Give the whole file."""
    parts = [
        "// Made by scripts/typescript.py of rlm_kernel/protocol; don't edit.\n",
        f"export const PROTOCOL_VERSION = {PROTOCOL_VERSION};",
        f"export const FRONT_VERSION = {front.FRONT_VERSION};",
        f"export const COMM_ID = {json.dumps(front.COMM_ID)};",
        f"export const COMM_TARGET = {json.dumps(front.COMM_TARGET)};",
        f"export const REQUEST = {json.dumps(front.REQUEST)};",
        f"export const REPLY = {json.dumps(front.REPLY)};\n",
        *_literals(events, ["NodeKind", "Author", "CellStatus", "CallStatus", "RunStatus",
                            "Phase", "DecisionKind"]),
        *_literals(front, ["Executor"]),
        interface(Usage, optional=True),
    ]  # fmt: skip
    for cls in EVENTS.values():
        parts.append(interface(cls, optional=True, constants={"type": cls.type}))
    parts.append(_union("Event", EVENTS.values()))
    parts.append(
        "/** An event as it is pushed: its number and time, and how long its cut texts are. */\n"
        "export type Logged = { seq: number; time: number; event: Event; "
        "cut?: Record<string, number> };\n"
    )
    for command in COMMANDS.values():
        parts.append(interface(command, optional=True, constants={"type": command.type}))
    parts.append(_union("Command", COMMANDS.values()))
    parts.append(interface(Ack, optional=False))
    for info in (front.PendingInfo, front.AskInfo, front.Meter, front.RunInfo):
        parts.append(interface(info, optional=False))
    for request in front.REQUESTS.values():
        parts.append(interface(request, optional=True, constants={"type": request.type}))
    parts.append(_union("Request", front.REQUESTS.values()))
    replies = (front.Reply, front.SyncReply, front.EventsReply, front.TextReply,
               front.ShownReply,
               front.SteerReply, front.ForkReply, front.LeaseReply)  # fmt: skip
    for reply in replies:
        text = interface(reply, optional=False)
        parts.append(text.replace("events: Record<string, unknown>[]", "events: Logged[]"))
    for push in front.PUSHES:
        text = interface(push, optional=False, constants={"kind": push.kind})
        parts.append(text.replace("events: Record<string, unknown>[]", "events: Logged[]"))
    parts.append(_union("Push", front.PUSHES))
    return "\n".join(parts)


def main() -> int:
    """Write the file, or with ``--check`` say whether it is up to date."""
    text = typescript()
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        if not same:
            print(f"{TARGET.name} isn't what the dataclasses say: python scripts/typescript.py")
        return int(not same)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
