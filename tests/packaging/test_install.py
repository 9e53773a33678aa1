"""``rlm-kernel install``: Jupyter finds the kernel, and a place that can't be written is said."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from rlm_kernel.errors import ConfigError
from rlm_kernel.notebook.install import install


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter's own folders, moved into this test's."""
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # Inside an environment, its own kernels would come before the user's.
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    return tmp_path


def test_jupyter_finds_a_kernel_installed_under_a_prefix(
    jupyter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = install(prefix=jupyter / "env")
    assert path == jupyter / "env" / "share" / "jupyter" / "kernels" / "rlm"
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter / "env" / "share" / "jupyter"))
    spec = KernelSpecManager().get_kernel_spec("rlm")
    assert Path(spec.resource_dir) == path
    assert spec.display_name == "RLM (Python 3)"
    assert spec.argv == [sys.executable, "-m", "rlm_kernel.notebook.launch", "-f",
                         "{connection_file}"]  # fmt: skip
    for logo in ("logo-32x32.png", "logo-64x64.png"):
        assert (path / logo).read_bytes().startswith(b"\x89PNG")


def test_jupyter_finds_a_kernel_installed_for_the_user(jupyter: Path) -> None:
    path = install(user=True)
    assert jupyter / "jupyter_data_dir" in path.parents
    assert Path(KernelSpecManager().get_kernel_spec("rlm").resource_dir) == path


def test_installing_again_replaces_what_was_there(jupyter: Path) -> None:
    path = install(prefix=jupyter)
    (path / "kernel.json").write_text("{}")
    (path / "left-over").touch()
    assert install(prefix=jupyter) == path
    assert json.loads((path / "kernel.json").read_text())["argv"][0] == sys.executable
    assert not (path / "left-over").exists()
    assert sorted(os.listdir(path.parent)) == ["rlm", "rlm-sandboxed"]


def test_two_places_at_once_are_refused(jupyter: Path) -> None:
    with pytest.raises(ConfigError, match="Choose one place"):
        install(user=True, prefix=jupyter)


def test_a_place_that_cannot_be_written_is_one_sentence(jupyter: Path) -> None:
    (jupyter / "share").write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match=r"can't be installed in .*nothing was changed"):
        install(prefix=jupyter)
