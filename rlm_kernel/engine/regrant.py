"""What a run that is picked up may reach: never what its log says, which anybody may have written.

Settings of reach are given again by who resumes, or are what they are for every new run. Where the
log has another value, nothing is done until the person has said what is to hold.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..log.format import oneline
from ..log.paths import LOG_NAME, is_sandboxed
from ..log.recording import SUFFIX
from ..protocol import Budget
from .own_tools import own_names
from .record import Record, read_record
from .recorded import load_run

if TYPE_CHECKING:
    from .settings import Settings

#: Options by which a run is picked up as it was.
LOGGED = (
    "api_base", "where", "max_turns", "max_depth", "max_children", "cell_timeout", "cell_memory",
    "output_limit", "blocks", "style", "instructions", "max_tokens", "temperature", "probe",
    "sandbox", "allow_read", "allow_write", "allow_net", "workdir", "headless",
)  # fmt: skip
#: Those of them by which code and calls reach what they otherwise don't.
REACH = ("where", "api_base", "sandbox", "allow_read", "allow_write", "allow_net", "workdir")
NOT_HERE = (
    "That run's cells had a notebook's variables: go on in a notebook, by `%rlm resume FOLDER "
    '--where shell` there, or in a kernel of its own, by where="kernel" (--where kernel).'
)
_LIMITS = ("money", "tokens", "calls", "seconds")


def options_in(record: Record) -> dict[str, Any]:
    """Give what a record says that its run was started with."""
    options = record.started.config.get("options")
    return dict(options) if isinstance(options, dict) else {}


def logged_options(path: Path | str) -> dict[str, Any]:
    """Give the options of ``RLM`` that a run had in the end, by its folder or ``.rlm`` file.

    Returns:
        No keys, no objects, and nothing that lets it reach more than any new run.

    Raises:
        RecordingError: there is no run there.
    """
    given = Path(os.path.expanduser(path))
    if given.suffix == SUFFIX or (given.is_file() and given.name != LOG_NAME):
        return options_of(Record(load_run(path).events))
    return options_of(read_record(path))


def options_of(record: Record) -> dict[str, Any]:
    """Give the same of a record."""
    logged, started = options_in(record), record.started
    known = {name: logged[name] for name in (*LOGGED, "budget")
             if name in logged and name not in REACH}  # fmt: skip
    if logged.get("where") == "kernel":  # which reaches less than a shell
        known["where"] = "kernel"
    for which in ("tools", "sub_tools"):
        if own := own_names(logged.get(which)):
            known[which] = own
    if record.budget is not None and (budget := _budget(record.budget)) is not None:
        known["budget"] = budget
    chosen = {"model": started.model, "sub_model": started.sub_model}
    return {**known, **chosen, "mode": record.mode or started.mode}


def check_given(
    logged: Mapping[str, Any], held: Mapping[str, Any], given: Collection[str]
) -> None:
    """Refuse to go on where the log has another reach than what holds now, unasked.

    Args:
        logged: what the log says.
        held: what holds now.
        given: the names of what was given by who resumes; these hold whatever the log says.

    Raises:
        ConfigError: says what the log has, and what to pass.
    """
    other = [name for name in REACH if name in logged and name not in given
             and _plain(logged[name]) != _plain(held[name])]  # fmt: skip
    if "where" in other:
        if logged["where"] != "kernel":
            raise ConfigError(NOT_HERE)
        other.remove("where")
    if not other:
        return
    has = " and ".join(_option(name, logged[name]) for name in other)
    options = ", ".join(_option(name, logged[name]) for name in other)
    flags = " ".join(_flag(name, logged[name]) for name in other)
    raise ConfigError(
        f"The log of that run has {has}, which a log can't grant: to go on so, give it again "
        f"({options}; {flags}), else give what is to hold in its place."
    )


def refuse_unboxed(folder: Path, settings: Settings, ours: bool) -> None:
    """Refuse to run a boxed notebook kernel's code where nothing holds it.

    Args:
        folder: of the run.
        settings: by which it would go on.
        ours: whether its cells run where the settings say.

    Raises:
        ConfigError: it would.
    """
    kernel = settings.where == "kernel" and ours
    boxed = settings.held != "none" or (kernel and settings.sandbox != "none")
    if not boxed and is_sandboxed(folder):
        raise ConfigError(
            "That run is a sandboxed kernel's, so its code isn't run with your rights: go on with "
            'it in a kernel of its own that a sandbox holds, by where="kernel" (--where kernel).'
        )


def _plain(value: Any) -> Any:
    return sorted(set(map(str, value))) if isinstance(value, list | tuple) else value


def _option(name: str, value: Any) -> str:
    shown = oneline(str(value).replace('"', '\\"'), 300)
    return f'{name}="{shown}"' if isinstance(value, str) else f"{name}={shown}"


def _flag(name: str, value: Any) -> str:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return flag if value else f"--no-{name.replace('_', '-')}"
    values = (value or [""]) if isinstance(value, list) else [value]
    return " ".join(f"{flag} {shlex.quote(oneline(str(item), 300))}" for item in values)


def _budget(data: dict[str, Any]) -> Budget | None:
    """Rebuild a budget; None where it is none, so that the default holds."""
    good = not set(data) - set(_LIMITS) and all(
        limit is None or (isinstance(limit, int | float) and limit >= 0) for limit in data.values()
    )
    return Budget(**data) if good else None
