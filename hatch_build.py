"""Hatch's build hook: puts the JupyterLab extension into a wheel where there is one.

Installing never requires Node. The hook adds an extension that has been built
(``rlm_kernel/labextension/package.json``); where there is none, the wheel is built without it and
the hook says so. An editable installation gets none from here: ``scripts/build_lab.py`` links what
it builds, while copies would be out of date with the next build, and uninstalling would follow the
link and take the build away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NAME = "rlm-kernel"


class LabExtensionHook(BuildHookInterface[Any]):
    """Adds the built JupyterLab extension to the wheel, or says that the wheel has none."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        built = Path(self.root, "rlm_kernel", "labextension")
        if (built / "package.json").is_file():
            target = f"share/jupyter/labextensions/{_NAME}"
            build_data.setdefault("shared_data", {})[str(built)] = target
        else:
            self.app.display_warning(
                "This wheel has no JupyterLab extension and no live widget: none has been built "
                "in this source tree (python3 scripts/build_lab.py, which needs Node). The kernel, "
                "the magics, the command line and the Python API are all in it."
            )
