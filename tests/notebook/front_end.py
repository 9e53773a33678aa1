"""A front end over jupyter_client that places cells: it sends what JupyterLab's extension sends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from queue import Empty
from typing import Any

import zmq

SET = "text = 'abc'\nm = script('n = len(context)\\nprint(n)\\nn', 'FINAL(n)')"
STEP = "%%rlm r --context text --model m --mode step\nHow long?"
AUTO = "%%rlm r --context text --model m --mode auto\nHow long?"
TIMEOUT = 30.0


def wait_for_any(seconds: float, *channels: Any) -> bool:
    """Wait until one of these channels of a client has a message; give whether one has."""
    poller = zmq.Poller()
    for channel in channels:
        poller.register(channel.socket, zmq.POLLIN)
    return bool(poller.poll(seconds * 1000))


class FrontEnd:
    """A front end that places cells: requests over the control channel, pushes of the comm."""

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.client = kernel, kernel.client
        self.me = uuid.uuid4().hex
        self.infos: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []  # all of iopub
        self.replies: dict[str, dict[str, Any]] = {}
        self.number = 0

    def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        key = f"{self.me}-{self.number}"
        content = {"v": 1, "type": type_, "client": self.me, "id": key, **fields}
        msg = self.client.session.msg("rlm_request", content)
        self.client.control_channel.send(msg)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                reply = self.client.control_channel.get_msg(timeout=0.1)
            except Empty:
                continue
            if reply["content"].get("to") == key:
                return dict(reply["content"])
        raise AssertionError(f"no reply to {type_}")

    def steer(self, run: str, **command: Any) -> dict[str, Any]:
        return self.ask("steer", run=run, command=command)

    def take(self, seconds: float = 0.02) -> None:
        """Read what came."""
        wait_for_any(seconds, self.client.shell_channel, self.client.iopub_channel)
        try:
            reply = self.client.shell_channel.get_msg(timeout=0)
            self.replies[reply["parent_header"].get("msg_id", "")] = reply["content"]
        except Empty:
            pass
        try:
            msg = self.client.iopub_channel.get_msg(timeout=0)
        except Empty:
            return
        self.seen.append(msg)
        if msg["header"]["msg_type"] == "comm_msg" and msg["content"]["comm_id"] == "rlm":
            data = msg["content"]["data"]
            if data["kind"] == "run":
                self.infos[data["info"]["run"]] = data["info"]
            elif data["kind"] == "events":
                self.events += [e["event"] for e in data["events"]]

    def until(self, done: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while not (value := done()):
            assert time.monotonic() < deadline, f"waited in vain; {self.infos}"
            self.take()
        return value

    def execute(self, code: str, metadata: dict[str, Any] | None = None) -> str:
        """Send a cell, wait for nothing."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": True, "stop_on_error": True}  # fmt: skip
        msg = self.client.session.msg("execute_request", content)
        msg["metadata"] = {"cellId": uuid.uuid4().hex, **(metadata or {})}
        self.client.shell_channel.send(msg)
        return str(msg["header"]["msg_id"])

    def run(self, code: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
        """Execute a cell and give its reply, with ``stdout`` and ``errors``."""
        msg_id = self.execute(code, metadata)
        reply = self.over(msg_id)
        return {**reply, "stdout": self.stdout(msg_id), "errors": [
            m["content"] for m in self.of(msg_id) if m["header"]["msg_type"] == "error"
        ]}  # fmt: skip

    def over(self, msg_id: str) -> dict[str, Any]:
        """Wait until a cell has ended and all that it printed is here; give its reply."""
        self.until(lambda: msg_id in self.replies and any(
            m["header"]["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
            for m in self.of(msg_id)
        ))  # fmt: skip
        return self.replies[msg_id]

    def of(self, msg_id: str) -> list[dict[str, Any]]:
        return [m for m in self.seen if m["parent_header"].get("msg_id") == msg_id]

    def stdout(self, msg_id: str) -> str:
        return "".join(m["content"]["text"] for m in self.of(msg_id)
                       if m["header"]["msg_type"] == "stream")  # fmt: skip

    def start(self, magic: str) -> dict[str, Any]:
        """Start a run as JupyterLab does, claiming it, and give its info."""
        anchor = uuid.uuid4().hex
        msg_id = self.execute(magic, {"cellId": anchor})
        run = self.until(lambda: next(
            (run for run, info in self.infos.items() if info["anchor"] == anchor), None
        ))  # fmt: skip
        assert self.ask("claim", run=run, session=self.client.session.session)["ok"]
        assert self.until(lambda: self.replies.get(msg_id))["status"] == "ok"
        self.until(lambda: self.infos[run]["executor"] == "notebook")
        return self.infos[run]

    def pending(self, run: str, **wanted: Any) -> dict[str, Any]:
        """Wait for a cell that is up, with these fields."""

        def there() -> dict[str, Any] | None:
            cell = self.infos[run]["pending"]
            fits = cell and all(cell[key] == value for key, value in wanted.items())
            return cell if fits else None

        return dict(self.until(there))

    def lease(self, run: str, cell: str) -> dict[str, Any]:
        """Ask for a cell's lease as the window that started the run."""
        return self.ask("lease", run=run, cell=cell, session=self.client.session.session)

    def patience(self, seconds: float) -> None:
        """Have the kernel wait so long for a front end to take a cell."""
        self.run(f"import rlm_kernel.notebook.placing as _p; _p.PATIENCE = {seconds}; del _p")

    def place(self, run: str, cell: dict[str, Any], code: str | None = None) -> dict[str, Any]:
        """Run a cell of the run as the notebook does, with its metadata."""
        self.lease(run, cell["cell"])
        return self.run(
            cell["code"] if code is None else code, {"rlm": {"run": run, "cell": cell["cell"]}}
        )

    def ended(self, run: str) -> dict[str, Any]:
        self.until(lambda: self.infos[run]["ended"])
        return self.infos[run]
