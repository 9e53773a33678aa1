"""No release with a known fault is admitted, locked or installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import audit  # noqa: E402 (its folder must be on the path first)

KNOWN = audit.advisories(ROOT / "requirements" / "advisories.toml")


def test_nothing_known_is_admitted_locked_or_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["audit.py"])
    code = audit.main()
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [("litellm", "1.82.7", "malware"), ("LiteLLM", "1.107.0", "malware"),
     ("jupyter_core", "5.7.2", "CVE-2025-30167"), ("tornado", "6.4.1", "CVE-2024-52804")],
)  # fmt: skip
def test_a_bad_release_is_found_by_any_spelling(name: str, version: str, said: str) -> None:
    assert any(said in line for line in audit.problems_of_version(name, version, KNOWN))
    assert not list(audit.problems_of_version(name, "999", KNOWN))


@pytest.mark.parametrize(
    ("line", "bad"),
    [("litellm>=1.80", True), ("litellm>=1.84,<=1.106.2", False), ("aiohttp", True),
     ("aiohttp>=3.9", True), ("aiohttp>=3.12.14", False), ("litellm>=1.84", True)],
)  # fmt: skip
def test_a_range_that_admits_a_bad_release_is_found(line: str, bad: bool) -> None:
    assert bool(list(audit.problems_of_range(Requirement(line), KNOWN))) is bad


def test_a_bad_release_in_a_lock_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("litellm==1.82.8 \\\n    --hash=sha256:00\nother==1 ; x\n")
    assert audit.locked(tmp_path) == {("litellm", "1.82.8"): "x.txt", ("other", "1"): "x.txt"}
