"""The sizes of a Tiny Recursive Model, and those of the paper by name.

The model is that of "Less is More: Recursive Reasoning with Tiny Networks" (Jolicoeur-Martineau,
2025, arXiv 2510.04871).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from ..errors import ConfigError
from ._numbers import number, whole

_MOST = 1_000  # times that something is done again: a file can ask for what would never end
PAPER_STEPS = 16  # of a puzzle, in training and after
Mixer = Literal["mlp", "attention"]


@dataclass(frozen=True, slots=True)
class Config:
    """What a network is made of and how often it is applied.

    Args:
        vocab: how many symbols a cell can have.
        length: cells of a puzzle.
        width: of a cell's vector.
        mixer: what lets cells see one another: an MLP over positions, or attention with rotary
            embeddings.
        layers: blocks of the network.
        heads: of the attention.
        slots: vectors in front of the cells; the first has the puzzle's embedding, and there the
            halt is read.
        expansion: of the SwiGLUs.
        multiple: their inner width is rounded up to a multiple of this.
        puzzles: rows of the puzzle embedding.
        outer: times that the answer is refined in a step (T in the paper).
        inner: times that the latent is refined for each of them (n in the paper); 0: there is no
            recursion, the network is applied once to the sum of question, answer and latent.
        steps: supervision steps of a puzzle in training, at most (N_sup in the paper).
    """

    vocab: int
    length: int
    width: int = 512
    mixer: Mixer = "mlp"
    layers: int = 2
    heads: int = 8
    slots: int = 16
    expansion: float = 4.0
    multiple: int = 256
    puzzles: int = 1
    outer: int = 3
    inner: int = 6
    steps: int = PAPER_STEPS

    def __post_init__(self) -> None:
        whole("inner of a model", self.inner, 0, _MOST)
        for name in ("vocab", "length", "width", "layers", "heads", "slots", "multiple", "puzzles"):
            whole(f"{name} of a model", getattr(self, name), 1)
        for name in ("outer", "steps"):
            whole(f"{name} of a model", getattr(self, name), 1, _MOST)
        number("expansion of a model", self.expansion, 0, 1_000)
        if self.mixer not in ("mlp", "attention"):
            raise ConfigError(f"A mixer is 'mlp' or 'attention', not {self.mixer!r}.")
        if self.mixer == "attention" and self.width % (2 * self.heads):
            raise ConfigError(
                f"A width of {self.width} can't be split into {self.heads} heads of even width."
            )

    @property
    def solving_steps(self) -> int:
        """Steps that a solve may take: at least the paper's 16, be it that training took fewer.

        A network that recurs goes on getting better when it thinks for longer than it ever did in
        training; one that doesn't was never trained to be asked again.
        """
        return max(self.steps, PAPER_STEPS) if self.inner else self.steps

    @property
    def positions(self) -> int:
        """Vectors that are mixed: slots and cells."""
        return self.slots + self.length

    def between(self, width: int) -> int:
        """Give the inner width of a SwiGLU over vectors of this width."""
        wanted = round(self.expansion * width * 2 / 3)
        return -(-wanted // self.multiple) * self.multiple

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shape of each tensor by the name that the reference's checkpoints have for it.

        ``H_init`` and ``L_init``, from which answer and latent start, are fixed: nothing learns
        them.
        """
        d = self.width
        shapes: dict[str, tuple[int, ...]] = {}
        shapes["H_init"] = shapes["L_init"] = (d,)
        shapes["embed_tokens.embedding_weight"] = (self.vocab, d)
        shapes["lm_head.weight"] = (self.vocab, d)
        shapes["q_head.weight"] = (2, d)
        shapes["q_head.bias"] = (2,)
        shapes["puzzle_emb.weights"] = (self.puzzles, d)
        for layer in range(self.layers):
            at = f"L_level.layers.{layer}."
            if self.mixer == "mlp":
                shapes |= _swiglu(f"{at}mlp_t.", self.positions, self.between(self.positions))
            else:
                shapes[f"{at}self_attn.qkv_proj.weight"] = (3 * d, d)
                shapes[f"{at}self_attn.o_proj.weight"] = (d, d)
            shapes |= _swiglu(f"{at}mlp.", d, self.between(d))
        return shapes

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(
            prod(shape) for name, shape in self.shapes().items() if name not in ("H_init", "L_init")
        )


def _swiglu(at: str, width: int, between: int) -> dict[str, tuple[int, ...]]:
    return {f"{at}gate_up_proj.weight": (2 * between, width),
            f"{at}down_proj.weight": (width, between)}  # fmt: skip
