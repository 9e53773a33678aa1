"""A hostile process on the channel can end its own connection, and nothing else."""

import asyncio
import json
import os
import stat
import struct

import pytest

from rlm_kernel.repl.channel import Channel
from rlm_kernel.repl.frames import pack


async def connect(channel):
    return await asyncio.open_unix_connection(channel.address.removeprefix("unix:"))


async def answer(reader):
    size = struct.unpack("!I", await reader.readexactly(4))[0]
    message = json.loads(await reader.readexactly(size))
    for n in message.get("parts", []):
        await reader.readexactly(n)
    return message


def hello(link):
    return b"".join(pack({"op": "hello", "token": link.token}))


def play(services, scene):
    async def go():
        channel = Channel()
        await channel.start()
        link = channel.link()
        link.services = services
        try:
            async with asyncio.timeout(20):
                return await scene(channel, link)
        finally:
            await channel.close()

    return asyncio.run(go())


CALL = {"op": "call", "id": 1, "method": "llm_query", "call": ["c", 1, False],
        "args": [{"prompt": "hi"}]}  # fmt: skip


def test_the_socket_is_the_users_alone(services):
    async def scene(channel, link):
        path = channel.address.removeprefix("unix:")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700

    play(services, scene)


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\0\0\0\2{}",
        b"".join(pack({"op": "hello", "token": "guessed"})),
        b"".join(pack({"op": "hello", "token": "x" * 5000})),
        b"".join(pack({"op": "hello", "token": "t"}, [b"x"])),
        b"\0\0\0\2[]",
    ],
)
def test_a_stranger_is_turned_away(services, first):
    async def scene(channel, link):
        reader, writer = await connect(channel)
        writer.write(first)
        writer.write_eof()
        assert await reader.read() == b""
        assert not link.connected.is_set()
        reader, writer = await connect(channel)  # and the kernel is still welcome
        writer.write(hello(link) + b"".join(pack(CALL)))
        assert (await answer(reader))["items"] == [{"value": "re: hi"}]

    play(services, scene)


def test_a_token_is_good_for_one_connection(services):
    async def scene(channel, link):
        _, first = await connect(channel)
        first.write(hello(link))
        await link.connected.wait()
        reader, second = await connect(channel)
        second.write(hello(link))
        assert await reader.read() == b""

    play(services, scene)


@pytest.mark.parametrize(
    "frame",
    [
        b"\0\0\0\4null",
        b"\0\0\0\2{}",
        b"\x7f\0\0\0",
        b"".join(pack({"op": "launch missiles"})),
        b"".join(pack({"op": "report", "number": 1, "report": {"status": "fine"}})),
        b"".join(pack({"op": "call", "id": "x"})),
        b"".join(pack({"op": "cancel", "id": []})),
    ],
)
def test_nonsense_ends_its_own_connection_only(services, frame):
    async def scene(channel, link):
        other = channel.link()
        other.services = services
        reader, writer = await connect(channel)
        reader2, writer2 = await connect(channel)
        writer.write(hello(link))
        writer2.write(hello(other))
        await link.connected.wait()
        link.reports[1] = asyncio.get_running_loop().create_future()
        writer.write(frame)
        assert await reader.read() == b""
        assert link.closed.is_set()
        writer2.write(b"".join(pack(CALL)))
        assert (await answer(reader2))["items"] == [{"value": "re: hi"}]

    play(services, scene)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "__init__"},
        {"method": "tool", "args": ["x"]},
        {"method": "tool", "args": {"list": [["nope", {"tuple": []}, {"dict": []}]]}},
        {"args": [{"prompt": 3}]},
        {"args": [{"prompt": "x", "surprise": 1}]},
        {"args": [{"prompt": {"pickle": 0}}]},
        {"args": [{"prompt": "x", "constraint": {"dict": [["schema", 3]]}}]},
        {"args": 7},
        {"call": []},
    ],
)
def test_a_bad_call_gets_an_error_and_the_next_an_answer(services, change):
    async def scene(channel, link):
        reader, writer = await connect(channel)
        writer.write(hello(link) + b"".join(pack({**CALL, **change})))
        assert "error" in await answer(reader)
        writer.write(b"".join(pack({**CALL, "id": 2})))
        assert (await answer(reader))["items"] == [{"value": "re: hi"}]

    play(services, scene)


def test_the_end_of_a_connection_cancels_its_calls(services):
    async def scene(channel, link):
        _, writer = await connect(channel)
        writer.write(hello(link) + b"".join(pack({**CALL, "args": [{"prompt": "hang"}]})))
        while not services.flying.is_set():
            await asyncio.sleep(0.01)
        writer.close()
        while not services.cancelled.is_set():
            await asyncio.sleep(0.01)
        await link.closed.wait()

    play(services, scene)
