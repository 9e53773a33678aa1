"""The real local path with the smallest real model: an engine process, real tokens."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from rlm_kernel import RLM
from rlm_kernel.errors import ConfigError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway, run_sync, weights
from rlm_kernel.log import Log
from rlm_kernel.protocol import CallRequest, Constraint, Origin

MODEL = "local:smollm2-135m"


def _why_not():
    if importlib.util.find_spec("xllamacpp") is None:
        return "NOT RUN: the local model; pip install 'rlm-kernel[local]'"
    if not next(m for m in weights.list_models() if m.name == "smollm2-135m").present:
        return "NOT RUN: the local model; rlm-kernel models pull smollm2-135m"
    return ""


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "here")


@pytest.fixture(scope="module")
def gateway():
    gateway = Gateway()
    yield gateway
    run_sync(gateway.close())


def ask(gateway, text, **options):
    options.setdefault("max_tokens", 24)
    request = CallRequest(({"role": "user", "content": text},), MODEL, temperature=0.0,
                          cache=False, **options)  # fmt: skip
    log = Log(None)
    role = options.pop("role", "root")
    ledger = BudgetLedger("$1")
    reply = run_sync(gateway.call(request, Origin("run1", "run1", role), ledger, log))
    return reply, log


def engine_pid(gateway):
    provider, _ = gateway.resolve(MODEL)
    return next(iter(provider._processes.values())).pid


def gone(pid):
    """Wait until a process is gone: it is polled by its own parent, or is nobody's."""
    for _ in range(200):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                return True
        asyncio.run(asyncio.sleep(0.05))
    return False


def test_a_reply_of_real_tokens_is_free_counted_and_streamed(gateway):
    reply, log = ask(gateway, "What is the capital of France? Answer in one word.")
    assert reply.text.strip()
    assert reply.usage.input_tokens > 5
    assert 0 < reply.usage.output_tokens <= 24
    assert reply.usage.cost == 0.0
    assert reply.first_token is not None, "the root's reply streams"
    assert log.events[-1].event.status == "ok"


def test_the_info_says_what_it_can_and_what_it_cant(gateway):
    info = gateway.info(MODEL)
    assert info.local
    assert info.window == 8192
    assert info.input_price == 0.0
    assert "check what it answers" in info.note


def test_a_choice_is_one_of_those_that_were_offered(gateway):
    reply, _ = ask(gateway, "Is the sky blue?", constraint=Constraint(choices=("yes", "no")))
    assert reply.text in ("yes", "no")


def test_a_schema_gives_a_value_of_that_form(gateway):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
              "additionalProperties": False}  # fmt: skip
    reply, _ = ask(gateway, "Invent a person.", constraint=Constraint(schema=schema),
                   max_tokens=60)  # fmt: skip
    assert isinstance(reply.value["age"], int)


def test_a_grammar_holds_the_reply_to_its_form(gateway):
    reply, _ = ask(gateway, "Say a number.", constraint=Constraint(grammar='root ::= "4" [0-9]'))
    assert len(reply.text) == 2
    assert reply.text.startswith("4")


def test_a_prompt_that_is_too_long_is_an_error_of_one_sentence(gateway):
    with pytest.raises(ProviderError, match="window") as raised:
        ask(gateway, "word " * 20_000)
    assert raised.value.kind == "window"


def test_an_engine_that_is_killed_costs_a_call_at_most_and_is_started_again(gateway):
    ask(gateway, "Hello.")
    first = engine_pid(gateway)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    reply, _ = ask(gateway, "Hello again.")
    assert reply.text
    assert engine_pid(gateway) != first


def test_the_last_one_to_close_ends_the_engine(gateway):
    ask(gateway, "Hello.")
    shared = engine_pid(gateway)
    other = Gateway()
    ask(other, "Hello.")
    assert engine_pid(other) == shared
    run_sync(other.close())
    os.kill(shared, 0)  # still used by the first
    run_sync(gateway.close())
    assert gone(shared)


def test_the_engine_ends_with_its_parent_however_that_ends():
    code = textwrap.dedent(f"""
        from rlm_kernel.lm import BudgetLedger, Gateway, run_sync
        from rlm_kernel.log import Log
        from rlm_kernel.protocol import CallRequest, Origin
        import os, signal
        gateway = Gateway()
        request = CallRequest(({{"role": "user", "content": "Hi"}},), {MODEL!r}, max_tokens=2)
        run_sync(gateway.call(request, Origin("run1", "run1"), BudgetLedger("$1"), Log(None)))
        provider, _ = gateway.resolve({MODEL!r})
        print(next(iter(provider._processes.values())).pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL
    assert gone(int(ended.stdout))


def test_a_whole_run_is_driven_by_real_tokens():
    with RLM(model=MODEL, max_turns=2, max_tokens=48, save=False) as rlm:
        run = rlm.run("How many lines are there?", "a\nb\nc\n")
    assert run.status in ("done", "partial", "failed")
    assert run.usage.own.output_tokens > 0
    assert run.usage.subtree.cost == 0.0


def test_a_model_that_isnt_here_is_refused_before_anything_starts():
    with pytest.raises(ConfigError, match="no local model"):
        RLM(model="local:nope").run("q", "c")
