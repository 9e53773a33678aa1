"""The messages of front ends: rebuilt as they were sent, and the same in TypeScript."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rlm_kernel.protocol import COMMANDS, EVENTS, front

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "labextension" / "src" / "protocol.ts"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("typescript", ROOT / "scripts" / "typescript.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_typescript_types_are_what_the_dataclasses_say() -> None:
    written = HERE.read_text(encoding="utf-8")
    assert written == script().typescript(), "run `python scripts/typescript.py`"


def test_every_message_is_in_the_typescript() -> None:
    text = script().typescript()
    for cls in (*EVENTS.values(), *COMMANDS.values(), *front.REQUESTS.values(), *front.PUSHES):
        assert f"export interface {cls.__name__} {{" in text


@pytest.mark.parametrize("cls", list(front.REQUESTS.values()), ids=lambda cls: cls.__name__)
def test_a_request_is_rebuilt_from_what_a_front_end_sends(cls: type[front.Request]) -> None:
    values: dict[str, Any] = {"str": "x", "int": 7, "bool": True, "list[str]": ["a"]}
    given = {f.name: values.get(str(f.type), {"type": "stop"}) for f in fields(cls)}
    request = front.request_from_dict(
        json.loads(json.dumps({"v": 1, "type": cls.type, "unknown": 1, **given}))
    )
    assert type(request) is cls
    assert asdict(request) == given


def test_a_request_of_an_unknown_type_is_none() -> None:
    assert front.request_from_dict({"type": "fly"}) is None
    assert front.request_from_dict({}) is None


@pytest.mark.parametrize(
    "cls", [*front.REQUESTS.values(), front.SyncReply, front.EventsReply, front.TextReply,
            front.SteerReply, front.LeaseReply, *front.PUSHES], ids=lambda cls: cls.__name__,
)  # fmt: skip
def test_a_message_has_defaults_and_no_key_that_widgets_have(cls: type) -> None:
    assert is_dataclass(cls)
    assert all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(cls)), (
        "a front end of another version may leave any field out"
    )
    assert "state" not in asdict(cls()), "nbclient takes that for a widget's"
