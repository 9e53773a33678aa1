"""Prices and windows of models, from the price map that litellm ships, without importing it.

Importing litellm takes seconds; its map is one JSON file that loads in 50 ms, once.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..protocol import Usage

log = logging.getLogger(__name__)

MAP_FILE = "model_prices_and_context_window_backup.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the map says of a model; prices in US dollars per token, sizes in tokens."""

    name: str
    provider: str
    mode: str
    window: int | None
    max_output: int | None
    input_price: float | None
    output_price: float | None
    cached_price: float | None
    supports_schema: bool


@lru_cache(maxsize=1)
def price_map() -> dict[str, dict[str, Any]]:
    """Give litellm's offline price map, or an empty one where there is none."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / MAP_FILE
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            log.warning("The price map %s can't be read (%s): prices are unknown.", path, error)
            continue
        if isinstance(data, dict):
            return {k: v for k, v in data.items() if isinstance(v, dict) and k != "sample_spec"}
    return {}


@lru_cache(maxsize=1)
def known_providers() -> frozenset[str]:
    """Give the names of providers that the map knows (``anthropic``, ``gemini``, …)."""
    return frozenset(
        str(v["litellm_provider"]) for v in price_map().values() if v.get("litellm_provider")
    )


@lru_cache(maxsize=512)
def lookup(model: str, provider: str = "") -> Entry | None:
    """Find a model in the map by its full name, ``provider/model``, or its bare name.

    Args:
        model: as a person would write it, with or without a provider in front.
        provider: the only provider whose entry is meant; empty for any.
    """
    entries = price_map()
    prefix, _, bare = model.partition("/")
    names = [model]
    if provider:
        names.insert(0, f"{provider}/{model}")
    if bare and prefix in known_providers():
        names.append(bare)
        provider = provider or prefix
    for name in names:
        data = entries.get(name)
        if data is None:
            continue
        owner = str(data.get("litellm_provider", ""))
        if provider and owner != provider and not owner.startswith(provider):
            continue
        return Entry(
            name=name,
            provider=owner,
            mode=str(data.get("mode", "")),
            window=_int(data.get("max_input_tokens")) or _int(data.get("max_tokens")),
            max_output=_int(data.get("max_output_tokens")),
            input_price=_float(data.get("input_cost_per_token")),
            output_price=_float(data.get("output_cost_per_token")),
            cached_price=_float(data.get("cache_read_input_token_cost")),
            supports_schema=bool(data.get("supports_response_schema")),
        )
    return None


def cost_of(
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    input_price: float | None,
    output_price: float | None,
    cached_price: float | None = None,
) -> float | None:
    """Give the price of a call in US dollars, None where a price that matters is unknown."""
    if input_price is None or output_price is None:
        return None
    cached = min(cached_tokens, input_tokens)
    cheap = input_price if cached_price is None else cached_price
    return (input_tokens - cached) * input_price + cached * cheap + output_tokens * output_price


def bill(
    input_tokens: int = 0,
    output_tokens: int = 0,
    cached_tokens: int = 0,
    cost: float | None = None,
    seconds: float = 0.0,
) -> Usage:
    """Give the usage of one call."""
    return Usage(input_tokens, output_tokens, cached_tokens, cost, cost or 0.0, 1, seconds)


def _int(value: Any) -> int | None:
    try:
        return int(value) if value else None
    except (TypeError, ValueError):
        return None


def _float(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
