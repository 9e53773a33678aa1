"""One notebook session: the names bound outside of runs, the runs made here, whose turn it is.

Guarantees:
- a name of the person's is never taken: what stood under one of ours comes back at the end,
  ``context`` is bound only where it is free;
- one live run at a time has this shell; others have a kernel of their own;
- calls typed outside of a run belong to a session node with a budget of its own;
- while a run is taken over, the cells that the person runs are put into it, ours aren't.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from .. import __version__
from ..engine import RLM
from ..engine.heading import model_text
from ..engine.recorded import RecordedRun
from ..engine.rlm import watch_runs
from ..engine.services import CodeServices
from ..errors import RLMError
from ..lm import BudgetLedger, Gateway, engine_loop, run_sync
from ..log import Log, Tree, new_run_folder
from ..protocol import Call, ModelInfo, Provider
from ..protocol.events import SessionStarted
from ..protocol.front import Fork, GetShown, Reply
from ..protocol.solves import SolvePlace, watch_solves
from ..repl import LocalBridge, ShellRepl, shell_runtime
from . import _comm, _control_channel
from ._behind import LastQuestion
from ._forking import Forking
from ._front import cell_of, parent_of, session_of_client
from ._person import Keyboard, Recorder
from ._shell_replies import send_by_stream
from ._tap import Tap
from ._words import near
from .display import shown_of
from .hub import Hub
from .latent import Solves
from .placing import Placing
from .routing import IdleInterrupt, Router
from .showing import Widgets

if TYPE_CHECKING:
    from ..engine import Run
    from ..repl import Runtime
    from ..repl.bridge import Method
    from .magics import RLMMagics


class NoContext:
    """Stands under ``context`` as long as none is given; says how to give one."""

    def __repr__(self) -> str:
        return (
            "No context is given yet. `%rlm context NAME` (a variable), `%rlm context PATH…` "
            "(files, a glob or a folder), or --context behind %%rlm."
        )

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False


class Session:
    """What the magics share in one shell.

    Args:
        shell: the shell.
        magics: whose options are the defaults.
    """

    def __init__(self, shell: Any, magics: RLMMagics) -> None:
        self.shell = shell
        self.magics = magics
        self.matcher: Any = None
        self.runs: dict[str, Run] = {}
        self.current: Run | None = None
        self.context: Any = None  # what ``%rlm context`` set; None: nothing
        self.context_name = ""
        self.keyboard = Keyboard(shell, lambda: self.placing.asks)
        self._own: weakref.WeakSet[RLM] = weakref.WeakSet()  # made for magics: they tell of runs
        self.hub = Hub(version=__version__, describe=self._describe)
        self.hub.on(GetShown, self._shown)
        self.hub.on(Fork, Forking(self).fork)
        self.placing = Placing(self.hub, on_main=self._on_main, shell=shell)
        self.tap = Tap(getattr(shell, "kernel", None))
        self.widgets = Widgets(shell, self.hub, self.tap, lambda: self.runtime.in_cell)
        self.solves = Solves(shell, self.tap, lambda: self.runtime.in_cell)
        self._gateways: dict[str, Gateway] = {}
        self._recorder = Recorder(self)
        self._outside: Outside | None = None
        self.asked = LastQuestion()
        self._router = Router(
            shell, self.placing, self.runtime, self.keyboard.arrive, self.asked
        )
        self._idle = IdleInterrupt(getattr(shell, "kernel", None), self.live_in_shell)
        self._transports: list[Callable[[], None]] = []
        self._unwatch: Callable[[], None] = lambda: None
        self._unwatch_solves: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._noted: set[str] = set()

    # -- life ---------------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """What runs cells in this shell."""
        return shell_runtime(self.shell)

    def open(self) -> None:
        """Bind the names and listen for the person's cells."""
        self.runtime.bind_session(_SessionBridge(self), {"context": NoContext()})
        send_by_stream(getattr(self.shell, "kernel", None))
        self._recorder.open()
        self._router.open()
        self._idle.open()
        self._transports = [
            uninstall
            for transport in (_control_channel, _comm)
            if (uninstall := transport.install(self.shell, self.hub)) is not None
        ]
        self.widgets.open()
        self.solves.open()
        self._unwatch = watch_runs(self._started)
        self._unwatch_solves = watch_solves(self._solves)

    def close(self) -> None:
        """Stop what lives and take the names away."""
        self._unwatch()
        self._unwatch_solves()
        for run in self.runs.values():
            if not run.ended:
                run.stop()
        self._recorder.close()
        self._idle.close()
        self._router.close()
        self.placing.close()
        self.widgets.close()
        self.solves.close()
        self.hub.close()
        for uninstall in self._transports:
            uninstall()
        self.tap.close()
        self.runtime.unbind_session()
        gateways, self._gateways = list(self._gateways.values()), {}
        for gateway in gateways:
            run_sync(gateway.close())

    # -- runs ---------------------------------------------------------------------------------

    def announced(self) -> str:
        """Give the notebook cell that runs, where a page says it and the execution doesn't."""
        parent = parent_of(self.shell) or {}
        if cell_of(self.shell) or not parent:
            return ""
        return self.placing.announced(str(parent.get("content", {}).get("code", "")))

    def add(self, run: Run, name: str, anchor: str = "") -> None:
        """Keep a run and make it the current one.

        Args:
            run: the run.
            name: the variable that holds it, or empty.
            anchor: the notebook cell, where a page announced it and a server executes for it.
        """
        self.tap.open()  # not at our start: the kernel isn't reading its channels then
        session = "" if anchor else session_of_client(self.shell)  # a server's is no page's
        self.know(run, name, anchor or cell_of(self.shell), session)

    def know(self, run: Run, name: str, anchor: str, session: str) -> None:
        """Keep a run that no cell of this shell need have started, and make it the current one.

        Args:
            run: the run.
            name: the variable that holds it, or empty.
            anchor: the notebook cell that it belongs to, or empty.
            session: the session of the front end that started it, or empty.
        """
        key = name or f"run{len(self.runs) + 1}"
        self.runs[key] = run
        self.current = run
        self.placing.add(run, key, anchor, session)
        self.shell.push({"_rlm": run, **({name: run} if name else {})}, interactive=bool(name))

    def take_over(self, runs: dict[str, Run]) -> None:
        """Know the runs of a session that was unloaded."""
        for name, run in runs.items():
            self.runs[name] = self.current = run
            self.hub.add(run, name)

    def _started(self, rlm: RLM, run: Run) -> None:
        """Show the front ends a run that a cell's code started, without a magic."""
        if rlm not in self._own:
            self.tap.open()
            self.placing.add(run, "", cell_of(self.shell), session_of_client(self.shell))

    def _solves(self) -> SolvePlace | None:
        """Give where what code here solves is told: in the run's cell, else the session."""
        call, run = self.runtime.here(), self.live_in_shell()
        if run is not None and call.cell:
            return run.services.solves(call)
        try:
            outside = self.outside_of_runs()
        except (RLMError, OSError):  # a default that is none, a disk that is full: it is solved all
            return None  # the same, and a call says what is wrong
        return SolvePlace(outside.log, outside.node)

    def _shown(self, request: GetShown) -> Reply:
        run = next((run for run in self.runs.values() if run.id == request.run), None)
        if run is None:
            return Reply(ok=False, message="That run isn't in this kernel.")
        return shown_of(run)

    def _describe(self, run: Run) -> dict[str, Any]:
        return self.placing.describe(run)

    def _on_main(self, function: Callable[[], None]) -> bool:
        """Have the main thread call a function when it is free; False outside of a kernel."""
        kernel = getattr(self.shell, "kernel", None)
        loop = getattr(kernel, "io_loop", None)
        if loop is None:
            return False
        loop.add_callback(function)
        return True

    def name_of(self, run: Run) -> str:
        """Give the name under which a run is known here."""
        return next((key for key, other in self.runs.items() if other is run), run.id)

    def run_named(self, name: str) -> Run:
        """Find a run by its name; the current one where none is named."""
        if not name:
            if self.current is None:
                raise UsageError("No run yet: `%%rlm` on a cell with a question starts one.")
            return self.current
        found = self.runs.get(name)
        if found is None:
            raise UsageError(f"There is no run named {name!r}.{near(name, self.runs)}")
        return found

    def found(self, name: str) -> Run | RecordedRun:
        """Find a run by its name, or a recording by that of its variable; else the current run."""
        bound = self.shell.user_ns.get(name) if name else None
        if isinstance(bound, RecordedRun) and name not in self.runs:
            return bound
        return self.run_named(name)

    def live_in_shell(self) -> Run | None:
        """Give the run that has this shell now."""
        for run in self.runs.values():
            if not run.ended and run.settings.where == "shell":
                return run
        return None

    def history(self) -> list[dict[str, Any]]:
        """Give what ``history`` holds for the next question: the latest run that ended."""
        ended = [run for run in self.runs.values() if run.ended]
        return ended[-1].history if ended else []

    # -- models -------------------------------------------------------------------------------

    @property
    def gateways(self) -> list[Gateway]:
        """The gateways of this session."""
        return list(self._gateways.values())

    def gateway(self, api_base: str = "") -> Gateway:
        """Give the gateway for a server's address; one each, for the whole session."""
        with self._lock:
            if api_base not in self._gateways:
                gateway = Gateway(
                    api_base=api_base or None,
                    can_answer=lambda: self.keyboard.there,
                    config=self.shell.config,
                )
                if "stream" not in self.shell.config.Gateway:  # somebody watches here
                    gateway.stream = "few"
                self._gateways[api_base] = gateway
            return self._gateways[api_base]

    def gateway_of(self, run: Run) -> Gateway | None:
        """Give the gateway that answers a run of this session."""
        return next((rlm.gateway for rlm in list(self._own) if run in rlm.runs), None)

    def model(self, text: str, api_base: str = "") -> str:
        """Give the name of a model; a variable that holds a provider object is one too."""
        value = self.shell.user_ns.get(text)
        if text and isinstance(value, Provider) and not isinstance(value, type):
            return self.gateway(api_base).register(value)
        return text

    def make(self, **options: Any) -> RLM:
        """Make what answers questions, from options over the defaults."""
        base = str(options.get("api_base") or self.magics.api_base)
        merged = {**self.magics.chosen(), **{k: v for k, v in options.items() if v is not None}}
        for role in ("model", "sub_model"):
            if role in merged:
                merged[role] = self.model(merged[role], base)
        rlm = RLM(
            config=self.shell.config,
            gateway=self.gateway(base),
            ask=self.keyboard,
            make_repl=self._place if merged.get("where") == "shell" else None,
            **merged,
        )
        rlm.given = frozenset(options)  # and not by our defaults
        self._own.add(rlm)
        return rlm

    def _place(self) -> ShellRepl:
        return ShellRepl(self.runtime)

    def once(self, key: str) -> bool:
        """Say whether something hasn't been said yet; from now on it has."""
        if key in self._noted:
            return False
        self._noted.add(key)
        return True

    @property
    def outside(self) -> Outside | None:
        """The session node, once a call was typed outside of a run."""
        return self._outside

    def outside_of_runs(self) -> Outside:
        """Give the session node, made at the first use."""
        with self._lock:
            if self._outside is None:
                self._outside = Outside(self)
            return self._outside


class Outside:
    """What calls typed outside of a run need: a node, a budget, a log."""

    def __init__(self, session: Session) -> None:
        rlm = session.make(where="kernel")
        self.log = Log(new_run_folder() if rlm.save else None)
        self.tree = Tree()
        self.log.listen(self.tree.apply)
        self.ledger = BudgetLedger(rlm.budget)
        self.node = self.log.new_id("session")
        self.log.emit(SessionStarted(node=self.node, title="calls typed outside of a run"))
        self.services = CodeServices(
            rlm.gateway,
            self.ledger,
            self.log,
            run=self.node,
            sub_model=rlm.sub_model or rlm.model or "local",
            no_child="rlm_query became llm_query: outside of a run there are no children",
            ask=session.keyboard,
            clock=self.ledger,
        )
        self.bridge = LocalBridge(engine_loop(), self.services)
        session.hub.add_log("session", self.log, self.tree, self.node, self.ledger)

    def use(self, rlm: RLM) -> None:
        """Take the model that is the default now."""
        self.services.sub_model = rlm.sub_model or rlm.model or "local"
        self.services.gateway = rlm.gateway


class _SessionBridge:
    """Answers calls typed outside of a run; nothing is made before the first one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def submit(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Send a call with the model and budget that are the defaults now."""
        session = self._session
        outside = session.outside_of_runs()
        rlm = session.make(where="kernel")
        outside.use(rlm)
        if method in ("llm_query", "rlm_query"):
            queries = [
                replace(query, model=session.model(query.model) if query.model else None)
                for query in args[0]
            ]
            for model in {query.model or outside.services.sub_model for query in queries}:
                self._say(rlm.gateway.info(model), outside)
            args = (queries, *args[1:])
        session.keyboard.arrive()
        return outside.bridge.submit(method, call, *args)

    def _say(self, info: ModelInfo, outside: Outside) -> None:
        """Say once what calls to a model cost, and from which budget they are paid."""
        if self._session.once(f"outside {info.name}"):
            left = outside.ledger.remaining_text()
            print(f"Calls outside of a run: {model_text(info)}; {left} for this session.")
