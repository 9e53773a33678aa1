"""Checkpoints of the reference, by their names for things."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import ConfigError
from ..checkpoint import Checkpoint, fit
from ..config import Config
from ..net import Array
from ..puzzles.task import task as kind_named

_BEFORE = re.compile(r"^(?:_orig_mod\.|model\.|inner\.)+")
#: Its settings that say how often the network is applied, and ours.
_ARCH = {"H_cycles": "outer", "L_cycles": "inner", "halt_max_steps": "steps", "num_heads": "heads",
         "expansion": "expansion"}  # fmt: skip


def load_reference(
    path: Path | str, task: str, arch: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Read a checkpoint that the reference code has written.

    Its file is torch's: of what can be in one only tensors are read, by torch's own reader for
    files that aren't trusted.

    Args:
        path: of the file.
        task: what it was trained on, such as ``"sudoku9"``.
        arch: settings of its ``arch`` that aren't the paper's: ``H_cycles``, ``L_cycles``,
            ``halt_max_steps``, ``num_heads``, ``expansion``.

    Raises:
        ConfigError: it can't be read, or isn't of such a model.
    """
    path = Path(os.path.expanduser(path))
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error
    except Exception as error:  # of a file that may be anything torch's reader raises anything
        raise ConfigError(
            f"{path} has more in it than tensors, or isn't whole: it isn't read "
            f"({type(error).__name__})."
        ) from error
    if not isinstance(found, dict) or not all(map(_plain, found.values())):
        raise ConfigError(f"{path} isn't a dict of plain tensors by name.")
    state = {_BEFORE.sub("", str(name)): value.detach().float().numpy()
             for name, value in found.items()}  # fmt: skip
    config = _config(state, task, {} if arch is None else arch, path)
    fit(config, state, str(path))
    return Checkpoint(task, config, state, {"from": path.name})


def _plain(value: Any) -> bool:
    return (isinstance(value, torch.Tensor) and value.layout == torch.strided
            and value.device.type == "cpu" and not value.is_quantized)  # fmt: skip


def _config(
    state: Mapping[str, Array], task: str, arch: Mapping[str, Any], path: Path
) -> Config:
    if task == "arc":
        raise ConfigError("Checkpoints of the reference for ARC aren't read.")
    if not isinstance(arch, Mapping):
        raise ConfigError(f"arch is a dict of settings, not {type(arch).__name__}.")
    unknown = sorted(map(str, arch.keys() - _ARCH.keys()))
    if unknown:
        known = ", ".join(_ARCH)
        raise ConfigError(f"There is no setting {unknown[0]!r} of arch; there are {known}.")
    kind = kind_named(task)
    try:
        vocab, width = state["lm_head.weight"].shape
        layers = len({found[1] for name in state
                      if (found := re.match(r"L_level\.layers\.(\d+)\.", name))})  # fmt: skip
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path} has no weights of a Tiny Recursive Model.") from error
    positions = state.get("L_level.layers.0.mlp_t.down_proj.weight")
    slots = 16 if positions is None or not positions.shape else positions.shape[0] - kind.length
    if vocab != kind.vocab or slots < 1:
        raise ConfigError(
            f"{path} is for another kind of puzzle than {task}: it knows {vocab} symbols, and "
            f"{task} has {kind.vocab}."
        )
    rows = state.get("puzzle_emb.weights", np.zeros((1, width))).shape[0]
    given = {_ARCH[name]: value for name, value in arch.items()}
    return Config(
        vocab=vocab, length=kind.length, width=width, layers=layers, slots=slots, puzzles=rows,
        mixer="attention" if positions is None else "mlp", **given,
    )  # fmt: skip
