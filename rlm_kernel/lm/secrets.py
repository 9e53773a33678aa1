"""Keys in texts that are given away: cut out, whoever had put them there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .served.environment import SECRET

SHORTEST = 8  # characters; a shorter value would be cut out of ordinary words
INSTEAD = "[secret]"


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Give the values of variables that look like keys, longest first.

    Args:
        environ: the variables, by name.
    """
    values = {v.strip() for n, v in environ.items() if SECRET.search(n)}
    found = (v for v in values if len(v) >= SHORTEST and not v.startswith("/"))
    return sorted(found, key=len, reverse=True)


def hide_secrets(environ: Mapping[str, str]) -> Callable[[str], str] | None:
    """Give what cuts the values of variables that look like keys out of a text; None: no such one.

    Args:
        environ: the variables, by name.
    """
    found = secret_values(environ)
    if not found:
        return None
    pattern = re.compile("|".join(map(re.escape, found)))
    return lambda text: pattern.sub(INSTEAD, text)
