"""Checkpoints: what is read, and what is refused in a sentence."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.checkpoint import Checkpoint, load, save

from .models_trm import small, weights


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Checkpoint]:
    config = small("mlp")
    made = Checkpoint("sudoku4", config, weights(config), {"seed": 3})
    return save(made, tmp_path / "m.safetensors"), made


def test_what_is_saved_is_loaded(kept: tuple[Path, Checkpoint]) -> None:
    path, made = kept
    found = load(path)
    assert (found.task, found.config, found.card) == (made.task, made.config, made.card)
    assert all((found.state[name] == value).all() for name, value in made.state.items())


def test_what_is_pickled_is_never_unpickled(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    path = tmp_path / "m.pt"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConfigError, match="is pickled, and to read a pickle runs"):
        load(path)
    path.write_bytes(b"PK\x03\x04" + pickle.dumps(Trap()))
    with pytest.raises(ConfigError, match="is pickled"):
        load(path)
    assert not ran.exists()


@pytest.mark.parametrize("cut", [0, 5, 9, 400, -10])
def test_one_that_is_cut_is_said(kept: tuple[Path, Checkpoint], cut: int) -> None:
    path, _ = kept
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ConfigError, match="isn't a whole safetensors file"):
        load(path)


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(tmp_path / "none.safetensors")


def test_weights_of_another_model_are_said(kept: tuple[Path, Checkpoint]) -> None:
    path, made = kept
    state = dict(made.state)
    wider = replace(made.config, length=20)
    with pytest.raises(ConfigError, match=r"is \(.*\), not \(.*\): it is for another task or size"):
        load(save(replace(made, config=wider), path))
    without = {name: value for name, value in state.items() if name != "lm_head.weight"}
    with pytest.raises(ConfigError, match=r"has no lm_head\.weight: it is for another kind"):
        load(save(replace(made, state=without), path))
    spoilt = {**state, "lm_head.weight": np.full_like(state["lm_head.weight"], np.nan)}
    with pytest.raises(ConfigError, match="has numbers that are none"):
        load(save(replace(made, state=spoilt), path))


def test_one_that_says_nothing_of_itself_is_said(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match="isn't a checkpoint of rlm-kernel's trm"):
        load(tmp_path / "m.safetensors")
