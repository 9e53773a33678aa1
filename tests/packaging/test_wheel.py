"""What a person gets who installs the wheel."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    # No network: the build requirement is in the lock.
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_brings_the_kernelspec_and_its_logos(wheel: zipfile.ZipFile) -> None:
    place = "/data/share/jupyter/kernels/rlm/"
    names = {n.partition(place)[2] for n in wheel.namelist() if place in n}
    assert names == {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    (path,) = (n for n in wheel.namelist() if n.endswith(place + "kernel.json"))
    spec = json.loads(wheel.read(path))
    # jupyter_client replaces a literal "python" by its own interpreter.
    assert spec["argv"][0] == "python"
    assert spec["display_name"] == "RLM (Python 3)"
    assert spec["interrupt_mode"] == "signal"
    assert spec["metadata"]["debugger"] is True
    module = spec["argv"][spec["argv"].index("-m") + 1]
    assert module.replace(".", "/") + ".py" in wheel.namelist()


def test_the_wheel_brings_the_sandboxed_kernel_too(wheel: zipfile.ZipFile) -> None:
    (path,) = (n for n in wheel.namelist() if n.endswith("/kernels/rlm-sandboxed/kernel.json"))
    spec = json.loads(wheel.read(path))
    assert "--sandboxed" in spec["argv"]
    assert spec["interrupt_mode"] == "message"  # signals don't reach into a box
    assert spec["metadata"]["debugger"] is False


def test_the_wheel_is_typed_and_holds_rlm_py(wheel: zipfile.ZipFile) -> None:
    assert "rlm_kernel/py.typed" in wheel.namelist()
    assert "rlm.py" in wheel.namelist()


def test_the_wheel_overwrites_no_file_of_another_rlm_package(wheel: zipfile.ZipFile) -> None:
    assert not [n for n in wheel.namelist() if n.startswith("rlm/")]


def test_the_wheel_holds_every_module_and_nothing_of_the_project_around_them(
    wheel: zipfile.ZipFile,
) -> None:
    tops = {n.split("/")[0] for n in wheel.namelist()}
    assert {t for t in tops if not t.startswith("rlm_kernel-")} == {"rlm_kernel", "rlm.py"}
    packed = {n for n in wheel.namelist() if n.startswith("rlm_kernel/") and n.endswith(".py")}
    assert packed == {str(p.relative_to(ROOT)) for p in ROOT.glob("rlm_kernel/**/*.py")}


def test_the_wheel_names_its_command_and_licence(wheel: zipfile.ZipFile) -> None:
    (entry,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "rlm-kernel = rlm_kernel.cli:main" in wheel.read(entry).decode()
    (metadata,) = (n for n in wheel.namelist() if n.endswith("dist-info/METADATA"))
    assert "License-Expression: BSD-3-Clause" in wheel.read(metadata).decode()
    assert any(n.endswith("licenses/LICENSE") for n in wheel.namelist())


class _App:
    def __init__(self) -> None:
        self.said: list[str] = []

    def display_warning(self, text: str) -> None:
        self.said.append(text)


def _run_hook(root: Path, version: str = "standard") -> tuple[dict[str, object], list[str]]:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = _App()
    hook = module.LabExtensionHook(str(root), {}, None, None, str(root), "wheel", app)
    data: dict[str, object] = {}
    hook.initialize(version, data)
    return data, app.said


def test_without_a_built_labextension_the_wheel_says_that_it_has_none(tmp_path: Path) -> None:
    data, said = _run_hook(tmp_path)
    assert data == {}
    assert "no JupyterLab extension" in said[0]


def test_an_editable_installation_gets_no_copy_that_would_grow_old(tmp_path: Path) -> None:
    built = tmp_path / "rlm_kernel" / "labextension"
    built.mkdir(parents=True)
    (built / "package.json").write_text("{}")
    assert _run_hook(tmp_path, "editable") == ({}, [])


def test_a_built_labextension_goes_into_the_wheel(tmp_path: Path) -> None:
    built = tmp_path / "rlm_kernel" / "labextension"
    built.mkdir(parents=True)
    (built / "package.json").write_text("{}")
    data, said = _run_hook(tmp_path)
    assert data == {"shared_data": {str(built): "share/jupyter/labextensions/rlm-kernel"}}
    assert said == []
