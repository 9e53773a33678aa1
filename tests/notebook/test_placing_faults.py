"""What goes wrong with cells that a front end places: nothing hangs, is lost or runs twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from front_end import AUTO, SET, STEP, FrontEnd

INTERRUPTED = "Interrupted; variables are kept. Resume goes on from here."


def script(front: FrontEnd, *cells: str, more: str = "") -> None:
    """A text, and a model ``m`` that proposes these cells."""
    front.run(f"text = 'abc'\nm = script({', '.join(map(repr, cells))}{more})")


def mark(run: str, cell: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a placed cell."""
    return {"rlm": {"run": run, "cell": cell["cell"]}}


def announced(front: FrontEnd) -> str:
    """The run that has just been started."""
    live = lambda: next((run for run, i in front.infos.items() if not i["ended"]), None)  # noqa: E731
    return str(front.until(live))


# -- what a cell does ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["print(r.answer)", "r.wait()", "%rlm resume"])
def test_a_cell_that_waits_for_its_own_run_is_told_so_instead_of_hanging(
    front: FrontEnd, code: str
) -> None:
    script(front, code, "FINAL(1)")
    run = front.start(STEP)["run"]
    front.place(run, front.pending(run, asks=True))
    front.pending(run, asks=True, turn=2)
    told = front.run("print(m.requests[1].messages[-1]['content'])")["stdout"]
    assert "can't wait for the run" in told or "isn't paused" in told


def test_a_cell_that_breaks_run_cell_breaks_itself_only(front: FrontEnd) -> None:
    script(front, "get_ipython().run_cell = lambda *a, **k: None", "FINAL(1)")
    run = front.start(STEP)["run"]
    assert front.place(run, front.pending(run, asks=True))["status"] == "ok"
    front.place(run, front.pending(run, asks=True, number=2))
    assert front.ended(run)["answer"] == "1"


def test_a_cell_of_a_run_with_a_kernel_of_its_own_is_an_ordinary_cell_here(
    front: FrontEnd,
) -> None:
    front.run(SET)
    front.execute(STEP.replace("--mode", "--where kernel --mode"))
    run = announced(front)
    front.ask("claim", run=run)
    cell = front.pending(run, asks=True)
    assert front.run("print('mine')", mark(run, cell))["stdout"] == "mine\n"


def test_while_a_cell_runs_its_info_says_so_whoever_executes_it(front: FrontEnd) -> None:
    script(front, "import time\nwhile not globals().get('go'): time.sleep(0.02)", "FINAL(1)")
    run = front.start(AUTO)["run"]
    waiting = front.execute("r.answer")
    front.pending(run, executing=True)
    front.kernel.manager.interrupt_kernel()
    front.until(lambda: waiting in front.replies)


# -- executed once ---------------------------------------------------------------------------------

COUNT = ("ran = globals().get('ran', 0) + 1\nprint('ran', ran)", "FINAL(ran)")


def test_two_windows_that_run_a_cell_at_once_run_it_once_and_both_see_its_output(
    front: FrontEnd,
) -> None:
    front.run("ran = 0")
    script(front, *COUNT)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    both = [front.execute(cell["code"], mark(run, cell)) for _ in range(2)]
    front.until(lambda: all(one in front.replies for one in both))
    front.pending(run, number=2)
    assert front.run("print(ran)")["stdout"] == "1\n"
    assert [front.stdout(one) for one in both] == ["ran 1\n"] * 2


def test_an_execution_that_was_queued_but_never_decided_elsewhere_runs(front: FrontEnd) -> None:
    front.run("ran = 0")
    script(front, *COUNT)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    front.ask("arm", run=run, cell=cell["cell"], source=cell["code"], queued=True)
    assert front.run(cell["code"], mark(run, cell))["stdout"] == "ran 1\n"
    front.pending(run, number=2)


def test_a_cell_that_stands_behind_a_long_one_of_the_person_is_run_by_nobody_else(
    front: FrontEnd,
) -> None:
    front.run("ran = 0")
    front.patience(0.5)
    script(front, *COUNT)
    run = front.start(AUTO)["run"]
    cell = front.pending(run, asks=False)
    front.execute("import time; time.sleep(1.5)")
    late = front.execute(cell["code"], mark(run, cell))
    front.over(late)
    front.pending(run, number=2)
    assert front.infos[run]["executor"] == "notebook"
    assert front.stdout(late) == "ran 1\n"
    assert front.run("print(ran)")["stdout"] == "1\n"


def test_who_had_the_lease_and_comes_too_late_sees_the_outputs(front: FrontEnd) -> None:
    front.run("ran = 0")
    script(front, COUNT[0], "print('second')", "FINAL(ran)")
    run = front.start(AUTO)["run"]
    cell = front.pending(run, asks=False)
    assert front.lease(run, cell["cell"])["ok"]
    waiting = front.execute("print('answer', r.answer)")  # stands before what the lease is for
    late = front.execute(cell["code"], mark(run, cell))
    front.over(late)
    assert front.stdout(waiting) == "answer 1\n"
    assert front.run("print(ran)")["stdout"] == "1\n"


# -- interrupts ------------------------------------------------------------------------------------


def test_an_interrupt_of_a_cell_that_waits_while_the_model_thinks_pauses_the_run(
    front: FrontEnd,
) -> None:
    script(front, "FINAL(1)", more=", latency=30")
    run = front.start(AUTO)["run"]
    waiting = front.execute("r.answer")
    front.until(lambda: front.infos[run]["executor"] == "inline")
    front.kernel.manager.interrupt_kernel()
    assert front.until(lambda: front.replies.get(waiting))["ename"] == "KeyboardInterrupt"
    front.until(lambda: front.infos[run]["phase"] == "paused")
    assert front.infos[run]["executor"] == "notebook"


def test_an_interrupt_that_comes_with_the_claim_pauses_the_run(front: FrontEnd) -> None:
    script(front, "FINAL(1)", more=", latency=30")
    asked = front.execute(STEP)
    run = announced(front)
    front.kernel.manager.interrupt_kernel()
    front.ask("claim", run=run)
    front.until(lambda: asked in front.replies)
    front.until(lambda: front.infos[run]["phase"] == "paused")
    assert front.infos[run]["reason"] == INTERRUPTED


def test_an_interrupt_of_a_cell_that_the_kernel_runs_by_itself_pauses_the_run(
    front: FrontEnd,
) -> None:
    front.patience(0.5)
    script(front, "kept = 1\nopen('began', 'w').close()\nimport time\ntime.sleep(60)", "FINAL(1)")
    there = Path(front.kernel.manager.connection_file).with_name("began")
    run = front.start(AUTO)["run"]
    front.pending(run, executing=True)
    front.until(there.exists)
    assert front.infos[run]["executor"] == "background"
    began = time.monotonic()
    front.kernel.manager.interrupt_kernel()
    front.until(lambda: front.infos[run]["phase"] == "paused")
    assert time.monotonic() - began < 10
    assert front.run("print(kept)")["stdout"] == "1\n"
    there.unlink()


# -- a server that executes in the page's place ----------------------------------------------------


def by_server(front: FrontEnd, code: str) -> str:
    """Execute a cell as such a server does, without metadata; give the message's id."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": True}  # fmt: skip
    msg = front.client.session.msg("execute_request", content)
    front.client.shell_channel.send(msg)
    return str(msg["header"]["msg_id"])


def test_a_question_that_a_server_executes_has_the_announced_anchor_and_can_be_claimed(
    front: FrontEnd,
) -> None:
    front.run(SET)
    front.ask("arm", run="", cell="the-cell", source=STEP)
    asked = by_server(front, STEP)
    run = announced(front)
    assert front.infos[run]["anchor"] == "the-cell"
    assert front.ask("claim", run=run)["ok"]
    front.until(lambda: asked in front.replies)
    front.until(lambda: front.infos[run]["executor"] == "notebook")
    cell = front.pending(run, asks=True)
    assert front.ask("lease", run=run, cell=cell["cell"])["ok"], "nobody else has to come first"
    front.ask("arm", run=run, cell=cell["cell"], source=cell["code"])
    assert front.run(cell["code"])["stdout"] == "3\n"


def test_a_persons_cell_that_a_server_executes_is_where_the_page_said(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    front.pending(run, asks=True)
    assert front.steer(run, type="take over")["ok"]
    front.ask("arm", run="", cell="my-cell", source="mine = 1")
    asked = by_server(front, "mine = 1")
    front.until(lambda: asked in front.replies)
    places = front.run("print([c.place for c in r.tree.find(kind='cell') if c.author == 'human'])")
    assert places["stdout"] == "['my-cell']\n"
