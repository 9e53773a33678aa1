"""The first line that a person is shown of a run: models, prices, budget, mode, where, sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RLMError
from ..log.format import clean, sandbox_text
from ..protocol import ModelInfo
from .fork import branch_text

if TYPE_CHECKING:
    from .run import Run


def price_text(info: ModelInfo) -> str:
    """Say what a model costs, in dollars per million tokens in and out."""
    if info.input_price is None or info.output_price is None:
        return "price unknown"
    if info.input_price == 0 and info.output_price == 0:
        return "free"
    per = [f"${1e6 * price:.2f}" for price in (info.input_price, info.output_price)]
    return f"{per[0]} in, {per[1]} out per million tokens"


def model_text(info: ModelInfo, *, note: bool = True) -> str:
    """Say a model's name, its price, and, with ``note``, what else has to be known of it."""
    more = f", {info.note}" if note and info.note else ""
    return f"{info.name} ({price_text(info)}{more})"


def header_text(run: Run, notice: str = "") -> str:
    """Give the first line: models and prices, budget, how cells are decided, what holds them.

    Before it stands what a branch is one of.
    """
    settings = run.settings
    said: list[str] = []
    noted: set[str] = set()
    for role, model in (("root", settings.model), ("sub-model", settings.sub_model)):
        if role == "root" or model != settings.model:
            try:
                info = run.gateway.info(model)
                said.append(f"{role} {model_text(info, note=info.note not in noted)}")
                noted.add(info.note)
            except RLMError:  # of a run that was loaded: its model isn't there any more
                said.append(f"{role} {model}")
    node = run.tree.get(run.node)
    if node is not None and node.config.get("budget"):
        said.append(f"budget {node.config['budget'].removesuffix(' left')}")
    said.append(f"mode {run.mode.text}")
    place = "cells in this shell" if settings.where == "shell" else "cells in their own kernel"
    boxed = sandbox_text(node.sandbox) if node is not None else ""
    said.append(f"{place}, {boxed}" if boxed else place)
    lines = [clean(" · ".join(said)), *([notice] if notice else [])]
    forked = node.config.get("forked") if node is not None else None
    if isinstance(forked, dict):
        lines.insert(0, branch_text(forked))
    return "\n".join(lines)
