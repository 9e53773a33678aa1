"""A run whose kernel died goes on in the next one, with `%rlm resume FOLDER`."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import SCRIPT, Kernel

# Fixture ``ours`` is a kernel of tests/notebook/conftest.py.


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_a_run_goes_on_after_its_kernel_was_killed(kind: str, tmp_path: Any) -> None:
    first = Kernel(kind, tmp_path)
    try:
        first.run("%load_ext rlm")
        first.run(SCRIPT)
        first.run("m = script('n = context.count(\"needle\")\\nmine = [n]', 'a = 2', 'FINAL(n)')")
        cell = first.run("%%rlm r --context text --model m --mode auto --budget '2 calls'\nMany?")
        assert "budget of 2 calls" in cell.text
        folder = first.value("str(r.log.folder)").strip("'")
    finally:
        first.close()  # which kills it
    second = Kernel(kind, tmp_path)
    try:
        second.run("%load_ext rlm")
        second.run(SCRIPT)
        second.run("m = script('FINAL(mine + [n, len(context), a])')")
        again = second.run(f"%rlm resume {folder} --model m --budget '9 calls'")
        assert again.ok, again.text
        assert "Answer: [3, 3, 4021, 2]" in again.text
        assert second.value("_rlm.answer, mine") == "([3, 3, 4021, 2], [3])"
        assert second.value("r is _rlm") == "True", "it is called as before"
    finally:
        second.close()


def test_a_new_kernel_says_which_run_can_be_gone_on_with(tmp_path: Any) -> None:
    first = Kernel("ours", tmp_path)
    try:
        first.run("%load_ext rlm")
        first.run(SCRIPT)
        first.run("m = script('a = 1', 'FINAL(a)')")
        none = first.run("%rlm resume")
        assert "No run yet" in none.text
        first.run("%%rlm r --context text --model m --mode auto --budget '1 calls'\nHow many?")
        folder = first.value("str(r.log.folder)").strip("'")
    finally:
        first.close()
    second = Kernel("ours", tmp_path)
    try:
        second.run("%load_ext rlm")
        cell = second.run("%rlm resume")
        assert not cell.ok
        assert f"'How many?': `%rlm resume {folder}` goes on with it." in cell.text
        assert "Traceback" not in cell.text
    finally:
        second.close()


def test_another_sub_model_can_be_given(ours: Any) -> None:
    ours.run(SCRIPT)
    ours.run(ONCE)
    ours.run("%%rlm r --context text --model m --sub-model m --mode auto --max-turns 1\nMany?")
    folder = ours.value("str(r.log.folder)").strip("'")
    ours.run("other = script('unused')\nm = script('FINAL(x + 1)')")
    cell = ours.run(f"%rlm resume {folder} --model m --sub-model other --budget '9 calls'")
    assert cell.ok, cell.text
    assert ours.value("_rlm.settings.sub_model != _rlm.settings.model") == "True"


def test_what_cannot_be_picked_up_is_one_sentence(ours: Any, tmp_path: Any) -> None:
    cell = ours.run(f"%rlm resume {tmp_path}")
    assert not cell.ok
    assert "There is no run in" in cell.text
    assert "Traceback" not in cell.text


ONCE = "m = script(\"answer['content'] = 'a draft'\\nx = 1\")"


def test_what_a_run_may_reach_is_given_again(ours: Any) -> None:
    ours.run(ONCE)
    base = "http://127.0.0.1:9/v1"
    cell = ours.run("%%rlm r --context text --model m --mode auto --max-turns 1 --sandbox none "
                    f"--api-base {base}\nMany?")  # fmt: skip
    assert "a draft" in cell.text
    folder = ours.value("str(r.log.folder)").strip("'")
    ours.run("m = script('FINAL(x + 1)')")
    line = f"%rlm resume {folder} --model m --budget '9 calls'"
    refused = ours.run(line)
    assert not refused.ok
    assert f'api_base="{base}"' in refused.text
    assert f"--api-base {base} --sandbox none" in refused.text
    assert "Traceback" not in refused.text
    given = ours.run(f"{line} --api-base {base} --sandbox none")
    assert "turn is used up" in given.text, given.text


def test_a_sandboxed_kernels_run_is_not_run_in_this_shell(ours: Any) -> None:
    ours.run(ONCE)
    ours.run("%%rlm r --context text --model m --mode auto --max-turns 1\nMany?")
    moved = ours.value(
        "str(__import__('shutil').copytree(r.log.folder, "
        "r.log.folder.parent.parent / 'sandboxed' / 'k' / 'runs' / 'one'))"
    ).strip("'")
    ours.run("del x")
    refused = ours.run(f"%rlm resume {moved} --model m")
    assert not refused.ok
    assert "sandboxed kernel's" in refused.text
    assert "'x'" not in ours.value("[n for n in globals() if n == 'x']")
