"""The network in torch, for training: the same weights by the same names as in ``trm.net``.

Hidden states are (positions, batch, width): there both products, over positions and over a cell's
vector, are of one matrix with all the rest, without a transposed copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..net import Array
from .device import device_of

EPS = 1e-5


class Linear(nn.Module):
    """A product without a bias; weights are LeCun-normal, cut at two deviations."""

    def __init__(self, inside: int, outside: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(_cut_normal((outside, inside), inside**-0.5))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None

    def forward(self, h: Tensor) -> Tensor:
        """Over the last axis."""
        return F.linear(h, self.weight, self.bias)

    def first(self, h: Tensor) -> Tensor:
        """Over the first axis."""
        return (self.weight @ h.flatten(1)).unflatten(1, h.shape[1:])


class SwiGLU(nn.Module):
    """Two gated products, over the last or the first axis."""

    def __init__(self, width: int, between: int) -> None:
        super().__init__()
        self.gate_up_proj = Linear(width, 2 * between)
        self.down_proj = Linear(between, width)

    def forward(self, h: Tensor) -> Tensor:
        """Over the last axis."""
        gate, up = self.gate_up_proj(h).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)

    def first(self, h: Tensor) -> Tensor:
        """Over the first axis."""
        gate, up = self.gate_up_proj.first(h).chunk(2, 0)
        return self.down_proj.first(F.silu(gate) * up)


class Attention(nn.Module):
    """Every position sees every other; rotary embeddings say where each is."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv_proj = Linear(config.width, 3 * config.width)
        self.o_proj = Linear(config.width, config.width)
        width = config.width // config.heads
        speeds = 10_000.0 ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)
        places = torch.arange(config.positions, dtype=torch.float32)
        angles = torch.outer(places, speeds).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Mix (positions, batch, width)."""
        parts = self.qkv_proj(h).unflatten(-1, (3, self.heads, -1)).permute(2, 1, 3, 0, 4)
        q, k, v = parts.unbind(0)
        q, k = self._rotated(q), self._rotated(k)
        mixed = F.scaled_dot_product_attention(q, k, v)  # (batch, heads, positions, …)
        return self.o_proj(mixed.permute(2, 0, 1, 3).flatten(2))

    def _rotated(self, h: Tensor) -> Tensor:
        a, b = h.chunk(2, -1)
        return (h * self.cos + torch.cat((-b, a), -1) * self.sin).to(h.dtype)


class Block(nn.Module):
    """Mixes positions, then each position's vector; the norms come last."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.mixer == "mlp":
            self.mlp_t = SwiGLU(config.positions, config.between(config.positions))
        else:
            self.self_attn = Attention(config)
        self.mlp = SwiGLU(config.width, config.between(config.width))
        self.mixes_by_mlp = config.mixer == "mlp"

    def forward(self, h: Tensor) -> Tensor:
        """Give what the next block gets."""
        if self.mixes_by_mlp:
            h = _rms(h + self.mlp_t.first(h), 0)
        else:
            h = _rms(h + self.self_attn(h), -1)
        return _rms(h + self.mlp(h), -1)


class _Table(nn.Module):
    def __init__(self, name: str, value: Tensor) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(value))


class _Stack(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))


class Model(nn.Module):
    """One network that refines a latent and an answer.

    Args:
        config: its sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("H_init", _cut_normal((width,), 1.0))
        self.register_buffer("L_init", _cut_normal((width,), 1.0))
        self.embed_tokens = _Table(
            "embedding_weight", _cut_normal((config.vocab, width), width**-0.5)
        )
        self.lm_head = Linear(width, config.vocab)
        self.q_head = Linear(width, 2, bias=True)
        with torch.no_grad():
            self.q_head.weight.zero_()
            self.q_head.bias.fill_(-5.0)  # type: ignore[union-attr]
        self.puzzle_emb = _Table("weights", torch.zeros(config.puzzles, width))
        self.L_level = _Stack(config)

    def embed(self, cells: Tensor, puzzle: Tensor) -> Tensor:
        """Give x, (positions, batch, width), of symbols (batch, length) and the puzzles' rows."""
        return self.embed_with(cells, self.puzzle_emb.weights[puzzle])

    def embed_with(self, cells: Tensor, first: Tensor) -> Tensor:
        """Give x of symbols and of the embeddings of the puzzles, (batch, width)."""
        c = self.config
        of_cells = F.embedding(cells.T, self.embed_tokens.embedding_weight)
        empty = of_cells.new_zeros((c.slots - 1, len(cells), c.width))
        return torch.cat((first[None], empty, of_cells)) * c.width**0.5

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Give the answer y and the latent z that it starts from."""
        shape = (self.config.positions, batch, self.config.width)
        return self.H_init.expand(shape), self.L_init.expand(shape)

    def apply_once(self, h: Tensor) -> Tensor:
        """Apply the network once."""
        for layer in self.L_level.layers:
            h = layer(h)
        return h

    def cycle(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Refine the latent ``inner`` times, then the answer once."""
        if not self.config.inner:
            return self.apply_once(z + (y + x)), z
        for _ in range(self.config.inner):
            z = self.apply_once(z + (y + x))
        return self.apply_once(y + z), z

    def heads(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logits of the cells (batch, length, vocab) and of the halt (batch,)."""
        logits = self.lm_head(y[self.config.slots :]).transpose(0, 1)
        return logits, self.q_head(y[0])[:, 0]

    def step(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Do a supervision step; gradients go through its last cycle only."""
        with torch.no_grad():
            for _ in range(self.config.outer - 1):
                y, z = self.cycle(x, y, z)
        return self.cycle(x, y, z)

    @torch.no_grad()
    def answers(self, cells: Array, puzzle: Array, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the answers (batch, length) and the halts' logits after each of so many steps."""
        at = self.H_init.device
        x = self.embed(torch.from_numpy(cells).to(at), torch.from_numpy(puzzle).to(at))
        y, z = self.start(len(cells))
        for _ in range(steps):
            y, z = self.step(x, y, z)
            logits, halts = self.heads(y)
            yield logits.argmax(-1), halts


def on_device(config: Config, state: Mapping[str, Array], device: str) -> Model:
    """Give a network with its weights on a device.

    Raises:
        ConfigError: there is no such device.
    """
    device = device_of(device)
    model = Model(config)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return model.to(device)


def _rms(h: Tensor, over: int) -> Tensor:
    return h * torch.rsqrt(h.square().mean(over, keepdim=True) + EPS)


def _cut_normal(shape: tuple[int, ...], deviation: float) -> Tensor:
    # A normal that is cut at two deviations has 0.8796 of its deviation: made up for, as in jax.
    value = torch.empty(shape)
    nn.init.trunc_normal_(value, 0.0, 1.0, -2.0, 2.0)
    return value * (deviation / 0.87962566103423978)
