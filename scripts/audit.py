"""Looks for releases with known faults: ``python scripts/audit.py [--online]``.

Three places: what pyproject.toml admits, what the locks in requirements/ name, and what of that is
installed beside this interpreter. What is known is in requirements/advisories.toml, so that it
needs no network; ``--online`` also asks the package index, by the address that pip has of it.

Exit code 0 where nothing is found, 1 where something is, 2 where it couldn't be looked for.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Advisory:
    """A known fault of some releases of a package."""

    package: str
    affected: str
    id: str
    why: str


def advisories(path: Path) -> list[Advisory]:
    """Read the known ones."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    found = [Advisory(**one) for one in data["advisory"]]
    return [Advisory(canonicalize_name(a.package), a.affected, a.id, a.why) for a in found]


def problems_of_version(name: str, version: str, known: list[Advisory]) -> Iterator[str]:
    """Say which advisories a release falls under."""
    for advisory in known:
        if advisory.package == canonicalize_name(name) and Version(version) in SpecifierSet(
            advisory.affected, prereleases=True
        ):
            yield f"{name} {version}: {advisory.id} ({advisory.why}); affected: {advisory.affected}"


def problems_of_range(requirement: Requirement, known: list[Advisory]) -> Iterator[str]:
    """Say which advisories a requirement admits releases of."""
    lows = [Version(s.version) for s in requirement.specifier if s.operator in (">=", "==", "~=")]
    for advisory in known:
        if advisory.package != canonicalize_name(requirement.name):
            continue
        bound = next(iter(SpecifierSet(advisory.affected)))
        if bound.operator == "==":
            admitted = requirement.specifier.contains(bound.version, prereleases=True)
        else:  # "<X": all below it
            admitted = not lows or max(lows) < Version(bound.version)
        if admitted:
            yield f"pyproject.toml admits {requirement}: {advisory.id} is in {advisory.affected}"


def of_project(path: Path, known: list[Advisory]) -> Iterator[str]:
    """Look at what pyproject.toml admits."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    for line in [*project["dependencies"], *(line for lines in extras for line in lines)]:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != canonicalize_name(project["name"]):
            yield from problems_of_range(requirement, known)


def locked(folder: Path) -> dict[tuple[str, str], str]:
    """Give every release that a lock names, and the lock."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.txt")):
        for name, version in _LOCKED.findall(path.read_text(encoding="utf-8")):
            found.setdefault((canonicalize_name(name), version), path.name)
    return found


def installed(names: Collection[str]) -> dict[tuple[str, str], str]:
    """Give the releases of these packages that are installed beside this interpreter."""
    return {
        (canonicalize_name(one.metadata["Name"]), one.version): "installed here"
        for one in importlib.metadata.distributions()
        if canonicalize_name(one.metadata["Name"] or "") in names
    }


def online(releases: dict[tuple[str, str], str]) -> Iterator[str]:
    """Ask the index what it knows of each release; ``OSError`` where it can't be reached."""
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    said = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.strip()
    if not said:
        raise OSError("pip has no index-url configured: `pip config set global.index-url URL`")
    base = said.rstrip("/").removesuffix("/simple")
    for (name, version), where in releases.items():
        try:
            with urllib.request.urlopen(f"{base}/pypi/{name}/{version}/json", timeout=30) as reply:
                data = json.load(reply)
        except urllib.error.HTTPError:
            continue
        for fault in data.get("vulnerabilities") or []:
            yield f"{name} {version} ({where}): {fault.get('id')} {fault.get('summary') or ''}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Look for releases with known faults.")
    parser.add_argument("--online", action="store_true", help="ask the package index as well")
    options = parser.parse_args()
    known = advisories(ROOT / "requirements" / "advisories.toml")
    found = list(of_project(ROOT / "pyproject.toml", known))
    releases = locked(ROOT / "requirements")
    releases = {**installed({name for name, _ in releases}), **releases}
    for (name, version), where in releases.items():
        found += [f"{line} [{where}]" for line in problems_of_version(name, version, known)]
    if options.online:
        try:
            found += online(releases)
        except OSError as error:
            print(f"The index couldn't be asked: {error}", file=sys.stderr)
            return 2
    print("\n".join(found) or f"{len(releases)} releases, {len(known)} advisories: none found.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
