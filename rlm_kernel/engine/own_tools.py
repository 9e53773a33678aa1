"""Tools that come along: given by name, and only where the person names them."""

# No ``annotations`` from the future here: the root model reads these signatures.

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError


def trm_solve(
    puzzle: str | list, model: str = "", ways: int = 1,  # type: ignore[type-arg]
) -> dict:  # type: ignore[type-arg]
    """Solve a sudoku (4x4 to 9x9) or maze; gives solved, answer, said, steps; ways=8: a hard one.

    By a small network, the Tiny Recursive Model, which may be wrong: ``solved`` is what the rules
    say.

    Args:
        puzzle: a text, rows, or a flat list. A sudoku has 0 or a dot where a cell is empty; a maze
            has S, G, # where a wall is, and dots.
        model: the name of one that comes along; empty: the one for puzzles of this kind.
        ways: noisy ones, tried at the same time, 64 at most; 8 solve most of what one doesn't.

    Returns:
        ``{"solved": bool, "answer": its text, "said": what the rules say, "steps": how many}``.
    """
    from ..trm import explore, solve
    from ..trm._numbers import whole
    from ..trm.api import shipped
    from ..trm.puzzles.task import task

    names = list(shipped())
    if model and model not in names:  # a path would be read with the rights of whoever asks
        raise ConfigError(
            f"trm_solve has no model {model!r:.60}; it has {', '.join(names) or 'none here'}."
        )
    ways = whole("ways", ways, 1, 64)
    found = solve(puzzle, model) if ways == 1 else explore(puzzle, model, k=ways)
    answer = task(found.task).text(found.answer)
    return {
        "solved": found.solved, "answer": answer, "said": found.verdict.said, "steps": found.steps
    }  # fmt: skip


OWN: Mapping[str, Callable[..., Any]] = {"trm_solve": trm_solve}


def own_tool(name: str) -> Callable[..., Any]:
    """Give a tool that comes along, by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in OWN:
        near = difflib.get_close_matches(name, OWN, 1, 0.5)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"There is no tool {name!r:.60} that comes along; there is {', '.join(OWN)}.{meant}"
        )
    return OWN[name]


def named(tools: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Give tools by name; a text, in a list or a dict, stands for the one that comes along.

    Raises:
        ConfigError: a text names none, or something in a list has no name.
    """
    if not isinstance(tools, Mapping):
        tools = {one if isinstance(one, str) else getattr(one, "__name__", ""): one
                 for one in tools}  # fmt: skip
    return {name: own_tool(tool) if isinstance(tool, str) else tool for name, tool in tools.items()}


def own_names(tools: Any) -> dict[str, str]:
    """Give which of some tools come along, as a log keeps and tells it: by name, what they are."""
    found = {}
    for name, tool in tools.items() if isinstance(tools, Mapping) else ():
        own = next((own for own, one in OWN.items() if tool is one or tool == own), "")
        if isinstance(name, str) and own:
            found[name] = own
    return found
