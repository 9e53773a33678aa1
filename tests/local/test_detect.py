"""Servers on loopback: found by what they answer, and nothing else is taken for one."""

import asyncio
import socket

from servers import OpenAIServer

from rlm_kernel.lm.detect import find_servers


def test_a_server_of_models_is_found_with_its_address_and_models(openai_server: OpenAIServer):
    port = int(openai_server.api_base.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {port: "Ollama", silent.getsockname()[1]: "vLLM", 9: "LM Studio"}
        found = asyncio.run(find_servers(0.5, ports))
    assert [(s.name, s.url) for s in found] == [("Ollama", f"http://127.0.0.1:{port}/v1")]
    assert found[0].models
