"""The command line: ``rlm-kernel run | resume | replay | fork | demo | doctor | …``.

Exit codes: 0 an answer; 1 no answer, or none that could be given; 2 a mistake in what was asked
(said in one sentence); 3 a draft only (``partial``); 4 an answer whose log isn't complete; 130
stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ..errors import RLMError
from ._commands import parser
from ._parser import MISTAKE

__all__ = ["main", "parser"]

OK, NO_ANSWER, PARTIAL, UNLOGGED, INTERRUPTED = 0, 1, 3, 4, 130
_BY_STATUS = {"done": OK, "partial": PARTIAL}


def exit_code(status: str) -> int:
    """Give the exit code for how a run ended."""
    return _BY_STATUS.get(status, NO_ANSWER)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; give its exit code."""
    try:
        from . import signals, streams

        streams.prepare()
        with signals.heard():
            return _given(argv)
    except KeyboardInterrupt:
        print("rlm-kernel: stopped by Ctrl-C.", file=sys.stderr)
        return INTERRUPTED


def _given(argv: Sequence[str] | None) -> int:
    """Run the command line; whatever it printed is then given, or said not to be."""
    from . import streams

    try:
        try:
            return _main(argv)
        finally:
            streams.flush()
    except streams.Undelivered as error:
        if not error.quiet:
            streams.say(f"rlm-kernel: {error}.")
        return NO_ANSWER


def _main(argv: Sequence[str] | None) -> int:
    from . import signals
    from .flags import in_flags
    from .streams import Undelivered, flush, say

    top = parser()
    args = top.parse_args(argv)
    if args.verb is None:
        top.print_help()
        return MISTAKE
    try:
        _quiet_logging()
        return _verb(args.verb)(args)
    except RLMError as error:
        say(f"rlm-kernel: {in_flags(str(error))}")
        return MISTAKE
    except KeyboardInterrupt:
        say("rlm-kernel: stopped by Ctrl-C.")
        return INTERRUPTED
    except signals.Ended as error:
        say(f"rlm-kernel: stopped by {error}.")
        return error.code
    except BrokenPipeError as error:  # the reader of our output went away
        raise Undelivered(error) from None
    except OSError as error:
        flush()  # where it is standard output that can't be written, that is what is said
        where = f": {error.filename}" if error.filename else ""
        say(f"rlm-kernel: the system refuses it ({error.strerror or error}{where}).")
        return NO_ANSWER


def _quiet_logging() -> None:
    """Leave to Python's logging only what is a fault of ours: the rest is said in sentences."""
    import logging

    logging.raiseExceptions = False
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.ERROR)


def _verb(name: str) -> Callable[[argparse.Namespace], int]:
    # Each verb brings its own imports, so that --help and mistakes answer at once.
    import importlib

    module = importlib.import_module(f".{name}", __name__)
    verb: Callable[[argparse.Namespace], int] = module.main
    return verb


if __name__ == "__main__":
    sys.exit(main())
