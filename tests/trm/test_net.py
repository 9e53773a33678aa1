"""The network: its sizes, and the same numbers as the reference's."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.config import Config
from rlm_kernel.trm.net import Net
from rlm_kernel.trm.presets import preset

from .models_trm import MIXERS, reference, small, weights


@pytest.mark.parametrize(
    ("name", "count"),
    [("sudoku-extreme", 5_029_378), ("sudoku-extreme-attention", 6_828_546),
     ("maze-hard", 6_823_426)],
)  # fmt: skip
def test_the_papers_models_have_the_papers_size(name: str, count: int) -> None:
    assert preset(name).config.parameters == count


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mixer", MIXERS)
def test_each_step_is_the_references(mixer: str, dtype: Any) -> None:
    # Each from the state that the reference had: with such weights the smallest difference grows.
    config, found = reference(mixer)
    net = Net(config, weights(config), dtype)
    x = net.embed(found["inputs"], found["puzzle_identifiers"])
    y, z = net.start(len(x))
    for step in range(len(found["y"])):
        for _ in range(config.outer):
            y, z = net.cycle(x, y, z)
        logits, halt = net.heads(y)
        assert np.abs(logits - found["logits"][step]).max() < 1e-4
        assert np.abs(halt - found["q"][step]).max() < 1e-4
        assert np.abs(z - found["z"][step]).max() < 1e-3
        y, z = (found[name][step].astype(dtype) for name in "yz")


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_puzzle_of_a_batch_is_solved_as_it_is_alone(mixer: str) -> None:
    config = small(mixer)
    net = Net(config, weights(config), np.float64)
    cells = np.random.default_rng(0).integers(0, config.vocab, (3, config.length))

    def run(cells: Any) -> Any:
        x = net.embed(cells)
        y, _ = net.cycle(x, *net.start(len(cells)))
        return net.heads(y)[0]

    assert np.allclose(run(cells)[1], run(cells[1:2])[0])


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"width": 0}, "width of a model is a whole number, at least 1"),
     ({"mixer": "sum"}, "'mlp' or 'attention'"),
     ({"mixer": "attention", "heads": 5}, "can't be split into 5 heads"),
     ({"steps": 1.5}, r"steps of a model is a whole number, .*, not 1\.5"),
     ({"expansion": float("inf")}, "expansion of a model is a number, at least 0 and at most 1000"),
     ({"expansion": None}, "expansion of a model is a number, .*, not None")],
)  # fmt: skip
def test_sizes_that_are_none_are_said(sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Config(**{"vocab": 6, "length": 16, "width": 32, **sizes})


def test_a_model_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match=r"no model 'sudoku7'; there are sudoku4, sudoku6"):
        preset("sudoku7")


def test_solving_brings_no_torch() -> None:
    code = ("import sys, rlm_kernel.trm.solving, rlm_kernel.trm.presets; "
            "print('torch' in sys.modules)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
