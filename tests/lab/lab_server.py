"""A real Jupyter server for the browser tests, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXTENSION = ROOT / "rlm_kernel" / "labextension"
TOKEN = "lab-tests"
MODULES = {"rlm": "rlm_kernel.notebook.launch", "python3": "ipykernel_launcher"}


class Server:
    """JupyterLab and Notebook 7 on one port.

    Kernels: ``rlm``, ``rlm-sandboxed`` and ``python3`` of this interpreter, and ``rlm-VERSION`` and
    ``python3-VERSION`` of each interpreter with another ipykernel.

    Args:
        home: an empty folder; everything that Jupyter and the kernels write goes there.
        kernels: ipykernel's version → an interpreter that has it.
    """

    def __init__(self, home: Path, kernels: dict[str, str]) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir()
        self.log = home / "server.log"
        self.port = _free_port()
        data = home / "data"
        for kind, module in MODULES.items():
            _kernelspec(data, kind, sys.executable, module)
            for version, python in kernels.items():
                _kernelspec(data, f"{kind}-{version}", python, module)
        _kernelspec(data, "rlm-sandboxed", sys.executable, MODULES["rlm"], boxed=True)
        self._process = self._start(data)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def _start(self, data: Path) -> subprocess.Popen[bytes]:
        folders = {
            "HOME": "", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython", "RLM_HOME": "rlm",
        }  # fmt: skip
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "RLM_"))}
        env = {**kept, **{name: str(self.home / folder) for name, folder in folders.items()}}
        env["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(ROOT), str(HERE), kept.get("PYTHONPATH")))
        )
        found = Path(sys.prefix, "share", "jupyter", "labextensions", "rlm-kernel")
        if found.resolve() != EXTENSION.resolve():
            # Not installed here, or another build of it: this checkout's is what is tested.
            env["JUPYTER_PREFER_ENV_PATH"] = "0"
            place = data / "labextensions" / "rlm-kernel"
            place.parent.mkdir(parents=True)
            place.symlink_to(EXTENSION, target_is_directory=True)
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.work}",
            "--LabApp.news_url=None",
            # Gives the tests window.jupyterapp, to read the notebook's model.
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]  # fmt: skip
        quiet = self.home / "settings" / "@jupyterlab" / "apputils-extension"
        quiet.mkdir(parents=True)
        said = {"fetchNews": "false", "checkForUpdates": False}
        (quiet / "notification.jupyterlab-settings").write_text(json.dumps(said))
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.work, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while True:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The Jupyter server didn't start:\n{self.tail()}")
            try:
                self.api("GET", "status")
                return
            except OSError:
                time.sleep(0.1)  # another process: nothing tells when it listens

    def api(self, method: str, path: str) -> Any:
        """Call the server's REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=20) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def end_kernels(self) -> None:
        """End every session, so that tests don't share cores with kernels of those before."""
        for session in self.api("GET", "sessions"):
            try:
                self.api("DELETE", f"sessions/{session['id']}")
            except urllib.error.HTTPError as error:
                if error.code not in (404, 410):
                    raise

    def tail(self, chars: int = 4000) -> str:
        """The end of the server's log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-chars:]

    def close(self) -> None:
        """Terminate the server and what it started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def _kernelspec(data: Path, name: str, python: str, module: str, boxed: bool = False) -> None:
    folder = data / "kernels" / name
    folder.mkdir(parents=True)
    spec = {
        "argv": [python, "-m", module, *["--sandboxed"] * boxed, "-f", "{connection_file}"],
        "display_name": name,
        "language": "python",
        "interrupt_mode": "message" if boxed else "signal",
        "metadata": {"debugger": not boxed},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
