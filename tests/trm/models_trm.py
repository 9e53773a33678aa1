"""What the tests of this room share: random weights, and the reference's numbers where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlm_kernel.trm.config import Config

#: Numbers that the reference gave once; beside the project where they are at all.
NUMBERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "trm"
MIXERS = ("mlp", "attention")


def small(mixer: Any, **more: Any) -> Config:
    sizes = {"vocab": 6, "length": 16, "width": 32, "heads": 4, "slots": 4, "puzzles": 2,
             "outer": 3, "inner": 2, "steps": 4, "multiple": 32}  # fmt: skip
    return Config(mixer=mixer, **{**sizes, **more})


def weights(config: Config, seed: int = 1234) -> dict[str, Any]:
    """Weights of the size that the reference's numbers were made with, by name in sorted order."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in sorted(config.shapes().items(), key=lambda one: "inner." + one[0]):
        whole = len(shape) == 1 or "embed" in name or "puzzle" in name
        scale = 1.0 if whole else shape[-1] ** -0.5
        made[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
    return made


def reference(mixer: str) -> tuple[Config, dict[str, Any]]:
    """The sizes and the numbers of one of the reference's two runs."""
    path = NUMBERS / f"fixture_{mixer[:3]}.npz"
    if not path.is_file():
        pytest.skip(f"the reference's numbers aren't beside this project ({path.name})")
    found = dict(np.load(path, allow_pickle=False))
    told = json.loads(str(found["config"]))
    config = small(
        mixer, vocab=told["vocab_size"], length=told["seq_len"], width=told["hidden_size"],
        heads=told["num_heads"], slots=told["prefix_len"], puzzles=told["n_puzzles"],
        outer=told["H_cycles"], inner=told["L_cycles"], multiple=256,
    )  # fmt: skip
    return config, found
