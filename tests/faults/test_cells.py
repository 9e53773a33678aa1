"""What a model's code does to its kernel, and the run that reaches its answer all the same.

Each row is a run of its own in one kept, boxed kernel: a cell that goes wrong, then one that
answers from what is left. Asserted are the state that is kept, that nothing is asked twice, and the
words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from disturbed import plain_sentence
from servers import OpenAIServer

from rlm_kernel import RLM
from rlm_kernel.protocol import events as e

#: name: (the cell, how it ends, what the model is told, whether variables of before are kept)
ROWS: dict[str, tuple[str, str, str, bool]] = {
    "a loop": ("while True:\n    pass", "timeout", "past its limit of 1 s", True),
    "the process ends": ("import os\nos._exit(3)", "died", "exit code 3", False),
    "a crash": ("import ctypes\nctypes.string_at(0)", "died", "crash in native code", False),
    "killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "died", "SIGKILL", False),
    "10 GB": ("x = bytearray(10 << 30)", "memory", "out of memory", True),
    "deep recursion": ("def f(n):\n    return f(n + 1)\nf(0)", "error", "RecursionError", True),
    "sys.exit": ("import sys\nsys.exit(2)", "error", "SystemExit", True),
    "input()": ("name = input('who?')", "error", "input", True),
    "a fork": ("import os\npid = os.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
               "ok", "", True),
    "a thread that outlives it": ("import threading, time\nthreading.Thread(target=time.sleep, "
                                  "args=(60,), daemon=True).start()", "ok", "", True),
    "%reset": ("get_ipython().run_line_magic('reset', '-f')", "ok", "", False),
    "every name bound anew": (
        "llm_query = llm_query_batched = rlm_query = FINAL = FINAL_VAR = SHOW_VARS = 'mine'\n"
        "context = answer = history = None", "ok", "context", True),
    "every name deleted": ("del llm_query, FINAL, FINAL_VAR, answer, context", "ok", "", True),
    "a line of a megabyte": ("print('x' * 1_000_000)", "ok", "characters", True),
    "surrogates": ("print('\\ud800 \\udfff')\ns = '\\ud800'", "ok", "", True),
    "100,000 lines": ("for i in range(100_000): print(i)", "ok", "characters", True),
    "100,000 files printed": ("print([f'file-{i}.txt' for i in range(100_000)])", "ok",
                              "characters", True),
    "an error whose text fails": (
        "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E()", "error", "E",
        True),
    "the engine's modules broken": ("import json\njson.dumps = None", "timeout", "replaced", False),
    "the recursion limit": ("import sys\nsys.setrecursionlimit(10_000)", "ok", "", True),
}  # fmt: skip
BEFORE = "kept = llm_query('paid for')\nlen(context)"
AFTER = "FINAL([kept if 'kept' in globals() else llm_query('paid for'), len(context)])"


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[RLM, OpenAIServer, dict[str, str]]]:
    now = {"cell": ""}

    def policy(request: dict[str, Any]) -> str:
        messages = request["messages"]
        if messages[0]["role"] != "system":
            return "re: " + messages[-1]["content"]
        turn = sum(m["role"] == "assistant" for m in messages)
        return f"```python\n{[BEFORE, now['cell'], AFTER][min(turn, 2)]}\n```"

    with OpenAIServer(policy) as server, RLM(
        model="openai/x-root", sub_model="openai/x-sub", api_base=server.api_base,
        api_key="sk-none", cell_timeout=1.0, cell_memory=1 << 30, keep=True, max_turns=5,
    ) as rlm:  # fmt: skip
        yield rlm, server, now


@pytest.mark.parametrize("row", ROWS)
def test_the_run_goes_on(asked: tuple[RLM, OpenAIServer, dict[str, str]], row: str) -> None:
    rlm, server, now = asked
    now["cell"], status, said, kept = ROWS[row]
    rlm.gateway.cache = True
    before = len(server.requests)
    run = rlm.run(f"What of {row}?", "abc " * 30_000)
    assert (run.status, run.answer) == ("done", ["re: paid for", 120_000]), run.reason
    cells = [n for n in run.tree.walk() if n.kind == "cell"]
    assert cells[1].status == status, (cells[1].error, cells[1].note)
    told = [x.event.observation for x in run.events if isinstance(x.event, e.TurnEnded)][1]
    assert said.lower() in told.lower(), told
    assert len(told) < 40_000
    # Paid once; where the kernel was lost, the same prompt comes from the cache.
    subs = [r.prompt for r in server.requests[before:] if r.json["model"] == "x-sub"]
    assert len(subs) <= 1
    if status == "died":
        assert plain_sentence(cells[1].error), cells[1].error
        assert "kept" in told, "what was lost is named"
        assert not kept
    if kept:
        assert "No variables were lost" not in told or status != "died"


def test_a_batch_with_bad_items_and_a_small_budget_keeps_what_was_paid(
    asked: tuple[RLM, OpenAIServer, dict[str, str]],
) -> None:
    _, server, now = asked
    now["cell"] = "rs = llm_query_batched([f'n{i}' for i in range(30)])\nprint(sum(map(bool, rs)))"
    with RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=server.api_base,
             api_key="sk-none", budget="12 calls", max_turns=4) as rlm:  # fmt: skip
        run = rlm.run("How many?", "abc")
        assert run.status in ("partial", "failed")
        assert plain_sentence(run.reason), run.reason
        assert "12 calls" in run.reason
        assert run.ledger.spent.calls == 12
        folder = run.log.folder
    sent = len(server.requests)
    now["cell"] = "pass"
    went_on = RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=server.api_base,
                  api_key="sk-none", budget="60 calls", max_turns=6)  # fmt: skip
    with went_on:
        assert folder is not None
        done = went_on.resume(folder)
        assert done.wait(60)
        assert (done.status, done.answer) == ("done", ["re: paid for", 3]), done.reason
    again = [r.prompt for r in server.requests[sent:] if r.json["model"] == "x-sub"]
    first = {r.prompt for r in server.requests[:sent]}
    assert not [p for p in again if p in first], "what had been paid for isn't asked again"
