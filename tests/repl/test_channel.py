"""A hostile process on the channel can end its own connection, and nothing else."""

import asyncio
import json
import os
import socket
import struct

import pytest

from rlm_kernel.protocol.frames import pack
from rlm_kernel.repl.channel import Channel, Link


class Born:
    """A kernel's end that was inherited; ``Loopback``: one that connects to a port."""

    @staticmethod
    def channel():
        return Channel(inherit=True)

    @staticmethod
    async def connect(channel, link):
        ends = await channel.open(link)
        sockets = [socket.socket(fileno=os.dup(fd)) for fd in ends.descriptors]
        ends.close()
        link.kept = sockets  # the one for descriptors stays open
        return await asyncio.open_connection(sock=sockets[0])


class Loopback:
    @staticmethod
    def channel():
        return Channel(inherit=False)

    @staticmethod
    async def connect(channel, link):
        await channel.open(link)
        return await asyncio.open_connection("127.0.0.1", channel.port)


async def connect(channel):
    return await asyncio.open_connection("127.0.0.1", channel.port)


async def answer(reader):
    size = struct.unpack("!I", await reader.readexactly(4))[0]
    message = json.loads(await reader.readexactly(size))
    for n in message.get("parts", []):
        await reader.readexactly(n)
    return message


def hello(link):
    return b"".join(pack({"op": "hello", "token": link.token}))


def play(services, scene, kind=Loopback):
    async def go():
        channel = kind.channel()
        link = Link()
        link.services = services
        try:
            async with asyncio.timeout(20):
                return await scene(channel, link)
        finally:
            link.close()
            await channel.close()

    return asyncio.run(go())


both = pytest.mark.parametrize("kind", [Born, Loopback])


CALL = {"op": "call", "id": 1, "method": "llm_query", "call": ["c", 1, False],
        "args": [{"prompt": "hi"}]}  # fmt: skip


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
        await channel.open(link)
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
        await channel.open(link)
        _, first = await connect(channel)
        first.write(hello(link))
        await link.connected.wait()
        reader, second = await connect(channel)
        second.write(hello(link))
        assert await reader.read() == b""

    play(services, scene)


@both
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
def test_nonsense_ends_its_own_connection_only(services, frame, kind):
    async def scene(channel, link):
        other = Link()
        other.services = services
        reader, writer = await kind.connect(channel, link)
        reader2, writer2 = await kind.connect(channel, other)
        writer.write(hello(link))
        writer2.write(hello(other))
        await link.connected.wait()
        link.reports[1] = asyncio.get_running_loop().create_future()
        writer.write(frame)
        assert await reader.read() == b""
        assert link.closed.is_set()
        writer2.write(b"".join(pack(CALL)))
        assert (await answer(reader2))["items"] == [{"value": "re: hi"}]

    play(services, scene, kind)


@both
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
def test_a_bad_call_gets_an_error_and_the_next_an_answer(services, change, kind):
    async def scene(channel, link):
        reader, writer = await kind.connect(channel, link)
        writer.write(hello(link) + b"".join(pack({**CALL, **change})))
        assert "error" in await answer(reader)
        writer.write(b"".join(pack({**CALL, "id": 2})))
        assert (await answer(reader))["items"] == [{"value": "re: hi"}]

    play(services, scene, kind)


@both
def test_the_end_of_a_connection_cancels_its_calls(services, kind):
    async def scene(channel, link):
        _, writer = await kind.connect(channel, link)
        writer.write(hello(link) + b"".join(pack({**CALL, "args": [{"prompt": "hang"}]})))
        while not services.flying.is_set():
            await asyncio.sleep(0.01)
        writer.close()
        while not services.cancelled.is_set():
            await asyncio.sleep(0.01)
        await link.closed.wait()

    play(services, scene, kind)


def test_what_would_be_too_large_to_read_cuts_its_sender_off_and_is_said(services):
    async def scene(channel, link):
        reader, writer = await Born.connect(channel, link)
        body = b'{"op":"call","args":[' + b"[]," * 2_000_000 + b"1]}"
        writer.write(struct.pack("!I", len(body)) + body)
        assert await reader.read() == b""
        assert "more than 2,000,000 items" in link.fault

    play(services, scene, Born)


def test_the_calls_in_flight_hold_so_many_bytes_and_no_more(services, monkeypatch):
    monkeypatch.setattr("rlm_kernel.repl.channel.MOST_BYTES", 15_000)

    async def scene(channel, link):
        reader, writer = await Born.connect(channel, link)

        def call(number, prompt):
            parts = [prompt.encode()]
            args = [{"prompt": {"text": 0}}]
            writer.write(b"".join(pack({**CALL, "id": number, "args": args}, parts)))

        for number in range(1, 4):
            call(number, "slow".ljust(6_000))
        answers = {}
        for _ in range(3):
            message = await answer(reader)
            answers[message["id"]] = message
        assert "hold more than" in answers[3]["error"]["text"]
        assert "items" in answers[1]
        call(4, "x" * 6_000)  # the others are over
        assert "items" in await answer(reader)

    play(services, scene, Born)
