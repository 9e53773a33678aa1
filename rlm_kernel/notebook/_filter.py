"""What a boxed kernel may say to a front end: which messages, and what of them.

A front end trusts what a kernel sends: outputs run in the page, comms make widgets of any code, and
a payload writes the next cell. So of a kernel that runs hostile code only the known messages go on,
and of those only what is inert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol.front import COMM_ID, REPLY
from ..repl.safe import left_out_text, safe_bundle

_IOPUB = {"status", "stream", "execute_input", "error", "clear_output"}
_SHOWN = {"display_data", "update_display_data", "execute_result"}
_REPLIES = {
    "kernel_info_reply", "complete_reply", "is_complete_reply", "history_reply",
    "shutdown_reply", "interrupt_reply", "create_subshell_reply", "delete_subshell_reply",
    "list_subshell_reply", "usage_reply", REPLY,
}  # fmt: skip
OURS = "application/vnd.rlm."  # data that our own views show, escaped


def allowed(channel: str, kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    """Give the content of a message as it may go on; None: it may not.

    Args:
        channel: ``iopub``, ``shell``, ``control`` or ``stdin``.
        kind: the message's type.
        content: its content.
    """
    if channel == "iopub":
        return _published(kind, content)
    if channel == "stdin":
        return content if kind == "input_request" else None
    if kind == "execute_reply":
        return {
            **content, "payload": _payload(content.get("payload")),
            "user_expressions": _expressions(content.get("user_expressions")),
        }  # fmt: skip
    if kind == "inspect_reply":
        data, metadata = _bundle(content)
        return {**content, "data": data, "metadata": metadata}
    if kind == "comm_info_reply":
        comms = content.get("comms")
        ours = {COMM_ID: comms[COMM_ID]} if isinstance(comms, dict) and COMM_ID in comms else {}
        return {**content, "comms": ours}
    if kind == "kernel_info_reply":
        return {k: v for k, v in content.items() if k != "help_links"}
    return content if kind in _REPLIES else None


def _published(kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    if kind in _SHOWN:
        data, metadata = _bundle(content)
        return {**content, "data": data, "metadata": metadata}
    if kind == "comm_msg":
        return content if content.get("comm_id") == COMM_ID else None
    return content if kind in _IOPUB else None


def _bundle(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    data = content.get("data")
    if not isinstance(data, dict):
        return {}, {}
    metadata = content.get("metadata")
    ours = {k: v for k, v in data.items() if k.startswith(OURS) and k.endswith("+json")}
    rest = {k: v for k, v in data.items() if k not in ours}
    kept, about, left_out = safe_bundle(rest, metadata if isinstance(metadata, dict) else {})
    if left_out and not set(kept) - {"text/plain"}:
        said = f"{kept.get('text/plain', '')}\n{left_out_text(left_out)}".strip()
        kept["text/plain"] = said
    return {**kept, **ours}, about


def _payload(payload: Any) -> list[dict[str, Any]]:
    """Keep pages of text; nothing that types into the notebook or ends the session."""
    kept = []
    for one in payload if isinstance(payload, list) else []:
        if isinstance(one, dict) and one.get("source") == "page":
            data = one.get("data")
            text = data.get("text/plain", "") if isinstance(data, dict) else ""
            kept.append({"source": "page", "start": 0, "data": {"text/plain": str(text)}})
    return kept


def _expressions(found: Any) -> dict[str, Any]:
    kept = {}
    for name, one in found.items() if isinstance(found, dict) else ():
        if isinstance(one, dict) and one.get("status") == "ok":
            data, metadata = _bundle(one)
            kept[name] = {"status": "ok", "data": data, "metadata": metadata}
        elif isinstance(one, dict):
            kept[name] = one
    return kept
