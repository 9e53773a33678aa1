"""Where a gateway process's files lie: one folder for each kernel's connection file."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .address import HAS_UNIX, LONGEST, SOCKET

GRANTS, SPENT, LOG = "grants.json", "spent.jsonl", "log.txt"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the owner of a capability may do.

    Args:
        token: the capability.
        budget: text as for ``RLM.budget``; None: no limit of its own.
        models: patterns of models that it may call; empty: all.
        closed: whether its owner is held in a box: it may set no key, and no server of its own
            choice is called for it, which would be a way out.
        bases: the servers that may be called all the same, as ``api_base``.
        runs: the folder of its runs, in which its paid replies are kept; None: the user's.
    """

    token: str
    budget: str | None = None
    models: tuple[str, ...] = ()
    runs: str | None = None
    closed: bool = False
    bases: tuple[str, ...] = ()


def folder_for(connection_file: str) -> Path:
    """Give the folder of the gateway of a kernel; it isn't created."""
    name = hashlib.sha256(os.path.abspath(connection_file).encode()).hexdigest()[:16]
    home = os.environ.get("RLM_HOME", "").strip()
    base = Path(home).expanduser() / "gateways" if home else _runtime()
    folder = base / name
    if HAS_UNIX and len(str(folder / SOCKET).encode()) > LONGEST:
        folder = Path(tempfile.gettempdir(), f"rlm-gateways-{os.getuid()}", name)
    return folder


def _runtime() -> Path:
    import platformdirs

    return Path(platformdirs.user_runtime_path("rlm-kernel"), "gateways")


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter.

    Raises:
        OSError: it is somebody else's, or others can enter it.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if not hasattr(os, "getuid"):
        return  # what lies in a user's own folders is theirs alone there
    for one in (folder, folder.parent):
        stat = one.lstat()
        if stat.st_uid != os.getuid() or (one == folder and stat.st_mode & 0o077):
            raise PermissionError(f"{one} isn't this user's alone")


def read_grants(folder: Path) -> dict[str, Grant]:
    """Give the grants by token; empty where there are none."""
    try:
        data: dict[str, dict[str, Any]] = json.loads((folder / GRANTS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {
        token: Grant(
            token, one.get("budget"), tuple(one.get("models", ())), one.get("runs"),
            bool(one.get("closed")), tuple(one.get("bases", ())),
        )
        for token, one in data.items()
    }


def write_grants(folder: Path, grants: dict[str, Grant]) -> None:
    """Write the grants; whole or not at all."""
    data = {
        t: {"budget": g.budget, "models": list(g.models), "runs": g.runs, "closed": g.closed,
            "bases": list(g.bases)}
        for t, g in grants.items()
    }  # fmt: skip
    half = folder / f".{GRANTS}.{secrets.token_hex(4)}"
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(data, file)
    half.replace(folder / GRANTS)


def new_token() -> str:
    """Make a capability's token."""
    return secrets.token_urlsafe(32)
