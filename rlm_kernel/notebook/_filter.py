"""What a boxed kernel may say to a front end: which messages, and what of them.

A front end trusts what a kernel sends: outputs run in the page, comms make widgets of any code, a
payload writes the next cell, and the kernel's info chooses what code of the page reads a notebook.
So of a kernel that runs hostile code only the known messages go on, and of those only the known
fields, made anew: each of its kind, and inert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ..protocol import front
from ..protocol.front import COMM_ID, COMM_TARGET, REPLY
from ..repl.safe import left_out_text, safe_bundle
from ._plain import KEYS_OF_CODE, among, matching, number, plain, text, texts

Content = dict[str, Any]
WORD = 200  # characters of a name
LINE = 10_000
PAGE = 1_000_000
MATCHES, MATCH = 2_000, 500
HISTORY = 10_000
TRACEBACK = 500

_OURS: list[Any] = [front.Reply, *front.Reply.__subclasses__(), *front.PUSHES]
_FIELDS = {"kind", *(one.name for cls in _OURS for one in fields(cls))}
_PYTHON = {
    "name": "python", "mimetype": "text/x-python", "file_extension": ".py",
    "codemirror_mode": {"name": "ipython", "version": 3}, "pygments_lexer": "ipython3",
    "nbconvert_exporter": "python",
}  # fmt: skip


def allowed(channel: str, kind: str, content: Content) -> Content | None:
    """Give the content of a message as it may go on; None: it may not.

    Args:
        channel: ``iopub``, ``shell``, ``control`` or ``stdin``.
        kind: the message's type.
        content: its content.
    """
    if channel == "iopub":
        make = _PUBLISHED.get(kind)
        return make(content) if make else None
    if channel == "stdin":
        if kind != "input_request":
            return None
        secret = content.get("password") is True
        return {"prompt": text(content.get("prompt"), LINE), "password": secret}
    make = _REPLIES.get(kind)
    if make is None:
        return None
    made = make(content)
    if made is None or kind == REPLY:
        return made
    if "status" in content:
        made = {"status": among(content["status"], ("ok", "aborted"), "error")} | made
    return made | _failed(content) if "ename" in content else made


def known_header(header: Mapping[str, Any]) -> Content:
    """Give the header of a message, or of its parent, as it may go on."""
    names = ("msg_id", "msg_type", "username", "session", "date", "subshell_id")
    found: Content = {k: text(header[k], WORD) for k in names if isinstance(header.get(k), str)}
    if found:  # where there is no parent, its header is empty
        found["version"] = matching(header.get("version"), r"5\.\d", "5.3")
    return found


def known_metadata(metadata: Mapping[str, Any]) -> Content:
    """Give the metadata of a message as it may go on: when it began, and how it ended."""
    names = ("started", "status", "engine")
    found: Content = {k: text(metadata[k], WORD) for k in names if isinstance(metadata.get(k), str)}
    if "dependencies_met" in metadata:
        found["dependencies_met"] = metadata["dependencies_met"] is True
    return found


# -- what is published -------------------------------------------------------------------------


def _status(content: Content) -> Content | None:
    # Others are the server's to say: of a kernel that is dead, or is started again.
    state = among(content.get("execution_state"), ("busy", "idle", "starting"), "")
    return {"execution_state": state} if state else None


def _stream(content: Content) -> Content:
    name = among(content.get("name"), ("stdout", "stderr"), "stdout")
    return {"name": name, "text": text(content.get("text"))}


def _input(content: Content) -> Content:
    return {
        "code": text(content.get("code"), PAGE),
        "execution_count": number(content.get("execution_count")),
    }


def _failed(content: Content) -> Content:
    return {
        "ename": text(content.get("ename"), WORD), "evalue": text(content.get("evalue"), PAGE),
        "traceback": texts(content.get("traceback"), TRACEBACK, LINE),
    }  # fmt: skip


def _display(content: Content) -> Content:
    data, metadata = _bundle(content)
    made: Content = {"data": data, "metadata": metadata, "transient": {}}
    transient = content.get("transient")
    if isinstance(transient, dict) and isinstance(transient.get("display_id"), str):
        made["transient"]["display_id"] = text(transient["display_id"], WORD)
    if "execution_count" in content:
        made["execution_count"] = number(content["execution_count"])
    return made


def _pushed(content: Content) -> Content | None:
    data = content.get("data")
    if content.get("comm_id") != COMM_ID or not isinstance(data, dict):
        return None
    return {"comm_id": COMM_ID, "data": _ours(data)}


def _ours(content: Content) -> Content:
    """Give a reply or a push of ours, which our own views show as text, but for displays."""
    made: Content = {k: plain(v) for k, v in content.items() if k in _FIELDS}
    if "data" in made or "metadata" in made:
        made["data"], made["metadata"] = _bundle(content)
    return made


def _bundle(content: Mapping[str, Any]) -> tuple[Content, Content]:
    data = content.get("data")
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    if not isinstance(data, dict):
        return {}, _whose(metadata)
    kept, about, left_out = safe_bundle(data, metadata)
    if "text/plain" in kept:
        kept["text/plain"] = text(kept["text/plain"])
    if "application/json" in kept:
        kept["application/json"] = plain(kept["application/json"])
    if left_out and not set(kept) - {"text/plain"}:
        said = f"{kept.get('text/plain', '')}\n{left_out_text(left_out[:20])}".strip()
        kept["text/plain"] = said
    return kept, about | _whose(metadata)


def _whose(metadata: Mapping[str, Any]) -> Content:
    """Give what our own displays' metadata say: of which run it is, and whether it is its last."""
    rlm = metadata.get("rlm")
    if not isinstance(rlm, dict):
        return {}
    return {"rlm": {"run": text(rlm.get("run"), WORD), "final": rlm.get("final") is True}}


_PUBLISHED: dict[str, Callable[[Content], Content | None]] = {
    "status": _status, "stream": _stream, "execute_input": _input, "error": _failed,
    "clear_output": lambda content: {"wait": content.get("wait") is True},
    "display_data": _display, "update_display_data": _display, "execute_result": _display,
    "comm_msg": _pushed,
}  # fmt: skip


# -- what is replied ---------------------------------------------------------------------------


def _executed(content: Content) -> Content:
    return {
        "execution_count": number(content.get("execution_count")),
        "payload": _payload(content.get("payload")),
        "user_expressions": _expressions(content.get("user_expressions")),
    }


def _payload(payload: Any) -> list[Content]:
    """Keep pages of text; nothing that types into the notebook or ends the session."""
    kept = []
    for one in payload[:20] if isinstance(payload, list) else []:
        if isinstance(one, dict) and one.get("source") == "page":
            data = one.get("data")
            said = text(data.get("text/plain"), PAGE) if isinstance(data, dict) else ""
            kept.append({"source": "page", "start": 0, "data": {"text/plain": said}})
    return kept


def _expressions(found: Any) -> Content:
    kept = {}
    for name, one in list(found.items())[:100] if isinstance(found, dict) else ():
        if name in KEYS_OF_CODE:
            continue
        if isinstance(one, dict) and one.get("status") == "ok":
            data = one.get("data")
            said = text(data.get("text/plain"), PAGE) if isinstance(data, dict) else ""
            kept[name] = {"status": "ok", "data": {"text/plain": said}, "metadata": {}}
        elif isinstance(one, dict):
            kept[name] = {"status": "error", **_failed(one)}
    return kept


def _info(content: Content) -> Content:
    language = content.get("language_info")
    version = language.get("version") if isinstance(language, dict) else ""
    features = content.get("supported_features")
    subshells = isinstance(features, list) and "kernel subshells" in features
    return {
        "protocol_version": matching(content.get("protocol_version"), r"5\.\d", "5.3"),
        "implementation": "ipython",
        "implementation_version": matching(content.get("implementation_version"), _VERSION, "0"),
        "language_info": {**_PYTHON, "version": matching(version, _VERSION, "3")},
        "banner": text(content.get("banner"), LINE),
        "help_links": [],  # the page opens them in frames of its own
        "debugger": False,
        "supported_features": ["kernel subshells"] if subshells else [],
    }


_VERSION = r"[0-9][0-9a-z.+]{0,30}"


def _completed(content: Content) -> Content:
    """Give completions; the front end types one into the cell, so each is one line to be seen."""
    found = content.get("matches")
    matches = [one for one in found if _typed(one)] if isinstance(found, list) else []
    made: Content = {
        "matches": matches[:MATCHES], "metadata": {},
        "cursor_start": _place(content.get("cursor_start")),
        "cursor_end": _place(content.get("cursor_end")),
    }  # fmt: skip
    metadata = content.get("metadata")
    types = metadata.get(_TYPES) if isinstance(metadata, dict) else None
    if isinstance(types, list):
        made["metadata"] = {_TYPES: [
            {"text": one["text"], "type": text(one.get("type"), 40),
             "signature": text(one.get("signature"), LINE),
             "start": _place(one.get("start")), "end": _place(one.get("end"))}
            for one in types[:MATCHES] if isinstance(one, dict) and _typed(one.get("text"))
        ]}  # fmt: skip
    return made


_TYPES = "_jupyter_types_experimental"


def _typed(found: object) -> bool:
    return isinstance(found, str) and len(found) <= MATCH and found.isprintable()


def _place(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0


def _complete(content: Content) -> Content:
    known = ("complete", "incomplete", "invalid")
    return {
        "status": among(content.get("status"), known, "unknown"),
        "indent": matching(content.get("indent"), r"[ \t]{0,200}", ""),
    }


def _inspected(content: Content) -> Content:
    data, metadata = _bundle(content)
    return {"found": content.get("found") is True, "data": data, "metadata": metadata}


def _history(content: Content) -> Content:
    found = content.get("history")
    made = []
    for one in found[-HISTORY:] if isinstance(found, list) else []:
        if isinstance(one, list) and len(one) == 3:
            session, line, said = one
            # With outputs asked for it is a pair; an output that is None stays so.
            pair = [None if x is None else text(x, PAGE) for x in said[:2]] if (
                isinstance(said, list)
            ) else text(said, PAGE)  # fmt: skip
            made.append([_place(session), _place(line), pair])
    return {"history": made}


def _comms(content: Content) -> Content:
    comms = content.get("comms")
    here = isinstance(comms, dict) and COMM_ID in comms
    return {"comms": {COMM_ID: {"target_name": COMM_TARGET}} if here else {}}


_MEASURE = r"[a-z][a-z_]{0,59}"


def _usage(content: Content) -> Content:
    made: Content = {}
    for name, value in content.items():
        if re.fullmatch(_MEASURE, name) and name != "status":
            if isinstance(value, dict):
                made[name] = {k: number(v) for k, v in value.items() if re.fullmatch(_MEASURE, k)}
            else:
                made[name] = text(value, WORD) if isinstance(value, str) else number(value)
    return made


def _subshell(content: Content) -> Content:
    return {"subshell_id": text(content.get("subshell_id"), WORD)}


def _subshells(content: Content) -> Content:
    return {"subshell_id": texts(content.get("subshell_id"), 1_000, WORD)}


_REPLIES: dict[str, Callable[[Content], Content | None]] = {
    "execute_reply": _executed, "inspect_reply": _inspected, "complete_reply": _completed,
    "is_complete_reply": _complete, "history_reply": _history, "comm_info_reply": _comms,
    "kernel_info_reply": _info, "usage_reply": _usage, REPLY: _ours,
    "shutdown_reply": lambda content: {"restart": content.get("restart") is True},
    "interrupt_reply": lambda _: {}, "delete_subshell_reply": lambda _: {},
    "create_subshell_reply": _subshell, "list_subshell_reply": _subshells,
}  # fmt: skip
