"""The tree in TypeScript is the tree in Python: the same nodes, words and groups of any events."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlm_kernel import trm
from rlm_kernel.engine import RLM
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.log import Tree
from rlm_kernel.log.format import (
    calls_text,
    context_text,
    count_text,
    duration_text,
    label,
    money_text,
    state_text,
    usage_text,
)
from rlm_kernel.log.groups import Group, grouped
from rlm_kernel.log.node import Node
from rlm_kernel.protocol import Logged
from rlm_kernel.protocol.events import EVENTS, event_from_dict, event_to_dict
from rlm_kernel.trm.config import Config

LAB = Path(__file__).resolve().parents[2] / "labextension"
BUNDLE = """
import { buildSync } from 'esbuild';
buildSync({ entryPoints: ['test/fold.ts'], bundle: true, format: 'esm', platform: 'node',
            outfile: process.argv[1] });
"""
SEEDS = 200

if shutil.which("node") is None or not (LAB / "node_modules" / "esbuild").exists():
    pytest.skip(
        "NOT RUN: the TypeScript tree against Python's; python3 scripts/build_lab.py",
        allow_module_level=True,
    )

_TEXTS = (
    "", "total = 0", "one\ntwo", "# only a comment", "  \n\n# a\nx = llm_query('a')\ny",
    "a\x1cb\x85c", "word " * 60, "😀" * 130, "def f():\r\n\treturn 1", "\u3000wide\u2003space ",
    "tab\tand\x0bmore", "{}", "é" * 119, "x" * 120, "x" * 121, "\u202eevil\x1b[31m",
    " " * 700 + "late",
)  # fmt: skip
_COSTS = (None, 0.0, 0.0004, 0.01249, 0.5, 12.345, 1234.5)
_CHOICES: dict[str, tuple[Any, ...]] = {
    "status": ("ok", "error", "cancelled", "interrupted", "done", "partial", "failed", "stopped"),
    "phase": ("starting", "thinking", "proposed", "running", "asking", "paused", "taken over"),
    "decision": ("approve", "edit", "reject", "respond"),
    "author": ("model", "human"),
    "role": ("sub", "sub", "sub", "root", "fold", "closing", ""),
    "kind": ("llm", "rlm"),
    "level": ("info", "warning", "error"),
    "line": (None, 1, 1, 2),
    "ask": ("", "ask1", "ask2"),
    "by": ("", "you", "stop"),
    "halt": (-0.5, 0.0, 0.005, 0.015, 0.124, 0.125, 0.5, 0.995, 1.0, 7.0),
    "error_kind": ("", "rate", "budget"),
    "model": ("", "m", "a/b"),
}


def _value(dice: random.Random, name: str, kind: str) -> Any:
    if name in _CHOICES:
        return dice.choice(_CHOICES[name])
    if name == "usage":
        cost = dice.choice(_COSTS)
        told = {"input_tokens": dice.randrange(4000), "output_tokens": dice.randrange(900),
                "calls": 1, "cost": cost, "known_cost": cost or 0.0, "seconds": dice.random(),
                "strange": 1, "cached_tokens": "many"}  # fmt: skip
        if dice.random() < 0.2:
            odd = dice.choice(("input_tokens", "cost", "known_cost"))
            told[odd] = dice.choice((-7, 1e300, True))
        return dict(dice.sample(sorted(told.items(), key=str), dice.randrange(len(told) + 1)))
    if name == "frames":
        return [{"cells": dice.choice(_TEXTS), "halt": dice.random()}]
    if name == "context":
        return [{"name": dice.choice(("", "context")), "kind": "text", "size": "9 characters"}]
    if "dict" in kind:
        return {"calls": dice.randrange(9)}
    if "list" in kind:
        return [dice.choice(_TEXTS)]
    if "bool" in kind:
        return dice.random() < 0.5
    if "int" in kind:
        return dice.choice((None, 0, 3)) if "None" in kind else dice.randrange(3000)
    if "float" in kind:
        return dice.choice((0.0, 0.25, dice.random() * 5000))
    return dice.choice((None, *_TEXTS)) if "None" in kind else dice.choice(_TEXTS)


def _random_log(seed: int) -> list[Logged]:
    """Events of any type about few nodes, in any order, some twice."""
    dice = random.Random(seed)
    ids = [f"{kind}{n}" for kind in (
        "run", "turn", "cell", "batch", "call", "solve", "step") for n in (1, 2)]  # fmt: skip
    ids += [f"call{n}" for n in range(3, 20)] + ["session1", "odd", "root1"]
    names = sorted(EVENTS) + ["solve.started", "solve.ended"] + ["solve.step"] * 3
    names += ["call.started", "call.ended"] * 6 + ["call.text", "call.retried"] * 2
    log: list[Logged] = []
    for seq in range(1, dice.randrange(5, 160)):
        cls = EVENTS[dice.choice(names)]
        values: dict[str, Any] = {"node": dice.choice(ids)}
        for f in fields(cls):
            if f.name == "parent":
                some = ["cell1", "batch1", "solve1"]
                values["parent"] = dice.choice(ids if dice.random() < 0.4 else some)
            elif f.name != "node" and dice.random() < 0.6:
                values[f.name] = _value(dice, f.name, str(f.type))
        log.append(Logged(seq, 1_700_000_000 + seq / 8 + dice.random(), cls(**values)))
    return log


def _real_log(tmp_path: Path) -> list[Logged]:
    """What a run wrote: cells that fail, a batch, a puzzle that is solved, an answer."""
    rng = np.random.default_rng(1)
    config = Config(vocab=6, length=16, width=32, slots=4, steps=3, multiple=32)
    state = {name: rng.standard_normal(size) for name, size in config.shapes().items()}
    model = trm.Checkpoint("sudoku4", config, state)

    def solve(puzzle: str) -> bool:
        return trm.solve(puzzle, model, halt=99).solved

    cells = [
        "n = len(context)\nprint(n)",
        "parts = llm_query_batched([f'say {i}' for i in range(12)])\none = llm_query('alone')",
        "solve('1...' + '.' * 12)\nsolve('12')",
        "for i in range(7):\n    llm_query(f'again {i}')\nFINAL('Lagos')",
    ]
    root = ScriptedModel([f"```repl\n{code}\n```" for code in cells], name="root")
    sub = ScriptedModel(lambda messages: "reply", name="sub", price="unknown")
    rlm = RLM(model=root, sub_model=sub, where="kernel", tools=[solve])
    try:
        run = rlm.run("Which city?", "some text " * 300)
        return list(run.events)
    finally:
        rlm.close()


def _plain(data: Any) -> Any:
    """What JSON makes of a value."""
    return json.loads(json.dumps(data))


def _pushed(log: list[Logged]) -> list[dict[str, Any]]:
    return [
        {"seq": one.seq, "time": one.time, "event": event_to_dict(one.event)} for one in log
    ]  # fmt: skip


def _expected(log: list[Logged]) -> dict[str, Any]:
    tree = Tree(log)
    root = tree.root
    over = root is not None and root.kind == "run" and root.known and root.ended is not None
    nodes = {}
    for node in tree.find():
        told = {f.name: getattr(node, f.name) for f in fields(Node) if not f.name.startswith("_")}
        told |= {name: asdict(getattr(node, name)) for name in ("own", "total", "amiss")}
        told["text"] = node.text
        told["said"] = [
            label(node) or ("run" if node.kind == "run" else ""),
            state_text(node, over=over),
            usage_text(node.own),
            usage_text(node.total),
            calls_text(node),
            duration_text(node.seconds),
            *map(context_text, node.context),
        ]
        told["rows"] = [
            {"title": item.title, "ids": [n.id for n in item.nodes], "tally": asdict(item.tally)}
            if isinstance(item, Group)
            else item.id
            for item in grouped(tree.children(node))
        ]
        nodes[node.id] = told
    return {
        "seq": tree.seq,
        "time": tree.time,
        "tops": [node.id for node in tree.tops],
        "root": None if root is None else root.id,
        "nodes": nodes,
    }


def _folded(tmp_path: Path, logs: list[list[Logged]], numbers: list[float]) -> dict[str, Any]:
    script, given, got = tmp_path / "fold.mjs", tmp_path / "given.json", tmp_path / "got.json"
    subprocess.run(
        ["node", "--input-type=module", "--eval", BUNDLE, str(script)], cwd=LAB, check=True
    )
    given.write_text(json.dumps({"logs": [_pushed(log) for log in logs], "numbers": numbers}))
    subprocess.run(["node", str(script), str(given), str(got)], check=True)
    return dict(json.loads(got.read_text(encoding="utf-8")))


def test_typescript_folds_any_events_to_the_same_tree(tmp_path: Path) -> None:
    logs = [_random_log(seed) for seed in range(SEEDS)]
    for log in logs:  # what travels is what Python folds
        assert all(event_from_dict(_plain(event_to_dict(one.event))) == one.event for one in log)
    numbers = [n / 16 for n in range(200)] + [0.0005, 0.0995, 9.95, 59.5, 60.5, 3599.5, 999.5, 1e6]
    got = _folded(tmp_path, logs, numbers)
    for seed, (log, tree) in enumerate(zip(logs, got["trees"], strict=True)):
        expected = _plain(_expected(log))
        assert list(tree["nodes"]) == list(expected["nodes"]), f"seed {seed}"
        for node, told in expected["nodes"].items():
            assert tree["nodes"][node] == told, f"seed {seed}, {node}"
        assert tree == expected
    for number, said in zip(numbers, got["numbers"], strict=True):
        # JavaScript rounds a half up where Python goes to the even side
        count = count_text(int(number + 0.5))
        assert said == [money_text(number), duration_text(number), count]


def test_typescript_folds_what_a_run_wrote_to_the_same_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    log = _real_log(tmp_path)
    told = {one.event.type for one in log}
    assert {"batch.started", "call.ended", "solve.step", "run.ended"} <= told
    (tree,) = _folded(tmp_path, [log], [])["trees"]
    assert tree == _plain(_expected(log))


def test_every_event_is_known_to_the_fold_in_typescript() -> None:
    folds = (LAB / "src" / "core" / "folds.ts").read_text(encoding="utf-8")
    missing = [name for name in EVENTS if f"'{name}':" not in folds and f"\n  {name}:" not in folds]
    assert missing == []
