"""``%%rlm``, ``%rlm`` and ``%%rlm_cell``.

Errors of use are one line (``UsageError``); nothing is spent before every option was checked.
"""

# IPython's magic_arguments has no types.
# mypy: disable-error-code="no-untyped-call,untyped-decorator,arg-type"

from __future__ import annotations

import argparse
import builtins
import keyword
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import traitlets as t
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments
from traitlets.config import Configurable

from ..engine import RLM, Run
from ..engine.modes import parse_mode
from ..engine.record import Record
from ..engine.recorded import RecordedRun, recorded
from ..engine.regrant import logged_options, options_of
from ..engine.rerun import Rerun
from ..errors import ConfigError, ContextError, RecordingError
from ..lm import parse_budget
from ..lm.served.client import installed
from ..protocol import Command
from ..protocol.control import Approve, Edit, Interrupt
from . import _options
from ._front import Front, front_of, parent_of
from ._person import Desk
from ._publish import publisher_of
from ._sigint import Interruptible
from ._words import near, split, take_option, unquote
from .ask import CLIENT
from .display import Style, View
from .follow import Phases, follow
from .keys import where_calls_are_made
from .session import Session

#: Seconds in which a front end may say that it places the cells: where one has spoken in this
#: kernel; where none has; and where none has though an earlier run was announced to it.
CLAIM, CLAIM_UNHEARD, CLAIM_NOBODY = 1.0, 0.5, 0.05


#: What a run that has the shell waits for, and what goes on from there.
_STANDS = {
    "proposed": "waits for your decision (`%rlm approve` runs its cell)",
    "asking": "waits for you to allow its calls (`%rlm approve`)",
    "paused": "is paused (`%rlm resume` goes on)",
    "taken over": "is in your hands (`%rlm handback` gives it back)",
}


class BadOption(ConfigError, t.TraitError):
    """A default that can't be one; a ``TraitError`` so that traitlets puts the old value back."""


@magics_class
class RLMMagics(Magics, Configurable):
    """The magics; ``%config RLMMagics`` lists and sets the defaults of ``%%rlm``."""

    model = t.Unicode(
        "",
        help="The root model ('openai/gpt-5', 'anthropic/…', 'local', 'human'), "
        "or a variable that holds a provider. Empty: as RLM.model says.",
    ).tag(config=True)
    sub_model = t.Unicode("", help="Answers llm_query. Empty: the same as model.").tag(config=True)
    api_base = t.Unicode(
        "",
        help="The address of an OpenAI-compatible server, such as "
        "http://127.0.0.1:11434/v1 for Ollama.",
    ).tag(config=True)
    mode = t.Unicode(
        "",
        help="How proposals are decided: 'auto', 'step' or 'ask when …'. Empty: "
        "step where a person can answer, else auto.",
    ).tag(config=True)
    budget = t.Unicode(
        "", help="Limits of one run, such as '$1, 1000 calls'. Empty: as RLM.budget says."
    ).tag(config=True)
    max_turns = t.Int(
        None,
        allow_none=True,
        help="Messages of the root model, at most. None: as RLM.max_turns says.",
    ).tag(config=True)
    max_depth = t.Int(
        None, allow_none=True, help="1: calls only, 2: children, … None: as RLM.max_depth says."
    ).tag(config=True)
    where = t.Enum(
        ("shell", "kernel"),
        "shell",
        help="Which process runs the cells: this notebook's shell, or a kernel of the run's own.",
    ).tag(config=True)
    headless = t.Enum(
        ("error", "approve", "reject"),
        "error",
        help="What becomes of a proposal that needs a person where nobody can be asked.",
    ).tag(config=True)
    display = t.Enum(("auto", "live", "lines", "quiet"), "auto", help="How a run is shown: a tree "
                     "that is updated, lines as it goes, or the answer only. auto: by what the "
                     "front end can do.").tag(config=True)  # fmt: skip

    def __init__(self, shell: Any) -> None:
        Configurable.__init__(self, config=shell.config)
        Magics.__init__(self, shell=shell)
        self.session = Session(shell, self)

    @t.validate("mode", "budget")
    def _is_one(self, proposal: Any) -> str:
        value = str(proposal["value"])
        if value:
            try:
                if proposal["trait"].name == "mode":
                    parse_mode(value)
                else:
                    parse_budget(value)
            except ConfigError as error:
                raise BadOption(str(error)) from None
        return value

    def chosen(self) -> dict[str, Any]:
        """Give the defaults that were chosen here, to go before those of ``RLM``."""
        names = ("model", "sub_model", "api_base", "mode", "budget", "max_turns", "max_depth",
                 "where", "headless")  # fmt: skip
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value not in ("", None)}

    # -- %%rlm --------------------------------------------------------------------------------

    @no_var_expand
    @magic_arguments("rlm")
    @argument(
        "name",
        nargs="?",
        default="",
        type=unquote,
        metavar="NAME",
        help="The run is bound to this name (and to _rlm).",
    )
    @argument(
        "--context",
        "-c",
        nargs="+",
        action="extend",
        type=unquote,
        metavar="VAR|PATH",
        help="What the question is about: variables (by reference), "
        "files, globs, folders. Left out: `context`, where it is set.",
    )
    @argument("--model", "-m", type=unquote, help="The root model.")
    @argument("--sub-model", type=unquote, help="Answers llm_query.")
    @argument("--api-base", type=unquote, help="The address of an OpenAI-compatible server.")
    @argument("--mode", type=unquote, help="auto, step or 'ask when …': how cells are decided.")
    @argument(
        "--budget", "-b", type=unquote, help="Limits: $1, '200 calls', '1M tokens', '10 min'."
    )
    @argument("--max-turns", type=int, help="Messages of the root model, at most.")
    @argument("--max-depth", type=int, help="1: calls only; 2: children; and so on.")
    @argument("--where", choices=("shell", "kernel"), help="This shell, or a kernel of its own.")
    @argument(
        "--sandbox",
        choices=("auto", "bubblewrap", "landlock", "none"),
        help="What holds the code in kernels of the run's own.",
    )
    @argument(
        "--tool",
        action="append",
        type=unquote,
        metavar="NAME",
        help="A tool that comes along and that the model's code may call, such as trm_solve.",
    )
    @argument(
        "--answer-type",
        type=unquote,
        metavar="TYPE",
        help="What the answer must be: int, "
        "float, str, list, dict, bool, or a variable: a type, a pydantic model, a JSON schema.",
    )
    @argument(
        "--headless",
        choices=("error", "approve", "reject"),
        help="What becomes of a proposal where nobody can be asked.",
    )
    @argument(
        "--block",
        action="store_true",
        help="Run the cells in this one and wait, also where each could be a cell of its own.",
    )
    @argument("--quiet", "-q", action="store_true", help="Show the answer only.")
    @cell_magic("rlm")
    def question(self, line: str, cell: str) -> None:
        """Ask a question over a context; the cell's text is the question.

        The root model writes cells that look into `context`; each is run here, in this
        notebook's namespace, and shown. With mode step each waits for a decision of yours.
        """  # fmt: skip
        with self.session.asked.during(parent_of(self.session.shell)):
            self.start(_parse(self.question, line), cell)

    def start(self, args: argparse.Namespace, question: str) -> None:
        """Check everything, start the run and stay with it."""
        session, shell = self.session, self.session.shell
        front = front_of(shell)
        if anchor := session.announced():  # whoever announced it can decide and place cells
            front = replace(front, stdin=True, cells=True)
        session.keyboard.arrive()
        if not question.strip():
            raise UsageError("The question is empty: write it into the cell, under the %%rlm line.")
        if args.name and not args.name.isidentifier():
            raise UsageError(f"{args.name!r} can't be a variable's name; write %%rlm NAME --…")
        if args.name and not isinstance(shell.user_ns.get(args.name), Run | None):
            raise UsageError(
                f"{args.name} has a value already, which the run would take the place of: choose "
                f"another name for the run, or `del {args.name}`. A context is given by "
                f"--context {args.name}."
            )
        where = args.where or self.where
        self._check_free(where)
        try:
            rlm = session.make(
                model=args.model, sub_model=args.sub_model, api_base=args.api_base,
                mode=args.mode, budget=args.budget, max_turns=args.max_turns,
                max_depth=args.max_depth, where=where, headless=args.headless,
                answer_type=_options.answer_type(args.answer_type, shell.user_ns),
                sandbox=args.sandbox, tools=args.tool, attended=front.stdin,
            )  # fmt: skip
            _options.check_person(rlm, front)
            context = _options.context(args.context, shell.user_ns)
            if not context:
                print("No context is given: `context` is an empty text; --context names one.")
            with Interruptible() as interrupts:
                self._say_where(rlm)
                run = rlm.start(
                    question.strip("\n"), *context, earlier=session.history(), name=args.name or ""
                )
                session.add(run, args.name, anchor)
                self._hand_over(run, front, interrupts, block=args.block, quiet=args.quiet)
        except (ConfigError, ContextError) as error:
            raise UsageError(str(error)) from None

    def pick_up(self, folder: str, context: Sequence[str], name: str, **changed: Any) -> None:
        """Go on with a run whose kernel died, from its folder; its cells run again here.

        Args:
            folder: of the run.
            context: variables or paths, where the folder doesn't hold what it was asked over.
            name: under which the run is known here; empty: the one that it had.
            **changed: options of ``RLM`` in place of those that it had, and what it may reach.
        """
        session, shell = self.session, self.session.shell
        front = front_of(shell)
        options = {**logged_options(folder), **changed}
        self._check_free(options.get("where", self.where))
        rlm = session.make(**options, attended=front.stdin)
        _options.check_person(rlm, front)
        given = _options.context(context, shell.user_ns) if context else ()
        self._say_where(rlm)
        with Interruptible() as interrupts:
            run = rlm.resume(folder, *given)
            pump = getattr(run.repl, "pump", None)
            if pump is not None:
                print("Running the cells of its earlier turns again.")
                pump(lambda: run.restored or run.ended)
            session.add(run, name or self._earlier_name(run), session.announced())
            self._hand_over(run, front, interrupts)

    def replay(self, source: Any, options: dict[str, Any]) -> Rerun:
        """Run a run's cells again in a kernel of their own, without a model."""
        known = {**options_of(Record(recorded(source).events)), "where": "kernel", **options}
        given = {k: v for k, v in known.items() if k not in ("model", "sub_model", "mode")}
        with RLM(mode="auto", **given) as rlm:
            return rlm.replay(source)

    def ask_plain(self, source: Run | RecordedRun, options: dict[str, Any]) -> RecordedRun:
        """Ask the question of a run of its model alone, with all of the context in one prompt.

        Args:
            source: the run.
            options: of ``RLM``, in place of those that the run had; ``context``: the variable or
                path of what it was asked over.
        """
        session = self.session
        word = options.pop("context", "")
        given = _options.context([word], session.shell.user_ns) if word else ()
        known = options_of(Record(source.events))
        rlm = session.make(**{**known, **options, "where": "kernel", "sandbox": "none"})
        if isinstance(source, Run) and "model" not in options:
            rlm.gateway = session.gateway_of(source) or rlm.gateway
        self._say_where(rlm)
        return rlm.plain(source, *given, tell=print)

    def fork_off(
        self, source: Any, name: str, options: dict[str, Any], change: dict[str, Any]
    ) -> None:
        """Begin a branch of a run and stay with it, or leave it to the front end.

        Args:
            source: a run, or the path of one.
            name: the variable that holds the branch; empty: none but ``_rlm``.
            options: of ``RLM``, in place of those that the run had.
            change: what is otherwise; as for ``RLM.fork``.
        """
        session = self.session
        front = front_of(self.shell)
        rlm = self.for_branch(source, options, attended=front.stdin)
        _options.check_person(rlm, front)
        self._say_where(rlm)
        with Interruptible() as interrupts:
            run = rlm.fork(source, **change)
            pump = getattr(run.repl, "pump", None)
            if pump is not None:
                pump(lambda: run.restored or run.ended)
            session.add(run, name, session.announced())
            self._hand_over(run, front, interrupts)

    def for_branch(self, source: Any, options: dict[str, Any], *, attended: bool) -> RLM:
        """Make what goes on with a branch: as its run was asked, in a kernel of its own."""
        known = {**options_of(Record(recorded(source).events)), "where": "kernel", **options}
        self._check_free(known["where"])
        return self.session.make(**known, attended=attended)

    def bind(self, name: str, value: Any) -> None:
        """Bind a variable of the person's, which has no other value."""
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"{name!r} can't be a variable's name.")
        shell = self.session.shell
        if not isinstance(shell.user_ns.get(name), Run | RecordedRun | None):
            raise UsageError(f"{name} has a value already: choose another name, or `del {name}`.")
        shell.push({name: value})

    def _earlier_name(self, run: Run) -> str:
        """Give the name that a run had in the notebook that it began in, where it is free."""
        name, bound = run.tree[run.node].name, self.session.shell.user_ns
        if not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name):
            return ""  # the log may be anybody's
        return name if isinstance(bound.get(name), Run | None) else ""

    def _say_where(self, rlm: RLM) -> None:
        """Say once that keys are in this process, where a provider's model is called from it."""
        models = {rlm.model, rlm.sub_model}
        named = any("/" in model for model in models)
        if named and installed() is None and self.session.once("in process"):
            said = where_calls_are_made()
            print(f"{said[0].upper()}{said[1:]}.")

    def _check_free(self, where: str) -> None:
        """Refuse a second run in this notebook's variables."""
        session = self.session
        live = session.live_in_shell()
        if where == "shell" and live is not None:
            raise UsageError(
                f"{session.name_of(live)} {_STANDS.get(live.phase, 'still runs')}: one run at a "
                "time has this notebook's variables. End it with `%rlm stop`, or give this "
                "question a kernel of its own with --where kernel."
            )

    def _hand_over(
        self,
        run: Run,
        front: Front,
        interrupts: Interruptible,
        *,
        block: bool = False,
        quiet: bool = False,
    ) -> None:
        """Leave a run's cells to a front end that claims them, else stay with it here."""
        session = self.session
        unheard = front.cells and session.once("announced")
        wait = CLAIM_UNHEARD if unheard else CLAIM_NOBODY
        if session.hub.heard:
            wait = CLAIM
        # A cell that blocks waits, too: whether its run's cells are in the notebook isn't left to
        # which of the two is faster.
        claimed = front.cells and session.placing.claimed(run, wait, interrupts)
        if claimed and not block:
            if interrupts.pending:
                interrupts.take()
                run.send(Interrupt(client=CLIENT))
            self.leave(run, quiet=quiet, front=front)
            return
        self.stay(run, quiet=quiet, front=front, interrupts=interrupts)

    # -- %%rlm_cell ---------------------------------------------------------------------------

    @no_var_expand
    @cell_magic
    def rlm_cell(self, line: str, cell: str) -> None:
        """Run this cell in the place of a proposal: `%%rlm_cell RUN PROPOSAL`, then the code.

        `%rlm edit` puts such a cell below; change the code and run it.
        """
        words = split(line)
        if len(words) != 2:
            raise UsageError("%%rlm_cell takes the run and the proposal: `%rlm edit` writes both.")
        run = self.session.run_named(words[0])
        pending = run.pending
        if pending is None or pending.id != words[1]:
            waits = f"{pending.id} waits now" if pending else f"the run is {run.phase}"
            raise UsageError(f"{words[1]} is no longer open; {waits}. The cell was not run.")
        code = cell.rstrip("\n")
        if code.strip() == pending.code.strip():
            decision: Command = Approve(proposal=words[1], client=CLIENT)
        else:
            decision = Edit(proposal=words[1], code=code, client=CLIENT)
        self.stay(run, send=lambda phases: phases.send(decision))

    # -- %rlm ---------------------------------------------------------------------------------

    @no_var_expand
    @line_magic("rlm")
    def verb(self, line: str) -> None:
        """Steer and look at runs. `%rlm help` lists what can be said; `%%rlm?` is about asking.

        %rlm                 where the current run stands, and what can be done next
        %rlm VERB …          a verb of the list; `--run NAME` means another run than the current
        """
        from ._verbs import VERBS, status

        words = split(line)
        run_name = take_option(words, "--run")
        if not words:
            status(self, run_name, [])
            return
        found = VERBS.get(words[0])
        if found is None:
            raise UsageError(
                f"%rlm has no {words[0]!r}.{near(words[0], VERBS)} `%rlm help` lists the verbs; a "
                "question goes into a cell under %%rlm."
            )
        self.session.keyboard.arrive()
        try:
            found.do(self, run_name, words[1:])
        except (ConfigError, ContextError, RecordingError) as error:
            raise UsageError(str(error)) from None

    # -- staying with a run -------------------------------------------------------------------

    def stay(
        self,
        run: Run,
        *,
        quiet: bool = False,
        front: Front | None = None,
        send: Any = None,
        interrupts: Interruptible | None = None,
    ) -> None:
        """Show a run in this cell and stay with it until it stops."""
        front = front or front_of(self.shell)
        self.session.keyboard.arrive()
        self.session.current = run
        if send is not None and self.session.placing.in_notebook(run):
            phases = Phases(run)
            try:
                problem = send(phases)
            finally:
                phases.end()
            if problem:
                raise UsageError(problem)
            print(f"{self.session.name_of(run)} is {run.phase}.")
            return
        view = View(
            run,
            publisher_of(self.shell),
            self._style(quiet, front),
            since=len(run.events) if send is not None else 0,
            live=self.session.widgets.live(run, front),
        )
        here = run.settings.where == "shell"
        keyboard = self.session.keyboard
        desk = Desk(run, keyboard, quiet=view.speaks)
        try:
            follow(
                run, view, front,
                send=send,
                insert=lambda: self.insert(run),
                shell=self.shell if here else None,
                read=keyboard.read if front.cells else None,
                give_up=keyboard.release if front.cells else None,
                interrupts=interrupts,
            )  # fmt: skip
        finally:
            desk.close()
        if not run.ended:
            self._say_next(run)

    def leave(self, run: Run, *, quiet: bool, front: Front) -> None:
        """Show a run in this cell as it goes on, and let the cell end: others are its cells."""
        self.session.current = run
        style = self._style(quiet, front)
        bound = self.session.shell.user_ns
        names = (name for name in self.session.runs if bound.get(name) is run)
        hint = f"Its cells appear below; {next(names, '_rlm')}.answer waits for the answer."
        if style != "quiet":
            View(run, publisher_of(self.shell), "compact").leave(hint)
        else:
            print(hint)

    def insert(self, run: Run) -> None:
        """Put the waiting proposal into a new cell, to be edited and run there."""
        pending = run.pending
        if pending is None:
            raise UsageError(f"No cell waits for a decision: the run is {run.phase}.")
        name = self.session.name_of(run)
        self.session.shell.set_next_input(f"%%rlm_cell {name} {pending.id}\n{pending.code}")

    def _style(self, quiet: bool, front: Front) -> Style:
        if quiet or self.display == "quiet":
            return "quiet"
        if self.display == "live" or (self.display == "auto" and front.updates):
            return "live"
        return "lines"

    def _say_next(self, run: Run) -> None:
        if run.phase == "taken over":
            print(
                "You have the notebook: write and run cells. `%rlm handback [note]` gives it back."
            )
        elif run.phase == "proposed":
            print("Change the cell below and run it; `%rlm approve` runs the proposal as it was.")

    # -- completions --------------------------------------------------------------------------

    def completions(self) -> dict[str, Any]:
        """Give what can be typed behind our magics."""
        from ._verbs import VERBS

        return _options.completions(self, list(VERBS))


def _parse(function: Any, line: str) -> argparse.Namespace:
    parser: MagicArgumentParser = function.parser
    known = [option for action in parser._actions for option in action.option_strings]
    for word in split(line):
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            raise UsageError(
                f"%%rlm has no option {option}.{near(option, known)} `%%rlm?` lists them."
            )
    try:
        args: argparse.Namespace = parser.parse_argstring(line)
    except UsageError as error:
        raise UsageError(f"%%rlm: {error}. `%%rlm?` lists the options.") from None
    return args
