"""Stands between Jupyter and a boxed kernel: ``python -m rlm_kernel.notebook.relay -f FILE``.

It is the process that Jupyter has started and talks to; the kernel runs in its box, with sockets of
its own in the box's folder, and another key.

Guarantees:
- what the kernel sends is passed on only as far as ``_filter`` allows it, signed anew; what isn't
  signed by the kernel's own key is dropped;
- what a person may spend is raised by what they do here, and by nothing that the kernel says;
- of the server's terminal the kernel has nothing: what it writes comes on from here, as text;
- the kernel ends with this process, and this process with the kernel, by the same exit code;
- what a person sends passes unchanged, but for the signature; of what the kernel sends no buffers
  pass, since nothing of ours has any; order is kept on each channel.
"""

from __future__ import annotations

import ctypes
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import zmq

from ..errors import ConfigError, ReplError
from ..lm.served.ends import Giver
from ..lm.served.environment import scrubbed
from ..lm.served.start import ADDRESS, CAPABILITY, DESCRIPTOR
from ..log.inside import remove_tree
from ..log.paths import sandboxed_dir
from ..log.sealed import VARIABLE as SEALED
from ..log.sealed import Sealer
from ..protocol.frames import refuse_items
from ..protocol.front import REQUEST
from ..repl.box.bubblewrap import wrapped
from ..repl.box.inside import VARIABLE
from ..repl.box.policy import Policy
from ..repl.box.probing import BOXED, choose
from ..repl.environment import plain
from ._authority import Authority
from ._filter import allowed, known_header, known_metadata
from ._pass_on import PassOn
from .launch import connection_file

DELIMITER = b"<IDS|MSG>"
CHANNELS = ("shell", "control", "stdin")
LOOK = 200  # ms between looks at whether the kernel lives
TURN = 0.1  # seconds for which one socket is read before the others are
LARGEST = 64 << 20  # bytes of a message of the kernel's
UNREAD = 8  # messages of the kernel's that wait for us, on a channel
UNSENT = 10_000  # small messages that wait for a page, on a channel
LARGE = 16 << 10  # bytes; of larger ones the bytes are counted:
WAITING = 256 << 20  # bytes that wait for pages
TOO_FAST = {
    "name": "stderr",
    "text": "[rlm: an output is left out: they come faster than the page takes them]\n",
}
LAST_WORDS = 1.0  # seconds, at most
_PR_SET_PDEATHSIG = 1


class Signer:
    """Signs and checks messages, as Jupyter's wire protocol has it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, parts: Sequence[bytes]) -> bytes:
        """Give the signature of header, parent, metadata and content."""
        if not self._key:
            return b""
        digest = hmac.new(self._key, digestmod=sha256)
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode("ascii")


class Large:
    """Counts the bytes of large messages that haven't gone out yet."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Any, int]] = []
        self._bytes = 0

    def room(self, size: int) -> bool:
        """Say whether there is room for so many more."""
        if self._bytes + size > WAITING:
            self._waiting = [(sent, n) for sent, n in self._waiting if not sent.done]
            self._bytes = sum(n for _, n in self._waiting)
        return self._bytes + size <= WAITING

    def add(self, sent: Any, size: int) -> None:
        """Count a message; zmq's tracker says when it is gone."""
        self._waiting.append((sent, size))
        self._bytes += size


class Relay:
    """The sockets on both sides.

    Args:
        outer: what Jupyter's connection file says.
        inner: the same of the kernel's own.
        authority: learns what a person does.
    """

    def __init__(
        self, outer: dict[str, Any], inner: dict[str, Any], authority: Authority
    ) -> None:
        self._authority = authority
        self._theirs = Signer(str(outer["key"]).encode())
        self._kernels = Signer(str(inner["key"]).encode())
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._out: dict[str, zmq.Socket[bytes]] = {}
        self._in: dict[str, zmq.Socket[bytes]] = {}
        identity = os.urandom(8).hex().encode()
        for name in CHANNELS:
            out = self._out[name] = context.socket(zmq.ROUTER)
            out.setsockopt(zmq.ROUTER_HANDOVER, 1)
            inside = self._in[name] = context.socket(zmq.DEALER)
            # A kernel asks for input of whom it got the cell from: one name for all channels.
            inside.setsockopt(zmq.IDENTITY, identity)
        self._out["iopub"] = context.socket(zmq.XPUB)
        self._in["iopub"] = context.socket(zmq.SUB)
        self._in["iopub"].setsockopt(zmq.SUBSCRIBE, b"")
        self._out["hb"] = context.socket(zmq.ROUTER)
        for one in [*self._out.values(), *self._in.values()]:
            one.setsockopt(zmq.LINGER, 500)
        # zmq counts messages and no bytes: the kernel's must not fill our memory, however many and
        # large they are and however slowly a page reads. A person's are as many as they are.
        for one in self._in.values():
            one.setsockopt(zmq.RCVHWM, UNREAD)
            one.setsockopt(zmq.MAXMSGSIZE, LARGEST)
            one.setsockopt(zmq.SNDHWM, 0)
        for one in self._out.values():
            one.setsockopt(zmq.SNDHWM, UNSENT)
            one.setsockopt(zmq.RCVHWM, 0)
            one.copy_threshold = 0
        self._large = Large()
        for name, one in self._out.items():
            one.bind(address(outer, f"{name}_port"))
        for name, one in self._in.items():
            one.connect(address(inner, f"{name}_port"))
        self._poller = zmq.Poller()
        for one in [*self._out.values(), *self._in.values()]:
            self._poller.register(one, zmq.POLLIN)
        self._by_socket: dict[Any, tuple[str, bool]] = {
            **{one: (name, True) for name, one in self._out.items()},
            **{one: (name, False) for name, one in self._in.items()},
        }

    def serve(self, kernel: subprocess.Popen[bytes]) -> int:
        """Pass messages until the kernel has ended; give its exit code."""
        while True:
            for ready, _ in self._poller.poll(LOOK):
                name, outer = self._by_socket[ready]
                until = time.monotonic() + TURN  # then the others have theirs: an interrupt, too
                for _ in range(100):
                    try:
                        frames = ready.recv_multipart(zmq.NOBLOCK, copy=True)
                    except zmq.Again:
                        break
                    self._pass(name, outer, frames)
                    if time.monotonic() > until:
                        break
            code = kernel.poll()
            if code is not None:
                self._rest()
                return code

    def _rest(self) -> None:
        """Pass on what the kernel had said last."""
        for name, one in self._in.items():
            with suppress(zmq.ZMQError):
                while True:
                    self._pass(name, False, one.recv_multipart(zmq.NOBLOCK))

    def close(self) -> None:
        """Let go of the sockets."""
        for one in [*self._out.values(), *self._in.values()]:
            one.close()

    # -- messages ----------------------------------------------------------------------------

    def _pass(self, name: str, outer: bool, frames: list[bytes]) -> None:
        if name == "hb":
            self._out["hb"].send_multipart(frames)  # we live as long as the kernel does
        elif name == "iopub" and outer:
            if frames and frames[0][:1] == b"\x01":
                self._welcome(frames[0][1:])
        elif outer:
            self._to_kernel(name, frames)
        else:
            self._to_person(name, frames)

    def _to_kernel(self, name: str, frames: list[bytes]) -> None:
        message = opened(frames, self._theirs)
        if message is None:
            return
        at, parts = message
        with suppress(ValueError, TypeError, AttributeError):
            header, metadata, content = (json.loads(parts[i]) for i in (0, 2, 3))
            kind = header["msg_type"]
            if kind == "execute_request":
                self._authority.executed(content, metadata)
            elif kind == REQUEST:
                self._authority.asked(content)
        frames[at + 1] = self._kernels.sign(parts)
        self._in[name].send_multipart(frames)

    def _to_person(self, name: str, frames: list[bytes]) -> None:
        message = opened(frames, self._kernels)
        if message is None:
            return
        at, parts = message
        try:
            if sum(map(len, parts)) > LARGEST:
                return
            for part in parts:
                refuse_items(part)
            header, parent, metadata, content = map(json.loads, parts)
            kind = str(header["msg_type"])
            kept = allowed(name, kind, content)
            if kept is None:
                return
            made = [known_header(header), known_header(parent), known_metadata(metadata), kept]
            self._send(name, frames[:at], made)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ReplError):
            return

    def _send(self, name: str, identities: list[bytes], made: list[dict[str, Any]]) -> None:
        # Written anew: two readers of JSON needn't take the same text for the same thing.
        parts = [json.dumps(one, allow_nan=False).encode("ascii") for one in made]
        size = sum(map(len, parts))
        message = [*identities, DELIMITER, self._theirs.sign(parts), *parts]
        if size < LARGE:
            self._out[name].send_multipart(message)
        elif self._large.room(size):
            sent = self._out[name].send_multipart(message, copy=False, track=True)
            self._large.add(sent, size)
        elif name == "iopub":
            header = {**made[0], "msg_type": "stream"}
            self._send(name, identities, [header, made[1], {}, TOO_FAST])

    def _welcome(self, topic: bytes) -> None:
        """Say to a new subscriber that it is heard from now on (Jupyter's JEP 65)."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        header = {"msg_id": os.urandom(16).hex(), "msg_type": "iopub_welcome", "username": "kernel",
                  "session": os.urandom(16).hex(), "date": now, "version": "5.4"}  # fmt: skip
        content = {"subscription": topic.decode("utf-8", "replace")}
        parts = [json.dumps(x).encode() for x in (header, {}, {}, content)]
        self._out["iopub"].send_multipart(
            [topic, DELIMITER, self._theirs.sign(parts), *parts]
        )


def opened(frames: list[bytes], signer: Signer) -> tuple[int, list[bytes]] | None:
    """Give where the delimiter is, and the four signed parts; None where the signature is wrong."""
    try:
        at = frames.index(DELIMITER)
    except ValueError:
        return None
    parts = frames[at + 2 : at + 6]
    if len(parts) < 4 or not hmac.compare_digest(frames[at + 1], signer.sign(parts)):
        return None
    return at, parts


def address(connection: dict[str, Any], port: str) -> str:
    """Give a channel's address."""
    transport, ip, number = connection["transport"], connection["ip"], connection[port]
    return f"{transport}://{ip}{'-' if transport == 'ipc' else ':'}{number}"


class Boxed:
    """The kernel in its box, and the folder that it has.

    Args:
        method: what holds it.
        here: the notebook's folder, which it may read.
        live: the folder in which it writes the logs of its runs, in a folder ``runs``.
        runs: the folder of their copies, which it may read.
    """

    def __init__(self, method: Any, here: Path, live: Path, runs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rlm-boxed-"))
        for name in ("work", "tmp", "ipython"):
            (self.folder / name).mkdir()
        self.connection = {
            "transport": "ipc", "ip": str(self.folder / "k"), "key": os.urandom(32).hex(),
            "signature_scheme": "hmac-sha256", "kernel_name": "rlm-sandboxed",
            **{f"{name}_port": n for n, name in enumerate((*CHANNELS, "iopub", "hb"), 1)},
        }  # fmt: skip
        self._file = self.folder / "kernel.json"
        self._file.write_text(json.dumps(self.connection))
        self._here, self._live, self._runs = here, live, runs
        self.policy = Policy(
            method, (str(here), str(runs)), (str(live),), local=method == "bubblewrap"
        )

    def start(self, gateway: socket.socket | None) -> subprocess.Popen[bytes]:
        """Start it; what it writes is to be read from its ``stdout``.

        Args:
            gateway: where it asks for connections to the gateway process.
        """
        descriptors = [] if gateway is None else [gateway.fileno()]
        inside = replace(self.policy, write=(str(self.folder), *self.policy.write))
        env = plain(scrubbed(os.environ)) | {
            VARIABLE: inside.to_json(), BOXED: self.policy.method,
            DESCRIPTOR: ",".join(map(str, descriptors)),
            "HOME": str(self.folder / "work"), "RLM_SCRATCH": str(self.folder / "work"),
            "TMPDIR": str(self.folder / "tmp"), "IPYTHONDIR": str(self.folder / "ipython"),
            "RLM_HOME": str(self._live), SEALED: str(self._runs),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }  # fmt: skip
        line = [sys.executable, "-m", "rlm_kernel.notebook.boxed", "-f", str(self._file)]
        if self.policy.method == "bubblewrap":
            bwrap = shutil.which("bwrap") or "bwrap"
            line = wrapped(bwrap, line, self.policy, str(self.folder))
        return subprocess.Popen(
            line, env=env, cwd=str(self._here), pass_fds=descriptors, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def end(self, kernel: subprocess.Popen[bytes]) -> None:
        """End the kernel and what it started, and remove its folder."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()
        remove_tree(self.folder)


def passed_on(kernel: subprocess.Popen[bytes]) -> PassOn:
    """Pass on to our own stderr what the kernel writes."""
    assert kernel.stdout is not None
    return PassOn(os.dup(kernel.stdout.fileno()), write)


def write(text: str) -> None:
    """Write to our own stderr, without a lock that is still held when we end."""
    os.write(2, text.encode("utf-8", "replace"))


def write_line(sentence: str) -> None:
    """Write a sentence of our own."""
    write(f"[rlm] {sentence}\n")


def runs_of(gateway: Path) -> Path:
    """Give the folder for the runs of a sandboxed kernel: of its own, among the user's."""
    return sandboxed_dir() / gateway.name / "runs"


def main() -> None:
    """Start the boxed kernel and stand before it until it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    file = connection_file(sys.argv[1:])
    gateway = Path(os.environ[ADDRESS]).parent
    runs = runs_of(gateway)
    live = runs.with_name("live")
    (live / "runs").mkdir(mode=0o700, parents=True, exist_ok=True)
    sealer = Sealer(live / "runs", runs, write_line)
    sealer.take_all()  # of a kernel that ended with this machine
    try:
        boxed = Boxed(choose("auto"), Path.cwd(), live, runs)
    except ConfigError as error:
        sys.exit(f"{error}")
    giver = Giver(os.environ[ADDRESS], os.environ[CAPABILITY])
    relay = Relay(json.loads(Path(file).read_text("utf-8")), boxed.connection, Authority(gateway))
    kernel = boxed.start(giver.theirs)
    giver.theirs.close()
    words = passed_on(kernel)
    sealer.start()

    def stop(*_: object) -> None:
        boxed.end(kernel)
        sealer.take_all()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts come as messages
    try:
        code = relay.serve(kernel)
    finally:
        boxed.end(kernel)
        sealer.take_all()
        words.join(LAST_WORDS)
        relay.close()
    zmq.Context.instance().term()
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
