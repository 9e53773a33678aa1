"""The engine's process and its provider: what dies, what waits, what is cut short."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import pytest

from rlm_kernel.errors import ConfigError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway, _local_process, weights
from rlm_kernel.lm._local_process import EngineOptions, LocalProcess
from rlm_kernel.lm._room import Room
from rlm_kernel.lm.local import LocalProvider, _sent, choices_grammar
from rlm_kernel.lm.served import client as served
from rlm_kernel.lm.served.client import Client
from rlm_kernel.lm.served.ends import Asker, Giver
from rlm_kernel.lm.served.start import ADDRESS, CAPABILITY, gateway_for
from rlm_kernel.log import Log
from rlm_kernel.protocol import CallRequest, Constraint, Origin

MODEL = "local:smollm2-135m"
STORY = "Tell a long story about a lighthouse, a storm and a ship."


def _why_not():
    if importlib.util.find_spec("xllamacpp") is None:
        return "NOT RUN: the local model; pip install 'rlm-kernel[local]'"
    if not next(m for m in weights.list_models() if m.name == "smollm2-135m").present:
        return "NOT RUN: the local model; rlm-kernel models pull smollm2-135m"
    return ""


real = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "here")


def request(text, **options):
    options.setdefault("max_tokens", 8)
    return CallRequest(({"role": "user", "content": text},), MODEL, temperature=0.0, **options)


def with_provider(job, **options):
    """Run ``job(provider)`` on a loop of its own."""

    async def main():
        provider = LocalProvider(**options)
        try:
            return await job(provider)
        finally:
            await provider.close()

    return asyncio.run(main())


def engine(provider):
    return next(iter(provider._processes.values()))


@real
def test_an_engine_killed_in_the_middle_of_a_call_is_one_error_and_the_next_call_works():
    async def job(provider):
        began = asyncio.Event()
        call = asyncio.create_task(
            provider.complete(request(STORY, max_tokens=900), lambda piece: began.set())
        )
        await began.wait()
        os.kill(engine(provider).pid, signal.SIGKILL)
        with pytest.raises(ProviderError, match="was killed") as raised:
            await call
        return raised.value, await provider.complete(request("Hello."))

    error, reply = with_provider(job)
    assert (error.kind, error.retryable) == ("server", True)
    assert reply.text


@real
def test_first_calls_at_once_start_one_engine_which_ends_with_its_last_user():
    async def job(provider):
        await asyncio.gather(*(provider.complete(request(f"Say {n}.")) for n in range(4)))
        return engine(provider)

    process = with_provider(job)
    assert process.users == 0
    assert process.pid is None


@real
def test_long_calls_that_dont_fit_side_by_side_take_turns_and_come_back_whole():
    async def job(provider):
        calls = (provider.complete(request(f"{n} word " * 50, max_tokens=12)) for n in range(2))
        return await asyncio.gather(*calls)

    for reply in with_provider(job, context=256):
        assert reply.usage.output_tokens == 12 or reply.finish == "stop"


@real
def test_a_call_that_was_given_up_leaves_the_engine_to_the_next_one():
    async def job(provider):
        began = asyncio.Event()
        call = asyncio.create_task(
            provider.complete(request(STORY, max_tokens=900), lambda piece: began.set())
        )
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        room = next(iter(provider._rooms.values()))
        reply = await provider.complete(request("Hello."))
        return room, reply

    room, reply = with_provider(job)
    assert room._free == room.size
    assert reply.text


@real
def test_a_choice_with_quotes_and_backslashes_comes_back_to_the_letter():
    choices = ('a "b" \\ c', "é\t☃")

    async def job(provider):
        return await provider.complete(request("?", constraint=Constraint(choices=choices),
                                               max_tokens=20))  # fmt: skip

    assert with_provider(job).text in choices


@real
def test_another_file_of_the_right_length_is_never_loaded(tmp_path, monkeypatch):
    known = weights.CATALOG["smollm2-135m"]
    with (tmp_path / known.file).open("wb") as file:
        file.write(b"GGUF")
        file.truncate(known.size)
    monkeypatch.setenv("RLM_MODELS", str(tmp_path))
    with pytest.raises(ConfigError, match="SHA-256"):
        with_provider(lambda provider: provider.complete(request("Hello.")))
    assert not _local_process._shared


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it has loaded")
def test_a_parent_that_dies_while_a_model_loads_takes_the_engine_with_it(tmp_path):
    """Loading holds the GIL, so that no thread of the engine's could notice."""
    (tmp_path / "xllamacpp.py").write_text(textwrap.dedent("""
        import ctypes, pathlib, types
        class CommonParams(types.SimpleNamespace):
            def __init__(self):
                self.model = types.SimpleNamespace()
                self.cpuparams, self.cpuparams_batch = types.SimpleNamespace(), self.model
        def Server(params):
            pathlib.Path(params.model.path, "loading").touch()
            ctypes.PyDLL(None).sleep(60)
    """))
    code = textwrap.dedent(f"""
        import os, pathlib, signal, threading
        from rlm_kernel.lm._local_process import EngineOptions, LocalProcess
        folder = pathlib.Path({str(tmp_path)!r})
        process = LocalProcess(EngineOptions(folder, 2048, 1, 1))
        threading.Thread(target=process.ensure, daemon=True).start()
        while not (folder / "loading").exists():
            pass
        print(process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
    )  # fmt: skip
    pid = int(ended.stdout)
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                break
        assert time.monotonic() < until
        os.sched_yield()


def test_two_threads_that_ask_first_get_one_engine_that_is_counted_once(monkeypatch, tmp_path):
    both = threading.Barrier(2)

    def find(name, check):
        with contextlib.suppress(threading.BrokenBarrierError):  # the second may not come in
            both.wait(0.3)
        return weights.LocalModel("x", "X", tmp_path / "x.gguf", 1, True, window=512)

    monkeypatch.setattr(weights, "find", find)
    provider = LocalProvider()
    threads = [threading.Thread(target=provider._process, args=("x",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine(provider).users == 1
    asyncio.run(provider.close())


def test_a_broken_model_is_one_sentence_with_the_engines_own_words(tmp_path):
    pytest.importorskip("xllamacpp")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    process = LocalProcess(EngineOptions(broken, 512, 1, 1))
    for _ in range(_local_process.MAX_DEATHS):
        with pytest.raises(ProviderError, match=r"doesn't start with broken\.gguf.*exit code"):
            process.ensure()
    with pytest.raises(ProviderError, match="isn't started again"):
        process.ensure()
    assert process.pid is None


def test_without_the_engine_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(_local_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*rlm-kernel\[local\]"):
        LocalProcess(EngineOptions(tmp_path / "x.gguf", 512, 1, 1)).ensure()


def test_keys_in_the_environment_dont_reach_the_engine(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-1")
    monkeypatch.setenv("HF_TOKEN", "hf-1")
    env = _local_process._environment()
    assert "SOME_API_KEY" not in env
    assert "HF_TOKEN" not in env
    assert env["OMP_WAIT_POLICY"] == "passive"


def test_room_is_given_in_turn_never_twice_and_back_when_a_wait_is_given_up():
    async def main():
        room = Room(100)
        order = []

        async def use(name, tokens, hold):
            async with room.take(tokens):
                order.append(name)
                await hold.wait()

        first, other = asyncio.Event(), asyncio.Event()
        other.set()
        big = asyncio.create_task(use("big", 80, first))
        await asyncio.sleep(0)
        huge = asyncio.create_task(use("huge", 10_000, other))
        await asyncio.sleep(0)
        small = asyncio.create_task(use("small", 10, other))
        await asyncio.sleep(0)
        assert order == ["big"], "a small one doesn't overtake for ever"
        huge.cancel()
        await asyncio.gather(huge, return_exceptions=True)
        await small
        assert order == ["big", "small"]
        first.set()
        await big
        assert room._free == 100

    asyncio.run(main())


def test_the_grammar_of_choices_escapes_what_would_end_a_text():
    assert choices_grammar(("a", 'b"c')) == 'root ::= "a" | "b\\x22c"'


def test_what_names_no_temperature_is_asked_at_zero():
    asked = CallRequest(({"role": "user", "content": "hi"},), MODEL)
    assert _sent(asked).temperature == 0.0
    assert _sent(replace(asked, temperature=0.7)).temperature == 0.7


@real
def test_a_boxed_kernel_without_weights_calls_the_local_model(tmp_path, monkeypatch):
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("RLM_MODELS", str(weights.models_dir()))
    found = gateway_for(str(tmp_path / "kernel-1.json"), "9 calls", str(tmp_path / "runs"))
    giver = Giver(found[ADDRESS], found[CAPABILITY])
    client = Client("", "", Asker(giver.theirs))
    monkeypatch.setattr(served, "_installed", [client])
    monkeypatch.setenv("RLM_MODELS", str(tmp_path / "nothing"))  # as the box has it

    async def ask():
        gateway = Gateway()
        request = CallRequest(({"role": "user", "content": "Say yes."},), MODEL, max_tokens=4)
        try:
            return await gateway.call(request, Origin("r", "r"), BudgetLedger(None), Log())
        finally:
            await gateway.close()

    try:
        reply = asyncio.run(ask())
        assert reply.text.strip()
        assert reply.usage.output_tokens <= 4
        assert client.ask("status")["spent"]["calls"] == 1
    finally:
        with contextlib.suppress(OSError, ProviderError):
            status = client.ask("status")
            for name in ("keeper", "pid"):
                os.kill(status[name], signal.SIGKILL)
