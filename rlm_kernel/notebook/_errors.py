"""Our errors in a notebook: one sentence instead of a traceback; ``%tb`` shows the traceback.

Another extension's handler for its own exceptions stays in place.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

from IPython.core.error import UsageError

from ..errors import RLMError

_KEY = "_rlm_previous_handler"


def one_sentence_errors(shell: Any) -> None:
    """Show an ``RLMError`` that ends a cell as one line."""
    previous = (tuple(shell.custom_exceptions), getattr(shell, "CustomTB", None))
    shell.__dict__[_KEY] = previous
    others, other = previous

    def show(
        inner: Any, kind: Any, value: BaseException, tb: Any, tb_offset: int | None = None
    ) -> list[str]:
        if not isinstance(value, RLMError) and other is not None:
            stb: list[str] = other(kind, value, tb, tb_offset=tb_offset)
            return stb
        # %tb and the debugger look here.
        sys.last_type, sys.last_value, sys.last_traceback = kind, value, tb
        line = "".join(traceback.format_exception_only(kind, value)).strip()
        line = line.removeprefix(f"{kind.__module__}.")
        shell._showtraceback(kind, value, [line])
        return [line]

    shell.set_custom_exc((*others, RLMError), show)
    usage = shell.show_usage_error

    def show_usage_error(error: Exception) -> None:
        # IPython advises the line magic of that name, which isn't meant here.
        if str(error).startswith("%%rlm is a cell magic, but the cell body is empty."):
            error = UsageError("The question is empty: write it below the line with %%rlm.")
        usage(error)

    shell.__dict__["show_usage_error"] = show_usage_error


def usual_errors(shell: Any) -> None:
    """Put back what handled errors before."""
    shell.__dict__.pop("show_usage_error", None)
    others, other = shell.__dict__.pop(_KEY, ((), None))
    if others:
        shell.custom_exceptions, shell.CustomTB = others, other
    else:
        shell.set_custom_exc((), None)
