"""Installs the kernels "RLM (Python 3)" and "RLM (sandboxed)" where Jupyter looks for kernels.

The wheel brings a kernelspec whose ``argv[0]`` is ``python``: Jupyter puts its own interpreter
there, which is right when both share an environment. ``install`` writes one that names *this*
interpreter, for a Jupyter that lives elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from ..errors import ConfigError

KERNEL_NAME = "rlm"
#: kernel → the folder here with its kernelspec
SPECS = {KERNEL_NAME: "kernelspec", "rlm-sandboxed": "kernelspec_sandboxed"}


def install(
    user: bool = False, prefix: str | os.PathLike[str] | None = None, sys_prefix: bool = False
) -> Path:
    """Install the kernelspecs, replacing those that are there; give the folder of ``rlm``.

    Args:
        user: for this user, in every environment.
        prefix: under this prefix (``PREFIX/share/jupyter/kernels/rlm``).
        sys_prefix: into the environment of this interpreter; also where nothing is chosen.

    Raises:
        ConfigError: more than one place was chosen, or the place can't be written to.
    """
    if sum((user, prefix is not None, sys_prefix)) > 1:
        msg = "Choose one place for the kernel: --user, --sys-prefix or --prefix."
        raise ConfigError(msg)
    target = _kernels(user, prefix) / KERNEL_NAME
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rlm-") as folder:
            for name in SPECS:
                _write(name, Path(folder, name))
            for name in SPECS:
                _replace(target.with_name(name), Path(folder, name), Path(folder, f"old-{name}"))
    except OSError as error:
        msg = (
            f"The kernel can't be installed in {target} ({error.strerror or error}); nothing was "
            "changed. Choose a place you may write to: --user or --prefix DIR."
        )
        raise ConfigError(msg) from error
    return target


def _kernels(user: bool, prefix: str | os.PathLike[str] | None) -> Path:
    if user:
        from jupyter_core.paths import jupyter_data_dir

        return Path(jupyter_data_dir(), "kernels")
    return Path(prefix if prefix is not None else sys.prefix, "share", "jupyter", "kernels")


def _replace(target: Path, made: Path, aside: Path) -> None:
    """Put ``made`` in the place of ``target``; where that fails, what was there is there again."""
    was_there = target.is_symlink() or target.exists()
    if was_there:
        target.rename(aside)
    try:
        made.rename(target)
    except OSError:
        if was_there:
            aside.rename(target)
        raise


def _write(name: str, folder: Path) -> None:
    """Write a kernelspec, with this interpreter, into a folder that isn't there yet."""
    folder.mkdir()
    for entry in files(__package__).joinpath(SPECS[name]).iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    path = folder / "kernel.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    spec["argv"][0] = sys.executable
    path.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
