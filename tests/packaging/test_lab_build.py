"""The JupyterLab side in what people install: built where Node is, and never in the way without."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = json.loads((ROOT / "labextension" / "package-lock.json").read_text(encoding="utf-8"))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """``scripts/build_lab.py``, looking at a small tree in ``tmp_path``, not at this checkout."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = importlib.import_module("build_lab")
    source = tmp_path / "labextension"
    monkeypatch.setattr(module, "SOURCE", source)
    monkeypatch.setattr(module, "EXTENSION", tmp_path / "rlm_kernel" / "labextension")
    monkeypatch.setattr(module, "WIDGET", tmp_path / "rlm_kernel" / "notebook" / "static")
    monkeypatch.setattr(module, "_INSTALLED", source / "node_modules" / ".installed")
    monkeypatch.setattr(module, "_BUILT", source / "node_modules" / ".built")
    (source / "src").mkdir(parents=True)
    (source / "src" / "index.ts").write_text("export const a = 1;\n")
    (source / "package-lock.json").write_text("{}")
    return module


@pytest.fixture
def npm(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """npm replaced by what it would leave behind; gives the commands it was called with."""
    called: list[str] = []

    def run(*words: str) -> None:
        called.append(words[0])
        lab._INSTALLED.parent.mkdir(exist_ok=True)
        if words[0] == "run":
            for made in (lab.EXTENSION / "package.json", lab.WIDGET / "widget.js"):
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text("{}")

    monkeypatch.setattr(lab, "_npm", run)
    monkeypatch.setattr(lab, "missing", lambda: "")
    return called


def test_a_second_build_does_nothing_until_a_source_changes(
    lab: ModuleType, npm: list[str]
) -> None:
    lab.build()
    lab.build()
    assert npm == ["ci", "run"]
    (lab.SOURCE / "src" / "index.ts").write_text("export const a = 2;\n")
    lab.build()
    assert npm == ["ci", "run", "run"]
    (lab.SOURCE / "package-lock.json").write_text('{"new": 1}')
    lab.build()
    assert npm[3:] == ["ci", "run"]


def test_a_build_that_breaks_is_not_taken_for_done(
    lab: ModuleType, npm: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.build()
    (lab.SOURCE / "src" / "index.ts").write_text("const broken\n")

    def fail(*words: str) -> None:
        msg = "it doesn't compile"
        raise lab.SetupError(msg)

    monkeypatch.setattr(lab, "_npm", fail)
    with pytest.raises(lab.SetupError, match="compile"):
        lab.build()
    assert not lab.is_current()


@pytest.mark.parametrize(("version", "said"), [(None, "aren't here"), ("v18.1.0", "is v18.1.0")])
def test_without_node_one_sentence_says_what_is_missing(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | None, said: str
) -> None:
    if version is not None:
        for name in ("node", "npm"):
            (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(lab.SetupError, match=rf"can't be built: Node 20 .*{said}"):
        lab.build()


def test_the_first_command_goes_on_without_node(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    importlib.import_module("first_run")._build()
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert "Node 20 and npm aren't here" in line
    assert "everything works but the JupyterLab panel" in line


def test_jupyterlab_finds_what_is_built_and_a_copy_is_replaced_by_it(
    lab: ModuleType, npm: list[str], tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    lab.show(venv)
    assert not venv.exists()
    lab.build()
    found = venv / "share" / "jupyter" / "labextensions" / "rlm-kernel"
    found.mkdir(parents=True)
    (found / "old").touch()
    for _ in range(2):
        lab.show(venv)
        assert (found / "package.json").read_text() == "{}"
        assert not (found / "old").exists()


def test_the_lock_names_no_host_and_has_a_checksum_for_every_package() -> None:
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_no_package_needs_a_script_of_its_own_to_run() -> None:
    """``npm ci --ignore-scripts`` is enough for these; another one is to be looked at first.

    esbuild's only looks for its program, a package of its own; Font Awesome's thanks the reader.
    """
    names = {name for name, entry in LOCK["packages"].items() if entry.get("hasInstallScript")}
    known = {"esbuild", "fsevents", "@fortawesome/fontawesome-free"}
    assert {name.removeprefix("node_modules/") for name in names} <= known


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout, with something in place of what Node would build."""
    folder = tmp_path_factory.mktemp("tree") / "rlm-kernel"
    ignored = shutil.ignore_patterns(
        "node_modules", ".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "static"
    )
    for name in ("rlm_kernel", "labextension", "scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    shutil.rmtree(folder / "rlm_kernel" / "labextension", ignore_errors=True)
    for name in ("labextension/package.json", "labextension/static/entry.js"):
        (folder / "rlm_kernel" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "rlm_kernel" / name).write_text("{}")
    (folder / "rlm_kernel" / "notebook" / "static").mkdir()
    (folder / "rlm_kernel" / "notebook" / "static" / "widget.js").write_text("export {}")
    (folder / "labextension" / "node_modules").mkdir()
    (folder / "labextension" / "node_modules" / "left.js").touch()
    (folder / "labextension" / "lib").mkdir(exist_ok=True)
    (folder / "labextension" / "lib" / "left.js").touch()
    return folder


def _built(tree: Path, target: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return max((tree / "dist").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_a_wheel_brings_the_extension_and_the_widget_that_were_built(tree: Path) -> None:
    names = zipfile.ZipFile(_built(tree, "wheel")).namelist()
    place = "/data/share/jupyter/labextensions/rlm-kernel/"
    assert {n.partition(place)[2] for n in names if place in n} == {
        "package.json",
        "static/entry.js",
    }
    assert "rlm_kernel/notebook/static/widget.js" in names
    assert not [n for n in names if n.startswith("rlm_kernel/labextension")]


def test_an_sdist_brings_the_typescript_and_what_was_built_so_that_it_needs_no_node(
    tree: Path,
) -> None:
    with tarfile.open(_built(tree, "sdist")) as archive:
        names = {re.sub(r"^[^/]+/", "", name) for name in archive.getnames()}
    for name in (
        "labextension/src/protocol.ts",
        "labextension/package-lock.json",
        "labextension/.npmrc",
        "rlm_kernel/labextension/static/entry.js",
        "rlm_kernel/notebook/static/widget.js",
    ):
        assert name in names
    assert not [n for n in names if "node_modules" in n or n.startswith("labextension/lib")]
