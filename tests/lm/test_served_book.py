"""The book of what capabilities spent: torn, full, killed, and long."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel.lm.served import book as module
from rlm_kernel.lm.served.book import Book
from rlm_kernel.protocol import Usage


def bill(dollars: float) -> Usage:
    return Usage(10, 5, 0, dollars, dollars, 1, 0.5)


def spent(path: Path, owner: str = "a") -> Usage:
    return Book(path).account(owner).spent


def test_what_was_settled_counts_by_its_bill_and_what_was_not_by_its_most(tmp_path: Path) -> None:
    path = tmp_path / "spent.jsonl"
    book = Book(path)
    since = book.account("a").since
    first, second = book.open("a", bill(0.5)), book.open("a", bill(0.25))
    third = book.open("a", bill(4.0))
    book.silent("a", "m")
    book.close("a", first, bill(0.125))
    book.close("a", third, None)
    assert spent(path).known_cost == 0.375  # the second was in flight at the death
    assert Book(path).account("a").silent == {"m"}
    assert spent(path).calls == 2  # and is counted once, however often workers die
    assert Book(path).account("a").since == since
    assert spent(path, "b") == Usage()
    assert second in book.account("a").open
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("rest", [b'{"owner":"a","op', b"\xff\xfe", b"[" * 100_000, b"null", b"{}"])
def test_a_torn_line_takes_no_other_with_it(
    tmp_path: Path, rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spent.jsonl"
    book = Book(path)
    book.close("a", book.open("a", bill(1.0)), bill(1.0))
    with path.open("ab") as file:
        file.write(rest)

    def full(self: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Book, "_rewrite", full)  # so that it is gone on with
    again = Book(path)
    again.close("a", again.open("a", bill(2.0)), bill(2.0))
    assert spent(path).known_cost == 3.0


def test_a_full_disk_opens_nothing_and_loses_no_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spent.jsonl"
    book = Book(path)
    calls = [book.open("a", bill(0.25)) for _ in range(3)]
    real, room = os.write, [30]

    def write(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken, room[0] = data[: room[0]], 0
        return real(file, taken)

    monkeypatch.setattr(module.os, "write", write)
    book.close("a", calls[0], bill(8.0))  # dearer than was set aside
    book.close("a", calls[1], bill(0.125))
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            book.open("a", bill(1.0))
    room[0] = 10  # no more than a piece of a line
    with pytest.raises(OSError, match="No space"):
        book.open("a", bill(1.0))
    monkeypatch.undo()
    book.open("a", bill(1.0))
    assert spent(path).known_cost == 8.0 + 0.125 + 0.25 + 1.0


def test_the_file_does_not_grow_with_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 50)
    path = tmp_path / "spent.jsonl"
    book = Book(path)
    stays = book.open("a", bill(1.0))
    for _ in range(1000):
        book.close("a", book.open("a", bill(0.5)), bill(0.25))
    assert len(path.read_bytes().splitlines()) < 70
    book.close("a", stays, bill(0.5))
    assert spent(path).known_cost == pytest.approx(250.5)


def test_a_book_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "spent.jsonl").mkdir()
    with pytest.raises(OSError, match=r"spent\.jsonl"):
        Book(tmp_path / "spent.jsonl")


def test_a_bill_of_any_size_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "spent.jsonl"
    book = Book(path)
    huge = Usage(10**30, 10**18, 0, 1e20, 1e20, 1, 0.5)
    book.close("a", book.open("a", huge), huge)
    book.open("a", huge)
    for _ in range(2):
        assert spent(path) == huge + huge
