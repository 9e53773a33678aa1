"""The environment of a kernel of a run's own: what a child process is given, and what it isn't."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Mapping
from pathlib import Path

# Names that look like they hold a key. One place; a name too many costs less than a key.
SECRET = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASSWD|PWD|CREDENTIALS?|AUTH|BEARER)"
    r"(?:$|_)"
    r"|APIKEY|PASSWORD|^AWS_|^AZURE_|^GOOGLE_APPLICATION_|^GCP_|^OPENAI_|^ANTHROPIC_|^HF_|^HUGGING"
    r"|^LITELLM_|_DSN$|DATABASE_URL|^JPY_(?!PARENT_PID)|^JUPYTERHUB_|^KAGGLE_|^GH_|^GITHUB_",
    re.IGNORECASE,
)
_HARMLESS = frozenset({"PWD", "OLDPWD"})


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Give an environment without what looks like a key."""
    return {n: v for n, v in environ.items() if n in _HARMLESS or not SECRET.search(n)}


def kernel_environment(folder: Path) -> dict[str, str]:
    """Give the environment of a kernel.

    Args:
        folder: the kernel's own; IPython's files go there, and nobody's start-up scripts run.
    """
    env = scrubbed(os.environ)
    env["IPYTHONDIR"] = str(folder / "ipython")
    root = str(Path(__file__).resolve().parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    env.pop("PYTHONSTARTUP", None)
    env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    return env


def command() -> list[str]:
    """Give the command line of a kernel, as a kernelspec has it."""
    return [sys.executable, "-m", "rlm_kernel.repl.child", "-f", "{connection_file}"]
