"""What is shown of a solve: captions, the static strip, and what a page gets."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from rlm_kernel import trm
from rlm_kernel.trm.puzzles.task import MADE, TASKS, Sudoku, Verdict, task
from rlm_kernel.trm.show import FRAMES, solution_html, telling
from rlm_kernel.trm.show_data import MOST, packed
from rlm_kernel.trm.show_words import caption, network, share
from rlm_kernel.trm.solving import Frame, Solution

from .models_trm import small, weights

HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(1)'>"


def solved(name: str, frames: int = 6, seed: int = 1) -> Solution:
    """A solve by hand: noise at first, the solution at the end."""
    kind = task(name)
    rng = random.Random(seed)
    puzzle, solution = kind.make(rng)
    made, before = [], tuple(puzzle)
    for at in range(1, frames + 1):
        last = at == frames
        grid = tuple(
            now if last or was == now or rng.random() * frames < at
            else rng.randrange(1, kind.vocab - 1)
            for was, now in zip(puzzle, solution, strict=True)
        )  # fmt: skip
        changed = tuple(i for i, (a, b) in enumerate(zip(before, grid, strict=True)) if a != b)
        made.append(Frame(
            (at + 1) // 2, 2 - at % 2, 4 * at, grid, tuple(rng.random() for _ in grid), changed,
            tuple(sorted(kind.wrong(puzzle, grid))), at / (frames + 1),
            tuple(rng.random() for _ in grid),
        ))  # fmt: skip
        before = grid
    verdict = kind.check(puzzle, made[-1].grid)
    return Solution(name, tuple(puzzle), tuple(made), True, verdict, 0.018, 91_104)


class Page(HTMLParser):
    """What a browser would make of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_a_caption_says_what_a_cycle_did() -> None:
    solution = solved("sudoku4")
    frame = replace(
        solution.frames[0], step=3, cycle=2, calls=20, changed=(1, 2, 3, 4), wrong=(5, 6), halt=0.12
    )
    assert caption(solution, frame) == (
        "Step 3, cycle 2: 20 calls of one 91k-parameter network; 4 cells changed, 2 break a rule; "
        "it is 12 % sure that the grid is right."
    )
    quiet = replace(frame, calls=1, changed=(), wrong=(0,), halt=0.001)
    assert "1 call of" in caption(solution, quiet)
    assert "no cells changed, 1 breaks a rule; it is less than 1 %" in caption(solution, quiet)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [(0, "network"), (640, "640-parameter network"), (2_048, "2.0k-parameter network"),
     (91_104, "91k-parameter network"), (7_100_000, "7.1M-parameter network")],
)  # fmt: skip
def test_a_network_is_named_by_its_size(parameters: int, said: str) -> None:
    assert network(parameters) == said


def test_nearly_all_is_not_said_to_be_all() -> None:
    assert [share(p) for p in (0, 0.001, 0.5, 0.999, 1)] == [
        "0 %", "less than 1 %", "50 %", "more than 99 %", "100 %"
    ]  # fmt: skip


def test_the_end_says_what_the_rules_say_and_whether_the_network_was_too_sure() -> None:
    right = solved("sudoku4")
    assert "Solved: every row" in str(right)
    assert "91k-parameter network was applied 24 times, in 3 steps, 18 ms" in str(right)
    assert "It stopped by itself." in str(right)
    wrong = replace(right, frames=right.frames[:1], halted=False)
    wrong = replace(wrong, verdict=task("sudoku4").check(wrong.puzzle, wrong.answer))
    assert str(wrong).endswith("All of its steps are used up."), "there are more of them"
    long = replace(wrong, frames=(replace(wrong.frames[0], step=16),))
    assert "Several noisy ways may do better: trm.explore(puzzle)" in str(long)
    assert "only the rules" not in str(wrong)
    sure = replace(wrong, frames=(replace(wrong.frames[0], halt=0.97),))
    assert "It was 97 % sure all the same: only the rules say what is right." in str(sure)


def test_of_several_ways_it_says_which_was_taken() -> None:
    found = replace(solved("sudoku4"), ways=8, way=3)
    assert "Of 8 ways, tried at the same time, way 3 was taken" in str(found)
    assert "the one without noise" in str(replace(found, way=1))
    config = small("mlp")
    model = trm.Checkpoint("sudoku4", config, weights(config))
    explored = trm.explore(task("sudoku4").make(random.Random(5))[0], model, k=3)
    assert explored.ways == 3
    assert 1 <= explored.way <= 3
    assert "Of 3 ways, tried at the same time, none led to a grid" in str(explored)
    assert explored.parameters == config.parameters


@pytest.mark.parametrize("name", MADE)
def test_the_strip_is_a_handful_of_frames_that_need_nothing(name: str) -> None:
    solution = solved(name, frames=16)
    html = solution_html(solution)
    page = Page(html)
    assert page.open == []
    assert page.count("table") == FRAMES
    assert page.count("td") == FRAMES * len(solution.puzzle)
    assert "Step 1, cycle 1" in page.text
    assert "Step 8, cycle 2" in page.text
    assert "11 more cycles aren't shown" in page.text
    assert solution.verdict.said in page.text
    assert not {tag for tag, _ in page.tags} & {"script", "style", "link", "img", "svg", "iframe"}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on") or a == "href"]
    assert "http" not in html
    assert len(html) < 100_000


def test_the_strip_says_it_where_styles_are_stripped() -> None:
    solution = solved("sudoku6")
    html = re.sub(r' style="[^"]*"', "", solution_html(solution))
    first = re.findall(r"<td>(.*?)</td>", html)[: len(solution.puzzle)]
    for at, cell in enumerate(first):
        given = solution.puzzle[at] != 0
        assert ("<b>" in cell) == given
        assert ("<u>" in cell) == (at in solution.frames[0].wrong)
        assert re.sub("<.*?>", "", cell) == str(solution.frames[0].grid[at])


def test_the_telling_frames_are_the_first_the_last_and_where_much_changed() -> None:
    frames = list(solved("sudoku4", frames=12).frames)
    for at in range(12):
        frames[at] = replace(frames[at], changed=tuple(range(9)) if at in (4, 7) else ())
    frames[2] = replace(frames[2], changed=(1,))
    assert [frames.index(frame) for frame in telling(frames)] == [0, 2, 4, 7, 11]
    assert telling(frames[:1]) == frames[:1]


def test_all_text_is_escaped() -> None:
    solution = solved("sudoku4")
    verdict = replace(solution.verdict, said=HOSTILE)
    html = solution_html(replace(solution, verdict=verdict))
    assert Page(html).count("script") == 0
    assert Page(html).count("img") == 0
    config = small("mlp")
    found = trm.compare(solution.puzzle, trm.Checkpoint("sudoku4", config, weights(config)))
    name, calls, grid, _ = found.rows[0]
    page = Page(replace(found, rows=((name + HOSTILE, calls, grid, verdict),))._repr_html_())
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert HOSTILE in page.text


def test_a_comparison_is_three_grids_with_their_words() -> None:
    config = small("mlp")
    model = trm.Checkpoint("sudoku4", config, weights(config))
    found = trm.compare(task("sudoku4").make(random.Random(5))[0], model)
    page = Page(found._repr_html_())
    assert page.count("table") == 3
    for name, calls, _, verdict in found.rows:
        assert f"{name.capitalize()}: {calls} calls" in page.text
        assert verdict.said in page.text


def page_data(solution: Solution) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(packed(solution)))
    return found


@pytest.mark.parametrize("name", MADE)
def test_a_page_gets_every_frame_and_the_puzzle(name: str) -> None:
    solution = solved(name, frames=16)
    data = page_data(solution)
    kind = task(name)
    assert (data["kind"], data["rows"], data["columns"]) == (kind.kind, kind.size, kind.size)
    assert len(data["frames"]) == 17
    assert data["frames"][0]["grid"] == data["given"]
    for frame, shown in zip(solution.frames, data["frames"][1:], strict=True):
        assert [int(one, 36) for one in shown["grid"]] == list(frame.grid)
        assert [int(one, 36) / 35 for one in shown["sure"]] == pytest.approx(
            frame.confidence, abs=1 / 70 + 1e-9
        )
        assert shown["said"] == caption(solution, frame)
    farthest = max(max(frame.moved) for frame in solution.frames)
    levels = [one for frame in data["frames"] for one in frame["moved"]]
    assert max(levels) == "z"
    assert any(max(frame.moved) == farthest for frame in solution.frames)


def test_what_a_page_gets_is_bounded_whatever_the_length_of_a_solve() -> None:
    assert len(packed(solved("sudoku9", frames=16))) < 10_000
    solution = solved("sudoku9", frames=600)
    data = page_data(solution)
    assert len(packed(solution)) <= MOST
    assert data["cycles"] == 600
    assert 10 < len(data["frames"]) < 600
    assert data["frames"][-1]["said"] == caption(solution, solution.frames[-1])


class Colours(Sudoku):
    """A kind of puzzles whose cells are colours, such as ARC's; not square."""

    kind = "colours"

    def __init__(self) -> None:
        super().__init__(4, (4, 8))
        self.name, self.size, self.length = "colours", 2, 6


def test_a_kind_may_be_drawn_in_colours_that_are_numbers_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TASKS, "colours", Colours)
    frame = Frame(1, 1, 4, (0, 1, 2, 9, 4, -1), (1.0,) * 6, (1,), (2,), 0.5, (0.0,) * 6)
    said = Verdict(False, (2,), "Not solved.")
    solution = Solution("colours", (0,) * 6, (frame,), False, said, 0.01, 640)
    html = solution_html(solution)
    page = Page(html)
    assert (page.count("tr"), page.count("td")) == (2, 6)
    assert [word for word in page.words if word.isdigit()] == ["0", "1", "2", "9", "4"]
    data = page_data(solution)
    assert (data["kind"], data["rows"], data["columns"]) == ("colours", 2, 3)
    assert all(shade in html for shade in (data["palette"][at] for at in (0, 1, 2, 9, 4)))


@pytest.mark.parametrize("of", ["solution", "depths", "checkpoint", "evaluation"])
def test_ipython_shows_words_not_fields(of: str) -> None:
    formatter = pytest.importorskip("IPython.core.formatters").PlainTextFormatter()
    config = small("mlp")
    model = trm.Checkpoint("sudoku4", config, weights(config), {"exact": [0.5], "held_out": 300})
    puzzle = task("sudoku4").make(random.Random(5))[0]
    shown = {
        "solution": lambda: trm.solve(puzzle, model), "depths": lambda: trm.compare(puzzle, model),
        "checkpoint": lambda: model, "evaluation": lambda: trm.evaluate(model, puzzles=2),
    }[of]()  # fmt: skip
    assert formatter(shown) == str(shown)
    assert "array(" not in str(shown)
    assert "Frame(" not in str(shown)
    if of == "checkpoint":
        assert str(model).endswith("for sudoku4: 50 % of 300 held-out puzzles are solved.")
