"""The engine's process: started once per model and options, shared, and never left behind.

Guarantees:
- however many providers of this process use a model, there is one engine for it; the last one to
  let go ends it, and so do the end of this process, however it ends, and ``atexit``;
- a start that fails, and a death later, are one sentence with the engine's last words; the next
  call starts it again, but after three deaths without a reply in between it stays down, so that a
  broken model doesn't load over and over;
- starting blocks only the calling thread, which must not be an event loop's.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, ProviderError
from ._models import THREE_WAYS
from .weights import ensure_verified

START_LIMIT = 300.0  # seconds to load a model; a cold disk and a busy machine take long
MAX_DEATHS = 3
_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine is started with; ``ctx`` is in tokens and shared by all its requests."""

    path: Path
    ctx: int
    parallel: int
    threads: int


def need_engine() -> None:
    """Raise ConfigError where the engine isn't installed; importing it is left to its process."""
    if importlib.util.find_spec("xllamacpp") is None:
        msg = (
            "The local model's engine isn't installed here: `pip install 'rlm-kernel[local]'` "
            f"brings it. {THREE_WAYS}"
        )
        raise ConfigError(msg)


class LocalProcess:
    """One engine; ``ensure`` starts it where it isn't running. Thread-safe."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.key = secrets.token_urlsafe(24)
        self.users = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._words: deque[str] = deque(maxlen=30)
        self._listener: threading.Thread | None = None
        self._deaths = 0
        self._counted = True

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def ensure(self) -> str:
        """Give the engine's address, starting it first where it isn't running.

        Raises:
            ConfigError: the engine isn't installed, or the file isn't the model it should be.
            ProviderError: it doesn't start, or died too often.
        """
        with self._lock:
            if self.pid is not None:
                return self._url
            self._count_death()
            if self._deaths >= MAX_DEATHS:
                msg = (
                    f"The local engine ended {self._deaths} times in a row on "
                    f"{self.options.path.name} and isn't started again; {self._last_words()}"
                )
                raise ProviderError(msg, kind="model")
            need_engine()
            ensure_verified(self.options.path)
            self._start()
            return self._url

    def replied(self) -> None:
        """Note that the engine answered: deaths are counted from here."""
        self._deaths = 0

    def death(self, wait: float = 2.0) -> str | None:
        """Say in words how the engine ended, waiting a moment for it; None while it runs."""
        process = self._process
        if process is None:
            return "It was closed."
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        if process.poll() is None:
            return None
        if self._listener is not None:
            self._listener.join(1.0)
        return f"It {_how(process.returncode)}; {self._last_words()}"

    def close(self) -> None:
        """End the engine; it can be started again."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            self._counted = True
            _end(process)

    def _start(self) -> None:
        self._words.clear()
        process = self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        self._counted = False
        self._listener = threading.Thread(
            target=self._listen, args=(process,), name="rlm-local-stderr", daemon=True
        )
        self._listener.start()
        with contextlib.suppress(OSError):  # it is gone already: what it said follows
            assert process.stdin is not None
            process.stdin.write(f"{self.key}\n".encode())
            process.stdin.flush()
        late = threading.Timer(START_LIMIT, process.kill)
        late.daemon = True
        late.start()
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
        finally:
            process.stdout.close()
            on_time = late.is_alive()
            late.cancel()
        if line:
            self._url = str(json.loads(line)["url"])
            return
        death = self.death(5.0) or "It says nothing."
        if not on_time:
            death = f"It wasn't ready after {START_LIMIT:.0f} s and was ended."
        _end(process)
        msg = f"The local engine doesn't start with {self.options.path.name}. {death}"
        raise ProviderError(msg, kind="model")

    def _command(self) -> list[str]:
        options = self.options
        return [
            sys.executable,
            "-P",  # a json.py in the working folder is not for us
            str(Path(__file__).with_name("local_server.py")),
            f"--model={options.path}",
            f"--ctx={options.ctx}",
            f"--parallel={options.parallel}",
            f"--threads={options.threads}",
        ]

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._words.append(line[:500].decode("utf-8", "replace").rstrip())

    def _last_words(self) -> str:
        words = [w for w in self._words if w][-4:]
        return f"its last words: {' | '.join(words)}" if words else "it said nothing."

    def _count_death(self) -> None:
        if self._process is not None and not self._counted:
            self._deaths += 1
            self._counted = True


_shared: dict[EngineOptions, LocalProcess] = {}
_shared_lock = threading.Lock()


def acquire(options: EngineOptions) -> LocalProcess:
    """Give this process's engine for these options; ``release`` it when done."""
    with _shared_lock:
        process = _shared.setdefault(options, LocalProcess(options))
        process.users += 1
        return process


def release(process: LocalProcess) -> None:
    """Let go of an engine; the last one to do so ends it."""
    with _shared_lock:
        process.users -= 1
        if process.users > 0:
            return
        _shared.pop(process.options, None)
    process.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):  # a pipe to a process that is gone
            process.stdin.close()
    process.terminate()
    try:
        process.wait(3.0)
    except subprocess.TimeoutExpired:  # loading holds off the signal's handling nowhere, but stuck
        process.kill()
        process.wait()


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGILL":
        return "needs instructions that this processor lacks (AVX2)"
    if name == "SIGKILL":
        return "was killed (by hand, or because memory ran out)"
    return f"was ended by {name}"


def _environment() -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not any(w in k.upper() for w in _SECRET_WORDS)}
    # The engine's workers spin while they wait; on a busy machine that starves it a hundredfold.
    env["OMP_WAIT_POLICY"] = "passive"
    env["GOMP_SPINCOUNT"] = "0"
    return env


def _close_all() -> None:
    for process in list(_shared.values()):
        process.close()


def _forget() -> None:
    """In a forked child the engines are the parent's."""
    global _shared_lock
    _shared.clear()
    _shared_lock = threading.Lock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
