"""Loading into an IPython and unloading from it; the kernel does the same thing at its start."""

from __future__ import annotations

from typing import Any

from .. import __version__
from ._completion import make_matcher
from ._errors import one_sentence_errors, usual_errors
from .session import Session

_KEY = "_rlm_session"
_EARLIER = "_rlm_earlier"  # the runs of a session that was unloaded


def session_of(shell: Any) -> Session | None:
    """Give the session that is loaded in a shell, or None."""
    session: Session | None = shell.__dict__.get(_KEY)
    return session


def load(shell: Any) -> Session:
    """Bind the names, magics, completions and short errors; once only."""
    from .magics import RLMMagics

    session = session_of(shell)
    if session is not None:
        return session
    magics = RLMMagics(shell)
    session = magics.session
    shell.__dict__[_KEY] = session
    shell.register_magics(magics)
    shell.configurables.append(magics)
    session.open()
    session.take_over(shell.__dict__.pop(_EARLIER, {}))
    one_sentence_errors(shell)
    if shell.Completer is not None:
        session.matcher = make_matcher(**magics.completions())
        shell.Completer.custom_matchers.append(session.matcher)
    return session


def unload(shell: Any) -> None:
    """Take away what ``load`` added; a live run is stopped, and known again when it is loaded."""
    session = session_of(shell)
    if session is None:
        return
    session.close()
    shell.__dict__[_EARLIER] = session.runs
    usual_errors(shell)
    del shell.__dict__[_KEY]
    magics = session.magics
    shell.configurables[:] = [other for other in shell.configurables if other is not magics]
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    if session.matcher is not None and session.matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(session.matcher)


def load_ipython_extension(ipython: Any) -> None:
    """Load into an IPython by ``%load_ext rlm``."""
    first = session_of(ipython) is None
    load(ipython)
    if first:
        print(
            f"rlm-kernel {__version__}: %%rlm asks over a long text, %rlm help lists the rest.\n"
            "Models are called from this process: code that runs here can read the keys it uses."
        )


def unload_ipython_extension(ipython: Any) -> None:
    """Unload by ``%unload_ext rlm``."""
    unload(ipython)
