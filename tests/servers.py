"""A real OpenAI-compatible server on loopback that says what it is told, and misbehaves on demand.

with OpenAIServer(lambda request: "hello") as server:
    RLM(model="openai/x-root", api_base=server.api_base, api_key="sk-test")
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Fault:
    """Something other than a completion.

    ``kind``: ``status`` (any HTTP error), ``html``, ``json`` (broken), ``notjson``, ``empty``
    (no choices), ``null`` (content is null), ``hang`` (never answers), ``drop`` (closes at once),
    ``half`` (breaks off in the middle), ``clip`` (a stream that
    ends properly but too early), ``inner`` (an error with status 200), ``length`` (all of
    the output went into thinking), ``refusal``, ``list`` (JSON of another shape), ``slow``
    (answers after ``seconds``). ``body`` is the JSON of an error, or more usage for the others.
    """

    kind: str = "status"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    text: str = "half of a reply"
    seconds: float = 0.0


@dataclass(frozen=True)
class Say:
    """A completion with more than a text; ``usage`` replaces fields of the usage, None drops it."""

    text: str
    usage: dict[str, Any] | None = field(default_factory=dict)
    finish: str = "stop"
    pieces: Sequence[str] | None = None
    model: str | None = None


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    json: dict[str, Any]
    headers: dict[str, str]
    path: str
    time: float

    @property
    def prompt(self) -> str:
        """The newest message."""
        return str(self.json["messages"][-1]["content"])


Policy = Callable[[dict[str, Any]], "str | Say | Fault"]


class OpenAIServer:
    """The server, on a thread of its own."""

    def __init__(self, policy: Policy | None = None, latency: float = 0.0) -> None:
        self.policy: Policy = policy or (lambda request: "ok")
        self.latency = latency
        self.requests: list[Seen] = []
        self.flying = self.most_flying = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="openai-server", daemon=True)

    @property
    def api_base(self) -> str:
        """What ``api_base=`` takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    def reply_with(self, policy: Policy) -> None:
        """Answer every request from now on by this function of its JSON."""
        self.policy = policy

    def script(self, *replies: str | Say | Fault) -> None:
        """Answer by these, in the order of the requests; the last one stays."""
        left = list(replies)
        self.policy = lambda request: left.pop(0) if len(left) > 1 else left[0]

    def wait_for(self, count: int, timeout: float = 20.0) -> None:
        """Wait until this many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, timeout), (
                f"{len(self.requests)} of {count} requests came"
            )

    def start(self) -> OpenAIServer:
        self._thread.start()
        assert self._started.wait(20)
        return self

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        app = web.Application(client_max_size=256 << 20)
        app.router.add_route("*", "/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._models)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "x-root"}, {"id": "x-sub"}]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        with self._arrived:
            self.requests.append(Seen(body, dict(request.headers), request.path, time.monotonic()))
            self._arrived.notify_all()
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            said = self.policy(body)
            if isinstance(said, str):
                said = Say(said)
            if isinstance(said, Fault):
                return await self._fault(request, body, said)
            if body.get("stream"):
                return await self._stream(request, body, said)
            return web.json_response(completion(body, said))
        finally:
            self.flying -= 1

    async def _stream(
        self,
        request: web.Request,
        body: dict[str, Any],
        said: Say,
        broken: bool = False,
        clipped: bool = False,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head = {"id": "c", "object": "chat.completion.chunk", "model": said.model or body["model"]}
        size = max(1, len(said.text) // 5)
        pieces = said.pieces or [said.text[i : i + size] for i in range(0, len(said.text), size)]
        await response.write(b": a comment\r\n\r\n")
        for piece in pieces:
            delta = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            await response.write(_event({**head, "choices": [delta]}))
        if broken:
            request.transport.close()  # type: ignore[union-attr]
            return response
        if clipped:
            return response
        end = {"index": 0, "delta": {}, "finish_reason": said.finish}
        await response.write(_event({**head, "choices": [end]}))
        if said.usage is not None and body.get("stream_options", {}).get("include_usage"):
            usage = completion(body, said)["usage"]
            await response.write(_event({**head, "choices": [], "usage": usage}))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _fault(
        self, request: web.Request, body: dict[str, Any], fault: Fault
    ) -> web.StreamResponse:
        kind = fault.kind
        if kind == "status":
            error = {"error": {"message": f"the server says {fault.status}", "code": None}}
            content = fault.body if fault.body is not None else error
            return web.json_response(content, status=fault.status, headers=fault.headers)
        if kind == "hang":
            await asyncio.sleep(3600)
        if kind == "slow":
            await asyncio.sleep(fault.seconds)
            return web.json_response(completion(body, Say(fault.text)))
        if kind == "drop":
            request.transport.close()  # type: ignore[union-attr]
            return web.Response()
        if kind == "clip":
            return await self._stream(request, body, Say(fault.text), clipped=True)
        if kind == "half":
            if body.get("stream"):
                return await self._stream(request, body, Say(fault.text), broken=True)
            response = web.StreamResponse(headers={"Content-Length": "5000"})
            await response.prepare(request)
            await response.write(b'{"choices": [{"message"')
            request.transport.close()  # type: ignore[union-attr]
            return response
        texts = {
            "html": "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>",
            "json": '{"choices": [{"message": {"content": "hel',
            "notjson": "upstream connect error",
            "list": "[1, 2, 3]",
        }
        if kind in texts:
            mime = "text/html" if kind == "html" else "application/json"
            status = fault.status if kind == "html" else 200
            return web.Response(text=texts[kind], content_type=mime, status=status)
        whole = completion(body, Say("", usage=fault.body or {}))
        if kind == "empty":
            whole["choices"] = []
        elif kind == "null":
            whole["choices"][0]["message"]["content"] = None
        elif kind == "length":
            whole["choices"][0]["message"] = {"content": "", "reasoning_content": "hm"}
            whole["choices"][0]["finish_reason"] = "length"
        elif kind == "refusal":
            whole["choices"][0]["message"] = {"content": None, "refusal": "I won't"}
        elif kind == "inner":
            whole = {"error": {"code": fault.status, "message": "the upstream failed"}}
        else:
            raise AssertionError(kind)
        return web.json_response(whole)


def completion(body: dict[str, Any], said: Say) -> dict[str, Any]:
    """Give a completion as OpenAI's servers do."""
    prompt = sum(len(str(m["content"])) for m in body["messages"]) // 4 + 4
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": len(said.text) // 4 + 1,
        "total_tokens": prompt + len(said.text) // 4 + 1,
        **(said.usage or {}),
    }
    whole: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": said.model or body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": said.finish,
                "message": {"role": "assistant", "content": said.text},
            }
        ],
    }
    if said.usage is not None:
        whole["usage"] = usage
    return whole


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\r\n\r\n"


if __name__ == "__main__":  # a server in a process of its own: prints its port, ends with stdin
    import sys

    with OpenAIServer(lambda request: "ok", latency=float(sys.argv[1])) as own:
        print(own.port, flush=True)
        sys.stdin.read()
