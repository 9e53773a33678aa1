"""The contexts of a run in its folder, so that it can be picked up without being given them again.

Kept is what was in memory only, up to ``MOST`` bytes: texts, bytes, plain data, tables. A file is
opened again where it is. Everything is checked against the fingerprint that the log has, before
anything is done with it; the folder may come from elsewhere, so no link in it is followed.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..context import Loaded, kind_of, load, load_all
from ..context.fingerprint import fingerprint
from ..context.text import Text
from ..errors import ContextError, RLMError
from ..log.format import oneline, size_text
from ..log.inside import read_inside

FOLDER = "contexts"
MOST = 16 << 20  # bytes of a context that is kept
MOST_INSIDE = 512 << 20  # and of one that a person puts into a recording
_ITEMS = 200_000  # of data in memory, above which it isn't looked at


def encoded(loaded: Loaded) -> bytes | None:
    """Give the bytes that a context is kept as; None where it is too big, or no plain data."""
    from ..protocol.frames import pack
    from ..repl.transfer import encode

    if loaded.path is not None:
        return None
    sizes = loaded.sizes()
    if loaded.kind not in ("text", "bytes"):
        rows = sizes.get("rows", 0) * max(1, sizes.get("columns", 1))
        if max(rows, sizes.get("items", 0)) > _ITEMS:
            return None
    elif max(sizes.values(), default=0) > MOST:
        return None
    parts: list[bytes] = []
    try:
        data = b"".join(pack({"value": encode(loaded.value, parts)}, parts))
    except (RLMError, RecursionError, MemoryError):
        return None
    return data if len(data) <= MOST else None


def inside(loaded: Loaded) -> bytes:
    """Give the bytes of a context that is to go with a recording, wherever it is.

    Raises:
        ContextError: it is an object that no file can hold, or has more than ``MOST_INSIDE`` bytes.
    """
    from ..protocol.frames import pack
    from ..repl.transfer import encode

    value = str(loaded.value) if isinstance(loaded.value, Text) else loaded.value
    parts: list[bytes] = []
    try:
        data = b"".join(pack({"value": encode(value, parts)}, parts))
    except (RLMError, RecursionError, MemoryError) as error:
        raise ContextError(
            f"{loaded.name} can't be put into a recording ({error}): save it without context=True."
        ) from None
    if len(data) > MOST_INSIDE:
        raise ContextError(
            f"{loaded.name} has {size_text(len(data))}; at most {size_text(MOST_INSIDE)} go into a "
            "recording: save it without context=True, and give it again by context=."
        )
    return data


def keep(folder: Path, name: str, data: bytes) -> None:
    """Write a context into the folder of its run; a fault of the disk is nobody's."""
    try:
        (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
        half = folder / FOLDER / f".{name}"
        half.write_bytes(data)
        half.replace(folder / FOLDER / name)
    except OSError:
        return


def bring_back(
    infos: list[dict[str, Any]], folder: Path, where: str, given: Any
) -> dict[str, Loaded]:
    """Give the contexts of a run again.

    Args:
        infos: what the log says of them.
        folder: of the run.
        where: the working directory in which their paths were given.
        given: what the person gives for them; ``...`` is nothing.

    Raises:
        ContextError: one isn't there, or isn't what it was; says which and what to do.
    """
    for name in (info.get("name") for info in infos):
        if not (isinstance(name, str) and name.isidentifier()):
            raise ContextError(
                f"The log has a context named {name!r:.80}, which can't be a name in Python: the "
                "log is damaged, or isn't ours."
            )
    if given is not ...:
        named = {item.name: item for item in load_all(given)}
        missing = [str(i["name"]) for i in infos if i["name"] not in named]
        if missing or len(named) != len(infos):
            raise ContextError(
                f"The run had {len(infos)} contexts ({', '.join(str(i['name']) for i in infos)}), "
                f"and {len(named)} are given: give all of them, in the same order."
            )
        found = {str(info["name"]): named[str(info["name"])] for info in infos}
    else:
        found = {str(info["name"]): _one(info, folder, where) for info in infos}
    for info in infos:
        _check(info, found[str(info["name"])])
    return found


def _one(info: Mapping[str, Any], folder: Path, where: str) -> Loaded:
    name = str(info["name"])
    found = _kept(info, folder)
    if found is not None:
        return found
    if "path" in info:
        if not _before(info):
            raise ContextError(
                f"The log says that the run's {name} was in {_said(info, 'path')}, and not what it "
                "was like, so it isn't opened: give it by context=."
            )
        try:
            return load(Path(where, str(info["path"])).expanduser(), name=name)
        except (ContextError, RuntimeError) as error:  # or nobody has that home folder
            raise ContextError(
                f"{str(error).rstrip('.')}. The run's {name} was read from there: bring it back, "
                "or give it by context=."
            ) from None
    raise ContextError(
        f"The run's {name} ({_said(info, 'kind')}, {_said(info, 'size')}) was in memory only and "
        "isn't kept: give the same again by context=."
    )


def _kept(info: Mapping[str, Any], folder: Path) -> Loaded | None:
    """Give a context that is kept in the folder itself; None where it isn't."""
    name = str(info["name"])
    try:
        value = _decoded(read_inside(folder.resolve(), FOLDER, name, most=MOST_INSIDE))
    except FileNotFoundError:
        return None
    except (OSError, RLMError, KeyError, struct.error):
        raise ContextError(
            f"What the run's folder holds as its {name} can't be read, or isn't a file in it: "
            "give the same by context=."
        ) from None
    # Not by load(), which would open a path that stands there.
    files = info.get("kind") == "files" and isinstance(value, dict)
    return Loaded(name, "files" if files else kind_of(value), value)


def kept_value(data: bytes) -> Any:
    """Give the value that a context was kept as; None where it can't be read."""
    try:
        return _decoded(data)
    except (RLMError, KeyError, ValueError, struct.error):
        return None


def kept_texts(data: bytes) -> Iterator[str | bytes]:
    """Give every text and all bytes that a kept context holds, whatever it is a value of.

    The first are the kept bytes themselves, in which long texts, long bytes and tables stand as
    they are. Numbers that may be bytes count as such (a ``bytearray`` is kept as them).
    """
    from ..protocol.frames import HEAD, body_size, unpack

    yield data
    try:
        message, _ = unpack(data[HEAD : HEAD + body_size(data[:HEAD])])
    except (RLMError, KeyError, ValueError, struct.error, RecursionError):
        return
    left: list[Any] = [message]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            left.extend(value)
            with suppress(TypeError, ValueError):
                yield bytes(value)
        elif isinstance(value, dict):
            left.extend([*value, *value.values()])
            with suppress(KeyError, TypeError, ValueError):
                yield base64.b64decode(value["bytes"])


def _decoded(data: bytes) -> Any:
    from ..protocol.frames import HEAD, body_size, unpack
    from ..repl.transfer import decode

    end = HEAD + body_size(data[:HEAD])
    message, sizes = unpack(data[HEAD:end])
    parts = []
    for size in sizes:
        parts.append(data[end : end + size])
        end += size
    return decode(message["value"], parts)


def _check(info: Mapping[str, Any], loaded: Loaded) -> None:
    before, now = _before(info), fingerprint(loaded)
    if before and now != before:
        source = f" in {_said(info, 'path')}" if "path" in info else ""
        raise ContextError(
            f"The run's {info['name']}{source} isn't what it was when the run began, so its cells "
            "would give something else: ask anew, or give the same by context=."
        )


def _before(info: Mapping[str, Any]) -> str:
    """Give the fingerprint that the log has; empty where it has none."""
    before = info.get("hash")
    return before if isinstance(before, str) else ""


def _said(info: Mapping[str, Any], key: str) -> str:
    return oneline(str(info.get(key)), 300)
