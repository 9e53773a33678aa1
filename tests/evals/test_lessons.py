"""What the lessons stand on: letters and logs with exact truth, and what a learner is told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from servers import OpenAIServer

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.engine.recorded import RecordedRun, recorded
from rlm_kernel.evals.exercise import answered, beside, did, mended, number
from rlm_kernel.evals.letters import ABOUT, letters, read
from rlm_kernel.evals.rot import Asked, curve, harbour_log, main, measure
from rlm_kernel.log import Tree
from rlm_kernel.protocol import Message
from rlm_kernel.protocol import events as e


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path))


def asked(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def test_letters_are_about_one_thing_and_never_name_it() -> None:
    written, about = letters(1, 300)
    for letter, what in zip(written, about, strict=True):
        assert read(asked(f"What is it about?\n\n{letter}")) == what
        assert not any(word in letter.lower() for word in ABOUT)
    together = read(asked("A line each.\n\n" + "\n\n".join(written)))
    assert together.splitlines() == [f"{n} {what}" for n, what in enumerate(about, 1)]
    assert read(asked("What is letter 3 about?")).startswith("There is no letter")
    digest = hashlib.sha256("".join(written).encode()).hexdigest()[:16]
    assert digest == "18c6709908ab9881", "the recordings hold these letters"


def test_a_log_gives_the_truth_of_its_questions() -> None:
    text, questions = harbour_log(2, 50)
    lines = text.splitlines()
    assert len(lines) == len(set(lines)) == 50
    assert [one.kind for one in questions] == ["look up"] * 4 + ["count"] * 4
    for one in questions:
        words = one.question.replace("?", " ").split()
        if one.kind == "look up":
            (line,) = (x for x in lines if x.startswith(f"Entry {words[4]}:"))
            assert f"the {one.truth} " in line
        else:
            ship = words[words.index("the") + 1]
            assert one.truth == str(sum(f"the {ship} " in line for line in lines))
    assert harbour_log(2, 50) == (text, questions)


@pytest.mark.parametrize(
    ("kind", "truth", "answer", "right"),
    [("count", "12", "12", True), ("count", "12", "There are 12.", True),
     ("count", "12", "112", False), ("count", "12", "12 or 13", False), ("count", "12", "", False),
     ("count", "1200", "1,200", True),
     ("look up", "Tern", "the Tern.", True), ("look up", "Tern", "Tern or Petrel", False),
     ("look up", "Tern", "I don't know", False)],
)  # fmt: skip
def test_an_answer_is_right_that_names_the_truth_and_no_rival(
    kind: str, truth: str, answer: str, right: bool
) -> None:
    assert Asked(kind, "?", truth).right(answer) is right  # type: ignore[arg-type]


def test_the_curve_counts_what_a_model_got_right_at_each_length(tmp_path: Path) -> None:
    def says(messages: list[Message]) -> str:
        return "Tern" if "Which ship" in str(messages[-1]["content"]) else "1"

    with RLM(model=ScriptedModel(says), save=False) as rlm:
        rows = list(measure(rlm, [10, 20], [1, 2], each=3))
    assert len(rows) == 2 * 2 * 6
    points = curve(rows)
    assert [(p["lines"], p["kind"], p["asked"]) for p in points] == [
        (10, "count", 6), (10, "look up", 6), (20, "count", 6), (20, "look up", 6)]  # fmt: skip
    for point in points:
        of = [r for r in rows if (r["lines"], r["kind"]) == (point["lines"], point["kind"])]
        said = "Tern" if point["kind"] == "look up" else "1"
        assert point["right"] == sum(row["truth"] == said for row in of)
        assert all(row["answer"] == said and row["tokens"] > 10 * row["lines"] for row in of)


def test_a_learner_is_told_in_one_sentence() -> None:
    assert answered(None, 3).startswith("Nothing to check yet")
    assert answered(3, 3) == "Right: 3."
    assert answered(4, 3, "Count again.") == "Not right yet: 4. Count again."
    assert answered("abc", lambda text: len(text) == 3).startswith("Right")


@pytest.mark.parametrize(
    ("answer", "right"),
    [("1972", 1972), ("in 1972.", 1972), (" 240 ", 240), ("cell 2", 2), ("cell2", 2), ("Cell-2", 2),
     (2.0, 2), ("1,200 letters", 1200), ("-3", -3), ("1e3", 1000), ("$0.25", 0.25),
     ("smell.", "smell"), (" 'Smell'\n", "smell"), (["Noise.", "smell"], ["noise", "smell"]),
     (("noise",), ["noise"]), ("about $12", lambda said: 10 < number(said) < 14)],
)  # fmt: skip
def test_a_right_answer_is_right_in_whatever_form(answer: object, right: object) -> None:
    assert answered(answer, right).startswith("Right: ")


@pytest.mark.parametrize(
    ("answer", "right"),
    [("1973", 1972), ("1972 or 1973", 1972), ("", 2), ("two", 2), ("cell 12", 2), ("-2", 2),
     ("smells", "smell"), ("noise or smell", "smell"), (["smell"], ["smell", "noise"]),
     (["smell", "noise"], ["noise", "smell"]), ("smell", ["smell"]), ([2], 2),
     (print, lambda said: number(said) < 3), ("1 or 2", lambda said: number(said) < 3)],
)  # fmt: skip
def test_a_wrong_answer_stays_wrong(answer: object, right: object) -> None:
    assert answered(answer, right, "Look.").startswith("Not right yet: ")


@pytest.fixture
def theirs() -> RecordedRun:
    root = ScriptedModel([
        "```repl\nsaid = llm_query_batched(['one', 'two'])\nprint(said)\n```",
        "```repl\nFINAL(len(said))\n```",
    ])  # fmt: skip
    with RLM(model=root, sub_model=ScriptedModel(lambda m: "yes"), sandbox="none") as rlm:
        run = rlm.run("How many?", "abc")
        assert run.answer == 2
        return recorded(run)


def by_hand(run: RecordedRun, calls: int) -> RecordedRun:
    """The same, as if a person had written the cells and made so many of the calls."""
    tree, events, left = Tree(), [], calls
    for logged in run.events:
        event = logged.event
        if isinstance(event, e.CellProposed):
            event = replace(event, author="human")
        if isinstance(event, e.CallStarted) and event.role == "sub":
            left -= 1
            if left < 0:
                event = replace(event, role="fold")  # as if it weren't one of theirs
        events.append(replace(logged, event=event))
        tree.apply(events[-1])
    return RecordedRun(replace(run.recording, events=events, tree=tree))


def test_a_learner_stands_beside_the_recording(theirs: RecordedRun) -> None:
    assert str(did(theirs)).startswith("2 cells and 2 calls (")
    assert did(theirs, "human").cells == 0
    assert beside(theirs, theirs, None, 2).startswith("Nothing to check yet")
    assert "by no cell" in beside(theirs, theirs, 2, 2)
    mine = by_hand(theirs, 2)
    assert beside(mine, theirs, 2, 2).endswith("as in the recording.")
    assert beside(mine, theirs, 3, 2).startswith("Not right yet: 3. You used 2 cells and 2 calls")
    assert ": less than in the recording, by 2 cells" in beside(by_hand(mine, 1), theirs, 2, 2)
    more = by_hand(by_hand(theirs, 0), 0)
    assert str(did(more, "human")) == "2 cells and no call"


TWO = "replies = llm_query_batched(['one', 'two'])"


@pytest.mark.parametrize(
    ("code", "said"),
    [(TWO, "Right: 2."),
     ("replies = [", "Not right yet: your cell isn't Python as it stands: SyntaxError: "),
     ("replies = 'a\n'", ". A backslash in it needs r'''…''' around the code."),
     ("if 1:\nreplies = 2", "your cell isn't Python as it stands: IndentationError: "),
     (f"{TWO}\n1 / 0", "didn't run to its end: ZeroDivisionError: division by zero. Look"),
     ("replies = llm_query_batched(list('abc'))", "your cell made 3 calls, and may make 2. Look"),
     ("replies = llm_query_batched(list('abcdef'))", "cell made 6 calls, and may make 2. Look"),
     ("replies = ['yes'] * 2", "your cell made no call"),
     ("FINAL(2)", "your cell made no call"),
     (f"{TWO[10:]}", "the cell after it didn't: NameError: name 'replies' is not defined. Look"),
     (f"{TWO}\nreplies *= 2", "Not right yet: 4. Look"),
     (f"{TWO}\nreplies = None", "the cell after it didn't: TypeError")],
)  # fmt: skip
def test_a_learner_is_told_what_went_wrong_with_a_cell(
    theirs: RecordedRun, code: str, said: str
) -> None:
    root = ScriptedModel(["```repl\nFINAL(len(replies))\n```"])
    with RLM(model=root, sub_model=ScriptedModel(lambda m: "yes"), sandbox="none",
             budget="5 calls", save=False) as rlm:  # fmt: skip
        run = rlm.fork(theirs, cells={1: code}, context="abc")
        run.wait()
        told = mended(run, 1, 2, 2, "Look again.")
    assert said in told, told
    assert told.startswith("Right") == (code == TWO)
    assert ("Look again." in told) == (code != TWO and "isn't Python" not in told)
    assert "\n" not in told


def test_a_learner_without_a_fork_has_nothing_to_check() -> None:
    assert mended(None, 1, 2, 2).startswith("Nothing to check yet")


def test_the_curve_of_a_model_is_printed_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    openai_server.reply_with(lambda asked: "Tern")
    out = tmp_path / "rot.json"
    command = ["--model", "openai/some", "--api-base", openai_server.api_base, "--seeds", "1"]
    for lines in ("10", "20"):
        assert main([*command, "--each", "2", "--out", str(out), "--lines", lines]) == 0
    kept = json.loads(out.read_text())
    assert [row["lines"] for row in kept["rows"]] == [10] * 4 + [20] * 4, "the first stay"
    assert kept["how"]["model"] == "openai/some"
    shown = capsys.readouterr().out
    assert "20 lines" in shown
    assert "0 of 2 right" in shown
