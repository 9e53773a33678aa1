"""Cells that a front end places: nothing runs by itself there, and a person's cell is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.engine.gate import HELD, PLACED
from rlm_kernel.lm.loop import engine_loop
from rlm_kernel.protocol import control as c

Make = Callable[..., RLM]

LOOK = cell("size = len(context)")
END = cell("FINAL(size)")


def placed(make: Make, watch: Any, mode: str, *, replies: Any = (LOOK, END)) -> tuple[Any, Any]:
    """Start a run whose cells a front end places; give it when its first proposal is there."""
    model = HeldModel(list(replies))
    run = make(model, mode=mode, where="kernel", attended=True).start("q", "abc")
    model.wait_for(1)
    run.gate.placed = True
    model.release()
    watcher = watch(run)
    watcher.wait("cell.proposed")
    return run, watcher


def set_(run: Any, **values: Any) -> None:
    """Set attributes of the gate on its loop, as the front end's side does."""

    def change() -> None:
        for name, value in values.items():
            setattr(run.gate, name, value)
        run.gate.poke()

    engine_loop().call_soon_threadsafe(change)


def test_in_auto_mode_a_placed_cell_waits_to_be_executed_and_asks_nobody(
    make: Make, watch: Any
) -> None:
    run, watcher = placed(make, watch, "auto")
    watcher.wait("run.phase", phase="running", reason=PLACED)
    assert not run.gate.asks_person
    assert run.status == "running"
    assert run.send(c.Approve(proposal=run.pending.id, client="lab-1")).ok
    assert watcher.wait("cell.decided").by == "lab-1"
    watcher.wait("cell.ended")
    run.stop()
    run.wait()


def test_in_step_mode_a_placed_cell_waits_for_the_person(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "step")
    watcher.wait("run.phase", phase="proposed")
    assert run.gate.asks_person
    assert run.send(c.Edit(code="size = 5", client="lab-1")).ok
    decided = watcher.wait("cell.decided")
    assert (decided.decision, decided.by) == ("edit", "lab-1")
    run.stop()
    run.wait()


def test_a_held_cell_waits_in_auto_mode_until_it_is_let_go(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "auto")
    watcher.wait("run.phase", reason=PLACED)
    set_(run, held=run.pending.id)
    watcher.wait("run.phase", phase="proposed", reason=HELD)
    assert run.gate.asks_person
    set_(run, held="")
    watcher.wait("run.phase", 2, reason=PLACED)
    assert not run.gate.asks_person
    assert run.pending is not None
    run.stop()
    run.wait()


def test_setting_auto_doesnt_run_a_placed_cell(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "step")
    watcher.wait("run.phase", phase="proposed")
    ack = run.set_mode("auto")
    assert (ack.ok, ack.phase) == (True, "running")
    assert (run.reason, run.pending is not None) == (PLACED, True)
    set_(run, placed=False)  # the front end has gone: the kernel runs it by itself
    assert watcher.wait("cell.decided").by == "auto"
    watcher.wait("cell.ended")
    run.stop()
    run.wait()


def test_setting_auto_doesnt_run_a_held_cell(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "step")
    watcher.wait("run.phase", phase="proposed")
    set_(run, held=run.pending.id)
    ack = run.set_mode("auto")
    assert (ack.ok, ack.phase, run.reason) == (True, "proposed", HELD)
    run.stop()
    run.wait()


def test_a_step_leaves_a_placed_cell_to_the_notebook_and_waits_at_the_next(
    make: Make, watch: Any
) -> None:
    model = HeldModel([LOOK, cell("size += 1"), END])
    run = make(model, mode="auto", where="kernel", attended=True).start("q", "abc")
    watcher = watch(run)
    model.wait_for(1)
    set_(run, placed=True, stepping=True)
    model.release()
    watcher.wait("run.phase", phase="proposed")
    ack = run.step()
    assert (ack.ok, ack.phase, run.reason) == (True, "running", PLACED)
    assert not run.gate.asks_person
    run.send(c.Approve(proposal=run.pending.id, client="lab-1"))
    model.wait_for(2)
    model.release()
    watcher.wait("run.phase", 2, phase="proposed")
    assert run.pending.number == 2
    run.stop()
    run.wait()


def test_run_to_leaves_a_placed_cell_to_the_notebook(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "step")
    watcher.wait("run.phase", phase="proposed")
    ack = run.run_to("error")
    assert (ack.ok, run.reason) == (True, PLACED)
    run.stop()
    run.wait()


def test_taking_over_ends_the_holding(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "auto")
    watcher.wait("run.phase", reason=PLACED)
    set_(run, held=run.pending.id)
    watcher.wait("run.phase", reason=HELD)
    assert run.take_over().ok
    assert run.phase == "taken over"
    assert run.gate.held == ""
    assert not run.gate.asks_person
    run.hand_back()
    watcher.wait("run.phase", 2, reason=PLACED)
    run.stop()
    run.wait()


def test_an_interrupt_pauses_a_cell_that_was_to_be_executed(make: Make, watch: Any) -> None:
    run, watcher = placed(make, watch, "auto")
    watcher.wait("run.phase", reason=PLACED)
    assert run.interrupt().ok
    assert run.phase == "paused"
    run.resume()
    watcher.wait("run.phase", 2, reason=PLACED)
    assert run.pending.code == "size = len(context)"  # the same proposal
    run.stop()
    run.wait()


def test_a_mode_whose_rules_ask_no_more_lets_the_proposal_go(make: Make) -> None:
    run = make([LOOK, END], mode="step").start("q", "abc")
    run.wait()
    ack = run.set_mode("ask when imports os")
    assert ack.phase == "running"
    assert run.wait()
    assert run.answer == 3
