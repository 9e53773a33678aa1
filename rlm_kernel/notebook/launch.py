"""Starts the notebook kernel ``rlm`` beside its gateway process: what the kernelspec runs.

The gateway process gets this environment, keys and all; the kernel gets one without secrets, and
what it needs to reach the gateway. This process then *becomes* the kernel, so that signals, the
debugger and the process id are what Jupyter expects. Where there can be no gateway process, as
where its folder can't be made, the kernel starts with the gateway in it, and says so.

``RLM_KEEP_ENV=NAME,NAME`` leaves variables that look like secrets in the kernel, for own cells.
"""

from __future__ import annotations

import os
import runpy
import sys

from ..lm.served.environment import scrubbed

KERNEL, RELAY = "rlm_kernel.notebook.kernel", "rlm_kernel.notebook.relay"
SANDBOXED = "--sandboxed"
IN_PROCESS = "RLM_GATEWAY_PROBLEM"
# On Windows exec starts another process and ends this one, which Jupyter takes for the kernel.
REPLACES = sys.platform != "win32"


def main() -> None:
    """Become the kernel, or what stands before a boxed one."""
    arguments = [word for word in sys.argv[1:] if word != SANDBOXED]
    boxed = SANDBOXED in sys.argv[1:]
    env = kernel_environment(connection_file(arguments), boxed)
    if boxed and IN_PROCESS in env:
        sys.exit(
            f"RLM (sandboxed) needs a gateway process and there can be none ({env[IN_PROCESS]}): "
            "choose the kernel RLM (Python 3)."
        )
    become(RELAY if boxed else KERNEL, arguments, env)


def become(
    module: str, arguments: list[str], env: dict[str, str], *, replace: bool = REPLACES
) -> None:
    """Run a module in the place of this program.

    Args:
        module: its name.
        arguments: what follows it on its command line.
        env: its environment.
        replace: whether it gets a process image of its own, under this process's id.
    """
    if replace:
        os.execve(sys.executable, [sys.executable, "-m", module, *arguments], env)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def kernel_environment(file: str, boxed: bool = False) -> dict[str, str]:
    """Give the environment of the kernel, with its gateway started; or this one, and why not.

    Args:
        file: the connection file.
        boxed: whether the kernel will be in a box, so that what it spends is limited outside.
    """
    if not file:
        return {**os.environ, IN_PROCESS: "no connection file"}
    from ..lm.served.place import folder_for
    from ..lm.served.start import gateway_for

    try:
        if boxed:
            from .relay import runs_of

            reached = gateway_for(file, "$1, 1000 calls", str(runs_of(folder_for(file))))
        else:
            reached = gateway_for(file)
    except OSError as error:
        return {**os.environ, IN_PROCESS: str(error)}
    kept = {name.strip() for name in os.environ.get("RLM_KEEP_ENV", "").split(",")}
    env = scrubbed(os.environ)
    env |= {name: value for name, value in os.environ.items() if name in kept}
    return {**env, **reached}


def connection_file(arguments: list[str]) -> str:
    """Find the connection file among a kernel's arguments."""
    for at, word in enumerate(arguments):
        if word == "-f" and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith(("--f=", "-f=")):
            return word.partition("=")[2]
    return ""


if __name__ == "__main__":
    main()
