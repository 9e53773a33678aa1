"""A command that is written wrongly: one sentence that says what to type, and exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.cli import main, parser
from rlm_kernel.log import runs_dir

ASK = 'rlm-kernel run "QUESTION" --context PATH'
CELL = "```python\nprint(len(context))\n```"


def told(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Give the one line that is said of a mistake."""
    try:
        code = main(given)
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    assert "usage:" not in err
    return err.rstrip("\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("compar", "rlm-kernel has no command 'compar': did you mean compare?"),
        ("nothing", "rlm-kernel has no command 'nothing': rlm-kernel --help lists what it has."),
        ("who|is it?", "rlm-kernel has no command 'who': rlm-kernel --help lists what it has."),
        ("who is it?", "rlm-kernel has no command 'who is it?': a command comes first, as in: "
         + ASK),
        ("--verson", "rlm-kernel has no option --verson: did you mean --version?"),
        ("--model|x|run|q", "rlm-kernel has no option --model: options come after a command, as "
         f"in: {ASK}"),
        ("run", f"rlm-kernel run needs the question, in quotes, as in: {ASK}"),
        ("run|--context|a.txt|who is it", "rlm-kernel run needs the question, in quotes, as in: "
         + ASK),
        ("run|who|is|it|-c|a.txt", "rlm-kernel run has no place for 'is it': the question comes "
         f"first, in quotes: {ASK}"),
        ("run|q|--contxt|a.txt", "rlm-kernel run has no option --contxt: did you mean --context?"),
        ("run|q|--contxt=a.txt", "rlm-kernel run has no option --contxt: did you mean --context?"),
        ("run|q|--mode|step", "rlm-kernel run has no option --mode: did you mean --model?"),
        ("run|q|--xyz", "rlm-kernel run has no option --xyz: rlm-kernel run --help lists what it "
         "has."),
        ("run|q|--context", "rlm-kernel run: --context needs what comes after it: --context PATH"),
        ("run|q|-m", "rlm-kernel run: --model needs what comes after it: --model MODEL"),
        ("run|q|--max-turns|many", "rlm-kernel run: --max-turns is a whole number, not 'many'."),
        ("run|q|--sandbox|jail", "rlm-kernel run: --sandbox is auto, bubblewrap, landlock or none, "
         "not 'jail'."),
        ("run|q|--sandbox", "rlm-kernel run: --sandbox needs what comes after it: "
         "--sandbox auto|bubblewrap|landlock|none"),
        ("run|q|--json=yes", "rlm-kernel run: --json stands alone: nothing is given to it."),
        ("resume|a|b", "rlm-kernel resume has no place for 'b': it is written: "
         "rlm-kernel resume FOLDER"),
        ("save", "rlm-kernel save needs a run's folder, or a .rlm file, as in: "
         "rlm-kernel save FOLDER run.rlm"),
        ("save|run", "rlm-kernel save needs the .rlm file to write, as in: "
         "rlm-kernel save FOLDER run.rlm"),
        ("replay", "rlm-kernel replay needs a run's folder, or a .rlm file, as in: "
         "rlm-kernel replay run.rlm"),
        ("replay|r|--shw", "rlm-kernel replay has no option --shw: did you mean --show?"),
        ("replay|r|--where|shell", "rlm-kernel replay: --where is kernel, not 'shell'."),
        ("fork", "rlm-kernel fork needs a run's folder, or a .rlm file, as in: "
         "rlm-kernel fork run.rlm --turn 1"),
        ("fork|r|--turn|two", "rlm-kernel fork: --turn is a whole number, not 'two'."),
        ("fork|r|--turn", "rlm-kernel fork: --turn needs what comes after it: --turn K"),
        ("fork|r|--cell|1", "rlm-kernel fork: --cell needs what comes after it: --cell N FILE"),
        ("export", "rlm-kernel export needs a run's folder, a .rlm file, or a log of the official "
         "rlm, as in: rlm-kernel export run.rlm run.html"),
        ("export|r|x.html|--form|pdf", "rlm-kernel export: --form is html, ipynb, rlm, pairs or "
         "rollout, not 'pdf'."),
        ("compare", "rlm-kernel compare needs two runs or more: their folders, or .rlm files, "
         "as in: rlm-kernel compare one.rlm other.rlm"),
        ("compare|a|b|--plian", "rlm-kernel compare has no option --plian: did you mean --plain?"),
        ("demo|more", "rlm-kernel demo has no place for 'more': it is written: rlm-kernel demo"),
        ("doctor|--jsn", "rlm-kernel doctor has no option --jsn: did you mean --json?"),
        ("models|lst", "rlm-kernel models has no command 'lst': did you mean list?"),
        ("models|add", "rlm-kernel models add needs a GGUF file, as in: "
         "rlm-kernel models add model.gguf"),
        ("install|--user|--sys-prefix", "rlm-kernel install takes one of --user and --sys-prefix, "
         "not both."),
        ("bench|--ful", "rlm-kernel bench has no option --ful: did you mean --full?"),
        ("run|q|--\x1b[31mred", "rlm-kernel run has no option --\N{SYMBOL FOR ESCAPE}[31mred: "
         "rlm-kernel run --help lists what it has."),
    ],
)  # fmt: skip
def test_what_was_meant_is_said(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(given.split("|"), capsys) == said


@pytest.mark.parametrize(
    ("given", "flag"),
    [("run|q|-c|{run}|--model|human", "--model human"),
     ("run|q|-c|{run}|--sub-model|human", "--sub-model human"),
     ("fork|{run}|--model|human", "--model human"),
     ("fork|{run}|--model|local|--sub-model|human", "--sub-model human"),
     ("resume|{folder}", "--model human"),
     ("resume|{folder}|--model|local", "--sub-model human"),
     ("compare|{run}|{run}|--plain|--model|human", "--model human")],
)  # fmt: skip
def test_a_person_cant_be_a_model_in_a_terminal_and_is_told_where(
    given: str, flag: str, saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    with RLM(model="human", sandbox="none") as rlm:
        run = rlm.run("How long?", "abc")  # which fails: nobody is there
    before = set(runs_dir().iterdir())
    words = [word.format(run=saved, folder=run.log.folder) for word in given.split("|")]
    said = told(words, capsys)
    assert said.startswith(f"rlm-kernel: {flag} has a person answer in a model's place")
    assert "in a notebook or in IPython, by %%rlm" in said
    assert set(runs_dir().iterdir()) == before, "no run is begun"


def commands(above: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from commands(command)


def test_each_command_says_how_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(commands(parser()))
    assert len(found) >= 15
    for command in found:
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([*command.prog.split()[1:], "--help"])
        assert ended.value.code == 0
        example = capsys.readouterr().out.rpartition("example: ")[2].strip()
        assert example.startswith(command.prog)
        words = example.replace('"', "").split()[1:]
        assert parser().parse_args(words).verb == words[0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    model = ScriptedModel([CELL, "FINAL('3')"])
    with RLM(model=model, save=False, sandbox="none") as rlm:
        run = rlm.run("How long?", context="abc")
    return str(run.save(tmp_path_factory.mktemp("saved") / "run"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("replay|nowhere", "There is nothing at nowhere: give a .rlm file, or a run's folder; they "
         "are kept in {home}."),
        ("save|nowhere|x", "There is nothing at nowhere: give a .rlm file, or a run's folder"),
        ("fork|nowhere.rlm", "There is nothing at nowhere.rlm: give a .rlm file"),
        ("fork|empty", "There is no run in empty: give the folder of a run; they are kept in "
         "{home}."),
        ("resume|nowhere", "There is nothing at nowhere: give the folder of a run"),
        ("resume|{run}", "{run} is a file, and a run is picked up in its folder: a recording is "
         "gone on with by fork."),
        ("compare|{run}|empty", "There is no run in empty: give a .rlm file, or a run's folder"),
        ("compare|{run}", "Two runs are compared, or more: give another."),
        ("fork|{run}|--turn|9", "The run has no turn 9 that is whole; it has 1 to 2."),
        ("fork|{run}|--cell|9|cell.py", "The run has no cell 9; it has 1 to 2."),
        ("fork|{run}|--cell|1|none.py", "--cell 1: none.py can't be read (No such file or "
         "directory): name a file with its code."),
        ("fork|{run}", "The model of that run, 'scripted', can't go on here: name one that can by "
         "--model, or at Model in the form."),
        ("export|{run}|page", "'page' has no ending that says its form; there are html (.html)"),
        ("export|{run}|page.pdf", "'.pdf' is no form of a run; there are html (.html)"),
        ("export|{run}", "Nothing says where to: name a file"),
        ("save|{run}|none/x", "The recording can't be written to none/x.rlm: No such file or "
         "directory."),
        ("save|{run}|x|--context|--redact|a", "--redact leaves the context out, so --context can't "
         "go with it."),
        ("save|{run}|x|--redact|", "An empty text can't be cut out: say which one is to be."),
        ("models|pull|nope", "There is no model 'nope' to pull; there are "),
    ],
)  # fmt: skip
def test_a_run_or_a_part_of_it_that_isnt_there_is_said(
    given: str, said: str, saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "cell.py").write_text("print(1)")
    names = {"run": saved, "home": tmp_path / "home" / "runs"}
    error = told([word.format(**names) for word in given.split("|")], capsys)
    assert error.startswith("rlm-kernel: " + said.format(**names))
    assert {path.name for path in tmp_path.iterdir()} <= {"empty", "cell.py", "home"}
    assert not list((tmp_path / "home").rglob("*_run*")), "nothing is left of it"
