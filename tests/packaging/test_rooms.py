"""The order of the rooms: a room imports only the rooms above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "rlm_kernel"
#: Top to bottom. A room's test of its own package may use anything.
ORDER = [
    "errors", "protocol", "log", "context", "lm", "trm", "repl", "engine", "notebook", "evals",
    "cli",
]  # fmt: skip


def imported_rooms(text: str, package: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Every room of ours that a module's text imports, late imports included, and the line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "rlm_kernel" and len(parts) > 1:
                yield node.lineno, parts[1]


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_above_it(room: str) -> None:
    modules = [PACKAGE / f"{room}.py", *PACKAGE.glob(f"{room}/**/*.py")]
    above = ORDER[: ORDER.index(room) + 1]
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path in modules
        if path.exists()
        for line, name in imported_rooms(
            path.read_text(encoding="utf-8"), path.parent.relative_to(PACKAGE.parent).parts
        )
        if name in ORDER and name not in above
    ]
    assert wrong == []


def test_every_module_lies_in_a_room() -> None:
    tops = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.glob("**/*.py")}
    assert tops - {"__init__", "__main__"} <= set(ORDER)


def test_the_check_sees_every_form_of_import() -> None:
    text = (
        "import rlm_kernel.cli\n"
        "from rlm_kernel import evals\n"
        "from ..engine import run\n"
        "from .. import notebook\n"
        "from . import sibling\n"
        "def late():\n    from ..repl.pool import Pool\n"
    )
    rooms = {name for _, name in imported_rooms(text, ["rlm_kernel", "lm"])}
    assert rooms == {"cli", "evals", "engine", "notebook", "repl", "lm"}


def test_importing_the_package_brings_nothing_heavy() -> None:
    heavy = [
        "litellm", "torch", "jupyterlab", "anywidget", "openai", "aiohttp", "numpy", "pandas",
        "pyarrow", "IPython", "ipykernel", "zmq", "safetensors", "xllamacpp",
    ]  # fmt: skip
    code = f"import sys, rlm_kernel; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
