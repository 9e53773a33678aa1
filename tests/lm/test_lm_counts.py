"""Counting tokens and finding prices, without a tokenizer and without litellm."""

from __future__ import annotations

import base64
import importlib.util
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.lm import estimate, estimate_messages, pricing, upper
from rlm_kernel.lm.pricing import cost_of, lookup

_random = random.Random(5)
SAMPLES = {
    "prose": "The committee met on Tuesday and, after a long discussion, agreed to postpone. " * 60,
    "code": "    def settle(self, reservation: Any) -> None:\n        x[i] += 1\n" * 60,
    "table": "".join(f"{i},2024-03-{i % 28:02d},{i * 37 % 1000}.{i % 10},ok\n" for i in range(200)),
    "json": '{"id": 12, "name": "Ann", "tags": ["a", "b"], "nested": {"x": null}}\n' * 60,
    "base64": base64.b64encode(_random.randbytes(3000)).decode(),
    "hex": _random.randbytes(2000).hex(),
    "russian": "Комитет собрался во вторник и после долгого обсуждения решил отложить. " * 60,
    "chinese": "委员会星期二开会。经过长时间的讨论。决定推迟这个项目的最后期限。" * 60,
    "emoji": "😀🎉 ok 👍🏽 " * 100,
}


@pytest.fixture(scope="module")
def encoding() -> Any:
    """A real tokenizer, from the copy that litellm ships."""
    tiktoken = pytest.importorskip("tiktoken")
    spec = importlib.util.find_spec("litellm")
    folder = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
    for cache in (folder / "litellm_core_utils" / "tokenizers", folder / "llms" / "tokenizers"):
        if list(cache.glob("9b5ad*")):
            os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)
            return tiktoken.get_encoding("cl100k_base")
    pytest.skip("no offline tokenizer")


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_estimate_is_near_and_the_bound_is_above(kind: str, encoding: Any) -> None:
    text = SAMPLES[kind]
    real = len(encoding.encode(text))
    assert 0.5 * real <= estimate(text) <= 2.0 * real
    assert upper(text) >= real


def test_a_long_text_is_counted_by_samples(encoding: Any) -> None:
    text = SAMPLES["prose"] * 50 + SAMPLES["table"] * 50
    real = len(encoding.encode(text))
    assert 0.5 * real <= estimate(text) <= 2.0 * real
    assert upper(text) >= real


@given(st.text())
def test_the_bound_is_never_below_the_estimate(text: str) -> None:
    assert 0 <= estimate(text) <= upper(text) + 1
    assert upper(text) <= len(text.encode("utf-8", "surrogatepass")) + 1


def test_a_chat_is_more_than_its_texts() -> None:
    assert estimate_messages([{"role": "user", "content": "hi"}]) > estimate("hi")


def test_prices_are_found_by_full_and_bare_names() -> None:
    for name in ("gpt-5", "openai/gpt-5"):
        entry = lookup(name)
        assert entry is not None
        assert (entry.provider, entry.input_price, entry.window) == ("openai", 1.25e-6, 272_000)
    assert lookup("gpt-5", "groq") is None  # another provider's price isn't its
    assert lookup("gpt-none-of-them") is None
    assert lookup("sample_spec") is None


def test_cached_tokens_are_cheaper_where_a_price_says_so() -> None:
    assert cost_of(100, 10, 40, 1.0, 2.0, 0.1) == pytest.approx(60 + 4 + 20)
    assert cost_of(100, 10, 40, 1.0, 2.0) == pytest.approx(120)
    assert cost_of(100, 10, 0, None, 2.0) is None
    assert cost_of(0, 0, 0, 0.0, 0.0) == 0.0


def test_a_map_that_cannot_be_read_means_unknown_prices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / pricing.MAP_FILE).write_text("{broken")
    fake = importlib.util.find_spec("json")
    assert fake is not None
    monkeypatch.setattr(fake, "submodule_search_locations", [str(tmp_path)])
    monkeypatch.setattr(pricing.importlib.util, "find_spec", lambda name: fake)
    pricing.price_map.cache_clear()
    try:
        assert pricing.price_map() == {}
    finally:
        pricing.price_map.cache_clear()
