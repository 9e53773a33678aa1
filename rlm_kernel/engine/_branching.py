"""What ``RLM`` does with runs that were: a branch of one, and one run again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigError, RecordingError
from ..lm import BudgetLedger, Gateway
from ..log.recording import extract
from .fork import Change, branch
from .plain import ask_plain, contexts_again
from .record import Record, open_log
from .recorded import RecordedRun, recorded
from .regrant import refuse_unboxed
from .rerun import Offline, Rerun
from .run import Run
from .settings import Settings

if TYPE_CHECKING:
    from .rlm import RLM

UNSET: Any = object()


class Branching:
    """The part of ``RLM`` that begins with a run that was."""

    given: frozenset[str]
    ask: Any
    budget: Any
    _make_repl: Any
    _leave_to_parent: Any
    _settings: Any
    _one_at_a_time: Any
    _again: Any
    _folder: Callable[[], Path]
    gateway: Gateway
    _attach: Any
    _begin: Callable[[Run], Run]

    def fork(
        self,
        source: Run | RecordedRun | Path | str,
        turn: int | None = None,
        *,
        cells: Mapping[int, str] | None = None,
        replies: Mapping[str, str] | None = None,
        told: str | None = None,
        question: str | None = None,
        context: Any = UNSET,
    ) -> Run:
        """Begin a branch of a run, and go on with it live; the run itself doesn't change.

        The turns that it has in common with the run are executed again, in a fresh kernel, with
        the replies that they had: that costs nothing. From there on this ``RLM``'s model answers.

        Args:
            source: a run, live or ended, a recorded one, or its folder or ``.rlm`` file.
            turn: the last turn that is kept; 0: none; None: as many as the change leaves.
            cells: number of a cell → the code that runs in its place.
            replies: node of a call → the reply that is taken in place of the one it had.
            told: what the model is told after ``turn``, in place of what it was told.
            question: another question, over the same context; no turn is kept.
            context: what it was asked over, where a recording doesn't hold it.

        Returns:
            The live run, as ``start`` gives it.

        Raises:
            ConfigError: there is no such turn, cell or call, or as for ``resume``.
            RecordingError, ContextError: as for ``resume``.
        """
        self._leave_to_parent()
        settings = self._settings()
        found = recorded(source)
        if not isinstance(source, Run):
            refuse_unboxed(found.path, settings, self._make_repl is None)
        found.refuse_redacted()
        settings = self._as_deep(settings, found)
        change = Change(cells=cells or {}, replies=replies or {}, told=told, question=question)
        with self._one_at_a_time():
            folder = self._folder()
            try:
                made = branch(found.events, folder.name, turn, change)
                self._check_model(settings.model, found)
                extract(replace(found.recording, events=made.events), folder)
                log, tree, record = open_log(folder, more=made.again)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            try:
                if isinstance(source, Run) and context is UNSET:
                    context = source
                ledger = BudgetLedger(self.budget)
                run = self._again(settings, log, tree, record, ledger, context, branch=found.id)
                run.recorded.take_again(made.again)
                run._opening.keep(folder)
            except BaseException:
                log.close()
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._attach(run)
            return self._begin(run)

    def replay(
        self, source: Run | RecordedRun | Path | str, context: Any = UNSET
    ) -> Rerun:
        """Execute a run's cells again with the replies that were recorded, and compare.

        Nothing is called and nothing is paid; nothing is kept of it.

        Args:
            source: a run that ended, a recorded one, or its folder or ``.rlm`` file.
            context: what it was asked over, where a recording doesn't hold it.

        Returns:
            Whether the same came of it, and what didn't.

        Raises:
            RecordingError, ContextError, ConfigError: as for ``resume``.
        """
        found = recorded(source)
        if not isinstance(source, Run):
            refuse_unboxed(found.path, self._settings(), self._make_repl is None)
        found.refuse_redacted()
        rerun = Rerun()
        with tempfile.TemporaryDirectory(prefix="rlm-replay-") as folder:
            extract(found.recording, Path(folder))
            log, tree, record = open_log(folder, whole=True)
            with closing(log), self._offline(record, found) as rlm:
                run = rlm._again(
                    rlm._settings(), log, tree, record, BudgetLedger(None),
                    source if isinstance(source, Run) and context is UNSET else context,
                    rerun=rerun,
                )  # fmt: skip
                rlm._begin(run).wait()
        if run.status == "failed" and rerun.same:
            raise RecordingError(f"The recording can't be run again: {run.reason}")
        return rerun

    def plain(
        self,
        source: Run | RecordedRun | Path | str,
        context: Any = UNSET,
        *,
        tell: Callable[[str], None] | None = None,
    ) -> RecordedRun:
        """Ask a run's question of the root model alone, with all of its context in the prompt.

        One call, paid as any other and within the budget; ``run.compare(it)`` says whether
        recursion paid.

        Args:
            source: a run, live or ended, a recorded one, or its folder or ``.rlm`` file.
            context: what it was asked over, where a recording doesn't hold it.
            tell: is given a sentence on the price before the call is made.

        Returns:
            The run, of one call; ``"failed"`` where the context doesn't fit the model's window:
            then nothing was sent, and its reason says so.

        Raises:
            ContextError: the context isn't there, or isn't what it was.
            ConfigError: the context is no text, so that it can't stand in a prompt.
            RecordingError: as for ``replay``.
        """
        self._leave_to_parent()
        found = recorded(source)
        if isinstance(source, Run) and context is UNSET:
            contexts = list(source._opening.contexts.values())
        else:
            contexts = contexts_again(found, ... if context is UNSET else context)
        return ask_plain(cast("RLM", self), found.question, contexts, tell)

    def _check_model(self, model: str, found: RecordedRun) -> None:
        """Say of a run's own model that isn't here, as a script isn't, that another can go on."""
        if model != found.tree[found.node].model:
            return
        try:
            self.gateway.info(model)
        except ConfigError as error:
            raise ConfigError(
                f"The model of that run, {model!r:.60}, can't go on here: name one that can by "
                f"model= (--model), or at Model in the form. {error}"
            ) from error

    def _as_deep(self, settings: Settings, found: RecordedRun) -> Settings:
        """Give the settings with the depth that the run went to, so that its cells have children.

        Where this ``RLM`` was given a depth, that one holds.
        """
        if "max_depth" in self.given or found.depth <= settings.max_depth:
            return settings
        return replace(settings, max_depth=found.depth)

    def _offline(self, record: Record, found: RecordedRun) -> RLM:
        """Give an RLM with these options that calls nobody."""
        from .rlm import RLM

        models = {"model": record.started.model, "sub_model": record.started.sub_model}
        here = {name: getattr(self, name) for name in self.given}
        depth = self._as_deep(self._settings(), found).max_depth
        fixed = {"mode": "auto", "save": False, "keep": False, "budget": None, "otlp": "",
                 "max_depth": depth}  # fmt: skip
        nobody: Any = Offline()
        return RLM(**{**here, **models, **fixed}, gateway=nobody, ask=self.ask,
                   make_repl=self._make_repl)  # fmt: skip
