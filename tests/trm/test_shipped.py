"""The weights that come along: what their cards say is so, and torch and numpy agree on them."""

from __future__ import annotations

import numpy as np
import pytest

from rlm_kernel import trm
from rlm_kernel.trm.api import WEIGHTS
from rlm_kernel.trm.puzzles.task import Sudoku, puzzles_of, task

#: Model → the share of held-out puzzles that is solved at least, by the rules.
MARKS = {"sudoku4": 0.99, "sudoku6": 0.99, "sudoku9": 0.95, "maze9": 0.9}
SEED = 515_000_007  # of puzzles that nothing was trained with or chosen by


@pytest.mark.parametrize("name", MARKS)
def test_it_solves_what_it_has_not_seen(name: str) -> None:
    found = trm.evaluate(name, puzzles=100 if name.endswith("9") else 200, seed=SEED)
    assert found.exact[-1] >= MARKS[name]
    assert found.halted >= found.exact[-1] - 0.01
    assert found.steps <= len(found.exact) / 4


@pytest.mark.parametrize("name", MARKS)
def test_its_card_says_how_it_was_made(name: str) -> None:
    model = trm.load(name)
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 1_000_000
    card = model.card
    assert (card["preset"], card["puzzles"] >= 1_000, card["minutes"] > 0) == (name, True, True)
    assert len(card["exact"]) == model.config.steps
    assert card["tried"]["exact"][-1] >= MARKS[name]
    assert card["curve"][-1][1] == card["updates"]


def test_a_puzzle_goes_to_the_model_of_its_kind() -> None:
    for name in MARKS:
        found = trm.solve(trm.puzzle(name, SEED))
        assert (found.task, found.frames[-1].step <= 16) == (name, True)


@pytest.mark.parametrize("name", MARKS)
def test_torch_and_numpy_agree_on_it(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch isn't here: pip install 'rlm-kernel[trm]'")
    from rlm_kernel.trm.learn.model import Model

    made, kind = trm.load(name), task(name)
    model = Model(made.config)
    model.load_state_dict({key: torch.tensor(value) for key, value in made.state.items()})
    puzzles, _ = puzzles_of(kind, 200, SEED)
    net, cells = made.net(), puzzles + kind.offset
    a, b = net.start(200)
    x = model.embed(torch.tensor(cells), torch.zeros(200, dtype=torch.long))
    y, z = model.start(200)
    with torch.no_grad():
        for cycle in range(made.config.solving_steps * made.config.outer):
            y, z = model.cycle(x, y, z)
            a, b = net.cycle(net.embed(cells), a, b)
            ours, theirs = net.heads(a)[0], model.heads(y)[0].numpy()
            same = (ours.argmax(-1) == theirs.argmax(-1)).all(-1)
            assert cycle or np.abs(ours - theirs).max() < 1e-3
            assert cycle >= made.config.steps * made.config.outer or same.all()
    assert same.mean() >= 0.97, "what wanders for long is chaotic: two of 200 9x9 differ"


def test_exploration_finds_what_one_way_does_not() -> None:
    puzzles, _ = puzzles_of(Sudoku(9, (0, 0)), 8, 2)  # harder than those of its training
    lost = [puzzle for puzzle in puzzles if not trm.explore(puzzle, k=1).solved]
    assert len(lost) >= 2
    assert any(trm.explore(puzzle, k=8).solved for puzzle in lost)  # 3 of 5, where it was written
