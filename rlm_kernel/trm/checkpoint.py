"""Checkpoints: safetensors with what they are of in the header. Nothing is ever unpickled."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from .config import Config
from .net import Array, Net
from .puzzles import task as puzzles
from .puzzles.symmetry import KEY
from .show_words import Told, network, share

MOST = 1 << 34  # bytes of a file that is read
_FORMAT = "rlm-kernel trm 1"
HALT = 3.0  # the halt's logit where none was found: training's own 0 is too sure of itself


@dataclass(frozen=True, slots=True, repr=False)
class Checkpoint(Told):
    """Weights and what they are of.

    Args:
        task: what it solves, such as ``"sudoku6"``.
        config: the sizes.
        state: the weights by name.
        card: how it was made and what it reaches: data, seed, minutes, accuracy by step.
        seen: keys of the classes of puzzles that it has learned from or was chosen by.
        halt: the halt's logit above which a solve stops after a step.
    """

    task: str
    config: Config
    state: Mapping[str, Array]
    card: Mapping[str, Any] = field(default_factory=dict)
    seen: frozenset[bytes] = frozenset()
    halt: float = HALT

    def __str__(self) -> str:
        said = f"One {network(self.config.parameters)} for {self.task}"
        exact, held = self.card.get("exact"), self.card.get("held_out")
        last = exact[-1] if isinstance(exact, list | tuple) and exact else None
        if isinstance(held, int) and isinstance(last, int | float):
            said += f": {share(last)} of {held:,} held-out puzzles are solved"
        return said + "."

    def net(self, dtype: Any = np.float32) -> Net:
        """Give the network."""
        return Net(self.config, self.state, dtype)


def save(checkpoint: Checkpoint, path: Path | str) -> Path:
    """Write a checkpoint; a file that is there is replaced.

    Raises:
        ConfigError: it can't be written.
    """
    from safetensors.numpy import save as packed

    from ..log.whole import written_whole  # its room brings rich, which solving doesn't need

    path = Path(os.path.expanduser(path))
    about = {
        "format": _FORMAT, "task": checkpoint.task, "config": json.dumps(asdict(checkpoint.config)),
        "card": json.dumps(checkpoint.card),
        "seen": base64.b64encode(b"".join(sorted(checkpoint.seen))).decode(),
        "halt": repr(float(checkpoint.halt)),
    }  # fmt: skip
    state = {name: np.ascontiguousarray(value, np.float32)
             for name, value in checkpoint.state.items()}  # fmt: skip
    try:
        with written_whole(path) as file:
            file.write(packed(state, metadata=about))
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}.") from error
    return path


def writable(path: Path) -> None:
    """Raise ConfigError where it is plain beforehand that a file can't be written."""
    if "\0" in str(path):
        raise ConfigError(f"{str(path)!r:.100} can't be the name of a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"There is no folder {path.parent} for {path.name}.")
    if path.is_dir():
        raise ConfigError(f"{path} can't be written: it is a folder.")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path} can't be written: its folder isn't yours.")


def load(path: Path | str) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ConfigError: in one sentence, what is wrong with it.
    """
    path = Path(os.path.expanduser(path))
    about, state = read_tensors(path)
    if about.get("format") != _FORMAT:
        raise ConfigError(
            f"{path} isn't a checkpoint of rlm-kernel's trm (one of the reference is read by "
            "trm.load_reference)."
        )
    try:
        known = {f.name for f in fields(Config)}
        given = json.loads(about["config"])
        config = Config(**{name: value for name, value in given.items() if name in known})
        card, task = dict(json.loads(about.get("card", "{}"))), str(about["task"])
        keys = base64.b64decode(about.get("seen", ""))
        seen = frozenset(keys[at : at + KEY] for at in range(0, len(keys), KEY))
        halt = float(about.get("halt", HALT))
        if math.isnan(halt):
            raise ValueError("its halt is no number")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"What {path} says of itself can't be read ({error}).") from error
    fit(config, state, str(path))
    puzzles.fit(task, config.vocab, config.length, str(path))
    return Checkpoint(task, config, state, card, seen, halt)


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """Give the header's texts and the tensors of a safetensors file.

    Raises:
        ConfigError: it isn't there, is none, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(9)
    except (OSError, ValueError) as error:  # ValueError: of a name that can be none
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} can't be read: {said}.") from error
    # A safetensors file begins with the size of its header, 8 bytes, and the header's brace.
    pickled = start.startswith((b"PK", b"\x80")) and len(start) == 9 and start[8:] != b"{"
    if pickled:
        raise ConfigError(
            f"{path} is pickled, and to read a pickle runs whatever code is in it: it isn't read. "
            "Whoever made it can save it as safetensors."
        )
    if size > MOST:
        raise ConfigError(f"{path} has {size:,} bytes, more than the {MOST:,} that are read.")
    try:
        with safe_open(path, "numpy") as found:
            names = list(found.keys())
            return dict(found.metadata() or {}), {name: found.get_tensor(name) for name in names}
    except (TypeError, AttributeError) as error:  # bfloat16, and what is smaller
        raise ConfigError(
            f"{path} has numbers of a type that isn't read here ({error}): save them as float32."
        ) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{path} isn't a whole safetensors file ({error}).") from error


def fit(config: Config, state: Mapping[str, Array], name: str) -> None:
    """Raise ConfigError where the weights aren't those of a model of these sizes."""
    if config.layers > len(state):  # before so many are gone through
        raise ConfigError(
            f"{name} hasn't {config.layers:,} layers: it is for another kind of model."
        )
    wanted = config.shapes()
    missing, more = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or more:
        what = f"has no {missing[0]}" if missing else f"has {more[0]}, which such a model hasn't"
        raise ConfigError(f"{name} {what}: it is for another kind of model.")
    for tensor, shape in wanted.items():
        if tuple(state[tensor].shape) != shape:
            raise ConfigError(
                f"{tensor} of {name} is {tuple(state[tensor].shape)}, not {shape}: it is for "
                "another task or size."
            )
        if state[tensor].dtype.kind != "f":
            raise ConfigError(f"{tensor} of {name} is of {state[tensor].dtype}, not of fractions.")
        if not np.isfinite(state[tensor]).all():
            raise ConfigError(f"{tensor} of {name} has numbers that are none (NaN or infinite).")
