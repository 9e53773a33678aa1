"""A log decides nothing of what the run that is picked up from it may reach."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from disturbed import plain_sentence
from traitlets.config import Config

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.cli import main
from rlm_kernel.engine import kept
from rlm_kernel.engine import rlm as rlm_module
from rlm_kernel.engine.regrant import refuse_unboxed
from rlm_kernel.engine.settings import Settings
from rlm_kernel.errors import ConfigError, ContextError, RecordingError
from rlm_kernel.log import read_log
from rlm_kernel.log.paths import is_sandboxed, sandboxed_dir
from rlm_kernel.protocol.frames import pack
from rlm_kernel.repl.box import look

Saved = Callable[..., Path]
GOES_ON = "```python\nFINAL(x + len(context))\n```"
OTHER = {
    "api_base": "http://127.0.0.1:9/v1",
    "sandbox": "none",
    "allow_read": ["/etc", "/usr"],
    "allow_write": ["/tmp"],
    "allow_net": True,
    "workdir": "/tmp",
}
boxes = pytest.mark.skipif(look().best == "none", reason="no sandbox works on this machine")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run over a text that ended with a draft after its only turn."""
    base = tmp_path_factory.mktemp("ended")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLM_HOME", str(base))
        root = ScriptedModel(["```python\nanswer['content'] = 'a draft'\nx = 1\n```"])
        with RLM(model=root, max_turns=1) as rlm:
            run = rlm.run("What?", "some text")
    assert run.status == "partial"
    assert run.log.folder is not None
    return run.log.folder


@pytest.fixture
def saved(ended: Path, home: Path) -> Saved:
    """Make a run's folder like it, whose log has other options, and another context."""

    def make(place: str = "runs/run", info: Any = None, **options: Any) -> Path:
        folder = home / place
        shutil.copytree(ended, folder)
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        (started,) = (line for line in lines if line.get("type") == "run.started")
        started["config"]["options"].update(options)
        started["context"][0].update(info or {})
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    return make


def refused(kind: type[Exception], folder: Path, **options: Any) -> str:
    """Resume; give the sentence in which that is refused, with nothing done or asked."""
    model = ScriptedModel([GOES_ON])
    before = (folder / "log.jsonl").read_bytes()
    with pytest.raises(kind) as caught:
        Run.resume(folder, **{"model": model, "max_turns": 3, **options})
    assert model.requests == []
    assert (folder / "log.jsonl").read_bytes() == before
    assert plain_sentence(str(caught.value)), str(caught.value)
    return str(caught.value)


def goes_on(folder: Path, **options: Any) -> Run:
    run = Run.resume(folder, model=ScriptedModel([GOES_ON]), max_turns=3, **options)
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", 10), run.reason
    return run


# -- what it may reach --------------------------------------------------------------------------


@pytest.mark.parametrize("name", OTHER)
def test_a_reach_that_only_the_log_has_is_said_and_nothing_is_done(saved: Saved, name: str) -> None:
    value = OTHER[name]
    said = refused(ConfigError, saved(**{name: value}))
    assert f"{name}=" in said
    assert all(part in said for part in (value if isinstance(value, list) else [str(value)]))
    assert "--" + name.replace("_", "-") in said


@boxes
def test_what_is_given_again_holds(saved: Saved) -> None:
    folder = saved(**{**OTHER, "sandbox": "bubblewrap"})
    run = goes_on(folder, **{**OTHER, "sandbox": "auto"})
    assert run.settings.workdir == "/tmp"
    assert run.settings.allowed == {"net", "reads", "writes"}
    assert run.settings.sandbox == look().best


@boxes
def test_what_is_given_otherwise_wins(saved: Saved) -> None:
    folder = saved(**OTHER)
    less = {"api_base": "", "sandbox": "auto", "allow_read": [], "allow_write": [],
            "allow_net": False, "workdir": ""}  # fmt: skip
    run = goes_on(folder, **less)
    assert run.settings.allowed == frozenset()
    assert run.settings.sandbox == look().best


def test_less_of_a_box_is_never_the_logs_doing(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    unboxed = saved("runs/unboxed", sandbox="none")
    assert 'sandbox="none"' in refused(ConfigError, unboxed)
    assert goes_on(unboxed, sandbox="none").settings.sandbox == "none"
    # A person's own default doesn't take a run out of the box that it was in, either.
    monkeypatch.setattr(rlm_module, "user_config", lambda: Config({"RLM": {"sandbox": "none"}}))
    boxed = saved("runs/boxed", sandbox="auto")
    assert 'sandbox="auto"' in refused(ConfigError, boxed)
    assert goes_on(boxed, sandbox="none").settings.sandbox == "none"
    # Where both say the same, nothing differs.
    assert goes_on(saved("runs/same", sandbox="none")).settings.sandbox == "none"


def test_a_notebooks_variables_are_not_had_by_a_log(saved: Saved) -> None:
    folder = saved(where="shell")
    assert "%rlm resume FOLDER" in refused(ConfigError, folder)
    run = goes_on(folder, where="kernel")
    assert run.settings.where == "kernel"


def test_an_rlm_of_ones_own_is_asked_as_well(saved: Saved) -> None:
    folder = saved(allow_net=True)
    with RLM(model=ScriptedModel([GOES_ON]), max_turns=3) as rlm:
        with pytest.raises(ConfigError, match="allow_net=True"):
            rlm.resume(folder)
        assert rlm.runs == []


def test_a_hostile_value_is_shown_on_one_line(saved: Saved) -> None:
    said = refused(ConfigError, saved(api_base='http://x/"\n\x1b[31m', workdir=[{"a": "\n"}]))
    assert "\x1b" not in said


def test_the_command_line_takes_the_flags_that_the_sentence_names(
    saved: Saved, openai_server: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    openai_server.reply_with(lambda request: GOES_ON)
    reach = {**OTHER, "sandbox": "none", "api_base": openai_server.api_base}
    folder = saved(**reach)
    line = ["resume", str(folder), "--model", "openai/x", "--sub-model", "openai/x",
            "--max-turns", "3"]  # fmt: skip
    assert main(line) == 2
    said = capsys.readouterr().err
    flags = said.rpartition("; ")[2].partition(")")[0].split()
    assert openai_server.requests == []
    assert main([*line, *flags]) == 0
    assert capsys.readouterr().out == "10\n"
    less = saved("runs/less", allow_read=["/etc"], allow_net=True, api_base="http://x")
    assert main(["resume", str(less), *line[2:], "--allow-read", "", "--no-allow-net",
                 "--api-base", openai_server.api_base, "--sandbox", "none"]) == 0  # fmt: skip


# -- what ran in a box --------------------------------------------------------------------------


def test_a_sandboxed_kernels_run_is_never_run_with_a_persons_rights(
    saved: Saved, tmp_path: Path, home: Path
) -> None:
    folder = saved("sandboxed/k1/runs/run", where="shell", sandbox="auto")
    (tmp_path / "way").symlink_to(folder.parent)
    away = saved("away")
    (folder.parent / "link").symlink_to(away)
    ways = [folder, folder / "log.jsonl", tmp_path / "way" / "run", tmp_path / "way" / "link",
            home / "runs" / ".." / "sandboxed" / "k1" / "runs" / "run"]  # fmt: skip
    (home / "runs").mkdir()
    for way in ways:
        with pytest.raises(ConfigError, match=r"sandboxed kernel's.*where=\"kernel\""):
            Run.resume(way, model=ScriptedModel([GOES_ON]), where="kernel", sandbox="none")
    assert not is_sandboxed(away)
    assert sandboxed_dir() == home / "sandboxed"


@boxes
def test_a_sandboxed_kernels_run_goes_on_in_a_box(saved: Saved) -> None:
    folder = saved("sandboxed/k1/runs/run", where="shell")
    assert goes_on(folder, where="kernel").settings.sandbox == look().best


@pytest.mark.parametrize(
    ("settings", "ours", "boxed"),
    [
        (Settings("m", "m", where="shell", held="landlock"), False, True),
        (Settings("m", "m", where="shell", sandbox="landlock"), False, False),  # its children's
        (Settings("m", "m", where="kernel", sandbox="bubblewrap"), True, True),
        (Settings("m", "m", where="kernel", sandbox="bubblewrap"), False, False),
        (Settings("m", "m", where="kernel", sandbox="none"), True, False),
    ],
)
def test_what_holds_the_cells_is_what_counts(
    home: Path, settings: Settings, ours: bool, boxed: bool
) -> None:
    folder = home / "sandboxed" / "k1" / "runs" / "run"
    with nullcontext() if boxed else pytest.raises(ConfigError, match="sandboxed kernel's"):
        refuse_unboxed(folder, settings, ours)
    refuse_unboxed(home / "runs" / "run", settings, ours)


# -- its folder ---------------------------------------------------------------------------------

SECRET = "the key is sk-4711"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that is none of the run's."""
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize("name", ["../../secret", "a/b", "/etc/passwd", "..", "", None, 3])
def test_the_name_of_a_context_is_no_way_out(saved: Saved, name: Any) -> None:
    assert "can't be a name" in refused(ContextError, saved(info={"name": name}))


def as_kept(value: Any) -> bytes:
    return b"".join(pack({"value": value}))


@pytest.mark.parametrize("link", ["contexts/context", "contexts"])
def test_no_link_leads_out_of_the_folder(saved: Saved, tmp_path: Path, link: str) -> None:
    folder = saved(info={"hash": ""})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "context").write_bytes(as_kept(SECRET))
    shutil.rmtree(folder / "contexts")
    if link == "contexts":
        (folder / "contexts").symlink_to(elsewhere)
    else:
        (folder / "contexts").mkdir()
        (folder / link).symlink_to(elsewhere / "context")
    said = refused(ContextError, folder)
    assert "give the same by context=" in said
    run = goes_on(folder, context="some text")
    assert SECRET not in str(run.history)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0\2{}", b"\0\0\0\x7fx", as_kept({"file": "/etc/passwd"}), as_kept({"pickle": 0}),
     as_kept({}), b"\xff" * 99],
)  # fmt: skip
def test_a_kept_context_that_is_none_is_said(saved: Saved, data: bytes) -> None:
    folder = saved(info={"hash": ""})
    (folder / "contexts" / "context").write_bytes(data)
    assert "give the same by context=" in refused(ContextError, folder)


def test_what_is_too_big_to_be_kept_is_not_read(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_INSIDE", 5)
    assert "give the same by context=" in refused(ContextError, saved())


def test_a_pipe_in_the_place_of_a_context_is_not_read(saved: Saved) -> None:
    folder = saved(info={"hash": ""})
    (folder / "contexts" / "context").unlink()
    os.mkfifo(folder / "contexts" / "context")
    assert "give the same by context=" in refused(ContextError, folder)
    end = os.open(folder / "contexts" / "context", os.O_RDWR)
    os.write(end, as_kept("some text"))
    assert "give the same by context=" in refused(ContextError, folder)
    os.close(end)


def test_a_path_that_is_kept_is_not_opened(saved: Saved, secret: Path) -> None:
    folder = saved(info={"hash": ""})
    (folder / "contexts" / "context").write_bytes(as_kept({"path": str(secret)}))
    model = ScriptedModel(["```python\nFINAL(str(context))\n```"])
    run = Run.resume(folder, model=model, max_turns=3)
    assert run.wait(60)
    assert SECRET not in str(run.history) + str(run.answer)


@pytest.mark.parametrize("fingerprint", [None, "", 0, ["text"]])
def test_a_file_without_a_fingerprint_is_not_opened(
    saved: Saved, secret: Path, fingerprint: Any
) -> None:
    folder = saved(info={"path": str(secret), "hash": fingerprint})
    shutil.rmtree(folder / "contexts")
    assert "isn't opened: give it by context=" in refused(ContextError, folder)
    assert goes_on(folder, context="some text").answer == 10


def test_another_file_than_it_was_reaches_nobody(saved: Saved, secret: Path) -> None:
    folder = saved(info={"path": str(secret)})
    shutil.rmtree(folder / "contexts")
    said = refused(ContextError, folder)
    assert "isn't what it was" in said
    assert SECRET not in said


@pytest.fixture
def apart(saved: Saved) -> tuple[Path, str]:
    """A run's folder with a text that is kept apart, and its name there."""
    folder = saved()
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    blob = {"$blob": digest, "chars": len(SECRET), "head": ""}
    with (folder / "log.jsonl").open("a") as file:
        line = {"seq": 999, "time": 1, "type": "note", "node": "run1", "text": blob}
        file.write(json.dumps(line) + "\n")
    (folder / "blobs" / digest).write_text(SECRET)
    return folder, digest


def test_a_text_kept_apart_is_what_its_name_says(apart: tuple[Path, str]) -> None:
    folder, digest = apart
    assert SECRET in str(read_log(folder))
    (folder / "blobs" / digest).write_text("another secret")
    assert "another secret" not in str(read_log(folder))


@pytest.mark.parametrize("link", ["blobs", "blob"])
def test_a_text_kept_apart_is_not_read_through_a_link(
    apart: tuple[Path, str], tmp_path: Path, link: str
) -> None:
    folder, digest = apart
    (tmp_path / "way").symlink_to(folder)  # which the person made
    assert SECRET in str(read_log(tmp_path / "way"))
    place = folder / "blobs" if link == "blobs" else folder / "blobs" / digest
    shutil.move(place, tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert SECRET not in str(read_log(folder))


@pytest.mark.parametrize("name", ["log.jsonl", ".lock", "blobs"])
def test_nothing_is_written_through_a_link(saved: Saved, tmp_path: Path, name: str) -> None:
    folder = saved()
    target = tmp_path / "target"
    if (folder / name).exists():
        shutil.move(folder / name, target)
    (folder / name).symlink_to(target)
    was = target.read_bytes() if target.is_file() else None
    with pytest.raises(RecordingError, match="is a link"):
        Run.resume(folder, model=ScriptedModel([GOES_ON]), max_turns=3)
    assert (target.read_bytes() if target.is_file() else None) == was
