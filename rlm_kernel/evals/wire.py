"""A scripted model behind an OpenAI-compatible server on loopback, for measurements.

It says that it is scripted (``model`` in each reply), and takes its orders from the question:
``bench:turns=30``, ``bench:fan=1000``, ``bench:children=4,3``, ``bench:deep=3``,
``bench:flood=100``, ``bench:waves=10``. The digits at the end of a model's name are its latency in
milliseconds.
Run as ``python -m rlm_kernel.evals.wire``: it prints its port and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

from aiohttp import web

_ORDER = re.compile(r"bench:(\w+)=([\d,]+)")


def next_reply(messages: list[dict[str, Any]]) -> str:
    """Give the scripted reply of the root to a chat."""
    texts = [str(message["content"]) for message in messages]
    order = next((m for m in map(_ORDER.search, texts) if m), None)
    if order is None:
        return "ok"
    done = sum(message["role"] == "assistant" for message in messages)
    numbers = [int(number) for number in order[2].split(",")]
    return _cell(_code(order[1], numbers, done))


def _code(order: str, numbers: list[int], done: int) -> str:
    first = numbers[0]
    if order == "turns":
        return f"x = {done}" if done < first - 1 else "FINAL('done')"
    if order == "waves":  # a thousand calls a turn
        code = f"r = llm_query_batched([f'wave {done} {{i}}' for i in range(1000)])\nlen(r)"
        return code if done < first else "FINAL(str(len(r)))"
    if done:
        return "FINAL(str(r))"
    if order == "fan":
        return (
            f"replies = llm_query_batched([f'item {{i}}' for i in range({first})])\n"
            "r = sum(isinstance(x, str) for x in replies)"
        )
    if order == "children":
        return f"r = rlm_query_batched(['bench:turns={numbers[1]}'] * {first})"
    if order == "deep":
        return f"r = rlm_query('bench:deep={first - 1}')" if first > 1 else "r = 1"
    if order == "flood":
        return f"r = {first}\nfor _ in range({first}):\n    print('x' * 999_999)"
    return "r = None"


def _cell(code: str) -> str:
    return f"```repl\n{code}\n```"


async def _complete(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    model = str(body["model"])
    digits = re.search(r"\d+$", model)
    if digits:
        await asyncio.sleep(int(digits[0]) / 1000)
    text = next_reply(body["messages"]) if "root" in model else "ok"
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.0}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text}
        return web.json_response({
            "id": "scripted", "object": "chat.completion", "model": model, "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        })  # fmt: skip
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    head = {"id": "scripted", "object": "chat.completion.chunk", "model": model}
    for choice, used in (
        ({"index": 0, "delta": {"role": "assistant", "content": text}}, None),
        ({"index": 0, "delta": {}, "finish_reason": "stop"}, usage),
    ):
        chunk = {**head, "choices": [choice], "usage": used}
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def _serve() -> None:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    port = runner.addresses[0][1]
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
