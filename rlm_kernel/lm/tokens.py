"""Counting tokens without a tokenizer: fast enough to be done before every call.

``estimate`` is near the truth (±30 % on prose, code and tables); ``upper`` is meant not to be
exceeded and is what a budget sets aside. Both look at a few samples of a long text only.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from functools import lru_cache

from ..protocol import Message

_LETTERS = string.ascii_letters.encode()
_BLANKS = b" \t"
_SAMPLES = 4
_SAMPLE = 4096
_KEPT = 20_000  # characters of the longest text whose count is kept
_PER_MESSAGE = 8  # role, separators; real templates need 3 to 7


def estimate(text: str) -> int:
    """Give about how many tokens a text is."""
    return _estimate_kept(text) if len(text) <= _KEPT else _estimate(text)


def _estimate(text: str) -> int:
    return _count(text, 4.6, 0.55, 0.33, 3.0)


def upper(text: str) -> int:
    """Give a number of tokens that a text shouldn't exceed, whatever the tokenizer."""
    return _upper_kept(text) if len(text) <= _KEPT else _upper(text)


def _upper(text: str) -> int:
    counted = _count(text, 2.5, 1.0, 1.0, 1.5)
    return counted if len(text) <= _SAMPLES * _SAMPLE else counted * 11 // 10


# A chat is counted before every turn, and all of it but the newest message was counted before.
_upper_kept = lru_cache(maxsize=1024)(_upper)  # 20 MB at most
_estimate_kept = lru_cache(maxsize=1024)(_estimate)  # the same texts


def estimate_messages(messages: Iterable[Message]) -> int:
    """Give about how many tokens a chat is."""
    return sum(estimate(m["content"]) + _PER_MESSAGE for m in messages) + _PER_MESSAGE


def upper_messages(messages: Iterable[Message]) -> int:
    """Give a number of tokens that a chat shouldn't exceed."""
    return sum(upper(m["content"]) + _PER_MESSAGE for m in messages) + _PER_MESSAGE


def _count(text: str, word: float, sign: float, wide: float, dense: float) -> int:
    """Count by kinds: letters a token (in words, in dense runs), per sign, per non-ASCII byte."""
    if not text:
        return 0
    size = len(text)
    if size <= _SAMPLES * _SAMPLE:
        sample = text
    else:
        step = (size - _SAMPLE) // (_SAMPLES - 1)
        sample = "".join(text[i * step : i * step + _SAMPLE] for i in range(_SAMPLES))
    data = sample.encode("utf-8", "surrogatepass")
    rest = len(data.translate(None, _LETTERS))
    blanks = len(data) - len(data.translate(None, _BLANKS))
    letters = len(data) - rest
    # Every byte past the first of a character is non-ASCII, and so is that first byte.
    extra = len(data) - len(sample)
    wide_bytes = 0 if not extra else len(data) - len(data.translate(None, _HIGH))
    signs = rest - blanks - wide_bytes
    # Without blanks it isn't words: base64, identifiers, genomes break into shorter pieces.
    per_token = word if blanks * 20 >= len(data) or len(data) < 64 else dense
    tokens = letters / per_token + signs * sign + wide_bytes * wide + blanks * 0.06
    return int(tokens * size / len(sample)) + 1


_HIGH = bytes(range(128, 256))
