"""What capabilities have spent, written down before it is spent, for the worker after this one.

Guarantees, however a worker ends:
- ``open`` returns once the most that a call may cost is in the file; where no bill follows there,
  the next worker takes that much as spent;
- a disk that takes no more lets nothing be opened, and loses no bill: those that it didn't take
  are kept, and go before all else;
- a line that was torn takes no other with it;
- the file doesn't grow with the number of calls.

Nothing is synced: the capabilities end with the keeper, and so with the machine. What is written
needs to outlive a worker only.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...protocol import Usage
from ...protocol.events import usage_from_dict, usage_to_dict

MOST_LINES = 20_000  # after which the file is written anew


@dataclass(slots=True)
class Account:
    """One capability's: when it was first seen (epoch seconds), and what it used.

    ``silent`` are the models whose bills tell no price.
    """

    since: float = 0.0
    spent: Usage = field(default_factory=Usage)
    silent: set[str] = field(default_factory=set)
    open: dict[str, Usage] = field(default_factory=dict)


class Book:
    """The file of a gateway; one worker has it at a time.

    Args:
        path: where it is or will be.

    Raises:
        OSError: it is there and can't be read, so that nobody knows what was spent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._lines = 0
        self._torn = True  # the file's last line may be
        self._late = b""  # what the disk didn't take
        self._accounts: dict[str, Account] = defaultdict(Account)
        self._calls = 0
        self._name = secrets.token_hex(4)  # apart from the calls of other workers
        self._read()
        with suppress(OSError):
            self._rewrite()

    def account(self, owner: str) -> Account:
        """Give what is known of a capability, which is written down from now on."""
        account = self._accounts[owner]
        if not account.since:
            account.since = time.time()
            self._note({"owner": owner, "since": account.since})
        return account

    def open(self, owner: str, most: Usage) -> str:
        """Write down what a call may cost, and give its name in the book.

        Raises:
            OSError: it couldn't be written; the call must not be sent.
        """
        self._calls += 1
        call = f"{self._name}.{self._calls}"
        self._write(_line({"owner": owner, "open": call, "usage": usage_to_dict(most)}))
        self._accounts[owner].open[call] = most
        return call

    def close(self, owner: str, call: str, usage: Usage | None) -> None:
        """Write down what a call did cost; None: nothing."""
        account = self._accounts[owner]
        del account.open[call]
        account.spent = account.spent + (usage or Usage())
        told = None if usage is None else usage_to_dict(usage)
        self._note({"owner": owner, "close": call, "usage": told})

    def silent(self, owner: str, model: str) -> None:
        """Write down that a model's bills tell no price."""
        if model not in self._accounts[owner].silent:
            self._accounts[owner].silent.add(model)
            self._note({"owner": owner, "silent": model})

    # -- the file ----------------------------------------------------------------------------

    def _note(self, data: dict[str, Any]) -> None:
        line = _line(data)
        try:
            self._write(line)
        except OSError:
            self._late += line

    def _write(self, line: bytes) -> None:
        if self._lines > MOST_LINES + sum(len(a.open) for a in self._accounts.values()):
            with suppress(OSError):
                self._rewrite()
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        data = b"\n" * self._torn + self._late + line
        if os.write(self._file, data) < len(data):
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn, self._late = False, b""
        self._lines += 1

    def _rewrite(self) -> None:
        """Write what is known into a new file, and go on in that."""
        self._lines = 0  # also where it fails: not at every line anew
        half = self._path.with_name(f".{self._path.name}.half")
        lines = [line for owner, account in self._accounts.items() for line in _all(owner, account)]
        try:
            half.write_bytes(b"".join(lines))
            half.chmod(0o600)
            file = os.open(half, os.O_WRONLY | os.O_APPEND)
            half.replace(self._path)
        except OSError:
            half.unlink(missing_ok=True)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._torn, self._late = file, False, b""

    def _read(self) -> None:
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    self._take(json.loads(line))
        for account in self._accounts.values():
            for most in account.open.values():  # cut off by the death of a worker
                account.spent = account.spent + most
            account.open.clear()

    def _take(self, data: dict[str, Any]) -> None:
        account = self._accounts[str(data["owner"])]
        if "since" in data:
            account.since = float(data["since"])
        elif "silent" in data:
            account.silent.add(str(data["silent"]))
        elif "open" in data:
            account.open[str(data["open"])] = usage_from_dict(data["usage"])
        elif account.open.pop(str(data["close"]), None) is not None:
            account.spent = account.spent + usage_from_dict(data["usage"] or {})


def _all(owner: str, account: Account) -> list[bytes]:
    """Give the lines that say all of one capability."""
    # Its total is written as that of one call.
    spent = {"usage": usage_to_dict(account.spent)}
    return [
        _line({"owner": owner, "since": account.since}),
        *(_line({"owner": owner, "silent": model}) for model in sorted(account.silent)),
        _line({"owner": owner, "open": "all", **spent}),
        _line({"owner": owner, "close": "all", **spent}),
        *(_line({"owner": owner, "open": call, "usage": usage_to_dict(most)})
          for call, most in account.open.items()),
    ]  # fmt: skip


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"
