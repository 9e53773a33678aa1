"""Files that are no recordings, or not whole, by what is wrong with them."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CREATED = "was unpickled"


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def _repacked(saved: Path, to: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, change(data) if info.filename == name else data)


def _claiming(saved: Path, to: Path, size: int) -> None:
    """The same archive, whose directory says that the log has so many bytes."""
    data = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        at = data.index(b"PK\x01\x02", archive.start_dir)
        while data[at + 46 : at + 46 + len("log.jsonl")] != b"log.jsonl":
            at = data.index(b"PK\x01\x02", at + 4)
    data[at + 24 : at + 28] = size.to_bytes(4, "little")
    to.write_bytes(data)


def damage(saved: Path, name: str) -> None:
    """Spoil the bytes of one file in a recording, as a bad disk does."""
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo(name)
    data = bytearray(saved.read_bytes())
    start = info.header_offset + 30 + len(name)
    data[start : start + info.compress_size] = bytes(info.compress_size)
    saved.write_bytes(data)


def broken(saved: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Give, by what is wrong, a path and words of what is said of it.

    Args:
        saved: a good recording.
        folder: where they are made.
    """
    data = saved.read_bytes()
    path = {name: folder / f"{name}.rlm" for name in (
        "corrupted", "cut", "foreign zip", "pickle", "picture", "newer", "newer log", "no run",
        "enormous", "bomb", "a folder", "official, damaged",
    )}  # fmt: skip
    corrupted = bytearray(data)
    corrupted[60:90] = bytes(30)
    path["corrupted"].write_bytes(corrupted)
    path["cut"].write_bytes(data[: len(data) // 2])
    with zipfile.ZipFile(path["foreign zip"], "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    path["pickle"].write_bytes(pickle.dumps(Hostile(folder / CREATED)))
    path["picture"].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    later = json.dumps({"format": 99}).encode()
    _repacked(saved, path["newer"], "recording.json", lambda _: later)
    head = json.dumps({"v": 99, "log": "rlm-kernel"}).encode() + b"\n"
    _repacked(saved, path["newer log"], "log.jsonl", lambda old: head + old.partition(b"\n")[2])
    _repacked(saved, path["no run"], "log.jsonl", lambda old: old.partition(b"\n")[0] + b"\n")
    _claiming(saved, path["enormous"], 0xFFFFFFF0)
    _repacked(saved, path["bomb"], "log.jsonl", lambda old: old + bytes(100 << 20))
    path["a folder"].mkdir()
    path["official, damaged"].write_text('{"type": "metadata"}\n{"code_blocks": [7]}\n')
    said = {
        "corrupted": "is damaged", "cut": "is no recording", "foreign zip": "a zip without a log",
        "pickle": "is no recording", "picture": "is no recording",
        "newer": "saved by a later rlm-kernel (format 99",
        "newer log": "written by a later rlm-kernel (log version 99", "no run": "There is no run",
        "enormous": "holds 4.0 GiB, and at most 2.0 GiB", "bomb": "would unpack to 100.0 MiB",
        "a folder": "There is no run in", "official, damaged": "Line 2 of",
    }  # fmt: skip
    found = {name: (path[name], words) for name, words in said.items()}
    return {**found, "nothing": (folder / "nothing.rlm", "There is nothing at")}
