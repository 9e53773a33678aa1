"""The messages between a kernel and the engine, in both directions: what is in a frame.

From the kernel: ``hello``, ``call``, ``cancel``, ``opened``, ``report``.
To the kernel: ``open``, ``execute``, ``reply``, ``history``.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .. import errors
from ..errors import ModelError, ProviderError, ReplError
from ..protocol import AnswerState, CellError, Constraint, Limits, Query
from .runtime import Report
from .transfer import decode, encode


def encode_queries(queries: Sequence[Query], parts: list[bytes]) -> list[dict[str, Any]]:
    """Give queries as JSON-able data."""
    out = []
    for q in queries:
        item: dict[str, Any] = {"prompt": encode(q.prompt, parts)}
        for name in ("model", "system", "max_tokens", "temperature", "name"):
            if (value := getattr(q, name)) not in (None, ""):
                item[name] = encode(value, parts)
        if (c := q.constraint) is not None:
            item["constraint"] = encode(
                {f.name: getattr(c, f.name) for f in fields(Constraint)}, parts
            )
        if q.has_context:
            item["context"] = encode(q.context, parts)
        out.append(item)
    return out


def decode_queries(data: Any, parts: list[bytes], files: Collection[str] = ()) -> list[Query]:
    """Rebuild queries, with ``files`` as for ``decode``; raise ``ReplError`` for what isn't one."""
    queries = []
    for item in data:
        plain = {k: decode(v, parts, files=files) for k, v in item.items()}
        constraint = plain.pop("constraint", None)
        has_context = "context" in plain
        query = Query(
            **plain,
            constraint=Constraint(**constraint) if constraint else None,
            has_context=has_context,
        )
        if not _typed(query):
            msg = "A call from the kernel isn't a call."
            raise ReplError(msg)
        queries.append(query)
    return queries


def _typed(q: Query) -> bool:
    c = q.constraint
    return (
        isinstance(q.prompt, str)
        and isinstance(q.name, str)
        and all(v is None or isinstance(v, str) for v in (q.model, q.system))
        and (q.max_tokens is None or (type(q.max_tokens) is int and _written(q.max_tokens)))
        and (
            q.temperature is None
            or (type(q.temperature) in (int, float) and _written(q.temperature))
        )
        and (
            c is None
            or (
                (c.schema is None or isinstance(c.schema, Mapping))
                and (c.grammar is None or isinstance(c.grammar, str))
                and (
                    c.choices is None
                    or (isinstance(c.choices, tuple) and all(isinstance(x, str) for x in c.choices))
                )
            )
        )
    )


def _written(number: float) -> bool:
    """Whether a number can be written into a request; one of 5,000 digits can't."""
    return abs(number) < 1 << 53


def encode_error(error: BaseException) -> dict[str, Any]:
    """Give an exception as data: its class's name, its sentence, and what ours carry."""
    data: dict[str, Any] = {"class": type(error).__name__, "text": str(error)[:20_000]}
    if isinstance(error, ProviderError):
        data |= {"status": error.status, "retryable": error.retryable, "kind": error.kind}
        data["retry_after"] = error.retry_after
    elif not isinstance(error, errors.RLMError):
        data["foreign"] = True
    elif not hasattr(errors, type(error).__name__):
        data["class"] = "ModelError" if isinstance(error, ModelError) else "ReplError"
    return data


def decode_error(data: Mapping[str, Any]) -> BaseException:
    """Rebuild an exception: ours, a built-in one, or a ``ReplError`` that names the class."""
    name, text = str(data.get("class")), str(data.get("text"))
    if name == "ProviderError":
        return ProviderError(
            text,
            status=data.get("status"),
            retry_after=data.get("retry_after"),
            retryable=bool(data.get("retryable")),
            kind=str(data.get("kind")),
        )
    kind: Any = getattr(builtins if data.get("foreign") else errors, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:  # UnicodeDecodeError and the like want more than a sentence
            pass
    return ReplError(f"{name}: {text}")


def encode_item(value: Any, parts: list[bytes], *, copies: bool) -> dict[str, Any]:
    """Give one result: a value, or an error in its place."""
    if isinstance(value, BaseException):
        return {"error": encode_error(value)}
    try:
        return {"value": encode(value, parts, copies=copies)}
    except ReplError as error:
        return {"error": encode_error(error)}


def decode_item(item: Mapping[str, Any], parts: list[bytes], *, copies: bool) -> Any:
    """Rebuild one result; an error is a value."""
    if "error" in item:
        return decode_error(item["error"])
    return decode(item["value"], parts, copies=copies)


def encode_limits(limits: Limits) -> dict[str, Any]:
    """Give limits as JSON-able data."""
    return {f.name: getattr(limits, f.name) for f in fields(Limits)}


def encode_report(report: Report, parts: list[bytes]) -> dict[str, Any]:
    """Give a report as JSON-able data; an answer that can't cross keeps its text form."""
    a = report.answer
    problem = a.problem
    content: Any = None
    try:
        content = encode(a.content, parts)
    except ReplError as error:
        problem = problem or f"The answer can't be handed over: {error}"
    e = report.error
    return {
        "status": report.status,
        "result": encode(report.result, parts),
        "error": None
        if e is None
        else [encode(v, parts) for v in (e.name, e.message, e.traceback, e.line)],
        "answer": [content, a.ready, a.via, encode(a.text, parts), encode(problem, parts), a.empty],
        "changed": [encode(n, parts) for n in report.changed],
        "restored": [encode(n, parts) for n in report.restored],
        "names": [encode(n, parts) for n in report.names],
        "note": report.note,
    }


def decode_report(data: Mapping[str, Any], parts: list[bytes]) -> Report:
    """Rebuild a report; raise ``ReplError`` for what isn't one."""
    try:
        content, ready, via, text, problem, empty = (decode(v, parts) for v in data["answer"])
        error = data["error"]
        if error is not None:
            name, message, traceback, line = (decode(v, parts) for v in error)
            error = CellError(str(name), str(message), str(traceback), _int(line))
        result = decode(data["result"], parts)
        status = data["status"]
        if status not in ("ok", "error", "interrupted", "memory", "died"):
            raise ValueError(status)
        return Report(
            status=status,
            result=None if result is None else str(result),
            error=error,
            answer=AnswerState(
                content, bool(ready), str(via), str(text), str(problem), bool(empty)
            ),
            changed=_names(data["changed"], parts),
            restored=_names(data["restored"], parts),
            names=_names(data["names"], parts),
            note=str(data["note"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"The kernel's report of a cell can't be read ({type(error).__name__})."
        raise ReplError(msg) from None


def _names(data: Any, parts: list[bytes]) -> tuple[str, ...]:
    return tuple(str(decode(n, parts)) for n in data)


def _int(value: Any) -> int | None:
    return value if type(value) is int else None
