"""Keys that a person gives in a notebook, and where calls are made from.

A key goes to the gateway process where there is one, and nowhere else: it is typed at a prompt, not
in a cell, so that it is in no notebook, no history, no output and no log.
"""

from __future__ import annotations

import getpass
import os
import re
from typing import Any

from IPython.core.error import UsageError

from ..lm.served.client import Client, installed
from ..repl.box.probing import BOXED
from .launch import IN_PROCESS

_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,80}")


def listed() -> str:
    """Say which keys there are, by name only."""
    client = installed()
    if client is not None:
        names: dict[str, str] = client.ask("keys")
        lines = [f"  {name} ({where})" for name, where in sorted(names.items())]
        head = "The gateway process has these keys:" if lines else "The gateway process has no key."
    else:
        from ..lm._models import key_names

        lines = [f"  {name}" for name in key_names() if os.environ.get(name)]
        head = "This kernel's environment has these keys:" if lines else "There is no key here."
    return "\n".join([head, *lines, "`%rlm key NAME` asks for one; `%rlm key -d NAME` forgets it."])


def give(name: str, gateways: Any) -> str:
    """Ask for a key and give it to whoever makes the calls; say where it went."""
    _check(name)
    try:
        value = getpass.getpass(f"{name}: ").strip()
    except Exception as error:  # a front end without input
        raise UsageError(
            f"Nobody can be asked for {name} here ({type(error).__name__}): set it in the "
            "environment that Jupyter is started from."
        ) from None
    if not value:
        raise UsageError(f"Nothing was typed, so {name} is as it was.")
    return _set(name, value, gateways)


def forget(name: str, gateways: Any) -> str:
    """Let go of a key."""
    _check(name)
    return _set(name, None, gateways)


def _set(name: str, value: str | None, gateways: Any) -> str:
    client = installed()
    if client is not None:
        client.ask("key", name=name, value=value)
        where = "the gateway process"
    elif value is None:
        os.environ.pop(name, None)
        where = "this kernel"
    else:
        os.environ[name] = value
        where = "this kernel, whose code can read it"
    for gateway in gateways:
        gateway.forget_places()
    return f"{name} is gone from {where}." if value is None else f"{name} is set, in {where}."


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} isn't the name of a key, such as OPENAI_API_KEY.")


def where_calls_are_made() -> str:
    """Say from where models are called, and what that protects."""
    client: Client | None = installed()
    if client is None:
        why = os.environ.get(IN_PROCESS, "")
        said = "models are called from this kernel: code that runs here can read the keys it uses"
        return said + (f" ({why})" if why else "")
    status = client.ask("status")
    closed = "; its memory is closed to other processes" if status["dumpable"] == 0 else ""
    there = f"models are called from a gateway process (pid {status['pid']}), which has the keys"
    if held := os.environ.get(BOXED):
        return (
            f"{there} and lets this kernel spend {status['budget'] or 'without limit'} in all. "
            f"This kernel is in a sandbox ({held}): the notebook's folder can be read, "
            f"{os.environ.get('RLM_SCRATCH', 'one folder')} can be written"
        )
    return f"{there}{closed}. Code here still runs as you, and can read your files"
