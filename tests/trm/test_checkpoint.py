"""Checkpoints: what is read, and what is refused in a sentence."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.checkpoint import Checkpoint, load, save, writable

from .models_trm import small, weights


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Checkpoint]:
    config = small("mlp")
    made = Checkpoint("sudoku4", config, weights(config), {"seed": 3}, halt=1.25)
    return save(made, tmp_path / "m.safetensors"), made


def test_what_is_saved_is_loaded(kept: tuple[Path, Checkpoint]) -> None:
    path, made = kept
    found = load(path)
    assert (found.task, found.config, found.card) == (made.task, made.config, made.card)
    assert found.halt == 1.25
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
    with pytest.raises(ConfigError, match="can't be read: embedded null byte"):
        load("a\0b")
    with pytest.raises(ConfigError, match=r"'a\\x00b' can't be the name of a file"):
        writable(Path("a\0b"))


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


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"config": {"steps": 1.5}}, "steps of a model is a whole number"),
        ({"config": {"inner": 1.5}}, "inner of a model is a whole number, at least 0, not 1.5"),
        ({"config": {"outer": 10**9}}, "outer of a model is .* at most 1,000, not 1000000000"),
        ({"config": {"steps": 10**15}}, "steps of a model is .* at most 1,000"),
        ({"config": {"layers": 10**9}}, "hasn't 1,000,000,000 layers"),
        ({"config": {"expansion": "x"}}, "expansion of a model is a number"),
        ({"card": [1]}, "says of itself can't be read"), ({"card": 5}, "says of itself can't be"),
        ({"halt": float("nan")}, "its halt is no number"), ({"halt": "x"}, "of itself can't be"),
        ({"task": "<b>"}, "no kind of puzzle '<b>'"),
        ({"task": "sudoku9"}, "is for 16 cells with 6 symbols, and a sudoku9 has 81 with 11"),
    ],
)  # fmt: skip
def test_one_that_says_what_can_not_be_is_refused(
    kept: tuple[Path, Checkpoint], about: Any, said: str
) -> None:
    path, made = kept
    config = {**asdict(made.config), **about.pop("config", {})}
    told = {"task": "sudoku4", "format": "rlm-kernel trm 1", "config": json.dumps(config)}
    told |= {name: value if name == "task" else json.dumps(value) for name, value in about.items()}
    save_file(dict(made.state), path, told)
    with pytest.raises(ConfigError, match=said):
        load(path)


def test_one_that_is_nested_without_end_is_refused(kept: tuple[Path, Checkpoint]) -> None:
    path, made = kept
    told = {"task": "sudoku4", "format": "rlm-kernel trm 1", "card": "[" * 200_000,
            "config": json.dumps(asdict(made.config))}  # fmt: skip
    save_file(dict(made.state), path, told)
    with pytest.raises(ConfigError, match=r"What .* says of itself can't be read"):
        load(path)


@pytest.mark.parametrize("exact", [["x"], [None], [[1]], "x", 5])
def test_a_card_that_can_not_be_read_is_left_out(
    kept: tuple[Path, Checkpoint], exact: Any
) -> None:
    made = replace(kept[1], card={"exact": exact, "held_out": 3})
    assert str(made).endswith("network for sudoku4.")


def test_numbers_that_are_no_fractions_are_refused(kept: tuple[Path, Checkpoint]) -> None:
    path, made = kept
    with safe_open(path, "numpy") as found:
        told = found.metadata()
    for kind in (np.int32, np.complex64):
        save_file({name: value.astype(kind) for name, value in made.state.items()}, path, told)
        with pytest.raises(ConfigError, match=r"is of .*, not of fractions"):
            load(path)
    for name, count in (("BF16", 2), ("F8_E4M3", 4)):
        header = json.dumps({"a": {"dtype": name, "shape": [count], "data_offsets": [0, 4]}})
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(4))
        with pytest.raises(ConfigError, match=r"of a type that isn't read here .*: save them as"):
            load(path)


def test_one_that_says_nothing_of_itself_is_said(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match="isn't a checkpoint of rlm-kernel's trm"):
        load(tmp_path / "m.safetensors")
