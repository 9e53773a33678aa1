"""The rules ``net``, ``reads`` and ``writes``: asked before code uses what its kernel may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policies import cell

from rlm_kernel.engine import RLM
from rlm_kernel.engine.modes import Proposed, parse_mode
from rlm_kernel.repl.box import look

Make = Callable[..., RLM]


def why(rule: str, code: str, *allowed: str) -> str:
    return parse_mode(f"ask when {rule}").why(Proposed(code, 1, 0, None, allowed or (rule,)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("net", "import requests"),
        ("net", "from urllib import request"),
        ("net", "import urllib.request as u"),
        ("net", "page = requests.get(url)"),
        ("net", "import http\nhttp.client.HTTPConnection('a')"),
        ("net", "import asyncio as a\nawait a.open_connection('h', 80)"),
        ("net", "t = pd.read_csv('https://a.example/t.csv')"),
        ("net", "t = pd.read_csv(f'https://a.example/{name}.csv')"),
        ("net", "!curl https://a.example"),
        ("net", "%pip install x"),
        ("net", "import subprocess"),
        ("net", "def later():\n    eval(code)"),
        ("reads", "open('a.txt').read()"),
        ("reads", "open('a.txt', 'r+')"),
        ("reads", "open('a.txt', encoding='utf-8')"),
        ("reads", "Path('a.txt').read_text()"),
        ("reads", "import os as o\no.listdir('.')"),
        ("reads", "import glob"),
        ("reads", "list(map(open, names))"),
        ("writes", "open('a.txt', 'w')"),
        ("writes", "open('a.txt', mode='ab')"),
        ("writes", "open('a.txt', how)"),
        ("writes", "open(*given)"),
        ("writes", "path.open('x')"),
        ("writes", "gzip.open(name, 'wt')"),
        ("writes", "path.write_text('x')"),
        ("writes", "table.to_csv('a.csv')"),
        ("writes", "table.to_json(path_or_buf='a.json')"),
        ("writes", "from os import remove"),
        ("writes", "os.replace(a, b)"),
        ("writes", "path.rename('b')"),
        ("writes", "import shutil\nshutil.move(a, b)"),
        ("writes", "!rm a.txt"),
        ("writes", "%%bash\necho x > a.txt"),
        ("writes", "exec(code)"),
    ],
)
def test_code_that_reaches_out_is_asked_about(rule: str, code: str) -> None:
    assert why(rule, code)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("net", "from urllib.parse import quote\nquote('https://a.example')"),
        ("net", "urls = re.findall(r'https://\\S+', context)"),
        ("net", "a = llm_query('What is at https://a.example?')"),
        ("net", "pd.read_csv('t.csv')"),
        ("net", "open('a.txt', 'w')"),
        ("net", "model.eval()"),
        ("net", "import platform\nplatform.system()"),
        ("reads", "open('a.txt', 'w')"),
        ("reads", "print(context[:100]); context.split('open(')"),
        ("reads", "import ast\nast.walk(tree)"),
        ("writes", "open('a.txt')"),
        ("writes", "open('a.txt', 'rb')"),
        ("writes", "gzip.open(name, mode='rb')"),
        ("writes", "context.replace('a', 'b'); items.remove(1)"),
        ("writes", "table.to_json(orient='records'); table.to_csv()"),
        ("writes", "table.rename({'a': 'b'}); table.rename(columns=names)"),
        ("writes", "FINAL('it writes files')"),
        ("writes", "this isn't Python"),
    ],
)
def test_code_that_only_looks_like_it_is_not(rule: str, code: str) -> None:
    assert not why(rule, code)


def test_the_reason_says_what_and_by_which_names() -> None:
    code = "import requests\nopen('a', 'w').write(requests.get(u).text)\npath.unlink()"
    assert why("net", code) == "it uses the network (requests)"
    assert why("writes", code) == "it writes files (open, unlink)"
    assert why("calls > 5 or writes", code, "writes") == "it writes files (open, unlink)"


def test_what_the_kernel_can_not_do_anyway_is_not_asked_about() -> None:
    code = "import socket\nopen('a.txt', 'w')"
    assert not why("net", code, "writes")
    assert not why("writes", code, "net")
    assert parse_mode("ask when net").asks(Proposed(code, 1, 0))  # nothing is known to hold it


PROPOSED = [cell("open('note.txt', 'w').write('x')\nprint('written')"), cell("FINAL('done')")]


def test_in_a_notebooks_own_shell_nothing_holds_the_code_so_it_is_asked(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rlm = make(PROPOSED, where="shell", mode="ask when writes", attended=True, max_depth=2)
    run = rlm.start("q", "abc")
    assert not run.wait()
    assert run.reason == "This cell waits for your decision: it writes files (open)."
    run.respond("the folder stays as it is")
    assert run.wait(), run.reason
    assert run.answer == "done"
    assert list(tmp_path.glob("note.txt")) == []


@pytest.mark.skipif(
    look().best == "none", reason="NOT RUN: there is no box here; apt-get install bubblewrap"
)
@pytest.mark.parametrize(
    ("allowed", "asked"),
    [({}, False), ({"allow_net": True}, False), ({"allow_write": ["out"]}, True)],
    ids=["nothing", "net", "write"],
)
def test_in_a_box_it_is_asked_where_something_was_allowed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: Any, asked: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    rlm = make(PROPOSED, where="kernel", mode="ask when writes", attended=True, **allowed)
    run = rlm.start("q", "abc")
    ended = run.wait()
    assert (not ended) is asked
    if asked:
        assert run.reason == "This cell waits for your decision: it writes files (open)."
        run.approve()
        assert run.wait()
    assert run.answer == "done"


def test_a_box_that_is_let_into_a_folder_for_writing_lets_code_read_there(
    make: Make, tmp_path: Path
) -> None:
    rlm = make([], where="kernel", sandbox="none")
    free = rlm._settings().allowed
    assert free == {"net", "reads", "writes"}
    if look().best != "none":
        boxed = make([], where="kernel", allow_write=[str(tmp_path)])
        assert boxed._settings().allowed == {"reads", "writes"}
