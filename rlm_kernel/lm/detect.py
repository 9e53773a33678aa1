"""Servers that already answer on this machine: Ollama, vLLM, LM Studio, llama.cpp and the like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

PORTS: Mapping[int, str] = {
    11434: "Ollama", 1234: "LM Studio", 8000: "vLLM", 8080: "llama.cpp", 1337: "Jan",
    4891: "GPT4All", 5000: "text-generation-webui", 30000: "SGLang", 4000: "LiteLLM proxy",
}  # fmt: skip
MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that lists models; ``url`` is what ``api_base=`` takes."""

    name: str
    url: str
    models: tuple[str, ...]


async def find_servers(
    timeout: float = 0.5, ports: Mapping[int, str] = PORTS
) -> list[FoundServer]:
    """Ask the usual ports of loopback for their models.

    Args:
        timeout: seconds for each.
        ports: port to the name of what usually listens there.

    Returns:
        Those that answered as an OpenAI-compatible server does, in the order of ``ports``.
    """
    import aiohttp

    wait = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=wait) as session:
        found = await asyncio.gather(*(_ask(session, port, name) for port, name in ports.items()))
    return [server for server in found if server is not None]


async def _ask(session: object, port: int, name: str) -> FoundServer | None:
    import aiohttp

    assert isinstance(session, aiohttp.ClientSession)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        async with session.get(f"{url}/models", allow_redirects=False) as answer:
            if answer.status != 200:
                return None
            listed = json.loads(await answer.content.read(MAX_BODY))["data"]
            models = tuple(str(item["id"])[:100] for item in listed)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None  # nothing there, or something else: not a server of models
    return FoundServer(name, url, models)
