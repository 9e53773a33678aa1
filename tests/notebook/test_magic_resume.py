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
    finally:
        second.close()


def test_what_cannot_be_picked_up_is_one_sentence(ours: Any, tmp_path: Any) -> None:
    cell = ours.run(f"%rlm resume {tmp_path}")
    assert not cell.ok
    assert "There is no run in" in cell.text
    assert "Traceback" not in cell.text
