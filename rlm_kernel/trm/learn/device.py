"""Where torch computes."""

from __future__ import annotations

import torch

from ...errors import ConfigError


def device_of(name: str) -> str:
    """Give a device by its name, such as ``"cuda"``, after a try.

    Raises:
        ConfigError: there is none of that name here.
    """
    try:
        torch.zeros(1, dtype=torch.float64, device=torch.device(name)).item()  # as of the loss
    except (RuntimeError, AssertionError, TypeError) as error:  # as builds of torch have it
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"There is no device {name!r} for torch here ({said:.200}).") from error
    return name
