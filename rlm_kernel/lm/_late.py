"""Imports that take long, off the event loop."""

from __future__ import annotations

import asyncio
import importlib
import sys


async def late_import(name: str) -> None:
    """Have a module imported, on a worker thread the first time: everything else goes on."""
    if name not in sys.modules:
        await asyncio.to_thread(importlib.import_module, name)
