"""The whole output of cells: heads, tails and pages of any text."""

import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import ReplError
from rlm_kernel.repl import spool as spools
from rlm_kernel.repl.spool import Spool

fine = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(spools, "CHUNK", 7)  # so that every text crosses the ends of chunks
    return Spool(str(tmp_path))


def put(spool, data):
    spool.create(1).write_bytes(data)


@fine
@given(st.text(st.characters(), max_size=60), st.integers(0, 40))
def test_head_and_tail_are_those_of_the_text(small, text, limit):
    put(small, text.encode("utf-8", "surrogatepass"))
    out = small.output(1, limit)
    assert out.chars == len(text)
    assert out.cut == max(0, len(text) - limit)
    if out.cut:
        assert len(out.head) + len(out.tail) == limit
        assert text.startswith(out.head)
        assert text.endswith(out.tail)
    else:
        assert out.head + out.tail == text


@fine
@given(st.text(st.characters(), max_size=60), st.integers(0, 70), st.none() | st.integers(0, 70))
def test_a_page_is_a_slice_of_the_text(small, text, start, stop):
    put(small, text.encode("utf-8", "surrogatepass"))
    assert small.page(1, start, stop) == text[start:stop]


@fine
@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_are_readable_all_the_same(small, data):
    put(small, data)
    out = small.output(1, 1000)
    assert out.head == small.page(1)
    assert out.chars == len(out.head)


def test_files_are_the_users_alone_and_links_are_not_followed(tmp_path):
    spool = Spool(str(tmp_path))
    assert stat.S_IMODE(spool.create(1).stat().st_mode) == 0o600
    secret = tmp_path / "secret"
    secret.write_text("secret")
    os.symlink(secret, spool.path(2))
    with pytest.raises(ReplError):
        spool.page(2)
    with pytest.raises(OSError, match="links"):
        spool.create(2)


def test_its_own_folder_goes_with_it():
    spool = Spool()
    spool.create(1)
    spool.close()
    assert not spool.folder.exists()
