"""Forking from the tree: a front end's request becomes a branch, live, in a kernel of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ..engine import Run
from ..engine.recorded import RecordedRun
from ..errors import ConfigError
from ..protocol.front import Fork, ForkReply

if TYPE_CHECKING:
    from .session import Session


class Forking:
    """Begins the branches that front ends ask for.

    Args:
        session: keeps the runs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def fork(self, request: Fork) -> ForkReply:
        """Begin a branch; it costs nothing until its turns have run again.

        Raises:
            RLMError: in one sentence, whatever keeps it from beginning.
        """
        session = self._session
        source = session.hub.find(request.run)
        change = _change(request, source)
        options = {"model": request.model.strip()} if request.model.strip() else {}
        rlm = session.magics.for_branch(source, options, attended=True)
        run = rlm.fork(source, **change)
        session.tap.open()
        session.know(run, self._name(source), "", "")
        return ForkReply(info=session.hub.info(run.id))

    def _name(self, source: Run | RecordedRun) -> str:
        """Give a free variable's name, made of that of its origin; empty where that has none."""
        bound = self._session.shell.user_ns
        name = next((key for key, value in list(bound.items()) if value is source
                     and not key.startswith("_")), "")  # fmt: skip
        if not name:
            return ""
        names = (f"{name}_{number}" for number in count(2))
        return next(one for one in names if one not in bound)


def _change(request: Fork, source: Run | RecordedRun) -> dict[str, Any]:
    """Give the request as arguments of ``RLM.fork``."""
    match request.change:
        case "":
            return {"turn": request.turn}
        case "told":
            return {"turn": request.turn, "told": request.text}
        case "question":
            return {"question": request.text}
        case "reply":
            return {"replies": {request.node: request.text}}
        case "code":
            node = source.tree.get(request.node)
            runs = [one for one in source.tree.above(node) if one.kind == "run"] if node else []
            if node is None or node.kind != "cell" or runs[:1] != [source.tree[source.node]]:
                raise ConfigError(f"The run has no cell {request.node!r:.60}.")
            return {"cells": {node.number: request.text}}
        case _:
            raise ConfigError(f"A branch can't be changed in its {request.change!r:.60}.")
