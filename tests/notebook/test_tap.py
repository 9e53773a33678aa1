"""Messages of our comms reach the kernel while a cell runs; nothing else changes.

Run on each ipykernel of ``RLM_TEST_KERNELS`` (JSON: version to Python), else on the present one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jupyter_client.session import Session

SETUP = """
import threading, comm
from rlm_kernel.notebook._tap import Tap, answer_where_sent
heard, came, taken, usual = threading.Event(), threading.Event(), [], []
def on_msg(msg):
    usual.append(msg["content"]["data"]["n"])
    came.set()
def take(data):
    if data.get("do") == "fail":
        heard.set()
        raise RuntimeError("no")
    if data.get("do") == "leave":
        heard.set()
        return False
    taken.append(data["n"])
    heard.set()
    return True
c = comm.create_comm(target_name="t", comm_id="rlm-test")
c.on_msg(on_msg)
kernel = get_ipython().kernel
tap = Tap(kernel)
before = vars(kernel).get("shell_channel_thread_main")
print(tap.open())
tap.add("rlm-test", take)
"""


@pytest.fixture(scope="module")
def tapped(each: Any) -> Any:
    cell = each.run(SETUP)
    assert cell.ok, cell.text
    each.version = each.value("__import__('ipykernel').__version__").strip("'")
    each.listens = cell.stdout.strip() == "True"
    return each


@pytest.fixture
def kernel(tapped: Any) -> Any:
    assert tapped.run("heard.clear(); came.clear(); taken.clear(); usual.clear()").ok
    return tapped


def message(kernel: Any, n: int, header: dict[str, Any] | None = None, **data: Any) -> Any:
    content = {"comm_id": "rlm-test", "data": {"n": n, **data}}
    msg = kernel.client.session.msg("comm_msg", content)
    msg["header"].update(header or {})
    return msg


def during(kernel: Any, code: str, *sends: Callable[[], None]) -> str:
    """Run a cell, send once it runs, give what it printed."""
    left = list(sends)

    def on_output(msg: dict[str, Any], cell: Any) -> None:
        if msg["header"]["msg_type"] == "stream" and "go" in msg["content"]["text"]:
            while left:
                left.pop(0)()

    cell = kernel.run(f"print('go', flush=True)\n{code}", on_output=on_output)
    assert cell.ok, cell.text
    return cell.stdout.replace("go\n", "").strip()


def values(kernel: Any) -> tuple[str, str]:
    """What was taken and what went its usual way, once both are known."""
    kernel.run("came.wait(0)")
    return kernel.value("taken"), kernel.value("usual")


def test_it_listens_where_a_thread_reads_the_channel(kernel: Any) -> None:
    assert kernel.listens is (int(kernel.version.split(".")[0]) >= 7)


def test_a_message_is_heard_while_a_cell_blocks_the_shell(kernel: Any) -> None:
    send = kernel.client.shell_channel.send
    said = during(kernel, f"print(heard.wait({9 if kernel.listens else 0.3}))",
                  lambda: send(message(kernel, 1)))  # fmt: skip
    assert said == str(kernel.listens)
    # Without the tap it waits, and isn't lost.
    assert values(kernel) == (("[1]", "[]") if kernel.listens else ("[]", "[1]"))


@pytest.mark.parametrize("do", ["fail", "leave"])
def test_what_isnt_taken_goes_its_usual_way_once(kernel: Any, do: str) -> None:
    send = kernel.client.shell_channel.send
    during(kernel, f"heard.wait({9 if kernel.listens else 0.1})",
           lambda: send(message(kernel, 2, do=do)))  # fmt: skip
    assert values(kernel) == ("[]", "[2]")


def test_a_message_with_a_forged_signature_is_not_taken(kernel: Any) -> None:
    client = kernel.client
    forger = Session(key=b"another key", signature_scheme=client.session.signature_scheme)
    frames = forger.serialize(message(kernel, 3))
    send = client.shell_channel.send
    during(kernel, f"heard.wait({9 if kernel.listens else 0.1})",
           lambda: client.shell_channel.socket.send_multipart(frames),
           lambda: send(message(kernel, 4)))  # fmt: skip
    assert "3" not in "".join(values(kernel))
    assert "[4]" in values(kernel)


def test_a_message_sent_again_by_somebody_is_handled_once(kernel: Any) -> None:
    client = kernel.client
    frames = client.session.serialize(message(kernel, 5))
    send = client.shell_channel.socket.send_multipart
    during(kernel, f"heard.wait({9 if kernel.listens else 0.1})",
           lambda: send(frames), lambda: send(frames))  # fmt: skip
    assert sorted(values(kernel)) == ["[5]", "[]"]


def test_other_comms_and_cells_are_untouched(kernel: Any) -> None:
    code = """
other, seen = comm.create_comm(target_name="t", comm_id="another"), []
other.on_msg(lambda msg: seen.append(msg["content"]["data"]["n"]))
"""
    assert kernel.run(code).ok
    msg = message(kernel, 6)
    msg["content"]["comm_id"] = "another"
    kernel.client.shell_channel.send(msg)
    assert kernel.value("seen") == "[6]"


def test_a_subshell_hears_what_was_sent_to_it(kernel: Any) -> None:
    """ipykernel 7.4 would send it to the shell that wrote to the comm last, which is busy."""
    if not kernel.listens:
        return  # no subshells
    client = kernel.client
    request = client.session.msg("create_subshell_request", {})
    client.control_channel.send(request)
    subshell = client.get_control_msg(timeout=20)["content"]["subshell_id"]
    assert kernel.run("tap.remove('rlm-test'); answer_where_sent(c); c.send({'from': 'main'})").ok
    try:
        said = during(
            kernel,
            "print(came.wait(9))",
            lambda: client.shell_channel.send(message(kernel, 7, {"subshell_id": subshell})),
        )
    finally:
        kernel.run("tap.add('rlm-test', take)")
    assert said == "True"


def test_closing_puts_everything_back(kernel: Any) -> None:
    assert kernel.run("tap.close()").ok
    try:
        kernel.client.shell_channel.send(message(kernel, 8))
        assert values(kernel) == ("[]", "[8]")
        now = kernel.value("kernel.__dict__.get('shell_channel_thread_main') == before")
        assert now == "True"
        assert kernel.value("tap.live") == "False"
    finally:
        kernel.run("tap.open(); tap.add('rlm-test', take)")
