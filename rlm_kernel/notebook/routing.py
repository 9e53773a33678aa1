"""Which execution is which cell: what a front end runs goes to the run whose cell it is.

A run's cell is an ordinary cell of the notebook, run by whatever button or key. The kernel knows it
by the cell's metadata (or by what the front end announced) and gives it to the run: the decision is
taken, and the run's own way of executing (limits, interrupts, capture, the answer) is the one that
executes it. Everything else passes through untouched.

Guarantees:
- what the person sees is an ordinary execution: number, history, outputs, ``In``/``Out``;
- an error of a model's cell is shown, and isn't an error of the request: cells that are queued
  behind it run;
- a cell whose run is over, or which isn't up, is an ordinary cell; but not where it was sent before
  the last question was over, as Run All does: it would change what the new run works with, and its
  calls would be the new run's;
- whatever becomes of a run's cell, the request gets its reply, and the next one comes here again.
"""

# IPython's own calls have no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

from ..lm import engine_loop
from ..protocol.control import Approve, Edit, Interrupt
from ._behind import LastQuestion
from ._front import parent_of

if TYPE_CHECKING:
    from ..repl import Runtime
    from ._placed import Placed
    from .placing import Placing

_note = logging.getLogger("rlm_kernel.notebook")
LEFT_OVER = (
    "Not run again: this is a cell of an earlier run, and the question above was asked anew. Run "
    "it by itself to run it here."
)
STANDING = frozenset(("proposed", "paused", "taken over"))


class Router:
    """Stands between the kernel and the shell's ``run_cell``.

    Args:
        shell: the shell.
        placing: knows the runs' cells.
        runtime: of the shell.
        arrive: called when a cell of a run begins, for who sits at its front end.
        asked: the last question.
    """

    def __init__(
        self,
        shell: Any,
        placing: Placing,
        runtime: Runtime,
        arrive: Callable[[], None],
        asked: LastQuestion,
    ) -> None:
        self._shell = shell
        self._placing = placing
        self._runtime = runtime
        self._arrive = arrive
        self._asked = asked
        self._inner: dict[str, Any] | None = None  # options of the execution that is a run's
        self._result: ExecutionResult | None = None
        self._run_cell: Any = None
        self._should_run_async: Any = None
        self._ours: dict[str, Any] = {}

    def open(self) -> None:
        """Begin to route; an interrupt that comes between cells pauses the run from now on."""
        shell = self._shell
        self._run_cell, self._should_run_async = shell.run_cell, shell.should_run_async

        @functools.wraps(self._run_cell)  # ipykernel looks at the signature
        def run_cell(*args: Any, **options: Any) -> ExecutionResult:
            return self._route(*args, **options)

        @functools.wraps(self._should_run_async)
        def should_run_async(*args: Any, **options: Any) -> bool:
            return self._is_async(*args, **options)

        self._ours = {"run_cell": run_cell, "should_run_async": should_run_async}
        vars(shell).update(self._ours)

    def close(self) -> None:
        """Give the shell its own methods back."""
        for name in self._ours:
            vars(self._shell).pop(name, None)
        self._ours = {}

    # -- private ----------------------------------------------------------------------------------

    def _found(self, source: str) -> tuple[Placed, str] | None:
        return None if self._runtime.in_cell else self._placing.cell_of(self._metadata(), source)

    def _metadata(self) -> dict[str, Any]:
        metadata = (parent_of(self._shell) or {}).get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def _is_left_over(self) -> bool:
        """Whether it is of an earlier run's cell and was queued behind a new question."""
        told = self._metadata().get("rlm")
        if self._runtime.in_cell or not isinstance(told, dict):
            return False
        is_live = self._placing.is_live(str(told.get("run")))
        return not is_live and self._asked.precedes(parent_of(self._shell))

    def _is_async(self, raw_cell: str, **options: Any) -> bool:
        # A run's cell with a top-level await is awaited on the run's own loop.
        if self._placing.expects(self._metadata(), raw_cell) or self._is_left_over():
            return False
        return bool(self._should_run_async(raw_cell, **options))

    def _route(self, raw_cell: str, *args: Any, **options: Any) -> ExecutionResult:
        if self._inner is not None:  # it is the run's: what its code runs in turn is its own
            inner, self._inner = {**options, **self._inner}, None
            self._result = self._run_cell(raw_cell, **inner)
            return self._result
        found = None if options.get("silent") else self._found(raw_cell)
        if found is None and not options.get("silent") and self._is_left_over():
            print(LEFT_OVER)
            return self._nothing(raw_cell, options)
        if found is None:
            plain: ExecutionResult = self._run_cell(raw_cell, *args, **options)
            return plain
        placed, cell = found
        if self._placing.is_over(placed, cell):
            self._show(placed, cell)
            return self._nothing(raw_cell, options)
        return self._execute(placed, cell, raw_cell, options)

    def _execute(
        self, placed: Placed, cell: str, code: str, options: dict[str, Any]
    ) -> ExecutionResult:
        run, repl = placed.run, placed.repl
        assert repl is not None
        code = code.rstrip("\n")
        self._arrive()
        self._placing.executing(placed, cell)
        self._inner = {"store_history": True, "silent": False}
        if "cell_id" in options:
            self._inner["cell_id"] = options["cell_id"]
        self._result = None
        try:
            pending = run.pending
            if pending is not None and pending.id == cell:
                who = "auto" if run.phase == "running" else "notebook"
                same = code.strip() == pending.code.strip()
                command = (
                    Approve(proposal=cell, client=who)
                    if same
                    else Edit(proposal=cell, code=code, client="notebook")
                )
                ack = run.send(command)
                if not ack.ok and not run.ended and repl.job is None:
                    print(ack.message)
                    return self._nothing(code, options)
            repl.pump(lambda: self._result is not None or run.ended or (
                repl.job is None and run.phase in STANDING
            ))  # fmt: skip
        except KeyboardInterrupt:  # no cell ran; raised further, the request would get no reply
            run.send(Interrupt(client="notebook"))
        except Exception as error:  # ours, or the engine hangs: raised, there would be no reply
            _note.exception("A cell of a run could not be executed.")
            print(f"The cell could not be run: {type(error).__name__}: {error}")
            return self._nothing(code, options)
        finally:
            self._inner = None
            result, self._result = self._result, None
            vars(self._shell).update(self._ours)  # whatever the cell did to them
            self._placing.executing(placed, "", code)
        if result is None:
            print(f"The cell was not run: {run.reason or run.phase}")
            return self._nothing(code, options)
        return self._passed(result)

    def _passed(self, result: ExecutionResult) -> ExecutionResult:
        """Give a result whose error, which was shown, aborts nothing that is queued behind it."""
        fine = ExecutionResult(result.info)
        fine.execution_count = result.execution_count
        fine.result = result.result
        if getattr(self._shell, "_last_traceback_during_displayhook", None):
            self._shell._last_traceback_during_displayhook = False
        return fine

    def _nothing(self, code: str, options: dict[str, Any]) -> ExecutionResult:
        known = {"raw_cell": code, "store_history": False, "silent": False, "shell_futures": True}
        return ExecutionResult(ExecutionInfo(**known, cell_id=options.get("cell_id")))

    def _show(self, placed: Placed, cell: str) -> None:
        """Show what a cell that has run meanwhile came to."""
        node = placed.run.tree.get(cell)
        if node is None:
            return
        if node.ended is None or node.decision in ("reject", "respond"):
            print("The cell was not run: it was decided elsewhere.")
        if node.output:
            print(node.output, end="" if node.output.endswith("\n") else "\n")
        if node.result:
            print(node.result)
        if node.error:
            print(node.traceback or node.error)


class IdleInterrupt:
    """Makes an interrupt that comes while no cell runs pause the run that has this shell.

    ipykernel ignores it then: it puts a handler of its own in place while it handles a request and
    puts back what was there before.

    Args:
        kernel: an ipykernel, or None outside of one.
        live: gives the run, or None.
    """

    def __init__(self, kernel: Any, live: Callable[[], Any]) -> None:
        self._kernel = kernel
        self._live = live

    def open(self) -> None:
        """Take the place of the handler that ignores."""
        self._replace(signal.SIG_IGN, self._handle)

    def close(self) -> None:
        """Put back what was there."""
        self._replace(self._handle, signal.SIG_IGN)

    def _replace(self, old: Any, new: Any) -> None:
        if self._kernel is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGINT) == old:
            signal.signal(signal.SIGINT, new)
        elif getattr(self._kernel, "saved_sigint_handler", None) == old:  # a request is handled
            self._kernel.saved_sigint_handler = new

    def _handle(self, number: int, frame: Any) -> None:
        run = self._live()
        if run is not None:
            engine_loop().call_soon_threadsafe(run.send, Interrupt(client="notebook"))
