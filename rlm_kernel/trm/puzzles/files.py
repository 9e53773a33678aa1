"""Puzzles of files such as the public Sudoku-Extreme and Maze-Hard: ``train.csv``, ``test.csv``.

A file begins with the names of its columns; ``question`` and ``answer`` are read, each all cells of
a grid in one text. It is read row by row, and of many rows a sample is taken.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import ConfigError
from .symmetry import Cells
from .task import Task

_SPARE = 1_000  # rows that are taken besides, for those that are of a class that is left out
_Row = tuple[int, str, str]  # its line, question, answer


def learned_and_held(
    kind: Task, folder: Path | str, count: int, held: int, seed: int
) -> tuple[tuple[Cells, Cells], tuple[Cells, Cells], frozenset[bytes]]:
    """Give puzzles to learn from, of ``train.csv``, and others, of other classes, held out.

    These are of ``train.csv`` as well where it has as many besides, else of ``test.csv``.

    Args:
        kind: of puzzles.
        folder: of the two files.
        count: to learn from; all where there are fewer.
        held: how many are held out at most.
        seed: says which.

    Returns:
        Puzzles and solutions of both, and the keys of the classes that are learned from.

    Raises:
        ConfigError: a file can't be read, or a row isn't right.
    """
    train = file_of(folder, "train")
    puzzles, solutions = sample(kind, train, count + held, seed)
    learned = puzzles[:count], solutions[:count]
    keys = frozenset(map(kind.key, learned[0]))
    others = [at for at in range(count, len(puzzles)) if kind.key(puzzles[at]) not in keys]
    if len(others) < held:
        return learned, sample(kind, file_of(folder, "test"), held, seed, keys), keys
    return learned, (puzzles[others], solutions[others]), keys


def file_of(path: Path | str, name: str) -> Path:
    """Give the file of this name in a folder; a file is itself."""
    path = Path(os.path.expanduser(path))
    return path / f"{name}.csv" if path.is_dir() else path


def sample(
    kind: Task, path: Path, count: int, seed: int, without: frozenset[bytes] = frozenset()
) -> tuple[Cells, Cells]:
    """Give some of a file's puzzles and their solutions, each looked at by the rules.

    Args:
        kind: of puzzles.
        path: of the file.
        count: how many at most.
        seed: says which.
        without: keys of classes that aren't to be among them.

    Returns:
        Two arrays (count, cells).

    Raises:
        ConfigError: the file can't be read, or a row isn't right.
    """
    puzzles: list[list[int]] = []
    solutions: list[list[int]] = []
    for row in _some(path, count + (_SPARE if without else 0), seed):
        puzzle, solution = _read(kind, path, row)
        if without and kind.key(np.array(puzzle)) in without:
            continue
        puzzles.append(puzzle)
        solutions.append(solution)
        if len(puzzles) == count:
            break
    if not puzzles:
        raise ConfigError(f"{path} has no puzzle but those of classes that were learned from.")
    return np.array(puzzles, np.uint8), np.array(solutions, np.uint8)


def _some(path: Path, most: int, seed: int) -> list[_Row]:
    """Give some rows, all equally likely, in an order of chance; all where there aren't more."""
    rng = random.Random(seed)
    kept: list[_Row] = []
    for number, row in enumerate(_rows(path)):
        if number < most:
            kept.append(row)
        elif (at := rng.randrange(number + 1)) < most:
            kept[at] = row
    if not kept:
        raise ConfigError(f"{path} has no puzzles, only the names of its columns.")
    rng.shuffle(kept)
    return kept


def _rows(path: Path) -> Iterator[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = next(reader, None)
            if names is None:
                raise ConfigError(f"{path} is empty.")
            if not {"question", "answer"} <= set(names):
                raise ConfigError(
                    f"{path} begins with {','.join(names)[:60]!r}, not with the names of its "
                    "columns: source,question,answer,rating."
                )
            question, answer = names.index("question"), names.index("answer")
            for row in filter(None, reader):  # an empty line is none
                if len(row) != len(names):
                    raise ConfigError(
                        f"Line {reader.line_num} of {path} has {len(row)} columns, not "
                        f"{len(names)}."
                    )
                yield reader.line_num, row[question], row[answer]
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} isn't a CSV file in UTF-8 ({error}).") from error


def _read(kind: Task, path: Path, row: _Row) -> tuple[list[int], list[int]]:
    line, question, answer = row
    try:
        puzzle, grid = kind.read(question), kind.cells(answer)
        if len(grid) != kind.length:
            raise ConfigError(f"A {kind.name} has {kind.length} cells, its answer {len(grid)}.")
        verdict = kind.check(puzzle, grid)
        if not verdict.solved:
            raise ConfigError(f"Its answer isn't the solution. {verdict.said}")
    except ConfigError as error:
        raise ConfigError(f"Line {line} of {path} is no {kind.name}: {error}") from None
    return puzzle, grid
