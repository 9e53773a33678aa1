"""The environment of a kernel of a run's own: what a child process is given, and what it isn't."""

from __future__ import annotations

import os
import re
import shutil
import site
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..lm.served.environment import scrubbed
from .box.bubblewrap import wrapped
from .box.inside import VARIABLE
from .box.policy import Policy

# What a kernel in a box is given: how programs are found and run, nothing of whose they are.
_PLAIN = re.compile(
    r"(PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|SHELL|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV"
    r"|LD_LIBRARY_PATH|PYTHON(?!PATH|STARTUP)\w+|(OMP|MKL|OPENBLAS|NUMEXPR|GOTO|KMP|BLIS)_\w+)$"
)
def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Give of an environment how programs are found and run, and nothing of whose they are."""
    return {name: value for name, value in environ.items() if _PLAIN.match(name)}


def kernel_environment(folder: Path, policy: Policy) -> dict[str, str]:
    """Give the environment of a kernel.

    Args:
        folder: the kernel's own; IPython's files go there, and nobody's start-up scripts run.
        policy: of its box.
    """
    env = scrubbed(os.environ)
    if policy.method in ("bubblewrap", "landlock"):
        env = plain(env)
    env["IPYTHONDIR"] = str(folder / "ipython")
    root = str(Path(__file__).resolve().parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
    env.pop("PYTHONSTARTUP", None)
    if policy.method in ("bubblewrap", "landlock"):
        env[VARIABLE] = replace(policy, write=(str(folder), *policy.write)).to_json()
        env["TMPDIR"] = str(folder / "tmp")
        env["HOME"] = env["RLM_SCRATCH"] = str(folder / "work")
    env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    return env


def command(policy: Policy, folder: Path) -> list[str]:
    """Give the command line of a kernel, as a kernelspec has it."""
    line = [sys.executable, "-m", "rlm_kernel.repl.child", "-f", "{connection_file}"]
    if policy.method != "bubblewrap":
        return line
    return wrapped(shutil.which("bwrap") or "bwrap", line, policy, str(folder))
