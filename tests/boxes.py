"""Skips a test whose box this machine doesn't have, with the word that says whether it could."""

from __future__ import annotations

import shutil

import pytest

from rlm_kernel.repl.box import look


def need(method: str) -> None:
    """Skip unless this method of holding code works here."""
    if getattr(look(), method):
        return
    if method == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("NOT RUN: the tests in bubblewrap; apt-get install bubblewrap")
    pytest.skip(f"{method} doesn't work on this machine: {'; '.join(look().problems)}")
