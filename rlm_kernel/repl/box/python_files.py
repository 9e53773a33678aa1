"""The files that a Python process needs to run: its interpreter, its packages, the system's."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

#: What programs and their libraries need of the system. No home folder, no secret lies there.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt/lib")
#: Of /etc only what looks up libraries, names, times, fonts and types.
ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "nsswitch.conf",
    "passwd", "group", "alternatives", "fonts", "mime.types", "os-release", "magic", "papersize",
    "ca-certificates", "pki", "crypto-policies",
)  # fmt: skip
#: For programs that may use the network, too.
ETC_NET = ("hosts", "resolv.conf", "host.conf", "gai.conf", "services", "protocols", "ssl")
PACKAGE = Path(__file__).resolve().parents[2]


def system_files(net: bool) -> list[str]:
    """Give the system's files that are there."""
    names = ETC + (ETC_NET if net else ())
    return [p for p in (*SYSTEM, *(f"/etc/{name}" for name in names)) if os.path.exists(p)]


def python_files() -> list[str]:
    """Give the folders of the interpreter, the packages it sees, and ours; none within another."""
    found = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    found |= {p for p in (sysconfig.get_config_var("LIBDIR"),) if isinstance(p, str)}
    sites = [*site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        sites.append(site.getusersitepackages())
    found |= set(sites) | set(_linked(sites))
    found |= {str(Path(sys.executable).parent), str(PACKAGE)}
    found |= {str(Path(p).resolve()) for p in found}
    # Path.exists() raises where this user may not look.
    there = sorted(p for p in found if os.path.exists(p) and p not in ("/", str(Path.home())))
    return [p for p in there if not any(p != q and Path(p).is_relative_to(q) for q in there)]


def _linked(sites: list[str]) -> list[str]:
    """Give the folders that packages which are installed in place (``.pth``) lie in."""
    folders = []
    for place in sites:
        for file in sorted(Path(place).glob("*.pth")):
            try:
                lines = file.read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
            for line in lines:
                folder = Path(place, line.strip())
                if line.strip() and not line.startswith(("import ", "import\t", "#")):
                    if folder == PACKAGE.parent:
                        continue  # ours: the package is enough, not the project around it
                    if os.path.isdir(folder):
                        folders.append(str(folder))
    return folders
