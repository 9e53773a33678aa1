"""A run as it was recorded: its folder, or one file that can be given away (``.rlm``, a zip).

Either holds the log, the texts that it keeps apart under the digest of their content, and, where it
was asked for, the contexts. Nothing in it is code of ours, and nothing is unpickled.

Guarantees:
- what is saved is whole under its name, or not there; the same run gives the same bytes;
- what is loaded is looked at as anybody's: names, sizes and digests are checked before anything is
  kept in memory, no link is followed, and what can't be read is refused in one sentence;
- a recording that was cut loads as far as it goes.
"""

from __future__ import annotations

import gc
import io
import json
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ConfigError, RecordingError
from ..protocol import Event, Logged
from ..protocol import events as e
from ._lines import encode, header
from .format import oneline, size_text
from .formats.official import from_official, is_official
from .inside import list_inside, read_inside
from .paths import BLOBS, LOG_NAME, runs_dir
from .read import Scan, bounded_lines, scan, scan_log
from .tree import Tree
from .whole import written_whole

SUFFIX = ".rlm"
FORMAT = 1
ABOUT = "recording.json"
CONTEXTS = "contexts"
MOST = 2 << 30  # bytes of all that a recording holds, unpacked
MOST_FILES = 200_000
MOST_EVENTS = 1_000_000
MOST_LINES = 100_000  # of a log of the official package
DEEPEST = 1_000  # nodes above a node
MOST_ABOUT = 1 << 20
MOST_UNPACKED = 64 << 20  # bytes from which on a file is asked how well it was packed
MOST_PACKED = 200  # times; texts come to 20
_NAMES = re.compile(rf"{ABOUT}|{LOG_NAME}|{BLOBS}/[0-9a-f]{{64}}|{CONTEXTS}/[^\W\d]\w*")
CUT_OUT = "[redacted]"
_PIECE = 1 << 16
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's; the time of saving would make each file another

#: Fields of events that are no texts of people, models or files.
STRUCTURE = frozenset((
    "node", "parent", "type", "run_id", "model", "sub_model", "mode", "where", "sandbox", "phase",
    "status", "author", "decision", "by", "role", "key", "kind", "place", "via", "finish",
    "error_kind", "answer_type", "level", "client",
))  # fmt: skip

#: What Python's zipfile raises for what isn't one, or not whole.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError,
    RuntimeError, ValueError, struct.error,
)  # fmt: skip
Redact = Callable[[str], str]


@dataclass(frozen=True)
class Recording:
    """What a recording holds.

    Args:
        path: where it is.
        about: what its file says of it: ``format``, ``saved_by``, ``redacted``; empty for a folder.
        events: oldest first, whole.
        tree: folded from them.
        contexts: the names of those that are in it.
    """

    path: Path
    about: Mapping[str, Any]
    events: Sequence[Logged]
    tree: Tree
    contexts: Sequence[str] = ()

    @property
    def redacted(self) -> bool:
        """Whether texts were changed when it was saved, so that its cells give something else."""
        return bool(self.about.get("redacted"))

    def context(self, name: str) -> bytes:
        """Give the bytes of a context that is in it.

        Raises:
            RecordingError: it isn't, or can't be read.
        """
        try:
            if self.path.is_dir():
                return read_inside(self.path.resolve(), CONTEXTS, name, most=MOST)
            with zipfile.ZipFile(self.path) as archive:
                return _read(archive, f"{CONTEXTS}/{name}", MOST)
        except (KeyError, *DAMAGED) as error:
            raise RecordingError(f"{self.path} doesn't hold {name}.") from error


def load(path: Path | str) -> Recording:
    """Read a recording: a run's folder, its ``log.jsonl``, a ``.rlm`` file, or the lines that the
    official ``rlm`` package logs.

    Raises:
        RecordingError: there is none, it is damaged, of a later version, not ours, or too large.
    """
    path = Path(os.path.expanduser(path))
    if path.name == LOG_NAME:
        path = path.parent
    with _made_to_stay():
        return _load(path)


def _load(path: Path) -> Recording:
    if path.is_dir():
        if not (path / LOG_NAME).is_file():
            raise _no_run(f"There is no run in {path}")
        return _of_folder(path)
    if not path.is_file():
        raise _no_run(f"There is nothing at {path}")
    if not zipfile.is_zipfile(path):
        return _of_official(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _of_archive(path, archive)
    except RecordingError:
        raise
    except DAMAGED as error:
        why = oneline(str(error), 200) or type(error).__name__
        raise RecordingError(f"{path} is damaged and can't be read ({why}).") from error


def save(
    events: Iterable[Logged],
    path: Path | str,
    *,
    contexts: Mapping[str, bytes] | None = None,
    redact: Redact | None = None,
    redacted: bool = False,
) -> Path:
    """Write a recording into one file.

    Args:
        events: of a run's log.
        path: of the file; ``.rlm`` is added where it is missing. One that is there is replaced.
        contexts: the bytes of those that are to be in it, by name.
        redact: is given every text (questions, prompts, code, outputs, answers, errors) and gives
            what stands in its place; names of models and of nodes are none. Where that changes
            something, its cells aren't run again, and the hashes go by which a call's reply is
            found: who guesses a prompt would see by them that it was that one.
        redacted: whether the events had been changed so before.

    Returns:
        The path of the file.

    Raises:
        RecordingError: it can't be written.
    """
    path = Path(os.path.expanduser(path))
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    try:
        with written_whole(path, 0o600) as file:
            _write(file, events, contexts or {}, redact, redacted)
    except OSError as error:
        why = error.strerror or error
        raise RecordingError(f"The recording can't be written to {path}: {why}.") from error
    return path


def extract(recording: Recording, folder: Path) -> None:
    """Write a recording into a run's folder, which is there and is empty.

    Raises:
        RecordingError: what it holds can't be read.
        OSError: it can't be written.
    """
    # Each of them is read before anything is written, so that what is damaged leaves nothing.
    contexts = {name: recording.context(name) for name in recording.contexts}
    put = _put_into(folder)
    with (folder / LOG_NAME).open("xb") as file:
        for line in _lines(recording.events, put):
            file.write(line)
    for name, data in contexts.items():
        (folder / CONTEXTS).mkdir(mode=0o700, exist_ok=True)
        (folder / CONTEXTS / name).write_bytes(data)


def cutting_out(texts: Iterable[str]) -> Redact:
    """Give a ``redact`` that has ``CUT_OUT`` wherever one of these texts stood.

    Raises:
        ConfigError: one is empty.
    """
    found = sorted(texts, key=len, reverse=True)
    if "" in found:
        raise ConfigError("An empty text can't be cut out: say which one is to be.")
    pattern = re.compile("|".join(map(re.escape, found)))
    return lambda text: pattern.sub(CUT_OUT, text)


def redacted(event: Event, redact: Redact) -> Event:
    """Give an event with every text of it as ``redact`` has it."""
    changed = {
        f.name: _texts(getattr(event, f.name), redact)
        for f in fields(event) if f.name not in STRUCTURE
    }  # fmt: skip
    return replace(event, **changed)


# -- private ----------------------------------------------------------------------------------


def _no_run(said: str) -> RecordingError:
    return RecordingError(
        f"{said}: give a .rlm file, or a run's folder; they are kept in {runs_dir()}."
    )


@contextmanager
def _made_to_stay() -> Iterator[None]:
    """Have no search for circles meanwhile: it would go over all that was made again and again."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def _of_folder(path: Path) -> Recording:
    size = (path / LOG_NAME).stat().st_size
    inside = path.resolve()
    for name in _names(inside, BLOBS):
        with suppress(OSError):
            size += (path / BLOBS / name).lstat().st_size
    _refuse_large(path, size)
    contexts = [n for n in _names(inside, CONTEXTS) if n.isidentifier()]
    return _made(path, {}, scan_log(path / LOG_NAME, most=MOST_EVENTS), contexts)


def _of_official(path: Path) -> Recording:
    """Read what the official ``rlm`` package has logged."""
    try:
        _refuse_large(path, path.stat().st_size)
        with path.open("rb") as file:
            lines = bounded_lines(file, path, MOST_LINES)
            first = next(lines, b"")
            if not is_official(first):
                raise RecordingError(
                    f"{path} is no recording of rlm-kernel: a recording is a run's folder or a "
                    ".rlm file."
                )
            events = from_official(chain([first], lines), path.name)
    except OSError as error:
        raise RecordingError(f"{path} can't be read: {error.strerror or error}.") from error
    return _made(path, {"logged_by": "rlm"}, Scan(events, len(events), 0), [])


def _names(folder: Path, below: str) -> list[str]:
    try:
        return sorted(list_inside(folder, below, most=MOST_FILES))
    except OSError:
        return []


def _of_archive(path: Path, archive: zipfile.ZipFile) -> Recording:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise RecordingError(f"{path} holds {len(infos):,} files: too many for a recording.")
    size, packed = sum(info.file_size for info in infos), path.stat().st_size
    _refuse_large(path, size)
    if size > MOST_UNPACKED and size > MOST_PACKED * packed:
        raise RecordingError(
            f"{path} has {size_text(packed)} and would unpack to {size_text(size)}, as no "
            "recording does: it isn't read."
        )
    known = {info.filename for info in infos if _NAMES.fullmatch(info.filename)}
    if LOG_NAME not in known:
        raise RecordingError(f"{path} is a zip without a log: it is no recording of rlm-kernel.")
    about = _about(path, _read(archive, ABOUT, MOST_ABOUT) if ABOUT in known else b"{}")

    def blob(digest: str) -> bytes | None:
        name = f"{BLOBS}/{digest}"
        data = _read(archive, name, MOST) if name in known else None
        return data if data is not None and sha256(data).hexdigest() == digest else None

    with io.BufferedReader(archive.open(_entry(archive, LOG_NAME)), 1 << 20) as file:  # type: ignore[type-var]
        scanned = scan(file, path, blob, MOST_EVENTS)
    start = f"{CONTEXTS}/"
    contexts = sorted(name.removeprefix(start) for name in known if name.startswith(start))
    return _made(path, about, scanned, [name for name in contexts if name.isidentifier()])


def _entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    info = archive.getinfo(name)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise zipfile.BadZipFile(f"{name} in it is a link")
    return info


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    info = _entry(archive, name)
    with archive.open(info) as file:
        data = file.read(min(info.file_size, most) + 1)
    if len(data) > min(info.file_size, most):
        raise zipfile.BadZipFile(f"{name} in it is larger than it says")
    return data


def _about(path: Path, data: bytes) -> dict[str, Any]:
    try:
        about = json.loads(data)
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise RecordingError(f"{path} is damaged: what it says of itself can't be read.")
    version = about.get("format", FORMAT)
    if not isinstance(version, int) or version > FORMAT:
        raise RecordingError(
            f"{path} was saved by a later rlm-kernel (format {version!r:.20}, this one reads up to "
            f"{FORMAT}): upgrade rlm-kernel to read it."
        )
    return about


def _refuse_large(path: Path, size: int) -> None:
    if size > MOST:
        raise RecordingError(
            f"{path} holds {size_text(size)}, and at most {size_text(MOST)} of a recording are "
            "read: look into its log.jsonl by `read_log(path, blobs=False)`."
        )


def _made(
    path: Path, about: Mapping[str, Any], scanned: Scan, contexts: Sequence[str]
) -> Recording:
    _refuse_deep(path, scanned.events)
    tree = Tree()
    for logged in scanned.events:
        tree.apply(logged)
    if not any(isinstance(x.event, e.RunStarted | e.SessionStarted) for x in scanned.events):
        raise RecordingError(f"There is no run in {path}: its log was cut before one began.")
    return Recording(path, about, scanned.events, tree, contexts)


def _refuse_deep(path: Path, events: Iterable[Logged]) -> None:
    """Refuse a tree that takes long to be folded: that is done up to the top for each node."""
    parents: dict[str, str] = {}
    for logged in events:
        parent = getattr(logged.event, "parent", None)
        if parent:
            parents.setdefault(logged.event.node, parent)
    depth: dict[str, int] = {}
    for start in parents:
        node, way = start, []
        while node in parents and node not in depth:
            depth[node] = 0  # for now: there may be circles
            way.append(node)
            node = parents[node]
        above = depth.get(node, 0)
        for node in reversed(way):
            depth[node] = above = above + 1
        if above > DEEPEST:
            raise RecordingError(
                f"{path} has more than {DEEPEST:,} nodes below one another: it isn't read."
            )


def _write(
    file: Any,
    events: Iterable[Logged],
    contexts: Mapping[str, bytes],
    redact: Redact | None,
    changed: bool,
) -> None:

    def tracked(text: str) -> str:
        nonlocal changed
        assert redact is not None
        new = redact(text)
        changed = changed or new != text
        return new

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        put: set[str] = set()

        def entry(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _EPOCH)
            plain = _packs_too_well(data)
            info.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | 0o600) << 16
            archive.writestr(info, data)

        def blob(digest: str, data: bytes) -> None:
            if digest not in put:
                put.add(digest)
                entry(f"{BLOBS}/{digest}", data)

        if redact is not None:
            events = [replace(x, event=redacted(x.event, tracked)) for x in events]
        if changed:
            events = map(_without_key, events)
        entry(LOG_NAME, b"".join(_lines(events, blob)))
        for name, data in sorted(contexts.items()):
            entry(f"{CONTEXTS}/{name}", data)
        about = {"format": FORMAT, "saved_by": __version__, "redacted": changed}
        entry(ABOUT, json.dumps(about, sort_keys=True).encode())


def _packs_too_well(data: bytes) -> bool:
    """Whether a file that is packed would be taken for a bomb by ``load``."""
    packer, packed = zlib.compressobj(wbits=-zlib.MAX_WBITS), 0  # as a zip's
    for start in range(0, len(data), _PIECE):
        packed += len(packer.compress(data[start : start + _PIECE]))
        if packed * MOST_PACKED >= len(data):  # soon, of nearly all that there is
            return False
    return (packed + len(packer.flush())) * MOST_PACKED < len(data)


def _lines(events: Iterable[Logged], put: Callable[[str, bytes], None]) -> Iterable[bytes]:
    first = True
    for logged in events:
        if first:
            yield header(logged.time)
            first = False
        yield encode(logged, put)


def _without_key(logged: Logged) -> Logged:
    if not isinstance(logged.event, e.CallEnded) or not logged.event.key:
        return logged
    return replace(logged, event=replace(logged.event, key=""))


def _put_into(folder: Path) -> Callable[[str, bytes], None]:
    (folder / BLOBS).mkdir(mode=0o700, exist_ok=True)

    def put(digest: str, data: bytes) -> None:
        path = folder / BLOBS / digest
        if not path.exists():
            path.write_bytes(data)

    return put


def _texts(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {k: v if k in STRUCTURE else _texts(v, redact) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item, redact) for item in value]
    return value
