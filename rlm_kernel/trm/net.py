"""The network in numpy: what solves a puzzle, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._blas import one_thread
from .config import Config

Array = NDArray[Any]
EPS = 1e-5


class Net:
    """A network with its weights.

    Args:
        config: its sizes.
        state: the weights by the reference's names, without their ``inner.``.
        dtype: what it computes with.
    """

    def __init__(self, config: Config, state: Mapping[str, Array], dtype: Any = np.float32) -> None:
        self.config = config
        self.dtype = np.dtype(dtype)
        # Transposed once: a product with a row-major matrix is what BLAS does best.
        self._w = {name: np.ascontiguousarray(np.asarray(value, self.dtype).T)
                   for name, value in state.items()}  # fmt: skip
        self._emb = np.asarray(state["embed_tokens.embedding_weight"], self.dtype)
        self._puzzles = np.asarray(state["puzzle_emb.weights"], self.dtype)
        self._rope = None if config.mixer == "mlp" else _rotations(config, self.dtype)

    def embed(self, cells: Array, puzzle: Array | None = None) -> Array:
        """Give x: (batch, positions, width) of symbols (batch, length)."""
        c = self.config
        batch = len(cells)
        x = np.zeros((batch, c.positions, c.width), self.dtype)
        x[:, 0] = self._puzzles[np.zeros(batch, int) if puzzle is None else puzzle]
        x[:, c.slots :] = self._emb[cells]
        return x * self.dtype.type(c.width**0.5)

    def start(self, batch: int) -> tuple[Array, Array]:
        """Give the answer y and the latent z that it starts from."""
        shape = (batch, self.config.positions, self.config.width)
        y = np.broadcast_to(self._w["H_init"], shape).copy()
        return y, np.broadcast_to(self._w["L_init"], shape).copy()

    def apply(self, h: Array) -> Array:
        """Apply the network once."""
        for layer in range(self.config.layers):
            at = f"L_level.layers.{layer}."
            if self._rope is None:
                t = h.swapaxes(1, 2)
                h = _rms(t + self._swiglu(f"{at}mlp_t.", t)).swapaxes(1, 2)
            else:
                h = _rms(h + self._attention(f"{at}self_attn.", h))
            h = _rms(h + self._swiglu(f"{at}mlp.", h))
        return h

    def cycle(self, x: Array, y: Array, z: Array, inner: int = 0) -> tuple[Array, Array]:
        """Refine the latent ``inner`` times (0: as often as in training), then the answer once."""
        with one_thread():
            if not self.config.inner:
                return self.apply(z + (y + x)), z
            for _ in range(inner or self.config.inner):
                z = self.apply(z + (y + x))
            return self.apply(y + z), z

    def heads(self, y: Array) -> tuple[Array, Array]:
        """Give the logits of the cells (batch, length, vocab) and of the halt (batch,)."""
        logits = y[:, self.config.slots :] @ self._w["lm_head.weight"]
        q = y[:, 0] @ self._w["q_head.weight"] + self._w["q_head.bias"]
        return logits, q[:, 0]

    def _swiglu(self, at: str, h: Array) -> Array:
        both = h @ self._w[f"{at}gate_up_proj.weight"]
        gate, up = np.split(both, 2, axis=-1)
        silu = gate * (0.5 * (1 + np.tanh(0.5 * gate)))  # which doesn't overflow
        return (silu * up) @ self._w[f"{at}down_proj.weight"]

    def _attention(self, at: str, h: Array) -> Array:
        c, (batch, length, _) = self.config, h.shape
        qkv = (h @ self._w[f"{at}qkv_proj.weight"]).reshape(batch, length, 3, c.heads, -1)
        q, k, v = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))
        assert self._rope is not None
        cos, sin = self._rope
        q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
        scores = q @ k.swapaxes(-1, -2) / self.dtype.type((c.width // c.heads) ** 0.5)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        return mixed.swapaxes(1, 2).reshape(batch, length, -1) @ self._w[f"{at}o_proj.weight"]


def _rms(h: Array) -> Array:
    return h / np.sqrt(np.mean(h * h, -1, keepdims=True) + h.dtype.type(EPS))


def _rotations(config: Config, dtype: Any) -> tuple[Array, Array]:
    width = config.width // config.heads
    speeds = 1.0 / 10_000.0 ** (np.arange(0, width, 2) / width)
    angles = np.outer(np.arange(config.positions), speeds)
    angles = np.concatenate([angles, angles], -1)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def _rotated(h: Array, cos: Array, sin: Array) -> Array:
    a, b = np.split(h, 2, axis=-1)
    return h * cos + np.concatenate([-b, a], -1) * sin
