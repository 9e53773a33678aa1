"""Reading what a front end sent: any content becomes a request, or one sentence that says why not.

Guarantees: nothing that comes in raises anything but ``Refused``; every field has the type and a
size that its class allows, so that handlers needn't look again.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, TypeGuard, get_type_hints

from ..protocol import COMMANDS, Command
from ..protocol.front import FRONT_VERSION, REQUESTS, Request
from ._slim import clean_text

#: The most characters of a field; the others are ids and short words.
_LONG = {"code": 2_000_000, "source": 2_000_000, "text": 2_000_000, "note": 100_000,
         "reason": 100_000}  # fmt: skip
_SHORT = 1_000
_ITEMS = 200


class Refused(Exception):
    """What came in is no request of ours."""


def request_id(content: object) -> str:
    """Give the id to which a reply goes, for content of whatever kind."""
    found = content.get("id") if isinstance(content, dict) else ""
    return clean_text(found) if _is_word(found) else ""


def read_request(content: object) -> Request:
    """Rebuild a request, or say why it is none."""
    if not isinstance(content, dict):
        raise Refused("A request is an object with a type.")
    version = content.get("v", FRONT_VERSION)
    if version != FRONT_VERSION:
        raise Refused(
            f"The front end speaks version {str(version)[:20]} of the protocol, this kernel "
            f"{FRONT_VERSION}: update whichever is older, and reload the page."
        )
    cls = REQUESTS.get(content["type"]) if _is_word(content.get("type")) else None
    if cls is None:
        raise Refused(f"{_shown(content.get('type'))} isn't a request that this kernel knows.")
    return cls(**_checked(cls, content))


def read_command(request_client: str, request: str, data: dict[str, Any]) -> Command:
    """Rebuild the command of a ``steer``, with its client and id where it names none."""
    cls = COMMANDS.get(data["type"]) if _is_word(data.get("type")) else None
    if cls is None:
        raise Refused(f"{_shown(data.get('type'))} isn't a command.")
    values = _checked(cls, data)
    if not values.get("client"):
        values["client"] = request_client or "front end"
    if not values.get("id") and request:
        values["id"] = f"{request_client}/{request}"
    return cls(**values)


def _checked(cls: type, data: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of ``cls`` that are there, each of the right type and size."""
    values = {}
    for name, kind in _types(cls).items():
        if name not in data:
            continue
        value = data[name]
        most = _LONG.get(name, _SHORT)
        if kind is str:
            right = isinstance(value, str) and len(value) <= most
        elif kind is int:
            right = type(value) is int and abs(value) < 1 << 53
        elif kind is bool:
            right = type(value) is bool
        elif kind is list:
            right = isinstance(value, list) and len(value) <= _ITEMS
            right = right and all(isinstance(x, str) and len(x) <= _SHORT for x in value)
        else:
            right = isinstance(value, dict) and all(isinstance(key, str) for key in value)
        if not right:
            what = f"{kind.__name__} of at most {most:,} characters" if kind is str else "right"
            said = f"isn't a {what}" if kind is str else f"isn't what a {kind.__name__} may be"
            raise Refused(f"The field {name!r} {said}.")
        if kind is str:
            value = clean_text(value)
        elif kind is list:
            value = [clean_text(item) for item in value]
        values[name] = value
    return values


@cache
def _types(cls: type) -> dict[str, type]:
    hints = get_type_hints(cls)
    return {f.name: getattr(hints[f.name], "__origin__", hints[f.name]) for f in fields(cls)}


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _SHORT


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else f"A {type(value).__name__}"
