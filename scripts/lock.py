"""Makes the locks in requirements/ anew: ``python scripts/lock.py`` (needs uv and the network).

The locks hold exact versions and hashes for Python 3.11 to 3.13 on every system, and name no index.
Releases younger than two weeks are left out: a poisoned upload is usually found within days.
"""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COOL_DOWN = datetime.timedelta(days=14)

_PYTEST = ["hypothesis", "pytest", "pytest-timeout"]

#: lock → (extras, further requirements); ``test`` comes first, the others follow its versions.
LOCKS: dict[str, tuple[list[str], list[str]]] = {
    "test": (["lab", "local", "test"], ["hatchling", "ipykernel==7.4.*"]),
    "run": (["local"], ["hatchling"]),
    "lab": (["lab", "local"], ["hatchling"]),
    "ipykernel-6.31": ([], ["hatchling", "ipykernel==6.31.*", "ipython==8.*", *_PYTEST]),
    "ipykernel-7.3": ([], ["hatchling", "ipykernel==7.3.*", *_PYTEST]),
}
_HEADER = "# Made by `python scripts/lock.py`; don't edit.\n"
# What differs between the kernels of the matrix can't follow the lock of the newest.
_FREE = re.compile(r"^(ipykernel|ipython|nest-asyncio2?)==")


def compile_lock(uv: str, name: str, extras: list[str], more: list[str], follow: Path) -> str:
    """Resolve one lock and return its text."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "more.in")
        wanted.write_text("\n".join(more) + "\n", encoding="utf-8")
        known = Path(folder, "known.txt")
        lines = follow.read_text(encoding="utf-8").splitlines() if follow.exists() else []
        pins = [line.removesuffix("\\").strip() for line in lines if re.match(r"[a-z0-9]", line)]
        known.write_text("\n".join(p for p in pins if not _FREE.match(p)), encoding="utf-8")
        before = datetime.datetime.now(datetime.UTC) - COOL_DOWN
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]
        command += ["--exclude-newer", before.strftime("%Y-%m-%d")]
        command += ["--constraint", str(known), "pyproject.toml", str(wanted)]
        command += [f"--extra={extra}" for extra in extras]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main() -> int:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        print("lock.py needs uv: `pip install uv`, then run it again.", file=sys.stderr)
        return 1
    follow = ROOT / "requirements" / "test.txt"
    follow.unlink(missing_ok=True)
    for name, (extras, more) in LOCKS.items():
        text = compile_lock(uv, name, extras, more, follow)
        (ROOT / "requirements" / f"{name}.txt").write_text(_HEADER + text, encoding="utf-8")
        print(f"requirements/{name}.txt: {len(re.findall(r'(?m)^[a-z0-9]', text))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
