"""A run's cells as cells of the notebook: claimed, leased, executed once, whoever goes away.

The front end here is one over jupyter_client (``front_end``).
"""

from __future__ import annotations

from front_end import AUTO, SET, STEP, FrontEnd


def test_claimed_it_returns_at_once_and_each_proposal_is_a_cell(front: FrontEnd) -> None:
    front.run(SET)
    info = front.start(STEP)
    run = info["run"]
    cell = front.pending(run, asks=True)
    assert front.infos[run]["executor"] == "notebook"
    assert "print(n)" in cell["code"]
    reply = front.place(run, cell)
    assert reply["status"] == "ok"
    assert reply["stdout"] == "3\n"
    last = front.place(run, front.pending(run, asks=True, number=2))
    assert last["status"] == "ok"
    assert front.ended(run)["answer"] == "3"
    told = front.run("print([(c.decision, c.by, c.author) for c in r.tree.find(kind='cell')])")
    assert told["stdout"] == f"{[('approve', 'notebook', 'model')] * 2}\n"


def test_a_branch_is_a_new_section_below_the_cell_that_asked_for_it(front: FrontEnd) -> None:
    front.run(SET)
    first = front.start(AUTO)["run"]
    front.place(first, front.pending(first))
    front.place(first, front.pending(first, number=2))
    front.ended(first)
    front.run("m = script('print(n, \"again\")', 'FINAL(n + 1)')\ncode = 'n = 10\\nprint(n)'")
    info = front.start("%rlm fork --run r --cell 1=code --where shell --model m --as b")
    run = info["run"]
    assert info["anchor"] != front.infos[first]["anchor"]
    assert info["name"] == "b"
    cell = front.pending(run, number=1)
    assert front.place(run, cell)["stdout"] == "10\n", "the cell that is changed is in it"
    assert front.place(run, front.pending(run, number=2))["stdout"] == "10 again\n"
    front.place(run, front.pending(run, number=3))
    assert front.ended(run)["answer"] == "11"
    shown = [str(m["content"]["data"]) for m in front.seen if "data" in m["content"]]
    assert any(
        f"A branch of {first} from its start. Otherwise in it: the code of cell 1." in text
        for text in shown
    ), "the heading of the section"


def test_the_cell_has_a_number_and_a_result_like_any_other(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    before = front.run("1")["execution_count"]
    reply = front.place(run, front.pending(run, asks=True))
    assert reply["execution_count"] == before + 1
    results = [m["content"]["data"]["text/plain"] for m in front.seen
               if m["header"]["msg_type"] == "execute_result"]  # fmt: skip
    assert results[-1] == "3"
    assert front.run("print(_)")["stdout"] == "3\n", "and it is _ of the next cell"


def test_a_changed_cell_is_an_edit_and_the_model_is_told(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    assert front.place(run, front.pending(run, asks=True), "n = 41\nprint(n)")["stdout"] == "41\n"
    front.pending(run, asks=True, number=2)
    told = front.run("print(m.requests[1].messages[-1]['content'])")["stdout"]
    assert "n = 41" in told
    assert front.run("print(r.tree.find(kind='cell')[0].decision)")["stdout"] == "edit\n"


def test_a_failing_cell_shows_its_error_and_aborts_nothing_behind_it(front: FrontEnd) -> None:
    front.run("text = 'abc'\nm = script('1/0', 'FINAL(1)')")
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    first = front.execute(cell["code"], {"rlm": {"run": run, "cell": cell["cell"]}})
    behind = front.execute("print('mine')")
    front.over(first)
    assert front.over(behind)["status"] == "ok"
    assert [m["content"]["ename"] for m in front.of(first) if m["header"]["msg_type"] == "error"]
    front.pending(run, number=2)
    assert (
        "ZeroDivisionError" in front.run("print(m.requests[1].messages[-1]['content'])")["stdout"]
    )


def test_in_auto_mode_the_notebook_runs_the_cell_without_being_asked(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(AUTO)["run"]
    assert front.place(run, front.pending(run, asks=False))["stdout"] == "3\n"
    front.place(run, front.pending(run, asks=False, number=2))
    assert front.ended(run)["phase"] == "done"
    assert front.run("print(r.tree.find(kind='cell')[0].by)")["stdout"] == "auto\n"


def test_where_no_front_end_takes_the_cell_the_kernel_runs_it(front: FrontEnd) -> None:
    front.run(SET)
    front.patience(1)
    run = front.start(AUTO)["run"]
    info = front.ended(run)
    assert info["answer"] == "3"
    assert info["executor"] == "background"
    assert front.run("print(r.tree.find(kind='cell')[0].output)")["stdout"].strip() == "3"


def test_a_cell_held_by_a_person_waits_in_auto_mode(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    assert front.ask("hold", run=run, cell=cell["cell"], on=True)["ok"]
    assert front.steer(run, type="mode", mode="auto")["ok"]
    held = front.until(lambda: front.infos[run]["mode"] == "auto" and front.infos[run]["pending"])
    assert held["asks"], "the person is in it"
    front.ask("hold", run=run, cell=cell["cell"], on=False)
    front.place(run, front.pending(run, asks=False))
    front.place(run, front.pending(run, asks=False, number=2))
    assert front.ended(run)["answer"] == "3"


def test_two_windows_only_one_gets_the_lease(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)["cell"]
    other = FrontEnd(front.kernel)
    refused = other.ask("lease", run=run, cell=cell, session="another")
    assert not refused["ok"]
    assert refused["seconds"] > 0
    assert front.lease(run, cell)["ok"], "the one that started it comes first"
    assert not other.ask("lease", run=run, cell=cell, session="another")["ok"]
    assert front.lease(run, cell)["ok"], "and may renew it"


def test_waiting_for_the_answer_executes_the_cells_inline(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(AUTO)["run"]
    reply = front.run("print('answer', r.answer)")
    assert reply["stdout"] == "answer 3\n"
    assert front.infos[run]["ended"] or front.ended(run)
    assert front.run("print(len(m.requests))")["stdout"] == "2\n", "nothing ran twice"


def test_while_a_cell_waits_a_person_decides_over_the_control_channel(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    waiting = front.execute("print('answer', r.answer)")
    front.until(lambda: front.infos[run]["executor"] == "inline")
    assert front.steer(run, type="approve", proposal=cell["cell"])["ok"]
    second = front.pending(run, asks=True, number=2)
    assert front.steer(run, type="edit", proposal=second["cell"], code="FINAL(n + 1)")["ok"]
    front.until(lambda: front.stdout(waiting) == "answer 4\n")


def test_an_execution_that_was_queued_behind_the_waiting_cell_shows_the_outputs(
    front: FrontEnd,
) -> None:
    front.run(SET + "\nran = 0")
    front.run("m = script('ran += 1\\nprint(\"once\")', 'FINAL(ran)')")
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    waiting = front.execute("print('answer', r.answer)")
    front.until(lambda: front.infos[run]["executor"] == "inline")
    # The person ran the cell all the same: it stands behind the one that waits.
    code, mine = cell["code"], {"rlm": {"run": run, "cell": cell["cell"]}}
    front.ask("arm", run=run, cell=cell["cell"], source=code, queued=True)
    queued = front.execute(code, mine)
    assert front.steer(run, type="approve", proposal=cell["cell"])["ok"]
    front.steer(run, type="approve", proposal=front.pending(run, number=2)["cell"])
    front.until(lambda: front.stdout(queued) == "once\n")
    assert front.stdout(waiting) == "answer 1\n"
    assert front.run("print(ran)")["stdout"] == "1\n", "it ran once"


def test_a_cell_of_a_finished_run_is_an_ordinary_cell(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    front.place(run, cell)
    front.place(run, front.pending(run, number=2))
    front.ended(run)
    again = front.run("print('again')", {"rlm": {"run": run, "cell": cell["cell"]}})
    assert again["stdout"] == "again\n"
    unknown = front.run("print('other')", {"rlm": {"run": "20200101-x", "cell": "cell1"}})
    assert unknown["stdout"] == "other\n"


def test_an_announced_source_is_known_without_metadata(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    front.ask("arm", run=run, cell=cell["cell"], source=cell["code"])
    assert front.run(cell["code"])["stdout"] == "3\n"
    assert front.pending(run, number=2)["turn"] == 2


def test_a_cell_approved_elsewhere_waits_for_the_notebook_to_run_it(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    assert front.steer(run, type="edit", proposal=cell["cell"], code="n = 7\nprint(n)")["ok"]
    decided = front.pending(run, decided=True)
    assert decided["code"].strip() == "n = 7\nprint(n)"
    assert front.place(run, decided)["stdout"] == "7\n"


def test_a_top_level_await_runs_in_a_placed_cell(front: FrontEnd) -> None:
    front.run(
        "text = 'abc'\nm = script('import asyncio\\nawait asyncio.sleep(0)\\nprint(\"slept\")',"
        " 'FINAL(1)')"
    )
    run = front.start(STEP)["run"]
    assert front.place(run, front.pending(run, asks=True))["stdout"] == "slept\n"


def test_the_magics_steer_a_placed_run_without_waiting_for_it(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    reply = front.run("%rlm approve")
    assert reply["status"] == "ok", reply
    assert front.place(run, front.pending(run, decided=True))["stdout"] == "3\n"
    assert cell["number"] == 1
    assert front.run("%rlm reject not this one")["status"] == "ok"


def test_a_person_takes_over_writes_cells_and_hands_back(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    front.pending(run, asks=True)
    assert front.steer(run, type="take over")["ok"]
    front.until(lambda: front.infos[run]["phase"] == "taken over")
    front.run("mine = 41\nprint(mine)")
    assert front.steer(run, type="hand back", note="use mine")["ok"]
    front.until(lambda: front.infos[run]["phase"] == "proposed")
    told = front.run("print(m.requests[1].messages[-1]['content'])")["stdout"]
    assert "mine = 41" in told
    assert "use mine" in told
    places = front.run("print([c.place != '' for c in r.tree.find(kind='cell') "
                       "if c.author == 'human'])")  # fmt: skip
    assert places["stdout"] == "[True]\n", "the notebook cell it was typed in is known"


def test_an_interrupt_while_the_model_thinks_pauses_the_run(front: FrontEnd) -> None:
    front.run("text = 'abc'\nm = script('FINAL(1)', latency=30)")
    run = front.start(STEP)["run"]
    front.until(lambda: front.infos[run]["phase"] == "thinking")
    front.kernel.manager.interrupt_kernel()
    front.until(lambda: front.infos[run]["phase"] == "paused")
    assert front.run("print('alive')")["stdout"] == "alive\n"


def test_an_interrupt_of_a_placed_cell_keeps_variables_and_pauses(front: FrontEnd) -> None:
    front.run("text = 'abc'\nm = script('kept = 1\\nprint(\"on\", flush=True)\\n"
              "import time\\ntime.sleep(60)', 'FINAL(1)')")  # fmt: skip
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    msg = front.execute(cell["code"], {"rlm": {"run": run, "cell": cell["cell"]}})
    front.until(lambda: "on" in front.stdout(msg))
    front.kernel.manager.interrupt_kernel()
    front.until(lambda: msg in front.replies)
    front.until(lambda: front.infos[run]["phase"] == "paused")
    assert front.run("print(kept)")["stdout"] == "1\n"


def test_block_runs_inline_though_a_front_end_is_there(front: FrontEnd) -> None:
    front.run(SET)
    msg = front.execute("%%rlm r --context text --model m --mode auto --block\nHow long?")
    front.until(lambda: msg in front.replies)
    assert front.run("print(r.answer)")["stdout"] == "3\n"


def test_a_display_that_can_no_longer_be_updated_is_given_anew(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(AUTO)["run"]
    front.place(run, front.pending(run, asks=False))
    before = front.ask("shown", run=run)
    assert before["metadata"] == {"rlm": {"run": run, "final": False}}
    front.place(run, front.pending(run, asks=False, number=2))
    front.ended(run)
    # The last display comes a moment after the run's end.
    front.until(lambda: front.ask("shown", run=run)["metadata"]["rlm"]["final"])
    after = front.ask("shown", run=run)
    assert "Answer" in after["data"]["text/plain"]
    assert "3" in after["data"]["text/html"]


def test_a_run_started_by_code_is_told_to_the_front_ends(front: FrontEnd) -> None:
    front.run(SET)
    front.run("from rlm_kernel import RLM\nq = RLM(model=m, mode='auto').start('How long?', text)")
    name = front.run("q.wait(20); print(q.id)")["stdout"].strip()
    assert front.until(lambda: front.infos.get(name, {}).get("answer")) == "3"
    assert front.infos[name]["executor"] == "kernel"


def test_a_page_that_was_loaded_again_waits_once_and_holds_of_the_old_one_end(
    front: FrontEnd,
) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)["cell"]
    front.ask("hold", run=run, cell=cell, on=True)
    front.steer(run, type="mode", mode="auto")
    front.pending(run, held_by=front.me)
    again = FrontEnd(front.kernel)
    assert again.ask("claim", run=run, session="a new one")["ok"]
    up = front.pending(run, asks=False, held_by="")

    def lease(cell: str) -> bool:
        return bool(again.ask("lease", run=run, cell=cell, session="a new one")["ok"])

    front.until(lambda: lease(cell))  # the window that started the run might still take it
    front.run(up["code"], {"rlm": {"run": run, "cell": cell}})
    assert lease(front.pending(run, number=2)["cell"]), "it is gone: nobody waits for it any more"


def test_the_window_that_started_a_run_comes_first_whoever_claims_later(front: FrontEnd) -> None:
    front.run(SET)
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)["cell"]
    other = FrontEnd(front.kernel)
    assert other.ask("claim", run=run, session="another")["ok"]
    refused = other.ask("lease", run=run, cell=cell, session="another")
    assert not refused["ok"]
    assert front.lease(run, cell)["ok"]


def test_a_question_of_a_placed_cell_is_asked_by_its_front_end_and_not_by_a_box(
    front: FrontEnd,
) -> None:
    front.run("text = 'abc'\nm = script('w = ask_human(\"Which?\", [\"a\", \"b\"])\\nprint(w)', "
              "'FINAL(w)')")  # fmt: skip
    run = front.start(STEP)["run"]
    cell = front.pending(run, asks=True)
    msg = front.execute(cell["code"], {"rlm": {"run": run, "cell": cell["cell"]}})
    question = front.until(lambda: next(
        (e for e in front.events if e["type"] == "call.started" and e.get("role") == "human"), None
    ))  # fmt: skip
    assert question["choices"] == ["a", "b"]
    front.until(lambda: front.infos[run]["questions"] == 1)
    assert front.steer(run, type="answer", node=question["node"], text="b")["ok"]
    front.until(lambda: front.stdout(msg) == "b\n")  # it may come in two pieces
    front.pending(run, number=2)
    assert front.infos[run]["questions"] == 0
    assert not front.client.stdin_channel.msg_ready(), "no box that would stay"


def test_run_all_does_not_run_an_earlier_runs_cells_in_the_new_run(front: FrontEnd) -> None:
    front.run(SET)
    old = front.start(AUTO)["run"]
    front.place(old, front.pending(old, asks=False))
    front.place(old, front.pending(old, asks=False, number=2))
    front.ended(old)
    mine = {"rlm": {"run": old, "cell": "cell1"}}
    front.run("m = script('n = len(context)', 'FINAL(n)')")
    # As Run All sends them: all at once.
    question = front.execute(AUTO)
    left = front.execute("print('again')\nn = 0\nllm_query('x')", mine)
    waits = front.execute("await __import__('asyncio').sleep(0)\nprint('again')", mine)
    gone = front.execute("print('again')", {"rlm": {"run": "of another kernel", "cell": "cell1"}})
    own = front.execute("print('mine')")
    for cell in (question, left, waits, gone, own):
        front.over(cell)
    for cell in (left, waits, gone):
        assert "Not run again" in front.stdout(cell)
        assert "again\n" not in front.stdout(cell)
        assert front.replies[cell]["status"] == "ok"
    assert front.stdout(own) == "mine\n"
    # By itself it is a cell like any other.
    assert front.run("print('by itself')", mine)["stdout"] == "by itself\n"
