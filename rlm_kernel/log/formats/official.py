"""The JSON lines that the official ``rlm`` package writes, and that its visualizer shows.

One line of metadata, then one for each iteration (a turn): its whole prompt, the reply, the code
blocks with what they gave, and the calls they made. Written, tokens stand both as the library
writes them and as the visualizer reads them. What it has no place for (decisions, batches, what the
root's own calls used) isn't in it. Read, times are those of its iterations; nothing in it says when
a call began.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...errors import RecordingError
from ...protocol import Event, Logged, Usage
from ...protocol import events as e
from ..node import Node
from ..tree import Tree
from ..usage import recorded_count, recorded_number
from .chat import chat

_QUESTION = re.compile(r'original query: "(.+?)"', re.DOTALL)
_DEEPEST = 20


def to_official(events: Sequence[Logged], tree: Tree, run: str) -> Iterator[str]:
    """Give the lines of a run, without line ends.

    Args:
        events: of its log.
        tree: folded from them.
        run: its node.
    """
    node = tree[run]
    yield json.dumps({"type": "metadata", "timestamp": _iso(node.started), **_metadata(node)})
    for line in _iterations(events, tree, run):
        yield json.dumps({"type": "iteration", **line})


def is_official(line: bytes) -> bool:
    """Whether a file's first line is one of theirs."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(data, dict):
        return False
    return data.get("type") in ("metadata", "run_context") or (
        "response" in data and "code_blocks" in data
    )


def from_official(lines: Iterable[bytes], name: str) -> list[Logged]:
    """Give the events of a run that the official package has logged.

    Args:
        lines: of its file.
        name: of the file; it is the run's id.

    Raises:
        RecordingError: a line isn't as they write it; says which.
    """
    reader = _Reader(name)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reader.take(json.loads(line))
        except (
            ValueError, TypeError, AttributeError, LookupError, RecursionError, ArithmeticError,
        ) as error:  # fmt: skip
            raise RecordingError(
                f"Line {number} of {name} isn't as the official rlm package writes it ({error})."
            ) from error
    return reader.whole()


# -- writing ----------------------------------------------------------------------------------


def _metadata(node: Node) -> dict[str, Any]:
    provider, _, model = node.model.rpartition("/")
    return {
        "root_model": node.model, "max_depth": node.config.get("max_depth"),
        "max_iterations": node.config.get("max_turns"), "backend": provider or "local",
        "backend_kwargs": {"model_name": model}, "environment_type": "rlm-kernel",
        "environment_kwargs": {}, "other_backends": None,
    }  # fmt: skip


def _iterations(events: Sequence[Logged], tree: Tree, run: str) -> Iterator[dict[str, Any]]:
    for number, exchange in enumerate(chat(events, tree, run), 1):
        answered = next((c.answer for c in exchange.cells if c.answer is not None), None)
        yield {
            "iteration": number, "timestamp": _iso(exchange.turn.ended),
            "prompt": exchange.messages, "response": exchange.reply,
            "code_blocks": [_block(events, tree, cell) for cell in exchange.cells],
            "final_answer": answered, "iteration_time": recorded_number(exchange.turn.seconds),
        }  # fmt: skip


def _block(events: Sequence[Logged], tree: Tree, cell: Node) -> dict[str, Any]:
    shown = "\n".join(part for part in (cell.output, cell.result) if part)
    result = {
        "stdout": shown, "stderr": cell.traceback or cell.error or "", "locals": {},
        "execution_time": recorded_number(cell.seconds) or 0.0,
        "rlm_calls": [_call(events, tree, node) for node in _asked(tree, cell)],
        "final_answer": cell.answer,
    }  # fmt: skip
    return {"code": cell.code, "result": result}


def _asked(tree: Tree, cell: Node) -> Iterator[Node]:
    for node in tree.children(cell):
        if node.kind == "batch":
            yield from tree.children(node)
        elif node.kind in ("call", "run"):
            yield node


def _call(events: Sequence[Logged], tree: Tree, node: Node) -> dict[str, Any]:
    used = node.total
    tokens = {"total_calls": used.calls, "total_input_tokens": used.input_tokens,
              "total_output_tokens": used.output_tokens}  # fmt: skip
    paid = {} if used.cost is None else {"total_cost": used.cost}
    call: dict[str, Any] = {
        "root_model": node.model,
        "prompt": node.question if node.kind == "run" else node.prompt,
        "response": (node.answer or "") if node.kind == "run" else node.text,
        "usage_summary": {"model_usage_summaries": {node.model: tokens | paid}, **paid},
        "prompt_tokens": used.input_tokens, "completion_tokens": used.output_tokens,
        "execution_time": recorded_number(node.seconds) or 0.0,
    }  # fmt: skip
    if node.error:
        call["error"] = node.error
    if node.kind == "run":
        inner = list(_iterations(events, tree, node.id))
        call["metadata"] = {"run_metadata": _metadata(node), "iterations": inner}
    return call


def _iso(time: float | None) -> str:
    try:
        found = datetime.fromtimestamp(time or 0.0, UTC)
    except (ValueError, OverflowError, OSError):
        found = datetime.fromtimestamp(0.0, UTC)
    return found.replace(tzinfo=None).isoformat()


# -- reading ----------------------------------------------------------------------------------


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._events: list[tuple[float, Event]] = []
        self._ids: dict[str, int] = {}
        self._metadata: Mapping[str, Any] = {}
        self._question = ""
        self._run = ""
        self._time = 0.0
        self._answer: str | None = None

    def take(self, data: Mapping[str, Any]) -> None:
        kind = data.get("type")
        if kind == "metadata":
            self._metadata = data
        elif kind == "run_context":
            self._question = str(data.get("root_prompt") or "")
        else:
            if not self._run:
                self._run = self._begin(data, self._metadata, self._question, None)
            self._answer = self._iteration(data, self._run, 0) or self._answer

    def whole(self) -> list[Logged]:
        if not self._run:
            raise RecordingError(f"There is no iteration in {self._name}.")
        self._end(self._run, self._answer)
        return [Logged(i, time, event) for i, (time, event) in enumerate(self._events, 1)]

    def _new(self, kind: str) -> str:
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return f"{kind}{self._ids[kind]}"

    def _emit(self, event: Event) -> None:
        self._events.append((self._time, event))

    def _begin(
        self, first: Mapping[str, Any], about: Mapping[str, Any], question: str,
        parent: str | None, depth: int = 0,
    ) -> str:  # fmt: skip
        node = self._new("run")
        prompt = [m for m in first.get("prompt") or () if isinstance(m, dict)]
        texts = {str(m.get("role")): str(m.get("content") or "") for m in prompt[::-1]}
        found = _QUESTION.search("\n".join(str(m.get("content") or "") for m in prompt))
        self._time = self._time or _began(first)
        self._emit(e.RunStarted(
            node=node, parent=parent, run_id=self._name if parent is None else "",
            question=question or (found[1] if found else ""), where="kernel", depth=depth,
            model=str(about.get("root_model") or ""),
            config={"max_turns": recorded_number(about.get("max_iterations")),
                    "max_depth": recorded_number(about.get("max_depth")), "logged_by": "rlm"},
        ))  # fmt: skip
        self._emit(e.RunOpened(
            node=node, system=texts.get("system", ""), first=texts.get("user", "")
        ))
        return node

    def _iteration(self, data: Mapping[str, Any], run: str, depth: int) -> str | None:
        turn = self._new("turn")
        self._time = max(self._time, _began(data))
        number = recorded_count(data.get("iteration"))
        self._emit(e.TurnStarted(node=turn, parent=run, number=number))
        call = self._new("call")
        model = str(self._metadata.get("root_model") or "")
        last = (data.get("prompt") or [{}])[-1]
        self._emit(e.CallStarted(node=call, parent=turn, role="root", model=model, depth=depth,
                                 prompt=str(last.get("content") or "")))  # fmt: skip
        self._emit(e.CallEnded(node=call, text=str(data.get("response") or ""), model=model))
        answer = data.get("final_answer")
        answer = answer[-1] if isinstance(answer, list) and answer else answer
        cell = ""
        for block in data.get("code_blocks") or ():
            cell = self._cell(block, turn, depth)
        if answer is not None and cell:
            self._emit(e.AnswerGiven(node=cell, answer=str(answer)))
        self._time += 0.0 if data.get("code_blocks") else _seconds(data, "iteration_time")
        self._emit(e.TurnEnded(node=turn))
        return None if answer is None else str(answer)

    def _cell(self, block: Mapping[str, Any], turn: str, depth: int) -> str:
        cell, result = self._new("cell"), block.get("result") or {}
        number = self._ids["cell"]
        self._emit(e.CellProposed(node=cell, parent=turn, code=str(block["code"]), number=number))
        self._emit(e.CellDecided(node=cell, by="auto"))
        self._emit(e.CellStarted(node=cell))
        began = self._time
        for call in result.get("rlm_calls") or ():
            self._asked(call, cell, depth)
        seconds = _seconds(result, "execution_time")
        self._time = max(self._time, began + seconds)
        stderr = str(result.get("stderr") or "")
        lines = stderr.strip().splitlines()
        stdout = str(result.get("stdout") or "")
        self._emit(e.CellEnded(
            node=cell, status="error" if stderr else "ok", output=stdout, output_chars=len(stdout),
            error=lines[-1] if lines else None, traceback=stderr, seconds=seconds,
        ))  # fmt: skip
        return cell

    def _asked(self, call: Mapping[str, Any], cell: str, depth: int) -> None:
        inner = (call.get("metadata") or {}).get("iterations") if depth < _DEEPEST else None
        prompt, response = call.get("prompt"), call.get("response")
        if inner:
            about = call["metadata"].get("run_metadata") or {}
            run = self._begin(inner[0], about, _text(prompt), cell, depth + 1)
            for data in inner:
                self._iteration(data, run, depth + 1)
            self._end(run, str(response or ""))
            return
        node, model = self._new("call"), str(call.get("root_model") or "")
        self._emit(e.CallStarted(node=node, parent=cell, model=model, prompt=_text(prompt)))
        self._time += _seconds(call, "execution_time")
        error = call.get("error")
        self._emit(e.CallEnded(
            node=node, status="error" if error else "ok", text=_text(response), model=model,
            error=str(error or ""), usage=e.usage_to_dict(_usage(call)),
        ))  # fmt: skip

    def _end(self, run: str, answer: str | None) -> None:
        status: e.RunStatus = "done" if answer is not None else "failed"
        self._emit(e.RunEnded(node=run, status=status, answer=answer, answer_type="str"))


def _usage(call: Mapping[str, Any]) -> Usage:
    models = (call.get("usage_summary") or {}).get("model_usage_summaries") or {}
    counts = [m for m in models.values() if isinstance(m, dict)]
    tokens_in = sum(recorded_count(m.get("total_input_tokens")) for m in counts)
    tokens_out = sum(recorded_count(m.get("total_output_tokens")) for m in counts)
    costs = [recorded_number(m.get("total_cost")) for m in counts]
    known = sum(cost for cost in costs if cost is not None)
    whole = known if costs and None not in costs else None
    return Usage(tokens_in, tokens_out, 0, whole, known, 1, 0.0)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _began(data: Mapping[str, Any]) -> float:
    try:
        ended = datetime.fromisoformat(str(data.get("timestamp"))).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return ended - _seconds(data, "iteration_time")


def _seconds(data: Mapping[str, Any], name: str) -> float:
    return recorded_number(data.get(name)) or 0.0
