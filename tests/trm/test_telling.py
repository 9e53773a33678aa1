"""A solve tells whoever watches that it begins, its steps, and how it ended."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel import trm
from rlm_kernel.errors import Cancelled, ConfigError
from rlm_kernel.protocol import Event, event_to_dict
from rlm_kernel.protocol.events import SolveEnded, SolveStarted, SolveStep
from rlm_kernel.protocol.solves import SolvePlace, solve_place, solves_in, watch_solves
from rlm_kernel.trm.puzzles.task import task

from .models_trm import small, weights

KIND = task("sudoku4")
PUZZLE, SOLUTION = KIND.make(random.Random(5))


class Sink:
    def __init__(self) -> None:
        self.events: list[Any] = []
        self._ids: Counter[str] = Counter()

    def new_id(self, kind: str) -> str:
        self._ids[kind] += 1
        return f"{kind}{self._ids[kind]}"

    def emit(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def model() -> trm.Checkpoint:
    config = small("mlp")
    return trm.Checkpoint("sudoku4", config, weights(config))


def test_it_tells_its_steps_with_their_cycles(sink: Sink, model: trm.Checkpoint) -> None:
    with solves_in(SolvePlace(sink, "cell1", 3)):
        found = trm.solve(PUZZLE, model, halt=99)
    started, *steps, ended = sink.events
    assert started == SolveStarted(
        node="solve1", parent="cell1", task="sudoku4", model="sudoku4", puzzle=KIND.text(PUZZLE),
        parameters=model.config.parameters, of=16, line=3,
    )  # fmt: skip
    assert [step.number for step in steps] == list(range(1, 17))
    assert {step.parent for step in steps} == {"solve1"}
    before = tuple(PUZZLE)
    for step, last in zip(steps, found.frames[2::3], strict=True):
        assert step.grid == KIND.text(last.grid)
        assert step.changed == sum(a != b for a, b in zip(before, last.grid, strict=True))
        assert (step.wrong, step.calls) == (len(last.wrong), last.calls)
        assert step.halt == pytest.approx(last.halt, abs=1e-3)
        assert step.moved == pytest.approx(sum(last.moved) / 16, abs=1e-3)
        before = last.grid
    told = [cycle for step in steps for cycle in step.frames]
    assert [cycle["cells"] for cycle in told] == [
        "".join("-" if symbol < 0 else str(symbol) for symbol in f.grid) for f in found.frames
    ]
    for cycle, frame in zip(told, found.frames, strict=True):
        assert [int(c) for c in cycle["sure"]] == [min(int(10 * x), 9) for x in frame.confidence]
        assert cycle["moved"][frame.moved.index(max(frame.moved))] == "9"
        assert cycle["most"] == pytest.approx(max(frame.moved), abs=1e-3)
    assert ended == SolveEnded(
        node="solve1", solved=found.solved, said=found.verdict.said,
        answer=KIND.text(found.answer), steps=16, calls=found.calls, seconds=ended.seconds,
    )  # fmt: skip
    assert ended.seconds > 0


def test_where_nobody_watches_nothing_is_told_and_the_same_comes_out(
    sink: Sink, model: trm.Checkpoint
) -> None:
    assert solve_place() is None
    end = watch_solves(lambda: SolvePlace(sink, "session1"))
    with solves_in(None):
        apart = trm.solve(PUZZLE, model)
    assert sink.events == []
    watched = trm.solve(PUZZLE, model)
    assert sink.events[0].parent == "session1"
    end()
    end()
    known = len(sink.events)
    alone = trm.solve(PUZZLE, model)
    assert len(sink.events) == known
    assert apart.frames == watched.frames == alone.frames


def test_a_stream_tells_each_step_before_the_next(sink: Sink, model: trm.Checkpoint) -> None:
    with solves_in(SolvePlace(sink, "cell1")):
        frames = trm.stream(PUZZLE, model, halt=99)
        assert sink.events == []
        for _ in range(4):
            next(frames)
        assert [event.type for event in sink.events] == ["solve.started", "solve.step"]
        frames.close()
    ended = sink.events[-1]
    assert (ended.status, ended.calls, ended.steps) == ("cancelled", 12, 2)
    assert ended.error == "It was left before its end."


def test_of_several_ways_the_one_that_won_is_told(sink: Sink, model: trm.Checkpoint) -> None:
    with solves_in(SolvePlace(sink, "cell1")):
        found = trm.explore(PUZZLE, model, k=3)
    assert sink.events[-1].answer == KIND.text(found.answer)
    assert sink.events[-2].grid == KIND.text(found.answer)


@pytest.mark.parametrize(
    ("puzzle", "name", "said"),
    [("12<b>", "", "'<' is no cell of a sudoku"), ("1" * 16, "", "contradict one another"),
     ("1" * 5, "", "this one has 5"), (PUZZLE, "sudoku5", "There is no model 'sudoku5'")],
)  # fmt: skip
def test_what_is_no_puzzle_is_told_with_why(
    sink: Sink, model: trm.Checkpoint, puzzle: Any, name: str, said: str
) -> None:
    with solves_in(SolvePlace(sink, "cell1")), pytest.raises(ConfigError, match=said) as caught:
        trm.solve(puzzle, name or model if puzzle == "1" * 16 else name)
    started, ended = sink.events
    assert started.puzzle in (puzzle, repr(puzzle))
    assert (ended.status, ended.error) == ("error", str(caught.value))


def test_a_person_names_a_path_and_the_log_has_its_file_only(
    sink: Sink, model: trm.Checkpoint, tmp_path: Path
) -> None:
    kept = trm.save(model, tmp_path / "mine.safetensors")
    with solves_in(SolvePlace(sink, "cell1")):
        trm.solve(PUZZLE, kept)
    assert sink.events[0].model == "mine.safetensors"


def test_a_place_that_is_closed_ends_what_goes_on(sink: Sink, model: trm.Checkpoint) -> None:
    place = SolvePlace(sink, "cell1")
    with solves_in(place):
        frames = trm.stream(PUZZLE, model, halt=99)
        next(frames)
        place.close()
        assert sink.events[-1] == SolveEnded(
            node="solve1", status="cancelled", error="The solve was cancelled."
        )
        with pytest.raises(Cancelled):
            next(frames)
    assert [event.type for event in sink.events] == ["solve.started", "solve.ended"]


@pytest.mark.parametrize("steps", [0, 16, 300])
@pytest.mark.parametrize("name", ["sudoku4", "maze9"])
def test_one_solve_takes_little_of_a_log(sink: Sink, name: str, steps: int) -> None:
    kind = task(name)
    config = small("mlp", vocab=kind.vocab, length=kind.length, outer=3, inner=1, width=8)
    model = trm.Checkpoint(name, config, weights(config))
    puzzle, _ = kind.make(random.Random(1))
    with solves_in(SolvePlace(sink, "cell1")):
        found = trm.solve(puzzle, model, halt=99, steps=steps)
    size = sum(len(json.dumps(event_to_dict(event))) + 50 for event in sink.events)
    told = [event for event in sink.events if isinstance(event, SolveStep)]
    assert size < 25_000
    assert told[-1].number == found.steps == sink.events[-1].steps
    assert told[-1].grid == sink.events[-1].answer
    if steps < 300:
        assert len(told) == found.steps
        assert all(len(step.frames) == 3 for step in told[:4])
    else:
        assert len(told) > 20
