"""Mazes with one shortest path: made, checked, turned and mirrored."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

WALL, OPEN, START, GOAL, PATH = range(1, 6)  # 0 stands for no cell, as in the paper's mazes
SIGNS = " #.SGo"


@dataclass(frozen=True)
class Grid:
    """A square of cells, each with up to four beside it.

    Args:
        size: cells of a side.
    """

    size: int
    beside: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        n = self.size
        beside = tuple(
            tuple(
                r * n + c
                for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1))
                if 0 <= r < n and 0 <= c < n
            )
            for row in range(n) for col in range(n)
        )  # fmt: skip
        object.__setattr__(self, "beside", beside)

    def shortest(self, maze: Sequence[int]) -> tuple[int, int, list[int]]:
        """Measure the shortest paths from the start to the goal.

        Returns:
            Steps (-1: there is no path), how many such paths there are, and the cells of one.
        """
        maze = [int(symbol) for symbol in maze]
        start, goal = maze.index(START), maze.index(GOAL)
        steps, ways, before = {start: 0}, {start: 1}, {start: start}
        queue = deque([start])
        while queue:
            cell = queue.popleft()
            if goal in steps and steps[cell] >= steps[goal]:
                break
            for near in self.beside[cell]:
                if maze[near] == WALL:
                    continue
                if near not in steps:
                    steps[near], ways[near], before[near] = steps[cell] + 1, ways[cell], cell
                    queue.append(near)
                elif steps[near] == steps[cell] + 1:
                    ways[near] += ways[cell]
        if goal not in steps:
            return -1, 0, []
        path = [goal]
        while path[-1] != start:
            path.append(before[path[-1]])
        return steps[goal], ways[goal], path[::-1]

    def solved(self, maze: Sequence[int], grid: Sequence[int]) -> bool:
        """Whether a grid is the maze with a shortest path marked in it, and nothing else."""
        marked = {cell for cell, symbol in enumerate(grid) if symbol == PATH}
        if any(g != m and not (m == OPEN and g == PATH) for g, m in zip(grid, maze, strict=True)):
            return False
        steps, _, _ = self.shortest(maze)
        if steps < 0 or len(marked) != steps - 1:
            return False
        cells = list(maze)
        goal, cell, left = cells.index(GOAL), cells.index(START), set(marked)
        while goal not in self.beside[cell]:
            onward = [near for near in self.beside[cell] if near in left]
            if len(onward) != 1:
                return False
            cell = onward[0]
            left.discard(cell)
        return not left


def make(
    grid: Grid, rng: random.Random, shortest: int, loops: float = 0.1
) -> tuple[list[int], list[int]]:
    """Make a maze with one shortest path.

    Args:
        grid: its cells; of odd size.
        rng: says which.
        shortest: the fewest steps from start to goal that will do.
        loops: share of the inner walls that are taken away, so that there are ways round.

    Returns:
        The maze, and the same with its path marked.
    """
    n = grid.size
    while True:
        maze = [WALL] * (n * n)
        rooms = [r * n + c for r in range(0, n, 2) for c in range(0, n, 2)]
        stack = [rng.choice(rooms)]
        maze[stack[0]] = OPEN
        while stack:
            row, col = divmod(stack[-1], n)
            far = [
                ((row + dr) * n + col + dc, (row + dr // 2) * n + col + dc // 2)
                for dr, dc in ((-2, 0), (2, 0), (0, -2), (0, 2))
                if 0 <= row + dr < n and 0 <= col + dc < n
            ]  # fmt: skip
            far = [(room, wall) for room, wall in far if maze[room] == WALL]
            if not far:
                stack.pop()
                continue
            room, wall = rng.choice(far)
            maze[room] = maze[wall] = OPEN
            stack.append(room)
        for cell in range(n * n):
            row, col = divmod(cell, n)
            if maze[cell] == WALL and (row % 2) != (col % 2) and rng.random() < loops:
                maze[cell] = OPEN
        for _ in range(10):
            start, goal = rng.sample(rooms, 2)
            maze[start], maze[goal] = START, GOAL
            steps, ways, path = grid.shortest(maze)
            if ways == 1 and steps >= shortest:
                solution = list(maze)
                for cell in path[1:-1]:
                    solution[cell] = PATH
                return maze, solution
            maze[start] = maze[goal] = OPEN
