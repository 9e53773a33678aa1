"""Training that is gone on with: all of it in one safetensors file, bit for bit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import ConfigError
from ...log.whole import written_whole
from ..checkpoint import read_tensors
from .slots import Slots
from .training import Trainer

_FORMAT = "rlm-kernel trm training 1"


def save_training(trainer: Trainer, path: Path) -> None:
    """Write how a training stands; a file that is there is replaced.

    Raises:
        ConfigError: it can't be written.
    """
    from safetensors.torch import save

    tensors = {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
    tensors |= {f"mean.{name}": value for name, value in trainer.mean.shadow.items()}
    for name, p in trainer.named.items():
        for key, value in trainer.adam.state.get(p, {}).items():
            if isinstance(value, Tensor):
                tensors[f"adam.{key}.{name}"] = value
    tensors |= {f"slots.{name}": value for name, value in trainer.slots().state().items()}
    tensors["chance"] = trainer.chance.get_state()
    if trainer.best is not None:
        tensors |= {f"best.{name}": value for name, value in trainer.best[1].items()}
    about = {
        "format": _FORMAT, "preset": trainer.preset.name, "seed": trainer.seed,
        "updates": trainer.updates, "seconds": trainer.seconds,
        "core_seconds": trainer.core_seconds, "curve": trainer.curve,
        "since": [float(trainer.since[0]), trainer.since[1]], "data": trainer.data.source,
        "made_of": _made_of(trainer),
        "best": trainer.best and trainer.best[0], "numbers": trainer.numbers.bit_generator.state,
    }  # fmt: skip
    whole = {name: value.contiguous() for name, value in tensors.items()}
    if trainer.group.rank:  # the first writes what was gathered from all
        return
    try:
        with written_whole(path) as file:
            file.write(save(whole, metadata={"about": json.dumps(about)}))
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}.") from error


def resume_training(trainer: Trainer, path: Path) -> None:
    """Take up what was written of a training with the same preset and seed.

    Raises:
        ConfigError: it isn't that, or it is damaged.
    """
    told, arrays = read_tensors(path)
    try:
        about: dict[str, Any] = json.loads(told.get("about", "{}"))
        if about.get("format") != _FORMAT:
            raise ConfigError(f"{path} isn't a training of rlm-kernel's that can be gone on with.")
        mine = (trainer.preset.name, trainer.seed)
        if (about["preset"], about["seed"]) != mine:
            raise ConfigError(
                f"{path} is of {about['preset']} with seed {about['seed']}, not of {mine[0]} with "
                f"seed {mine[1]}."
            )
        if about.get("data", "made") != trainer.data.source:
            raise ConfigError(f"{path} is of the data {about['data']}, not {trainer.data.source}.")
        if about["made_of"] != _made_of(trainer):
            raise ConfigError(
                f"{path} is of other puzzles or sizes, or of another recipe: it can't be gone on "
                "with here."
            )
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        chance = tensors.pop("chance")
        tensors = {name: value.to(trainer.device) for name, value in tensors.items()}
        trainer.model.load_state_dict(_of(tensors, "model."))
        mean = _of(tensors, "mean.")
        trainer.mean.shadow = {name: mean[name] for name in trainer.named}
        for name, p in trainer.named.items():
            if f"adam.m.{name}" in tensors:
                trainer.adam.state[p] = {
                    "step": about["updates"], "m": tensors[f"adam.m.{name}"],
                    "v": tensors[f"adam.v.{name}"],
                }  # fmt: skip
        trainer.put_slots(Slots.of(_of(tensors, "slots.")))
        trainer.chance.set_state(chance)
        trainer.numbers.bit_generator.state = about["numbers"]
        trainer.updates, trainer.seconds = int(about["updates"]), float(about["seconds"])
        trainer.core_seconds, trainer.curve = float(about["core_seconds"]), list(about["curve"])
        trainer.since = [float(about["since"][0]), int(about["since"][1])]
        best = about["best"]
        trainer.best = None if best is None else (float(best), _of(tensors, "best."))
    except ConfigError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
            RuntimeError) as error:  # fmt: skip
        said = str(error).splitlines()[0]
        raise ConfigError(f"What {path} has of a training can't be read ({said}).") from error


def _made_of(trainer: Trainer) -> dict[str, Any]:
    recipe = asdict(trainer.recipe)
    for name in ("minutes", "updates"):  # which say when it ends
        del recipe[name]
    found = {"config": asdict(trainer.preset.config), "recipe": recipe,
             "puzzles": trainer.data.digest}  # fmt: skip
    return dict(json.loads(json.dumps(found)))  # as the file has it


def _of(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in tensors.items()
            if name.startswith(start)}  # fmt: skip
