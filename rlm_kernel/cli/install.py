"""``rlm-kernel install``: the kernel for Jupyter."""

from __future__ import annotations

import argparse

from ..notebook.install import install


def main(args: argparse.Namespace) -> int:
    """Install the kernelspec and say where."""
    path = install(user=args.user, prefix=args.prefix, sys_prefix=args.sys_prefix)
    print(f"Installed the kernel 'rlm' in {path}, and 'rlm-sandboxed' beside it; choose "
          '"RLM (Python 3)" or "RLM (sandboxed)" in Jupyter.')  # fmt: skip
    return 0
