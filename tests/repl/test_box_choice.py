"""Which box a kernel gets, and what is said where none can be had."""

import json
import os
import subprocess
import sys

import pytest
from boxes import need

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.cli import main
from rlm_kernel.errors import ConfigError
from rlm_kernel.repl import box
from rlm_kernel.repl.box import probing, python_files, seccomp
from rlm_kernel.repl.box.policy import Policy


@pytest.fixture
def here(monkeypatch):
    """Say what works on this machine."""

    def say(found):
        for place in (probing, box):
            monkeypatch.setattr(place, "look", lambda: found)
        monkeypatch.setattr("rlm_kernel.cli.unboxed.look", lambda: found)

    return say


NOTHING = probing.Found(False, 0, ("bubblewrap isn't installed", "Linux here has no Landlock"))
LANDLOCK = probing.Found(False, 5, ("bubblewrap isn't installed",))
ANSWER = ["```python\nFINAL(context.upper())\n```"]


def test_the_better_box_that_works_is_taken(here):
    here(probing.Found(True, 5))
    assert probing.choose("auto") == "bubblewrap"
    here(LANDLOCK)
    assert probing.choose("auto") == "landlock"
    said = r"can't be had.*isn't installed.*landlock.*--sandbox none"
    with pytest.raises(ConfigError, match=said):
        probing.choose("bubblewrap")


def test_a_script_is_told_the_exact_flag_and_nothing_is_started(here):
    here(NOTHING)
    rlm = RLM(model=ScriptedModel(ANSWER))
    with pytest.raises(ConfigError, match=r'nothing was started.*sandbox="none"'):
        rlm.run("What?", "abc")
    assert rlm.runs == []
    with RLM(model=ScriptedModel(ANSWER), sandbox="none") as free:
        run = free.run("What?", "abc")
        assert (run.answer, run.tree[run.node].sandbox) == ("ABC", "none")


def test_the_tree_says_what_held_the_cells():
    with RLM(model=ScriptedModel(ANSWER)) as rlm:
        run = rlm.run("What?", "abc")
        assert run.tree[run.node].sandbox == probing.look().best
        assert f"sandbox: {probing.look().best}" in str(run.tree)


def test_the_command_line_fails_with_the_flag_where_nobody_can_be_asked(here, capsys, tmp_path):
    here(NOTHING)
    code = main(["run", "what?", "--model", "openai/x", "--api-base", "http://127.0.0.1:9/v1"])
    assert code == 2
    assert "--sandbox none" in capsys.readouterr().err


def test_a_yes_is_asked_for_once_and_remembered(here, monkeypatch, tmp_path, capsys):
    from rlm_kernel.cli import unboxed

    here(NOTHING)
    monkeypatch.setattr(unboxed, "_file", lambda: tmp_path / "c" / "yes")

    class Terminal:
        said = "n\n"

        def isatty(self):
            return True

        def readline(self):
            return self.said

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not unboxed.allowed()
    Terminal.said = "y\n"
    assert unboxed.allowed()
    Terminal.said = "n\n"
    assert unboxed.allowed()
    assert capsys.readouterr().err.count("[y/N]") == 2


def test_a_path_that_is_not_there_is_named_before_anything_starts(tmp_path):
    rlm = RLM(model=ScriptedModel(ANSWER), allow_read=[str(tmp_path / "nope")])
    with pytest.raises(ConfigError, match=r"allow_read names .*nope"):
        rlm.run("What?", "abc")


def test_a_folder_that_this_user_may_not_look_into_is_left_out(monkeypatch):
    """As where the interpreter was moved, or a package lies in somebody else's home."""
    stat = os.stat

    def refusing(path, *more, **how):
        if str(path) == "/closed/lib":
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *more, **how)

    monkeypatch.setattr(os, "stat", refusing)
    monkeypatch.setattr(python_files.sysconfig, "get_config_var", lambda name: "/closed/lib")
    assert "/closed/lib" not in python_files.python_files()


@pytest.mark.parametrize("method", ["bubblewrap", "landlock"])
def test_what_is_allowed_can_be_used_and_no_more(tmp_path, method, openai_server):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "data.txt").write_text("from the folder")
    code = f"""```python
import pathlib, socket
base = pathlib.Path({str(tmp_path)!r})
got = [(base / 'in' / 'data.txt').read_text()]
(base / 'out' / 'new.txt').write_text('made')
for what in (lambda: (base / 'in' / 'new.txt').write_text('x'),
             lambda: (base / 'other.txt').read_text()):
    try:
        what()
        got.append('no error')
    except OSError as error:
        got.append('refused')
with socket.create_connection(('127.0.0.1', {openai_server.port})):
    got.append('connected')
FINAL(got)
```"""
    (tmp_path / "other.txt").write_text("not yours")
    options = {"allow_read": [str(tmp_path / "in")], "allow_write": [str(tmp_path / "out")]}
    need(method)
    with RLM(model=ScriptedModel([code]), sandbox=method, allow_net=True, **options) as rlm:
        run = rlm.run("What?", "abc context")
        assert run.answer == ["from the folder", "refused", "refused", "connected"], run.reason
    assert (tmp_path / "out" / "new.txt").read_text() == "made"


def test_a_policy_crosses_to_its_process_whole():
    policy = Policy("landlock", ("/a",), ("/b", "/c"), True, 5, 6, 7, 8)
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("net", [False, True])
def test_every_jump_of_the_filter_lands_in_it(machine, net):
    rules = seccomp.program(net, machine)
    assert len(rules) < 4096
    for at, (code, true, false, _) in enumerate(rules):
        if code & 7 == 5:
            assert at + 1 + max(true, false) < len(rules)


def test_a_child_that_cannot_close_its_box_does_not_start():
    env = {"RLM_BOX": json.dumps({"method": "landlock", "read": [], "write": [], "net": False})}
    code = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n"
        "from rlm_kernel.repl.box import inside\n"
        "inside.first()\n"
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "more already" in done.stderr
