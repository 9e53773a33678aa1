"""Makes the locks in requirements/ as pyproject.toml says: ``python scripts/lock.py [--upgrade]``.

Needs uv and the network. What is locked already keeps its version, unless ``--upgrade`` is given.
The locks hold exact versions and hashes for Python 3.11 to 3.13 on every system, and name no index.
Releases younger than two weeks are left out: a poisoned upload is usually found within days.
"""

from __future__ import annotations

import argparse
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
    "test": (["lab", "local", "otel", "test"], ["hatchling", "ipykernel==7.4.*"]),
    "run": (["local"], ["hatchling"]),
    "lab": (["lab", "local"], ["hatchling"]),
    "ipykernel-6.31": ([], ["hatchling", "ipykernel==6.31.*", "ipython==8.*", *_PYTEST]),
    "ipykernel-7.3": ([], ["hatchling", "ipykernel==7.3.*", *_PYTEST]),
}
_HEADER = "# Made by `python scripts/lock.py`; don't edit.\n"
# What differs between the kernels of the matrix can't follow the lock of the newest.
_FREE = re.compile(r"^(ipykernel|ipython|nest-asyncio2?)==")


def compile_lock(uv: str, name: str, upgrade: bool) -> str:
    """Resolve one lock and return its text."""
    extras, more = LOCKS[name]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "more.in")
        wanted.write_text("\n".join(more) + "\n", encoding="utf-8")
        known = Path(folder, "known.txt")
        pins = [] if name == "test" else _pins(ROOT / "requirements" / "test.txt")
        known.write_text("\n".join(p for p in pins if not _FREE.match(p)), encoding="utf-8")
        # uv keeps the versions that its output file already holds.
        result = Path(folder, "lock.txt")
        if not upgrade:
            kept = "\n".join(_pins(ROOT / "requirements" / f"{name}.txt"))
            result.write_text(kept + "\n", encoding="utf-8")
        before = datetime.datetime.now(datetime.UTC) - COOL_DOWN
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]
        command += ["--exclude-newer", before.strftime("%Y-%m-%d")]
        command += ["--constraint", str(known), "pyproject.toml", str(wanted)]
        command += [f"--extra={extra}" for extra in extras]
        command += ["--output-file", str(result)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return result.read_text(encoding="utf-8")


def _pins(lock: Path) -> list[str]:
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    return [line.removesuffix("\\").strip() for line in lines if re.match(r"[a-z0-9]", line)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the locks as pyproject.toml says.")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions")
    options = parser.parse_args()
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        print("lock.py needs uv: `pip install uv`, then run it again.", file=sys.stderr)
        return 1
    for name in LOCKS:
        text = compile_lock(uv, name, options.upgrade)
        (ROOT / "requirements" / f"{name}.txt").write_text(_HEADER + text, encoding="utf-8")
        print(f"requirements/{name}.txt: {len(re.findall(r'(?m)^[a-z0-9]', text))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
