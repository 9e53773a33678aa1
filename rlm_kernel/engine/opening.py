"""How a run opens: its contexts, and the two messages the root starts from."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..context import Loaded
from ..context.fingerprint import fingerprint
from . import prompts
from .kept import encoded, keep
from .probe import probe

if TYPE_CHECKING:
    from .run import Run

PROBED = 50_000_000  # characters above which the automatic probe is left out


class Opening:
    """The question's surroundings.

    Args:
        question: what is asked; never mixed with the context.
        contexts: name to loaded context, in the order they were given.
        extra: sentences that the system prompt ends with.
    """

    def __init__(self, question: str, contexts: Mapping[str, Loaded], extra: str = "") -> None:
        self.question = question
        self.contexts = dict(contexts)
        self.infos: list[dict[str, Any]] = [loaded.info() for loaded in self.contexts.values()]
        self._extra = extra

    def keep(self, folder: Path) -> None:
        """Keep in the run's folder what would be gone with the process, and say what is what."""
        for info, loaded in zip(self.infos, self.contexts.values(), strict=True):
            info["hash"] = fingerprint(loaded)
            data = encoded(loaded)
            if data is not None:
                # Not waited for: a run begins at once, and this is for the day it dies.
                threading.Thread(
                    target=keep, args=(folder, loaded.name, data), daemon=True, name="rlm-keep"
                ).start()

    def messages(self, run: Run) -> tuple[str, str]:
        """Give the system prompt and the first user message of a run."""
        settings = run.settings
        names = [*prompts.BOUND_NAMES, "rlm_query"]
        if not self.contexts:
            names.remove("context")
        if run.earlier:
            names.append("history")
        if settings.attended:
            names.append("ask_human")
        env = prompts.PromptEnv(
            model=settings.model,
            sub_model=settings.sub_model,
            sub_window_tokens=run.gateway.info(settings.sub_model).window,
            output_limit=min(
                settings.limits.output,
                prompts.SMALL_OUTPUT if settings.style == "small" else settings.limits.output,
            ),
            max_turns=settings.max_turns,
            depth=settings.depth,
            max_depth=settings.max_depth,
            tools={name: prompts.describe_tool(tool, name)
                   for name, tool in settings.tools.items()},
            names=tuple(names),
            budget=run.ledger.remaining_text() or None,
            answer_type=settings.answer_type.schema,
            style=settings.style,
            extra="\n\n".join(part for part in (settings.instructions, self._extra) if part),
        )  # fmt: skip
        system = prompts.system_prompt(env, self.question)
        found = self._probe(run)
        described = self._described()
        if found:  # which shows more of it, and better
            described = described.partition("\n")[0]
        return system, prompts.first_message(self.question, described, found)

    def _described(self) -> str:
        if not self.contexts:
            return "not given: there is nothing to read but what code finds out."
        if len(self.contexts) == 1:
            return next(iter(self.contexts.values())).describe()
        lines = [f"`{name}`: {loaded.describe()}" for name, loaded in self.contexts.items()]
        return "the first of several:\n" + "\n".join(lines)

    def _probe(self, run: Run) -> str:
        if run.settings.style != "small" or not run.settings.probe or len(self.contexts) != 1:
            return ""
        value = next(iter(self.contexts.values())).value
        if not isinstance(value, str) or len(value) > PROBED:
            return ""
        return probe(value, self.question)
