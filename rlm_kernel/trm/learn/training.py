"""Training: updates until the time is up, the best kept, and to be gone on with bit for bit."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..outcomes import Outcomes
from ..presets import Preset
from ..report import Report
from .data import ArcData, Asked, Data, data_of
from .device import device_of
from .group import Group
from .losses import NOT_ASKED
from .model import Model
from .optim import AdamATan2, Mean, sign_sgd
from .slots import Slots, at_least

_POSITIONS = 3_200  # of a shard on a CPU: of the paper's Sudoku 33 puzzles
_ASKED_AT_ONCE = 64
_REPORTED = 200  # updates between reports, where it is trained by their number


@dataclass(frozen=True, slots=True)
class Machine:
    """Where training is computed and how; what is learned is the same but for rounding.

    Args:
        device: such as ``"cuda"``.
        shards: parts of a batch that are computed one after another, on a CPU two at a time: with
            more of them it takes less memory. 0: on a CPU as many as keep each small, else one.
        bf16: products in bfloat16, all else in float32.
        compile: whether ``torch.compile`` makes the cycle faster, after some time of its own.
    """

    device: str = "cpu"
    shards: int = 0
    bf16: bool = False
    compile: bool = False


class _Learned(NamedTuple):
    """What an update is made of, from a shard: loss, gradients, rows used, and theirs."""

    loss: Tensor
    grads: list[Tensor]
    rows: Tensor
    of_rows: Tensor


class Trainer:
    """Trains one model.

    Args:
        preset: its sizes and how.
        seed: of the puzzles, of the weights and of chance.
        machine: where it is computed.
        data: what it learns from; None: what the recipe says.
    """

    def __init__(
        self, preset: Preset, seed: int = 0, machine: Machine | None = None,
        data: Data | ArcData | None = None,
    ) -> None:  # fmt: skip
        self.data = data or data_of(preset, seed)
        config = replace(preset.config, puzzles=self.data.rows)
        self.preset, self.seed = replace(preset, config=config), seed
        self.recipe = r = preset.recipe
        self.machine = machine or Machine()
        self.group = Group(self.machine.device)
        self.device = device_of(self.group.device(self.machine.device))
        self.numbers = np.random.default_rng(seed)
        self.chance = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = Model(config).to(self.device)
        # The same weights, for evaluation: each of its shapes would be compiled anew.
        self._eager = copy(self.model)
        if self.machine.compile:
            torch.compiler.reset()  # which counts what it compiles, and stops at eight in a process
            self.model.cycle = torch.compile(self.model.cycle, dynamic=False)
        self.named = dict(self.model.named_parameters())
        # Of these as many rows are learned in an update as there are puzzles in a batch, and they
        # have no running mean: there may be a million.
        self.embeddings = self.named.pop("puzzle_emb.weights")
        self.adam = AdamATan2(self.named.values(), r.lr, r.betas, r.weight_decay)
        self.mean = Mean(self.named, r.ema)
        self.rows = self.group.rows(r.batch)
        mine = self.rows.stop - self.rows.start
        self.beside = 2 if self.device == "cpu" and not self.group.several else 1
        wanted = self.machine.shards
        if not wanted:
            large = mine * config.positions / _POSITIONS if self.device == "cpu" else 1
            wanted = self.beside * math.ceil(large / self.beside)
        wanted = max(1, min(wanted, mine))
        self.cuts = [mine * i // wanted for i in range(wanted + 1)]
        self.shards = [Slots.empty(self.model, end - start) for start, end in pairwise(self.cuts)]
        self.updates = 0
        self.seconds = self.core_seconds = 0.0
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.since: list[Any] = [0.0, 0]  # loss and updates since the last report
        self.curve: list[list[float]] = []  # seconds, updates, loss, exact after first and last
        self._pool = ThreadPoolExecutor(self.beside, "trm-shard")
        self._begun = False

    def update(self) -> None:
        """Learn from one step of all slots."""
        r = self.recipe
        # All processes draw for all rows, and each takes its own.
        found = self.data.batch(r.batch, self.numbers)
        least = at_least(r.batch, self.preset.config.steps, r.explore, self.chance)
        drawn = [*map(torch.from_numpy, (found.cells, found.labels, found.rows)), least]
        mine = [self._sent(part[self.rows]) for part in drawn]
        shares = [[part[start:end] for part in mine] for start, end in pairwise(self.cuts)]
        # The first update compiles: it isn't done in two threads at once.
        each = self._pool.map if self._begun else map
        self._begun = True
        done = list(each(self._learn, self.shards, *zip(*shares, strict=True)))
        params = list(self.named.values())
        whole = torch.stack([torch.cat([g.flatten() for g in one.grads]) for one in done]).sum(0)
        self.group.sum(whole)
        rows, of_rows = (self.group.whole(torch.cat(parts)) for parts in
                         ([one.rows for one in done], [one.of_rows for one in done]))  # fmt: skip
        for p, grad in zip(params, whole.split([p.numel() for p in params]), strict=True):
            p.grad = grad.view_as(p)
        self.updates += 1
        share = min(1.0, self.updates / r.warmup)
        self.adam.param_groups[0]["lr"] = r.lr * share
        self.adam.step()
        sign_sgd(self.embeddings, rows, of_rows, r.puzzle_lr * share, r.weight_decay)
        self.mean.update(self.named)
        # Of a device it is asked in the next report: to ask now would wait for it.
        self.since[0] = self.since[0] + sum(one.loss for one in done) / self.cuts[-1]
        self.since[1] += 1

    def _learn(
        self, slots: Slots, cells: Tensor, labels: Tensor, puzzle: Tensor, least: Tensor
    ) -> _Learned:
        slots.refill(self.model, cells, labels, puzzle)
        first = self.embeddings.detach()[slots.puzzle].requires_grad_()
        with self._precision():
            loss = slots.step(self.model, first, least)
        total = loss.total / self.recipe.batch
        *grads, of_rows = torch.autograd.grad(total, [*self.named.values(), first])
        return _Learned(loss.total.detach(), grads, slots.puzzle, of_rows)

    def _sent(self, part: Tensor) -> Tensor:
        # From pinned memory, so that nothing waits until it is there.
        if torch.device(self.device).type == "cuda":
            return part.contiguous().pin_memory().to(self.device, non_blocking=True)
        return part.to(self.device)

    def train(self, seconds: float, every: float = 15.0, updates: int = 0) -> Iterator[Report]:
        """Train for so long, with reports on the way and at the end.

        Args:
            seconds: of training, those before included; it stops within one update of them.
            every: seconds between reports.
            updates: in all, in place of the seconds: with as many it comes out the same again, and
                so there is a report after each sixtieth of them, at most ``_REPORTED``.
        """
        most = updates or math.inf
        until = math.inf if updates else seconds
        following = self.seconds + every
        apart = min(max(updates // 60, 1), _REPORTED)
        with self.threads():
            while self.seconds < until and self.updates < most:
                began, cpu = time.perf_counter(), time.process_time()
                self.update()
                self.core_seconds += time.process_time() - cpu
                self.seconds += time.perf_counter() - began
                if not updates:  # all go by the first one's watch: they stop at the same update
                    self.seconds = self.group.first(self.seconds)
                due = not self.updates % apart if updates else self.seconds >= min(following, until)
                if due or self.updates >= most:
                    following = self.seconds + every
                    yield self.report()

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Give each shard that is computed cores of its own: torch's setting, put back at the end.

        So it was 1.5 to 1.8 times as fast as with each product on all cores: between small
        products, cores wait for one another.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // (self.beside * self.group.here)))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def report(self) -> Report:
        """Evaluate the running mean on what is held out; keep it if it is the best so far."""
        found, cells = self.outcomes(self.data.held)
        exact = found.exact
        if self.best is None or exact[-1] >= self.best[0]:
            kept = {name: value.detach().clone() for name, value in self.mean_state().items()}
            self.best = (exact[-1], kept)
        loss = float(self.since[0]) / max(self.since[1], 1)
        self.since = [0.0, 0]
        told = (round(self.seconds, 1), self.updates, round(loss, 4), exact[0], exact[-1])
        self.curve.append(list(told))
        return Report(self.updates, self.seconds, loss, exact, cells, self.best[0])

    def outcomes(
        self, asked: Asked, best: bool = False
    ) -> tuple[Outcomes, tuple[float, ...]]:
        """Give what becomes of puzzles, and the share of cells that are right after each step.

        Args:
            asked: the puzzles.
            best: whether by the best weights so far, not by the running mean.
        """
        most = self.preset.config.steps

        def look(at: int) -> tuple[Tensor, ...]:
            some = slice(at, at + _ASKED_AT_ONCE)
            labels = self._sent(torch.from_numpy(asked.labels[some]))
            wanted = labels != NOT_ASKED
            found = []
            with self._precision():
                for answers, halts in self._eager.answers(
                    asked.cells[some], asked.rows[some], most
                ):
                    same = answers == labels
                    right, hits = (same | ~wanted).all(1), (same & wanted).sum(1)
                    found.append((right, hits, halts.float()))
            return tuple(torch.stack(each) for each in zip(*found, strict=True))

        with self._weights(self.best[1] if best and self.best else self.mean_state()):
            parts = list(self._pool.map(look, range(0, len(asked.cells), _ASKED_AT_ONCE)))
        right, hits, halts = (torch.cat(each, 1).cpu().numpy() for each in zip(*parts, strict=True))
        of_cells = hits.sum(1) / (asked.labels != NOT_ASKED).sum()
        return Outcomes(right, halts), tuple(of_cells.tolist())

    def _precision(self) -> torch.autocast:
        # Threads beside one another would share the cache of the weights in bfloat16, and fill it
        # for one another in any order.
        return torch.autocast(
            torch.device(self.device).type, torch.bfloat16, enabled=self.machine.bf16,
            cache_enabled=self.beside == 1,
        )  # fmt: skip

    @contextmanager
    def _weights(self, state: dict[str, Tensor]) -> Iterator[None]:
        """Put other weights into the model for a while; nothing is copied."""
        params = dict(self.model.named_parameters())
        before = {name: p.data for name, p in params.items()}
        try:
            for name, p in params.items():
                p.data = state[name].data
            yield
        finally:
            for name, p in params.items():
                p.data = before[name]

    def slots(self) -> Slots:
        """Give the slots of all processes and shards as one."""
        states = [shard.state() for shard in self.shards]
        joined = {name: torch.cat([state[name] for state in states]) for name in states[0]}
        return Slots.of({name: self.group.whole(value) for name, value in joined.items()})

    def put_slots(self, whole: Slots) -> None:
        """Take from the slots of all what is this process's."""
        state = {name: value[self.rows].to(self.device) for name, value in whole.state().items()}
        self.shards = [
            Slots.of({name: value[start:end] for name, value in state.items()})
            for start, end in pairwise(self.cuts)
        ]

    def checkpoint(self) -> Checkpoint:
        """Give the best weights so far with a card: data, seed, minutes, accuracy by step."""
        if self.best is None:
            self.report()
        assert self.best is not None
        held, cells = self.outcomes(self.data.held, best=True)
        limit = held.limit()
        card = {
            "preset": self.preset.name, "seed": self.seed, **self.data.card,
            "held_out": len(self.data.held.cells), "updates": self.updates,
            "minutes": round(self.seconds / 60, 2),
            "core_minutes": round(self.core_seconds / 60, 2), "exact": held.exact,
            "cells": cells, "halted": held.halted(limit), "curve": self.curve,
        }  # fmt: skip
        state = {name: value.cpu().numpy() for name, value in self.best[1].items()}
        config = self.preset.config
        return Checkpoint(self.preset.task, config, state, card, self.data.seen, limit)

    def mean_state(self) -> dict[str, Tensor]:
        return {**self.model.state_dict(), **self.mean.shadow}
