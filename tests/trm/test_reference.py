"""Checkpoints that the reference code has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch isn't here: pip install 'rlm-kernel[trm]'")

from rlm_kernel import trm  # noqa: E402
from rlm_kernel.errors import ConfigError  # noqa: E402
from rlm_kernel.trm.learn.reference import load_reference  # noqa: E402

from .models_trm import MIXERS, small, weights  # noqa: E402


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_checkpoint_of_the_reference_is_read_by_its_names(mixer: str, tmp_path: Path) -> None:
    config = small(mixer, slots=16, multiple=256, vocab=6, heads=8, inner=6, steps=16)
    state = weights(config)
    theirs = {f"_orig_mod.model.inner.{name}": torch.tensor(w) for name, w in state.items()}
    torch.save(theirs, tmp_path / "step_7")
    found = load_reference(tmp_path / "step_7", "sudoku4", {"H_cycles": 3})
    assert found.config == config
    assert all((found.state[name] == value).all() for name, value in state.items())
    assert trm.solve([0] * 16, found).calls >= 21
    with pytest.raises(ConfigError, match="for another kind of puzzle than sudoku6"):
        load_reference(tmp_path / "step_7", "sudoku6")


def test_weights_of_the_reference_that_say_what_can_not_be_are_refused(tmp_path: Path) -> None:
    config = small("mlp", outer=3, inner=6, steps=16, multiple=256)
    state = {name: torch.nn.Parameter(torch.tensor(value))
             for name, value in weights(config).items()}  # fmt: skip
    torch.save(state, tmp_path / "step_1")
    assert load_reference(tmp_path / "step_1", "sudoku4").config.layers == 2
    torch.save({**state, "L_level.layers.999999999.x": torch.zeros(1)}, tmp_path / "step_1")
    with pytest.raises(ConfigError, match=r"has no L_level\.layers\.2\."):
        load_reference(tmp_path / "step_1", "sudoku4")
    torch.save({}, tmp_path / "step_1")
    with pytest.raises(ConfigError, match="has no weights of a Tiny Recursive Model"):
        load_reference(tmp_path / "step_1", "sudoku4")


def test_a_file_of_torch_that_has_more_than_tensors_runs_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    torch.save({"a": Trap()}, tmp_path / "trap")
    with pytest.raises(ConfigError, match="has more in it than tensors"):
        load_reference(tmp_path / "trap", "sudoku4")
    assert not ran.exists()
    for bytes_ in (b"\x80\x02}", b"101", b"", bytes(range(40)), b"PK\x03\x04" + b"\0" * 60):
        (tmp_path / "odd").write_bytes(bytes_)
        with pytest.raises(ConfigError, match=r"isn't whole: it isn't read \(\w+\)\.$"):
            load_reference(tmp_path / "odd", "sudoku4")
    torch.save({"a": torch.zeros(2).to_sparse()}, tmp_path / "sparse")
    with pytest.raises(ConfigError, match="isn't a dict of plain tensors"):
        load_reference(tmp_path / "sparse", "sudoku4")
    (tmp_path / "cut").write_bytes((tmp_path / "trap").read_bytes()[:100])
    for name, said in (("cut", "isn't whole"), ("none", "can't be read")):
        with pytest.raises(ConfigError, match=said):
            load_reference(tmp_path / name, "sudoku4")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(ConfigError, match="no weights of a Tiny Recursive Model"):
        load_reference(tmp_path / "other", "sudoku4")
    with pytest.raises(ConfigError, match="no setting 'width' of arch"):
        load_reference(tmp_path / "other", "sudoku4", {"width": 3})
    with pytest.raises(ConfigError, match="arch is a dict of settings, not list"):
        load_reference(tmp_path / "other", "sudoku4", [1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="of the reference for ARC aren't read"):
        load_reference(tmp_path / "other", "arc")


def test_what_the_model_would_not_use_is_refused(tmp_path: Path) -> None:
    config = small("attention", slots=16, multiple=256, vocab=6, heads=8, inner=6, steps=16)
    state = {name: torch.tensor(value) for name, value in weights(config).items()}
    torch.save({**state, "model.inner.embed_pos.embedding_weight": torch.zeros(32, 32)},
               tmp_path / "step_2")  # fmt: skip
    with pytest.raises(ConfigError, match=r"has embed_pos\.embedding_weight, which such a model"):
        load_reference(tmp_path / "step_2", "sudoku4", {"H_cycles": 3})
    torch.save(state, tmp_path / "step_3")
    for wrong in (1.5, "4", None, 10**9):
        with pytest.raises(ConfigError, match="inner of a model is a whole number, at least 0"):
            load_reference(tmp_path / "step_3", "sudoku4", {"L_cycles": wrong})
