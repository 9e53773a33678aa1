"""Models by name: the paper's, and small ones that are trained on a laptop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ConfigError
from ._numbers import number, whole
from .config import Config


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Args:
        batch: puzzles at once.
        lr: the size of a step, after ``warmup`` of them.
        weight_decay: times ``lr``, at each step.
        puzzle_lr: of the puzzle embedding's steps; its weight decay is the same.
        betas: of AdamATan2.
        warmup: steps in which ``lr`` is reached.
        ema: decay of the running mean, which is what is evaluated.
        explore: probability that a puzzle has to go on for some steps, whatever the halt says.
        puzzles: how many there are to learn from.
        minutes: that it takes on two cores to get where its card says.
        updates: in place of minutes; 0: the minutes count.
        augmentations: of a task of ARC, besides itself.
    """

    batch: int = 768
    lr: float = 1e-4
    weight_decay: float = 1.0
    puzzle_lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: int = 2_000
    ema: float = 0.999
    explore: float = 0.1
    puzzles: int = 1_000
    minutes: float = 60.0
    updates: int = 0
    augmentations: int = 1_000

    def __post_init__(self) -> None:
        for name in ("batch", "puzzles", "warmup"):
            whole(f"{name} of a recipe", getattr(self, name), 1)
        for name in ("lr", "weight_decay", "puzzle_lr"):
            number(f"{name} of a recipe", getattr(self, name), 0, 1e9)
        for name, value in (("ema", self.ema), *(("betas", beta) for beta in self.betas)):
            number(f"{name} of a recipe", value, 0, 1)


@dataclass(frozen=True, slots=True)
class Preset:
    """A model by name.

    Args:
        name: its name.
        task: what it solves.
        config: its sizes.
        recipe: how it is trained.
    """

    name: str
    task: str
    config: Config
    recipe: Recipe


def _small(name: str, vocab: int, length: int, width: int, steps: int, recipe: Recipe) -> Preset:
    config = Config(vocab=vocab, length=length, width=width, slots=4, expansion=2.0, multiple=32,
                    outer=2, inner=3, steps=steps)  # fmt: skip
    return Preset(name, name, config, recipe)


_PAPER = Recipe(updates=65_104)
_ALL = (
    _small("sudoku4", 6, 16, 64, 4, Recipe(64, 2e-3, 0.1, 2e-3, warmup=100, ema=0.995, minutes=1)),
    _small("sudoku6", 8, 36, 96, 8,
           Recipe(64, 1.5e-3, 0.1, 1.5e-3, warmup=100, ema=0.995, minutes=5)),
    _small("sudoku9", 11, 81, 128, 8,
           Recipe(48, 1e-3, 0.1, 1e-3, warmup=200, ema=0.998, puzzles=4_000, minutes=60)),
    _small("maze9", 6, 81, 64, 8,
           Recipe(64, 2e-3, 0.1, 2e-3, warmup=100, ema=0.995, puzzles=4_000, minutes=20)),
    # The paper's, with the reference's numbers of updates: 50,000 times 1,000 puzzles, and 100,000
    # times all tasks. ``arc`` gets one embedding for each task and augmentation from its data.
    Preset("sudoku-extreme", "sudoku-extreme", Config(11, 81), _PAPER),
    Preset("sudoku-extreme-attention", "sudoku-extreme", Config(11, 81, mixer="attention"), _PAPER),
    Preset("maze-hard", "maze-hard", Config(6, 900, mixer="attention", inner=4), _PAPER),
    Preset("arc", "arc", Config(12, 900, mixer="attention", inner=4),
           Recipe(weight_decay=0.1, puzzle_lr=1e-2, updates=500_000)),
)  # fmt: skip
PRESETS = {preset.name: preset for preset in _ALL}


def without_recursion(made: Preset) -> Preset:
    """Give the same network, trained in the same way, that is applied once."""
    config = replace(made.config, outer=1, inner=0, steps=1)
    return replace(made, name=f"{made.name}-once", config=config)


def preset(name: str) -> Preset:
    """Give a model's sizes and how it is trained, by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"There is no model {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]
