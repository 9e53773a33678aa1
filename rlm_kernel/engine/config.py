"""The person's own defaults: ``rlm_kernel_config.py`` or ``.json`` in Jupyter's config folders.

    # ~/.jupyter/rlm_kernel_config.py
    c.RLM.model = "openai/gpt-5"
    c.RLM.budget = "$2"
    c.Gateway.requests_per_minute = {"openai/*": 500}
"""

from __future__ import annotations

from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from traitlets.config.loader import (
    Config,
    ConfigFileNotFound,
    JSONFileConfigLoader,
    PyFileConfigLoader,
)

from ..errors import ConfigError

NAME = "rlm_kernel_config"


def user_config() -> Config:
    """Read the config files; the nearer folder wins, as everywhere in Jupyter.

    Raises:
        ConfigError: a file can't be read; names it.
    """
    config = Config()
    for folder in reversed(jupyter_config_path()):
        for kind, loader in ((".json", JSONFileConfigLoader), (".py", PyFileConfigLoader)):
            path = Path(folder, NAME + kind)
            if not path.is_file():
                continue
            try:
                config.merge(loader(path.name, path=folder).load_config())
            except ConfigFileNotFound:
                continue
            except Exception as error:  # a .py file is code, and may raise anything
                what = f"{type(error).__name__}: {error}"
                raise ConfigError(f"{path} can't be used as it is: {what}") from error
    return config
