"""``rlm-kernel doctor``: what is installed, and which models can be reached."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..log import runs_dir, size_text

State = Literal["ok", "missing", "note"]
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY",
         "MISTRAL_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY", "AZURE_API_KEY")  # fmt: skip

EXTENSION = "rlm-kernel"  # its name for JupyterLab


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was looked at, how it is, and what to do about it."""

    what: str
    state: State
    found: str
    do: str = ""


def main(args: argparse.Namespace) -> int:
    """Print the table; exit 0 when at least one model can be reached."""
    findings = examine()
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(title="rlm-kernel doctor", title_justify="left")
        for column in ("what", "", "found", "what to do"):
            table.add_column(column, overflow="fold")
        marks = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[yellow]note[/]"}
        for finding in findings:
            what, found, do = map(escape, (finding.what, finding.found, finding.do))
            table.add_row(what, marks[finding.state], found, do)
        Console().print(table)
    reachable = any(f.state == "ok" and f.what.startswith("model") for f in findings)
    return 0 if reachable else 1


def examine() -> list[Finding]:
    """Look at everything; never fails, never spends anything."""
    rows: list[Finding] = []
    for look in (_python, _packages, _jupyter, _local, _servers, _tiny, _keys, _gateway, _sandbox,
                 _disk):
        try:
            rows += look()
        except Exception as error:  # one look that fails must not hide the others
            rows.append(Finding(look.__name__.strip("_"), "note", f"could not look: {error}"))
    return rows


def _python() -> list[Finding]:
    version = platform.python_version()
    fine = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return [Finding("python", "ok" if fine else "note", f"{version}, {platform.system()}",
                    "" if fine else "3.11 to 3.13 are tested")]  # fmt: skip


def _packages() -> list[Finding]:
    rows = []
    for name, extra in (("ipykernel", ""), ("litellm", ""), ("jupyterlab", "lab"),
                        ("xllamacpp", "local"), ("torch", "trm")):  # fmt: skip
        try:
            rows.append(Finding(f"package {name}", "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            do = f'pip install "rlm-kernel[{extra}]"' if extra else "pip install rlm-kernel"
            rows.append(Finding(f"package {name}", "note" if extra else "missing", "not here", do))
    return rows


def _jupyter() -> list[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from jupyter_core.paths import jupyter_path

    from ..notebook.install import SPECS

    rows = []
    for name in SPECS:
        try:
            path = KernelSpecManager().get_kernel_spec(name).resource_dir
            rows.append(Finding(f"kernel {name}", "ok", path))
        except NoSuchKernel:
            rows.append(Finding(f"kernel {name}", "missing", "Jupyter here doesn't know it",
                                "rlm-kernel install --user"))  # fmt: skip
    places = [Path(place, EXTENSION) for place in jupyter_path("labextensions")]
    found = next((place for place in places if (place / "package.json").is_file()), None)
    if found:
        rows.append(Finding("JupyterLab extension", "ok", str(found)))
    else:
        rows.append(Finding(
            "JupyterLab extension", "note", "not where Jupyter looks: no panel, no cells below",
            "install rlm-kernel where JupyterLab runs",
        ))  # fmt: skip
    return rows


def _local() -> list[Finding]:
    from ..lm import weights

    engine = importlib.util.find_spec("xllamacpp") is not None
    rows = []
    for model in weights.list_models():
        if model.present and engine:
            rows.append(Finding(f"model local:{model.name}", "ok", size_text(model.size)))
        elif model.present:
            rows.append(Finding(f"model local:{model.name}", "note", "weights, but no engine",
                                'pip install "rlm-kernel[local]"'))  # fmt: skip
    if not rows:
        rows.append(Finding("local model", "note", "no weights here", "rlm-kernel models pull"))
    return rows


def _tiny() -> list[Finding]:
    from ..trm.api import WEIGHTS

    names = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    if not names:
        return [Finding("tiny networks", "missing", "no weights here", "install rlm-kernel anew")]
    return [Finding("tiny networks", "ok", f"{', '.join(names)}: they solve in numpy")]


def _servers() -> list[Finding]:
    from ..lm.detect import find_servers

    found = asyncio.run(find_servers())
    if not found:
        return [Finding("servers on loopback", "note", "none of the usual ports answers",
                        "start Ollama, vLLM, LM Studio or llama.cpp")]  # fmt: skip
    return [
        Finding(f"models of {server.name}", "ok", ", ".join(server.models[:6]) or server.url,
                f"--model openai/NAME --api-base {server.url}")
        for server in found
    ]  # fmt: skip


def _keys() -> list[Finding]:
    there = [name for name in _KEYS if os.environ.get(name)]
    if not there:
        return [Finding("keys", "note", "none of the usual variables is set")]
    return [Finding("keys", "note", ", ".join(there) + " (values not read)",
                    "used only for a model that you name")]  # fmt: skip


def _gateway() -> list[Finding]:
    closed = "its memory is closed to your other processes" if sys.platform == "linux" else (
        "your other processes could read its memory"
    )  # fmt: skip
    return [Finding("keys in notebooks", "ok",
                    f"kernel RLM: in a gateway process, {closed}; code still runs as you. "
                    "With %load_ext rlm: in the notebook's own process")]  # fmt: skip


def _sandbox() -> list[Finding]:
    from ..repl.box import look, words

    found = look()
    why = "; ".join(found.problems)
    if found.best == "none":
        install = "install bubblewrap; " if sys.platform == "linux" else ""
        return [Finding("sandbox of a run's own kernels", "missing", why,
                        f"{install}without a sandbox code has all your rights "
                        "(--sandbox none)")]  # fmt: skip
    more = "" if found.best == "bubblewrap" else f" ({why})"
    return [Finding("sandbox of a run's own kernels", "ok", words(found.best) + more),
            Finding("sandbox of a notebook's own cells", "note",
                    "none: they run in the notebook's kernel, with your rights",
                    "look at them first (mode step), or --where kernel")]  # fmt: skip


def _disk() -> list[Finding]:
    folder = runs_dir()
    place = folder
    while not os.path.exists(place):
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return [Finding("logs", "missing", f"{folder} can't be written",
                        "set RLM_HOME to a folder that can be")]  # fmt: skip
    free = shutil.disk_usage(place).free
    return [Finding("logs", "ok" if free > 1 << 30 else "note",
                    f"{folder}, {size_text(free)} free")]  # fmt: skip


