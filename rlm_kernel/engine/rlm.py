"""``RLM``: how a recursive language model is configured, and how questions are asked of it."""

from __future__ import annotations

import asyncio
import difflib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import traitlets as t
from traitlets.config import Configurable

from ..context import load_all
from ..errors import ConfigError, RecordingError, RLMError
from ..lm import BudgetLedger, Gateway, engine_loop, on_engine_loop, parse_budget
from ..lm.budget import budget_text
from ..log import Log, Tree, new_run_folder, runs_dir
from ..protocol import Limits, Provider, Repl, Where
from ..protocol.live import Live
from . import prompts
from ._branching import UNSET, Branching
from ._leaving import leaving, tell_at_end
from ._reach import EVERYTHING
from .answers import answer_type
from .config import user_config
from .kept import bring_back
from .kernels import kernel_pool
from .modes import parse_mode
from .opening import Opening
from .own_tools import own_names
from .record import Record, folder_of, open_log
from .regrant import LOGGED, REACH, check_given, logged_options, options_in, refuse_unboxed
from .rerun import Rerun
from .run import Run
from .settings import Headless, Settings, callable_tools

if TYPE_CHECKING:
    from ..repl.box import Policy

_PARAMETERS = ("gateway", "ask", "attended", "make_repl")  # options that are no traits
_OF_A_QUESTION = ("question", "context", "earlier", "name")
CLOSING = 15.0  # seconds that live runs have to end when they are closed


class RLM(Live, Branching, Configurable):
    """Answers questions over texts too long for any model, by writing and running cells.

    Every option is a trait: give it here, in a config file (``c.RLM.model = …``) or, in a
    notebook, by ``%config RLMMagics``. ``model`` and ``sub_model`` also take a provider object
    (such as ``ScriptedModel``).
    """

    _instead = "Make one there, with the same options."

    model = t.Unicode(
        "",
        help="The root model ('openai/gpt-5', 'anthropic/…', 'local', 'human'). "
        "Empty: the local model; a key in the environment is never used unasked.",
    ).tag(config=True)
    sub_model = t.Unicode(
        "", help="Answers llm_query, and is the root of children. Empty: the same as model."
    ).tag(config=True)
    api_base = t.Unicode(
        "",
        help="An OpenAI-compatible server's address, such as http://127.0.0.1:11434/v1 for Ollama.",
    ).tag(config=True)
    api_key = t.Unicode(
        "",
        help="The key for api_base or the provider; empty: the "
        "provider's own environment variable, for a model you named.",
    ).tag(config=True)
    mode = t.Unicode(
        "",
        help="How proposals are decided: 'auto', 'step', or 'ask when …' with calls, cost, "
        "tokens, depth, turn, imports, names, answer, net, reads or writes (calls > 5 or net). "
        "Empty: step where a person can answer, else auto.",
    ).tag(config=True)
    headless = t.Enum(
        ("approve", "reject", "error"),
        "error",
        help="What becomes of a proposal, or of calls, that need a person where nobody is there.",
    ).tag(config=True)
    where = t.Enum(
        ("kernel", "shell"),
        "kernel",
        help="Which process runs the root's cells: a "
        "kernel of the run's own, or this notebook's shell.",
    ).tag(config=True)
    max_turns = t.Int(30, min=1, help="Messages of the root model, at most.").tag(config=True)
    max_depth = t.Int(
        1,
        min=1,
        help="1: sub-model calls only (rlm_query becomes llm_query); 2: children; and so on.",
    ).tag(config=True)
    max_children = t.Int(
        8, min=1, help="Children that run at once at each depth, each in a kernel of its own; "
        "more of a batch wait."
    ).tag(config=True)
    budget = t.Any(
        "$1, 1000 calls",
        help="Limits over the whole tree: '$1', '200 calls', "
        "'1M tokens', '10 min', or several with commas; None: no limit.",
    ).tag(config=True)
    cell_timeout = t.Float(
        120.0,
        allow_none=True,
        help="Seconds one cell may run; waiting in calls doesn't count. None: no limit.",
    ).tag(config=True)
    cell_memory = t.Int(
        4 << 30,
        allow_none=True,
        help="Bytes one cell may allocate on top of what the kernel holds. None: no limit.",
    ).tag(config=True)
    output_limit = t.Int(
        20_000, min=200, help="Characters of a cell's output that the root is shown, head and tail."
    ).tag(config=True)
    blocks = t.Enum(
        ("all", "first"),
        "all",
        help="Which code blocks of one reply are run; 'first' suits models that invent outputs.",
    ).tag(config=True)
    style = t.Enum(
        ("", "full", "small"), "", help="The form of the system prompt; empty: by the model's name."
    ).tag(config=True)
    instructions = t.Unicode("", help="Sentences of yours at the end of the system prompt.").tag(
        config=True
    )
    max_tokens = t.Int(None, allow_none=True, help="Output tokens of one root reply, at most.").tag(
        config=True
    )
    temperature = t.Float(
        None, allow_none=True, help="For the root; None: the provider's default."
    ).tag(config=True)
    probe = t.Bool(
        True, help="Small models: put an automatic look at the text into the first message."
    ).tag(config=True)
    save = t.Bool(
        True, help="Keep the log of each run on disk (its folder is run.log.folder)."
    ).tag(config=True)
    keep = t.Bool(
        False,
        help="Keep the kernel between questions, so that the next one sees the "
        "variables and history of the last; close() ends it.",
    ).tag(config=True)
    workdir = t.Unicode(
        "", help="The working directory of the run's kernel; empty: a fresh one."
    ).tag(config=True)
    sandbox = t.Enum(
        ("auto", "bubblewrap", "landlock", "none"),
        "auto",
        help="What holds the code in kernels of a run's own: bubblewrap, Landlock with a filter "
        "on system calls, or nothing; 'auto': the better of the two that works, else an error.",
    ).tag(config=True)
    allow_read = t.List(
        t.Unicode(), help="Files and folders that boxed code may read, besides its contexts."
    ).tag(config=True)
    allow_write = t.List(
        t.Unicode(), help="Files and folders that boxed code may read and change."
    ).tag(config=True)
    allow_net = t.Bool(False, help="Whether boxed code may use the network.").tag(config=True)
    otlp = t.Unicode(
        "",
        help="The address of an OpenTelemetry collector that each run's spans are sent to as it "
        "goes on, such as http://127.0.0.1:6006. Empty: they are sent nowhere.",
    ).tag(config=True)
    tools = t.Union(
        [t.Dict(), t.List()],
        help="Functions of yours that the root's code may call, by name or in a list; 'trm_solve' "
        "is one that comes along.",
    )
    sub_tools = t.Union(
        [t.Dict(), t.List()], help="The same for children; they inherit none of tools."
    )
    answer_type = t.Any(
        None,
        allow_none=True,
        help="What the answer must be: a type, a pydantic model, or a JSON schema.",
    )

    def __init__(
        self,
        *,
        model: str | Provider | None = None,
        sub_model: str | Provider | None = None,
        gateway: Gateway | None = None,
        ask: Callable[[str, list[str] | None], str] | None = None,
        attended: bool = False,
        make_repl: Callable[[], Repl] | None = None,
        **options: Any,
    ) -> None:
        """Configure; nothing is started and no model is called.

        Args:
            model, sub_model: names, or provider objects.
            gateway: one to share between several RLMs; None makes one.
            ask: asks a person at the keyboard (question, choices) and gives the answer.
            attended: whether a person is there to decide: trouble then pauses a run instead of
                closing it.
            make_repl: makes the place where cells run; None makes what ``where`` says.
            **options: the traits of this class.
        """
        if unknown := sorted(set(options) - set(self.trait_names())):
            raise ConfigError(f"RLM has no option {unknown[0]!r}{self._meant(unknown[0])}.")
        options.setdefault("config", user_config())
        try:
            super().__init__(**options)
        except t.TraitError as error:
            raise ConfigError(f"{error}") from error
        self.ask, self.attended, self._make_repl = ask, attended, make_repl
        self.given = frozenset(options)  # by a person, not by a config file
        parse_budget(self.budget)
        if self.mode:
            parse_mode(self.mode)
        answer_type(self.answer_type)
        if self.otlp:
            from .tracing import endpoint

            endpoint(self.otlp)
        self.gateway = gateway or Gateway(
            api_base=self.api_base or None, api_key=self.api_key or None,
            can_answer=lambda: self.attended, config=self.config,
        )  # fmt: skip
        for trait, given in (("model", model), ("sub_model", sub_model)):
            if given is not None:
                if not isinstance(given, (str, Provider)):
                    kind = type(given).__name__
                    raise ConfigError(f"{trait} is a name or a provider object, not {kind}.")
                name = given if isinstance(given, str) else self.gateway.register(given)
                setattr(self, trait, name)
        self.runs: list[Run] = []
        self._repl: Repl | None = None
        self._process = os.getpid()
        self._keeping = threading.RLock()

    @classmethod
    def _meant(cls, name: str) -> str:
        """Say what may have been meant by an option that isn't there, and which there are."""
        known = sorted({*cls.class_traits(), *_PARAMETERS} - {"config", "log", "parent"})
        if name in _OF_A_QUESTION:
            more = "" if name == "question" else f", {name}=…"
            return f": run() and start() take it, as in RLM(…).run(question{more})"
        near = difflib.get_close_matches(name, known, 2, 0.7)
        meant = f": did you mean {' or '.join(map(repr, near))}? Its" if near else "; its"
        return (
            f"{meant} options: {', '.join(known)}; run() and start() take "
            f"{', '.join(_OF_A_QUESTION)} and budget"
        )

    # -- asking -----------------------------------------------------------------------------

    def run(self, question: str, context: Any = UNSET, **more: Any) -> Run:
        """Ask, and wait until the run ended or needs a person.

        Args:
            question: what is asked; it is never mixed with the context.
            context: a text, bytes, list, dict, table, any object, a ``Path``, an open file, or a
                list made by ``rlm_kernel.context.several``; left out: there is none.

        Returns:
            The run: ``answer``, ``status``, ``tree``, ``usage``, ``transcript``.
        """
        self._refuse_to_wait_for_nobody()
        run = self.start(question, context, **more)
        run.wait()  # interrupted it is paused, not lost: it stands in self.runs
        return run

    async def arun(self, question: str, context: Any = UNSET, **more: Any) -> Run:
        """Ask, and await the end of the run, from any event loop."""
        self._refuse_to_wait_for_nobody()
        return await self.start(question, context, **more).finished()

    def _refuse_to_wait_for_nobody(self) -> None:
        if self.mode == "step" and not self.attended and self.headless == "error":
            raise ConfigError(
                "mode='step' waits for a person at every cell and nobody is there: ask with "
                "start() and decide by run.approve(), or give headless='approve'."
            )

    def start(
        self,
        question: str,
        context: Any = UNSET,
        *,
        earlier: Sequence[Mapping[str, Any]] | None = None,
        budget: Any = UNSET,
        name: str = "",
    ) -> Run:
        """Ask, and give the live run at once.

        Args:
            question, context: as for ``run``.
            earlier: what ``history`` holds; None: the runs of this RLM where ``keep`` is set.
            budget: limits of this run in place of the trait's.
            name: of the variable that will hold it; a notebook gives it again on ``resume``.

        Raises:
            ConfigError, ContextError: in one sentence, before anything is spent.
        """
        self._leave_to_parent()
        if leaving():
            raise RLMError(
                "The process ends, since its main thread is done, so no run can be started: join "
                "the threads that ask for runs."
            )
        if not isinstance(question, str):
            raise ConfigError(f"The question is a text, not {type(question).__name__}.")
        if not question.strip():
            raise ConfigError("The question is empty: say what you want to know of the context.")
        settings = self._settings()
        self.gateway.info(settings.model)
        self.gateway.info(settings.sub_model)
        contexts = {} if context is UNSET else {item.name: item for item in load_all(context)}
        with self._one_at_a_time():
            if earlier is None:
                earlier = self.runs[-1].history if self.keep and self.runs else ()
            log = self._log()
            tree = Tree()
            log.listen(tree.apply)
            limits = self.budget if budget is UNSET else budget
            ledger = BudgetLedger(limits)
            opening = Opening(question, contexts)
            if log.folder is not None:
                opening.keep(log.folder)
            run = Run(
                question, opening, settings, gateway=self.gateway, ledger=ledger,
                log=log, tree=tree, repl=self._place(settings), ask=self.ask, earlier=earlier,
                make_child=self._child, keep_repl=self.keep,
                options=self._options(limits) if log.folder is not None else None,
                place=(None, None, name),
            )  # fmt: skip
            self._attach(run)
            if not self.model and not _said_once:
                _said_once.append(settings.model)
                run.note(
                    "No model was named, so the local one answers (name another by model=). "
                    + self.gateway.info(settings.model).note
                )
            return self._begin(run)

    def resume(self, path: Path | str, context: Any = UNSET) -> Run:
        """Go on with a run whose process ended, or that ended without an answer.

        Its cells run again in order, what they had asked is answered from the log, and it goes on
        from there: nothing that was paid for is paid for again.

        Args:
            path: the run's folder (``run.log.folder``).
            context: what it was asked over, where the log's folder doesn't hold it: anything that
                isn't a file, and above 16 MB.

        Returns:
            The live run, as ``start`` gives it.

        Raises:
            RecordingError: there is no such run, another process has it, or it has its answer.
            ContextError: its context isn't there, or isn't what it was.
            ConfigError: as for ``start``; or its log has another reach than this ``RLM``, and
                that wasn't given.
        """
        self._leave_to_parent()
        settings = self._settings()
        refuse_unboxed(folder_of(path), settings, self._make_repl is None)
        with self._one_at_a_time():
            log, tree, record = open_log(path)
            try:
                ledger = BudgetLedger(self.budget)
                ledger.carry(record.spent, record.seconds)
                run = self._again(settings, log, tree, record, ledger, context)
            except BaseException:
                log.close()
                raise
            self._attach(run)
            return self._begin(run)

    def _again(
        self, settings: Settings, log: Log, tree: Tree, record: Record, ledger: BudgetLedger,
        context: Any, *, branch: str = "", rerun: Rerun | None = None,
    ) -> Run:  # fmt: skip
        """Make the run that goes on from a record."""
        started, logged = record.started, options_in(record)
        held = {name: getattr(self, name) for name in REACH}
        check_given(logged, held, self.given)
        self.gateway.info(settings.model)
        self.gateway.info(settings.sub_model)
        where = str(logged.get("cwd") or "")
        assert log.folder is not None
        if isinstance(context, Run):  # a live one's, whatever they are
            contexts = context._opening.contexts
        else:
            contexts = bring_back(
                started.context, log.folder, where, ... if context is UNSET else context
            )
        return Run(
            started.question, Opening(started.question, contexts), settings,
            gateway=self.gateway, ledger=ledger, log=log, tree=tree,
            repl=self._place(settings), ask=self.ask, make_child=self._child,
            keep_repl=self.keep, record=record, branch=branch, rerun=rerun,
        )  # fmt: skip

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Start a run in the kernel that is kept only where no other one lives there."""
        if not self.keep:
            yield
            return
        with self._keeping:
            if live := next((run for run in self.runs if run._seconds is None), None):
                raise ConfigError(
                    f"The run {live.id} still lives in the kernel that keep=True keeps "
                    f"({live.phase}): wait for it or stop it first, or ask by another RLM."
                )
            yield

    def _leave_to_parent(self) -> None:
        """In a fork of the process that started them, leave live runs and their kernel alone."""
        if self._process != os.getpid():
            self._process, self._keeping = os.getpid(), threading.RLock()
            self._repl = None
            self.runs = [run for run in self.runs if run.ended]

    def _attach(self, run: Run) -> None:
        run.ledger.on_note = run.note
        run.log.on_fault = lambda sentence: _pause_for_disk(run, sentence)

    def _begin(self, run: Run) -> Run:
        self.runs.append(run)
        tell_at_end(run)
        if self.otlp:
            run.trace(self.otlp)
        for watcher in list(_watchers):
            watcher(self, run)
        if on_engine_loop():
            run.begin()
        else:
            engine_loop().call_soon_threadsafe(run.begin)
        return run

    def _options(self, budget: Any) -> dict[str, Any]:
        """Give what a run is started with, for the log: no key, no object."""
        data = {name: getattr(self, name) for name in LOGGED}
        for which in ("tools", "sub_tools"):
            if own := own_names(callable_tools(getattr(self, which))):
                data[which] = own
        data["budget"] = budget if isinstance(budget, str | None) else budget_text(budget)
        try:
            return {**data, "cwd": os.getcwd()}
        except OSError:  # it was removed
            return {**data, "cwd": ""}

    def close(self) -> None:
        """End the kernel that was kept and let go of connections."""
        from ..lm import run_sync

        self._leave_to_parent()

        async def close() -> None:
            for run in self.runs:
                if not run.ended:
                    run.stop()
            if tasks := {run._task for run in self.runs if run._task is not None}:
                await asyncio.wait(tasks, timeout=CLOSING)
            if self._repl is not None:
                await self._repl.close()
                self._repl = None
            await self.gateway.close()

        run_sync(close())

    def __enter__(self) -> RLM:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RLM(model={self.model or 'local'!r}, where={self.where!r})"

    # -- how a run is made --------------------------------------------------------------------

    def _log(self) -> Log:
        return Log(self._folder()) if self.save else Log()

    def _folder(self) -> Path:
        """Make the folder of a run."""
        try:
            return new_run_folder()
        except OSError as error:
            raise RecordingError(
                f"The log of the run can't be kept in {runs_dir()} ({error.strerror or error}), "
                "so nothing was started: set RLM_HOME to a folder that can be written, or give "
                "save=False."
            ) from error

    def _settings(self) -> Settings:
        model = self.model or "local"
        sub_model = self.sub_model or model
        from ..repl.box import held_here

        policy = self._policy()
        held = held_here()
        free = held == "none" and (self.where == "shell" or policy.method == "none")
        mode = self.mode or ("step" if self.attended and free else "auto")
        small = prompts.is_small(model)
        return Settings(
            model=model, sub_model=sub_model, mode=mode, where=cast("Where", self.where),
            max_turns=self.max_turns, max_depth=self.max_depth, max_children=self.max_children,
            limits=Limits(self.cell_timeout, self.cell_memory, self.output_limit),
            blocks=cast("Any", "first" if small else self.blocks),
            answer_type=answer_type(self.answer_type),
            attended=self.attended, headless=cast("Headless", self.headless),
            style=cast("Any", self.style or ("small" if small else "full")),
            instructions=self.instructions,
            max_tokens=self.max_tokens, temperature=self.temperature, probe=self.probe,
            tools=callable_tools(self.tools), sub_tools=callable_tools(self.sub_tools),
            workdir=self.workdir or None, held=held, allowed=_allowed(policy),
            sandbox=held if policy.method == "inherited" else policy.method,
        )  # fmt: skip

    def _place(self, settings: Settings) -> Repl:
        if self.keep and self._repl is not None:
            return self._repl
        if settings.where == "shell" and self._make_repl is None:
            raise ConfigError(
                "where='shell' needs a notebook: use %%rlm there, or where='kernel' here."
            )
        repl = self._make_repl() if self._make_repl is not None else self._own_kernel()
        if self.keep:
            self._repl = repl
        return repl

    def _own_kernel(self) -> Repl:
        from ..repl import KernelRepl

        return KernelRepl(kernel_pool(self.config, self._policy()))

    def _policy(self) -> Policy:
        """Give the box of this RLM's kernels.

        Raises:
            ConfigError: what is asked for can't be had here, or a path isn't there.
        """
        from ..repl.box import Policy, choose

        method = self.sandbox if self._needs_no_kernel() else choose(self.sandbox)
        if method in ("none", "auto", "inherited"):
            return Policy("inherited") if method == "inherited" else Policy()
        read = [*self.allow_read, *([self.workdir] if self.workdir else [])]
        return Policy(
            cast("Any", method), _paths("allow_read", read),
            _paths("allow_write", self.allow_write), self.allow_net,
        )  # fmt: skip

    def _needs_no_kernel(self) -> bool:
        return self.where == "shell" and self.max_depth == 1

    def _child(
        self, parent: Run, cell: str, place: tuple[int | None, int | None, str], query: Any
    ) -> Run:
        settings = parent.settings.for_child(query.model)
        # As in the official runtime, a child without a context finds its prompt there.
        given = query.context if query.has_context else query.prompt
        contexts = {item.name: item for item in load_all(given)}
        return Run(
            query.prompt, Opening(query.prompt, contexts), settings, gateway=parent.gateway,
            ledger=BudgetLedger(None, parent=parent.ledger), log=parent.log, tree=parent.tree,
            repl=self._own_kernel(), parent=cell, make_child=self._child, place=place,
            top=parent.top,
        )  # fmt: skip


def _paths(option: str, given: Sequence[str]) -> tuple[str, ...]:
    """Give paths as Linux has them; raise ``ConfigError`` for one that isn't there."""
    found = []
    for path in given:
        there = Path(os.path.expanduser(path)).resolve()
        if not there.exists():
            raise ConfigError(f"{option} names {path!r}, which isn't there.")
        found.append(str(there))
    return tuple(sorted(set(found)))


def _allowed(policy: Policy) -> frozenset[str]:
    """Give which of ``net``, ``reads`` and ``writes`` code in a box may do beyond its own."""
    if policy.method == "none":
        return EVERYTHING
    may = {"net": policy.net, "reads": policy.read or policy.write, "writes": policy.write}
    return frozenset(fact for fact, given in may.items() if given)


def resume(path: Path | str, context: Any = UNSET, **options: Any) -> Run:
    """Go on with a run as it was started; see ``RLM.resume``.

    Args:
        path: the run's folder.
        context: what it was asked over, where that isn't kept.
        **options: of ``RLM``, in place of those that the run had: ``model=`` where it was a
            provider object, ``tools=``, ``answer_type=``, another ``budget``; and what it may
            reach, which its log can't say: ``api_base=``, ``sandbox=``, ``allow_read=`` and so on.
    """
    return RLM(**{**logged_options(path), **options}).resume(path, context)


_watchers: list[Callable[[RLM, Run], None]] = []


def watch_runs(watcher: Callable[[RLM, Run], None]) -> Callable[[], None]:
    """Have ``watcher`` told of every run that is started in this process, children apart.

    Args:
        watcher: called with who starts it and the run, before its first turn, on the thread that
            starts it.

    Returns:
        A function that ends it.
    """
    _watchers.append(watcher)
    return lambda: _watchers.remove(watcher) if watcher in _watchers else None


_said_once: list[str] = []  # that the local model stands in, in this process


def _pause_for_disk(run: Run, sentence: str) -> None:
    def pause() -> None:
        run.gate.paused = True
        run.gate.reason = sentence
        run.note(sentence)

    engine_loop().call_soon_threadsafe(pause)
