"""Notebooks run by the kernels of other environments, as ``scripts/test.py`` names them.

``RLM_TEST_KERNELS`` is JSON: ipykernel's version to a Python; without it there is the installed
ipykernel alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

PYTHONS: dict[str, str] = json.loads(os.environ.get("RLM_TEST_KERNELS", "{}")) or {
    version("ipykernel"): sys.executable
}
MODULES = {"rlm": "rlm_kernel.notebook.launch", "plain": "ipykernel_launcher"}
SECONDS = 240


def manager(folder: Path, python: str, kind: str) -> AsyncKernelManager:
    """A manager of the kernel ``kind``, run by another environment's Python."""
    spec = folder / "kernels" / kind
    spec.mkdir(parents=True)
    argv = [python, "-m", MODULES[kind], "-f", "{connection_file}"]
    words = {"argv": argv, "display_name": kind, "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(words))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    return AsyncKernelManager(kernel_name=kind, kernel_spec_manager=specs)


def execute(
    notebook: NotebookNode, folder: Path, python: str, kind: str, beside: Path | None = None
) -> NotebookNode:
    """Run a notebook, with what lies ``beside`` it; an error in a cell is an exception here."""
    work = folder / "work"
    if beside is None:
        work.mkdir()
    else:
        shutil.copytree(beside, work)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        km=manager(folder, python, kind),
        resources={"metadata": {"path": str(work)}},
    )
    done: NotebookNode = client.execute()
    return done


def outputs_text(cell: NotebookNode) -> str:
    """What a cell shows, as plain text."""
    parts = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "".join(parts)
