"""A gateway's worker and clients that do what no kernel of ours does: it holds, and serves on."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import OpenAIServer

from rlm_kernel.lm.served import wire, worker
from rlm_kernel.lm.served.address import SOCKET, Address
from rlm_kernel.lm.served.place import Grant, write_grants
from rlm_kernel.lm.served.worker import Worker
from rlm_kernel.protocol.frames import HEAD, body_size, pack, unpack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is none on Windows")
TOKEN = "the-capability-of-the-tests"
BODY = json.dumps({
    "messages": [["user", "x"]], "model": "openai/m", "max_tokens": 100, "temperature": None,
    "stop": [], "timeout": None, "constraint": None,
}).encode()  # fmt: skip
CALL = {"op": "call", "model": "openai/m", "api_base": None, "direct": True}


class Raw:
    """A client that sends what it is told."""

    def __init__(self, address: str, token: str = TOKEN) -> None:
        self.end = socket.socket(socket.AF_UNIX)
        self.end.settimeout(20)
        self.end.connect(address)
        if token:
            self.send({"op": "hello", "token": token})

    def send(self, message: dict[str, Any], *parts: bytes) -> None:
        self.end.sendall(b"".join(pack(message, parts)))

    def read(self) -> dict[str, Any]:
        message, _ = unpack(self._exactly(body_size(self._exactly(HEAD))))
        return message

    def ask(self, op: str, **more: Any) -> Any:
        self.send({"op": op, "id": 1, **more})
        return self.read()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.end.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.end.close()


class Serving:
    """A worker on a thread of its own."""

    def __init__(self, folder: Path, budget: str | None, runs: Path | None = None) -> None:
        grant = Grant(TOKEN, budget, runs=str(runs), closed=True) if runs else Grant(TOKEN, budget)
        write_grants(folder, {TOKEN: grant})
        place = Address(folder / SOCKET)
        self.address = str(place.path)
        self._listener = place.listen()
        self._keys = socket.socketpair()
        self.faults: list[dict[str, Any]] = []
        self._up = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self._run(place),))
        self.thread.start()
        assert self._up.wait(20)

    async def _run(self, place: Address) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, about: self.faults.append(about))
        self.worker = Worker(place, self._listener, self._keys[0])
        self._task = asyncio.current_task()
        self._up.set()
        with suppress(asyncio.CancelledError):
            await self.worker.run()

    def owner(self) -> worker.Owner:
        async def find() -> worker.Owner | None:  # on its own thread, as it reads the grants
            return self.worker.owner(TOKEN)

        found = asyncio.run_coroutine_threadsafe(find(), self.loop).result(20)
        assert found is not None
        return found

    def close(self) -> None:
        until(lambda: not self.worker._connected)
        assert self._task is not None
        self.loop.call_soon_threadsafe(self._task.cancel)
        self.thread.join(20)
        assert not self.thread.is_alive()
        for end in self._keys:
            end.close()
        assert not self.faults


@pytest.fixture
def serve(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    openai_server: OpenAIServer,
) -> Iterator[Callable[..., Serving]]:  # fmt: skip
    made: list[Serving] = []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.api_base)
    openai_server.reply_with(lambda request: "re: " + request["messages"][-1]["content"])

    def begin(budget: str | None = None, runs: Path | None = None) -> Serving:
        made.append(Serving(tmp_path_factory.mktemp("g"), budget, runs))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def error_of(answer: dict[str, Any]) -> str:
    return str(answer["error"]["text"])


def until(so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never was so")


def test_an_id_in_use_and_a_call_too_many_get_one_clear_error(
    serve: Callable[..., Serving], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_CALLS", 3)
    openai_server.latency = 0.3
    with Raw(serve().address) as raw, Raw(raw.end.getpeername()) as other:
        for number in (5, 6, 7):
            raw.send({**CALL, "id": number}, BODY)
        raw.send({**CALL, "id": 5}, BODY)
        assert "call 5 in flight already" in error_of(raw.read())
        for one, number in ((raw, 8), (other, 1)):  # it is the capability that has so many
            one.send({**CALL, "id": number}, BODY)
            answer = one.read()
            assert answer["id"] == number
            assert "no more than 3 calls in flight" in error_of(answer)
        assert {raw.read()["value"]["text"] for _ in range(3)} == {"re: x"}
        raw.send({**CALL, "id": 8}, BODY)
        assert raw.read()["value"]["text"] == "re: x"


def test_requests_are_bounded_each_and_together(
    serve: Callable[..., Serving], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST_BODY", 100_000)
    monkeypatch.setattr(worker, "MOST_HELD", 250_000)
    openai_server.latency = 0.3
    serving = serve()
    body = BODY.replace(b'"x"', b'"' + b"x" * 90_000 + b'"')
    with Raw(serving.address) as raw:
        raw.send({**CALL, "id": 1}, b"x" * 100_001)
        assert "isn't sent: split it" in error_of(raw.read())
        for number in (1, 2, 3):
            raw.send({**CALL, "id": number}, body)
        answer = raw.read()
        assert (answer["id"], "in flight of a kernel" in error_of(answer)) == (3, True)
        assert sorted(raw.read()["id"] for _ in range(2)) == [1, 2]
        raw.send({**CALL, "id": 3}, body)
        assert "value" in raw.read()
        many = BODY.replace(b'[["user", "x"]]', b"[" + b"[]," * 20_000 + b"[]]")
        monkeypatch.setattr(wire, "MOST_MESSAGES", 20_000)
        raw.send({**CALL, "id": 4}, many)
        assert "no more than 20,000 messages" in error_of(raw.read())
        until(lambda: serving.owner().held == 0)


def test_names_of_models_are_short_and_not_endless(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_NAMES", 3)
    serving = serve()
    with Raw(serving.address) as raw:
        long = raw.ask("info", model="openai/" + "m" * 200, api_base=None)
        assert "more than 200 characters" in error_of(long)
        long = raw.ask("info", model="openai/m", api_base="http://" + "m" * 2000)
        assert "more than 200 characters" in error_of(long)
        answers = [raw.ask("info", model=f"openai/{n}", api_base=None) for n in range(5)]
        assert [("value" in answer) for answer in answers] == [True] * 3 + [False] * 2
        assert "no more than 3 different models" in error_of(answers[-1])
        assert "value" in raw.ask("info", model="openai/2", api_base=None)


def test_who_does_not_read_is_not_read_from(serve: Callable[..., Serving]) -> None:
    serving = serve()
    with Raw(serving.address) as raw, Raw(serving.address) as other:
        raw.end.settimeout(1.0)
        question = b"".join(pack({"op": "call", "id": 1}))  # each gets an error
        with pytest.raises(TimeoutError):
            raw.end.sendall(question * 5_000_000)
        assert other.ask("status")["value"]["spent"]["calls"] == 0
        unread = [c._writer.transport.get_write_buffer_size() for c in serving.owner().connections]
        assert max(unread) < worker.PAUSED_AT + 10_000


def test_who_leaves_replies_unread_is_let_go(
    serve: Callable[..., Serving], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_UNREAD", 1_000_000)
    openai_server.reply_with(lambda request: "x" * 100_000)
    serving = serve()
    with Raw(serving.address) as raw, Raw(serving.address) as other:
        for one in (raw, other):
            one.ask("status")  # it is let in
        for number in range(50):
            raw.send({**CALL, "id": number + 2}, BODY)
        until(lambda: len(serving.owner().connections) == 1)
        assert other.ask("status")["value"]["spent"]["calls"] >= 10  # what was paid is booked
        with pytest.raises((EOFError, OSError)):
            deque((raw.read() for _ in range(50)), 0)


def test_connections_are_bounded(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_CONNECTIONS", 2)
    serving = serve()
    with Raw(serving.address) as one, Raw(serving.address) as two:
        assert "value" in one.ask("status")
        assert "value" in two.ask("status")
        with Raw(serving.address) as three:
            assert "no more than 2 connections" in error_of(three.read())
            with pytest.raises(EOFError):
                three.read()
        assert "value" in one.ask("status")
    until(lambda: not serving.owner().connections)
    with Raw(serving.address) as three:
        assert "value" in three.ask("status")


def frame(head: bytes) -> bytes:
    return struct.pack("!I", len(head)) + head


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 100,
        struct.pack("!I", wire.MOST_HEAD + 1),
        frame(b"[" * 100_000),
        frame(b"{}"),
        frame(b'{"id":1e999,"op":"status"}'),
        frame(b'{"id":1' + b"0" * 5000 + b',"op":"status"}'),
        frame(b'{"id":true,"op":"status"}'),
        frame(b'{"id":-1,"op":"status"}'),
        frame(b'{"id":1,"op":"call","parts":[1,1]}xx'),
        frame(b'{"id":1,"op":"call","parts":[-1]}'),
        frame(b'{"id":1,"op":"cancel","parts":[1]}x'),
    ],
    ids=range(11),
)
def test_a_frame_that_is_none_of_ours_ends_its_connection_only(
    serve: Callable[..., Serving], data: bytes
) -> None:
    serving = serve()
    with Raw(serving.address) as other, Raw(serving.address) as raw:
        raw.end.sendall(data)
        with pytest.raises((EOFError, OSError)):
            raw.read()
        assert "value" in other.ask("status")


@pytest.mark.parametrize(
    "message",
    [
        {"op": ["call"]}, {"op": {}}, {"op": None}, {}, {"op": "call"}, {"op": "info"},
        {"op": "info", "model": ["x"] * 1000}, {"op": "support"},
        {"op": "support", "model": "openai/m", "constraint": 1},
        {"op": "call", "model": "openai/m", "run": "../..", "key": {}, "again": 1},
        {"op": "key"}, {"op": "key", "name": "x y", "value": 1}, {"op": "nosuch"},
        {"op": "hello", "token": TOKEN},
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_gets_an_error(
    serve: Callable[..., Serving], message: dict[str, Any]
) -> None:
    with Raw(serve().address) as raw:
        raw.send({**message, "id": 1})
        assert raw.read()["error"]["text"]
        assert "value" in raw.ask("status")


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": -5}, {"max_tokens": 10**400}, {"max_tokens": 10**30}, {"max_tokens": "x"},
        {"temperature": "nan"}, {"messages": [["user"]]}, {"messages": 5}, {"stop": 5},
        {"constraint": {"schema": {"$ref": "#"}, "choices": None, "grammar": None}},
        {"constraint": {"schema": None, "choices": [[]], "grammar": None}},
        {"constraint": []}, {"timeout": "inf"}, {"model": {}},
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_spends_nothing_past_the_budget(
    serve: Callable[..., Serving], more: dict[str, Any]
) -> None:
    serving = serve("$1, 3 calls")
    with Raw(serving.address) as raw:
        for number in range(5):
            raw.send({**CALL, "id": number}, json.dumps({**json.loads(BODY), **more}).encode())
            assert {"error", "value"} & set(raw.read())
        assert raw.ask("status")["value"]["spent"]["calls"] <= 3
        assert serving.owner().ledger.reserved.calls == 0


def test_only_what_was_paid_for_makes_a_folder_of_a_run(
    serve: Callable[..., Serving], tmp_path: Path
) -> None:
    with Raw(serve("1 call", tmp_path).address) as raw:
        for number in range(5):
            call = {**CALL, "id": number, "run": f"run{number}", "key": "k", "call": "c"}
            raw.send(call, BODY)
            assert raw.read().get("error") is None if number == 0 else raw.read()["error"]
    assert [p.name for p in tmp_path.iterdir()] == ["run0"]


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["openai/m", "human", "../x", TOKEN, "x" * 300])
)  # fmt: skip
FORMS = st.sampled_from(["schema", "choices", "grammar"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FORMS, inner, max_size=3),
    max_leaves=5,
)
OPS = st.sampled_from(["call", "cancel", "info", "support", "key", "keys", "status", "hello"])
MESSAGES = st.fixed_dictionaries(
    {"op": OPS},
    optional=dict.fromkeys((*wire.PLAIN - {"op"}, "constraint", "token", "parts"), VALUES)
    | {"id": st.integers(0, 3) | VALUES},
)
FRAMES = st.binary(max_size=50) | st.builds(
    lambda message, part: b"".join(pack(message, [part])), MESSAGES,
    st.binary(max_size=50) | st.just(BODY) | st.just(BODY.replace(b"100", b"-1")),
) | st.builds(lambda message: frame(json.dumps(message).encode()), MESSAGES)  # fmt: skip


def test_no_frames_end_the_worker_or_pass_the_budget(
    serve: Callable[..., Serving], openai_server: OpenAIServer
) -> None:
    serving = serve("$1000, 20 calls")
    with Raw(serving.address) as other:

        @settings(
            max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(frames=st.lists(FRAMES, max_size=6), token=st.sampled_from([TOKEN, "", "guessed"]))
        def hold(frames: list[bytes], token: str) -> None:
            with Raw(serving.address, token) as raw, suppress(OSError, EOFError):
                raw.end.sendall(b"".join(frames))
                raw.end.shutdown(socket.SHUT_WR)
                while True:
                    assert raw.read()["op"] in ("reply", "text")
            assert other.ask("status")["value"]["spent"]["calls"] <= 20

        hold()
        until(lambda: len(serving.owner().connections) == 1)
        assert len(openai_server.requests) <= 20
        until(lambda: (serving.owner().calls, serving.owner().held) == (0, 0))
        assert serving.owner().ledger.reserved.calls == 0
