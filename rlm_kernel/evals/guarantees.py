"""What must hold whatever happens, beside what was measured of other runtimes: yes or no.

Each row is a small run with a scripted model, in a kernel of its own and its box.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..engine import RLM, Run
from ..errors import ProviderError
from ..lm import ScriptedModel
from ..protocol import Message, Reply, Usage
from ..protocol import events as e
from .row import Row

KEY = "sk-planted-for-the-bench-0123456789"
SIBLINGS = 12


def _cell(code: str) -> str:
    return f"```python\n{code}\n```"


def _run(cells: list[str], sub: Any = None, context: str = "text", **options: Any) -> Run:
    root = ScriptedModel([_cell(code) for code in cells], name="root")
    with RLM(model=root, sub_model=sub, save=False, **options) as rlm:
        return rlm.run("What of it?", context)


def _cells(run: Run) -> list[Any]:
    return [node for node in run.tree.walk() if node.kind == "cell"]


class Guarantees:
    """The rows; each method measures one."""

    def siblings(self) -> Row:
        """Children at once: whether one sees what another printed."""

        def child(messages: Sequence[Message]) -> str:
            done = len(messages) > 2
            return _cell("FINAL(context)" if done else "print('mine is', context)")

        kids = f"r = rlm_query_batched(['q'] * {SIBLINGS}, contexts=[f'kid-{{i}}-' for i in "
        kids += f"range({SIBLINGS})])"
        run = _run([kids, "FINAL(str(r))"], ScriptedModel(child, name="kids"), max_depth=2)
        seen = 0
        for node in run.tree.walk():
            if node.kind == "run" and node.parent is not None:
                own = [c for c in run.tree.walk(node) if c.kind == "cell"]
                seen += len({w for c in own for w in c.output.split() if w.startswith("kid-")}) != 1
        fine = seen == 0 and run.status == "done"
        return Row("siblings that saw another's output", f"{seen} of {SIBLINGS}", "0", "-", "0",
                   fine)  # fmt: skip

    def loop(self) -> Row:
        """``while True`` in a cell with a limit of one second."""
        run = _run(["kept = 7", "while True: pass", "FINAL(kept)"], cell_timeout=1.0)
        stuck = _cells(run)[1]
        over = (stuck.seconds or 0.0) - 1.0
        fine = stuck.status == "timeout" and run.answer_text == "7" and over < 1.0
        return Row("a loop in a cell", f"stopped {over:.2f} s over its limit, variables "
                   f"{'kept' if run.answer_text == '7' else 'lost'}", "-", "-",
                   "stopped, variables kept, run goes on", fine)  # fmt: skip

    def death(self) -> Row:
        """The process of a cell ends."""
        began: list[float] = []
        root = ScriptedModel(
            [_cell("import os, time\nllm_query('now')\nos._exit(3)"), _cell("FINAL('on')")]
        )

        def now(messages: Sequence[Message]) -> str:
            began.append(time.time())
            return "ok"

        asked = ScriptedModel(now, name="sub")
        with RLM(model=root, sub_model=asked, save=False) as rlm:
            run = rlm.run("What of it?", "text")
        ended = [x.time for x in run.events if isinstance(x.event, e.TurnEnded)]
        took = ended[0] - began[0]
        fine = run.answer_text == "on" and took < 1.5 and _cells(run)[0].status == "died"
        return Row("the cell's process dies", f"seen, replaced and told in {took:.2f} s", "-", "-",
                   "seen within 1 s, run goes on", fine)  # fmt: skip

    def memory(self) -> Row:
        """A cell allocates 10 GB."""
        run = _run(["kept = 7", "x = bytearray(10 << 30)", "FINAL(kept)"])
        fine = _cells(run)[1].status == "memory" and run.answer_text == "7"
        said = "MemoryError in the cell, run goes on" if fine else f"{_cells(run)[1].status}"
        return Row("a cell allocates 10 GB", said, "-", "-", "MemoryError in the cell", fine)

    def budget(self) -> Row:
        """100 calls of $0.01 in one batch, with $0.10."""
        code = (
            "rs = llm_query_batched(['x'] * 100)\nanswer['content'] = "
            "str(sum(isinstance(r, str) for r in rs))"
        )
        bill = Reply("y", "sub", Usage(5, 1, 0, 0.01, 0.01, 1))
        model = ScriptedModel(lambda messages: bill, name="sub", price="unknown")
        root = ScriptedModel([_cell(code), _cell("FINAL(answer['content'])")], name="root")
        with RLM(model=root, sub_model=model, save=False, budget="$0.10") as rlm:
            rlm.gateway.cache = False
            run = rlm.run("What of it?", "text")
        spent = run.ledger.spent.known_cost
        fine = spent <= 0.1 + 1e-9 and int(run.answer_text or 0) > 0
        return Row("$0.10 and 100 calls of $0.01", f"${spent:.2f} spent, "
                   f"{run.answer_text} replies kept", "$0.10", "-",
                   "never above, paid results returned", fine)  # fmt: skip

    def batch(self) -> Row:
        """A batch in which every third item fails."""

        def one(messages: Sequence[Message]) -> str:
            if int(str(messages[-1]["content"])) % 3 == 0:
                raise ProviderError("broken", kind="refused")
            return "ok"

        code = "rs = llm_query_batched([str(i) for i in range(30)])\nprint(len(rs))"
        end = "FINAL([sum(r == 'ok' for r in rs), sum(not r for r in rs)])"
        run = _run([code, end], ScriptedModel(one, name="sub"))
        fine = run.answer_text == "[20, 10]"
        return Row("a batch of 30 with 10 that fail", f"{run.answer_text} kept and failed", "-",
                   "-", "each its own result or error", fine)  # fmt: skip

    def key(self) -> Row:
        """Whether code can read the key that its model is called with."""
        look = (
            "import os, gc, pathlib\n"
            f"k = {KEY[:10]!r} + {KEY[10:]!r}\n"
            "found = [n for n, v in os.environ.items() if k in v]\n"
            "found += [1 for o in gc.get_objects() if isinstance(o, dict) and k in "
            "map(str, list(o.values())[:50]) and o is not globals()]\n"
            "for pid in [p for p in os.listdir('/proc') if p.isdigit()]:\n"
            "    try:\n"
            "        found += [pid] * (k.encode() in pathlib.Path(f'/proc/{pid}/environ')"
            ".read_bytes())\n"
            "    except OSError:\n"
            "        pass\n"
            "print(len(found))\nFINAL(len(found) - 0)"
        )
        root = ScriptedModel([_cell("len(context)"), _cell(look)], name="root")
        with RLM(model=root, save=False, api_key=KEY) as rlm:
            run = rlm.run("What of it?", "text")
        fine = run.answer_text in ("0",)
        return Row("the key, readable by code", "no" if fine else f"found: {run.answer_text}", "-",
                   "-", "no", fine)  # fmt: skip
