"""The command line: ``rlm-kernel run | resume | replay | fork | demo | doctor | …``.

Exit codes: 0 an answer; 1 no answer, or none that could be given; 2 a mistake in what was asked
(said in one sentence); 3 a draft only (``partial``); 4 an answer whose log isn't complete; 130
stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import RLMError

OK, NO_ANSWER, MISTAKE, PARTIAL, UNLOGGED, INTERRUPTED = 0, 1, 2, 3, 4, 130
_BY_STATUS = {"done": OK, "partial": PARTIAL}


def exit_code(status: str) -> int:
    """Give the exit code for how a run ended."""
    return _BY_STATUS.get(status, NO_ANSWER)


class _Parser(argparse.ArgumentParser):
    """Takes no option that isn't ours for one of ours that begins alike; says what was meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what isn't known is refused by the verb that it was given to, with its usage."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Say the mistake; where it is the question that is missing, where it goes."""
        if message.endswith(": question"):
            message += f". {_QUESTION}"
        super().error(message)

    def _meant(self, unknown: list[str]) -> str:
        option = unknown[0].partition("=")[0]
        if option.startswith("-"):
            near = difflib.get_close_matches(option, self._option_string_actions, 1, 0.7)
            return f". Did you mean {near[0]}?" if near else ""
        asks = any(action.dest == "question" for action in self._actions)
        return f". {_QUESTION}" if asks else ""


_QUESTION = 'The question comes first, in quotes: rlm-kernel run "QUESTION" --context PATH'


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    top = _Parser(
        prog="rlm-kernel",
        description="Ask questions of texts too long for any model, and see every step.",
        epilog="exit codes: 0 an answer, 1 none (or it couldn't be printed), 2 a mistake in the "
        "command, 3 a draft only, 4 an answer whose log isn't complete (a full disk), 130 stopped "
        "by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP",
    )
    top.add_argument("--version", action="version", version=f"rlm-kernel {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", parser_class=_Parser)
    run = verbs.add_parser("run", help="ask a question of one or more files")
    run.add_argument("question")
    run.add_argument("--context", "-c", nargs="+", action="extend", default=[], metavar="PATH",
                     help="files, globs or folders ('./-x' for one named '-x'); '-' reads "
                     "standard input")  # fmt: skip
    run.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    _model_options(run)
    resume = verbs.add_parser("resume", help="go on with a run whose process ended")
    resume.add_argument("folder", nargs="?", default="",
                        help="of the run; left out: the newest that has no answer")
    resume.add_argument("--context", "-c", nargs="+", action="extend", default=[], metavar="PATH",
                        help="what it was asked over, where its folder doesn't hold it")
    resume.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    _model_options(resume)
    resume.add_argument("--workdir", metavar="PATH", help="the folder that its code is in")
    resume.add_argument("--where", choices=("kernel",),
                        help="kernel: in one of its own, also where it had a notebook's variables")
    for verb in (run, resume):
        _otlp_option(verb)
    replay = verbs.add_parser(
        "replay", help="show a recorded run, and run its cells again without a model"
    )
    replay.add_argument("path", help="a run's folder, or a .rlm file")
    replay.add_argument("--show", action="store_true", help="show it only")
    fork = verbs.add_parser("fork", help="go on otherwise from a turn of a run")
    fork.add_argument("path", help="a run's folder, or a .rlm file")
    fork.add_argument("--turn", type=int, help="the last turn that is kept; default: all that can")
    fork.add_argument("--cell", nargs=2, action="append", default=[], metavar=("N", "FILE"),
                      help="the code in this file runs in the place of cell N")
    fork.add_argument("--told", help="what the model is told after the turn")
    fork.add_argument("--question", help="another question, over the same context")
    _otlp_option(fork)
    for verb in (replay, fork):
        verb.add_argument("--context", "-c", nargs="+", action="extend", default=[],
                          metavar="PATH", help="what it was asked over, where it isn't in there")
        verb.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
        verb.add_argument("--workdir", metavar="PATH", help="the folder that its code is in")
        verb.add_argument("--where", choices=("kernel",),
                          help="kernel: in one of its own, where it had a notebook's variables")
        _model_options(verb)
    export = verbs.add_parser("export", help="write a run for other programs")
    export.add_argument("path", help="a run's folder, a .rlm file, or a log of the official rlm")
    export.add_argument("file", nargs="?", default="",
                        help="ends in .html, .ipynb, .jsonl (official visualizer) or .json")
    export.add_argument("--otlp", default="", metavar="URL",
                        help="sends its spans to an OpenTelemetry collector or Phoenix there")
    export.add_argument("--form", choices=("html", "ipynb", "rlm", "pairs", "rollout"),
                        help="where the file's name doesn't say it; pairs: a person's decisions")
    compare = verbs.add_parser("compare", help="recorded runs side by side")
    compare.add_argument("paths", nargs="+", help="folders of runs, or .rlm files; two or more")
    compare.add_argument("--plain", action="store_true",
                         help="ask the first one's model alone, too, with all of the context in "
                         "one prompt: a call that is paid")  # fmt: skip
    compare.add_argument("--context", "-c", nargs="+", action="extend", default=[], metavar="PATH",
                         help="for --plain: what it was asked over, where it isn't in there")
    compare.add_argument("--model", "-m", help="for --plain: in place of the run's")
    compare.add_argument("--api-base", help="for --plain: an OpenAI-compatible server")
    compare.add_argument("--budget", help="for --plain: such as '$1'")
    demo = verbs.add_parser("demo", help="the whole thing on a generated text, with a model of "
                            "this machine")  # fmt: skip
    _model_options(demo)
    doctor = verbs.add_parser("doctor", help="what is installed, which models can be reached")
    doctor.add_argument("--json", action="store_true")
    models = verbs.add_parser("models", help="the local models: list, pull, add")
    what = models.add_subparsers(
        dest="what", metavar="list | pull | add", parser_class=_Parser
    )
    what.add_parser("list", help="what is here and what can be fetched")
    pull = what.add_parser("pull", help="fetch a model's weights (always the same SHA-256)")
    pull.add_argument("name", nargs="?", default=None)
    pull.add_argument("--from", dest="source", metavar="PATH", help="a file or folder with it")
    add = what.add_parser("add", help="add a GGUF file of yours")
    add.add_argument("path")
    add.add_argument("--name", default=None)
    install = verbs.add_parser("install", help="install the kernel for Jupyter")
    where = install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you, in every environment")
    where.add_argument("--sys-prefix", action="store_true", help="into this environment (default)")
    where.add_argument("--prefix", metavar="DIR", help="under this prefix")
    bench = verbs.add_parser("bench", help="our times beside the limits, in one run")
    bench.add_argument("rows", nargs="*", help="which rows; none: all")
    bench.add_argument("--full", action="store_true", help="all rows, at sizes that take minutes")
    bench.add_argument("--json", action="store_true")
    return top


def _otlp_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--otlp", metavar="URL", help="sends its spans to an OpenTelemetry collector "
                      "there as it goes on, such as http://127.0.0.1:6006")  # fmt: skip


def _model_options(verb: argparse.ArgumentParser) -> None:
    # Nothing has a default here: what isn't given is left to the config file and to RLM.
    verb.add_argument("--model", "-m", help="the root model; default: the local one")
    verb.add_argument("--sub-model", help="answers llm_query; default: the same")
    verb.add_argument("--api-base", help="an OpenAI-compatible server")
    verb.add_argument("--budget", help="such as '$1, 200 calls, 10 min'; default: $1, 1000 calls")
    verb.add_argument("--max-turns", type=int, help="default: 30")
    verb.add_argument("--max-depth", type=int, help="1: sub-models only (default); 2: children")
    verb.add_argument("--sandbox", choices=("auto", "bubblewrap", "landlock", "none"),
                      help="what holds the code; none: it runs with your rights")  # fmt: skip
    verb.add_argument("--allow-read", action="append", metavar="PATH", help="it may read this")
    verb.add_argument("--allow-write", action="append", metavar="PATH", help="and change this")
    verb.add_argument("--allow-net", action=argparse.BooleanOptionalAction, default=None,
                      help="and use the network")  # fmt: skip
    verb.add_argument("--quiet", "-q", action="store_true", help="no progress, the answer only")


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
