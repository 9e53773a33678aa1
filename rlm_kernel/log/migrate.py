"""Lines of logs that an earlier version wrote, as this one writes them.

A new version of the log adds a step here, from the one before it; a log is never changed on disk,
each line is brought up to date as it is read. Fields that are only new need no step: an event's
fields have defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..protocol import PROTOCOL_VERSION

Line = dict[str, Any]
#: version → what makes one of its lines one of the next version's
STEPS: Mapping[int, Callable[[Line], Line]] = {}


def migrated(line: Line, version: int, steps: Mapping[int, Callable[[Line], Line]] = STEPS) -> Line:
    """Give a parsed line as the newest version has it.

    Args:
        line: as it stands in the log.
        version: of that log.
        steps: for tests.
    """
    for step in range(version, PROTOCOL_VERSION):
        if step in steps:
            line = steps[step](line)
    return line
