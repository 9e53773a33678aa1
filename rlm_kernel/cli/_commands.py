"""The commands of the command line and their options."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from ._parser import Parser, whole

_ASK = 'rlm-kernel run "QUESTION" --context PATH'
_RECORDED = "a run's folder, or a .rlm file"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    top = Parser(
        prog="rlm-kernel",
        example=_ASK,
        description="Ask questions of texts too long for any model, and see every step.",
        epilog="exit codes: 0 an answer, 1 none (or it couldn't be printed), 2 a mistake in the "
        "command, 3 a draft only, 4 an answer whose log isn't complete (a full disk), 130 stopped "
        "by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP",
    )
    top.add_argument("--version", action="version", version=f"rlm-kernel {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", parser_class=Parser)
    _asking(verbs)
    _recordings(verbs)
    demo = verbs.add_parser("demo", example="rlm-kernel demo", help="the whole thing on a "
                            "generated text, with a model of this machine")  # fmt: skip
    _model_options(demo)
    _machine(verbs)
    return top


def _asking(verbs: Any) -> None:
    run = verbs.add_parser("run", example=_ASK, help="ask a question of one or more files")
    run.add_argument("question", help="the question, in quotes")
    _context_option(run, "files, globs or folders ('./-x' for one named '-x'); '-' reads "
                    "standard input")  # fmt: skip
    resume = verbs.add_parser("resume", example="rlm-kernel resume FOLDER",
                              help="go on with a run whose process ended")
    resume.add_argument("folder", nargs="?", default="",
                        help="of the run; left out: the newest that has no answer")
    _context_option(resume, "what it was asked over, where its folder doesn't hold it")
    for verb in (run, resume):
        _json_option(verb)
        _model_options(verb)
        _tool_option(verb)
        _otlp_option(verb)
    _place_options(resume, "kernel: in one of its own, also where it had a notebook's variables")


def _recordings(verbs: Any) -> None:
    save = verbs.add_parser(
        "save", example="rlm-kernel save FOLDER run.rlm", help="write a run into one .rlm file",
    )  # fmt: skip
    save.add_argument("path", metavar="RUN", help=_RECORDED)
    save.add_argument("file", metavar="FILE", help="the .rlm file to write")
    _context_option(save, "puts what it was asked over into the file; PATH: where that isn't "
                    "where it was", count="*", default=None)  # fmt: skip
    save.add_argument("--redact", action="append", default=[], metavar="TEXT",
                      help="cuts this text out wherever it stands; may be given again. The cells "
                      "of such a file can't be run again")  # fmt: skip
    replay = verbs.add_parser(
        "replay", example="rlm-kernel replay run.rlm",
        help="run a recorded run's cells again with its replies, without a model",
    )  # fmt: skip
    replay.add_argument("path", help=_RECORDED)
    replay.add_argument("--show", action="store_true", help="only show it, as it was")
    fork = verbs.add_parser("fork", example="rlm-kernel fork run.rlm --turn 1",
                            help="go on otherwise from a turn of a run")
    fork.add_argument("path", help=_RECORDED)
    fork.add_argument("--turn", type=whole, metavar="K",
                      help="the last turn that is kept; default: all that can")
    fork.add_argument("--cell", nargs=2, action="append", default=[], metavar=("N", "FILE"),
                      help="the code in this file runs in the place of cell N")
    fork.add_argument("--told", metavar="TEXT", help="what the model is told after the turn")
    fork.add_argument("--question", metavar="TEXT", help="another question, over the same context")
    _otlp_option(fork)
    for verb in (replay, fork):
        _context_option(verb, "what it was asked over, where it isn't in there")
        _json_option(verb)
        _place_options(verb, "kernel: in one of its own, where it had a notebook's variables")
        _model_options(verb)
    export = verbs.add_parser("export", example="rlm-kernel export run.rlm run.html",
                              help="write a run for other programs")
    export.add_argument("path", help="a run's folder, a .rlm file, or a log of the official rlm")
    export.add_argument("file", nargs="?", default="",
                        help="ends in .html, .ipynb, .jsonl (official visualizer) or .json")
    _otlp_option(export, "sends its spans to an OpenTelemetry collector or Phoenix there")
    export.add_argument("--form", choices=("html", "ipynb", "rlm", "pairs", "rollout"),
                        help="where the file's name doesn't say it; pairs: a person's decisions")
    compare = verbs.add_parser("compare", example="rlm-kernel compare one.rlm other.rlm",
                               help="recorded runs side by side")
    compare.add_argument("paths", nargs="+", help="two runs or more: their folders, or .rlm files")
    compare.add_argument("--plain", action="store_true",
                         help="ask the first one's model alone, too, with all of the context in "
                         "one prompt: a call that is paid")  # fmt: skip
    _context_option(compare, "for --plain: what it was asked over, where it isn't in there")
    compare.add_argument("--model", "-m", help="for --plain: in place of the run's")
    compare.add_argument("--api-base", metavar="URL",
                         help="for --plain: an OpenAI-compatible server")
    compare.add_argument("--budget", help="for --plain: such as '$1'")


def _machine(verbs: Any) -> None:
    doctor = verbs.add_parser("doctor", example="rlm-kernel doctor",
                              help="what is installed, which models can be reached")
    _json_option(doctor)
    models = verbs.add_parser("models", example="rlm-kernel models list",
                              help="the local models: list, pull, add")
    what = models.add_subparsers(
        dest="what", metavar="list | pull | add", parser_class=Parser
    )
    what.add_parser("list", example="rlm-kernel models list",
                    help="what is here and what can be fetched")
    pull = what.add_parser("pull", example="rlm-kernel models pull",
                           help="fetch a model's weights (always the same SHA-256)")
    pull.add_argument("name", nargs="?", default=None)
    pull.add_argument("--from", dest="source", metavar="PATH", help="a file or folder with it")
    add = what.add_parser("add", example="rlm-kernel models add model.gguf",
                          help="add a GGUF file of yours")
    add.add_argument("path", help="a GGUF file")
    add.add_argument("--name", default=None)
    _tiny(verbs)
    install = verbs.add_parser("install", example="rlm-kernel install --user",
                               help="install the kernel for Jupyter")
    where = install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you, in every environment")
    where.add_argument("--sys-prefix", action="store_true", help="into this environment (default)")
    where.add_argument("--prefix", metavar="DIR", help="under this prefix")
    bench = verbs.add_parser("bench", example="rlm-kernel bench",
                             help="our times beside the limits, in one run")
    bench.add_argument("rows", nargs="*", help="which rows; none: all")
    bench.add_argument("--suite", choices=("runtime", "trm"), default="runtime",
                       help="what is measured; default: runtime")
    bench.add_argument("--full", action="store_true", help="all rows, at sizes that take minutes")
    _json_option(bench)


def _tiny(verbs: Any) -> None:
    trm = verbs.add_parser("trm", example="rlm-kernel trm solve FILE",
                           help="a tiny recursive network: solve puzzles, train, evaluate")
    what = trm.add_subparsers(
        dest="what", metavar="puzzle | solve | compare | train | eval", parser_class=Parser
    )
    puzzle = what.add_parser("puzzle", example="rlm-kernel trm puzzle sudoku6 --seed 3",
                             help="make one")
    puzzle.add_argument("kind", help="a kind: sudoku4, sudoku6, sudoku9, maze9")
    solve = what.add_parser("solve", example="rlm-kernel trm solve FILE --model mine.safetensors",
                            help="solve a puzzle; the rules say whether it is")
    solve.add_argument("--explore", type=whole, metavar="K",
                       help="try K noisy ways at the same time, such as 8")
    solve.add_argument("--steps", type=whole, metavar="N", default=0,
                       help="at most; default: 16, without recursion 1")
    solve.add_argument("--show", action="store_true", help="print the grid after each cycle")
    compare = what.add_parser("compare", example="rlm-kernel trm compare FILE",
                              help="what recursion does to a puzzle: one pass, one step, all")
    for verb in (solve, compare):
        verb.add_argument(
            "puzzle", help="the puzzle: a file, - for what is piped in, or its cells, a dot where "
            "one is empty"
        )  # fmt: skip
        verb.add_argument("--model", "-m", help="a model's name, or a checkpoint's path")
    train = what.add_parser("train", example="rlm-kernel trm train sudoku6 --minutes 5",
                            help="train a model (needs torch)")
    train.add_argument("name", help="the model's name, such as sudoku6")
    train.add_argument("--minutes", type=float, default=0.0, metavar="M",
                       help="of training, without what is evaluated on the way; default: what its "
                       "recipe says")  # fmt: skip
    train.add_argument("--updates", type=whole, default=0, metavar="N",
                       help="in place of minutes: as many give the same again, bit for bit")
    train.add_argument("--out", metavar="FILE",
                       help="the checkpoint; default: NAME-SEED.safetensors, or NAME-once-SEED")
    train.add_argument("--once", action="store_true",
                       help="without recursion: the same network, applied once")
    train.add_argument("--training", metavar="FILE",
                       help="keeps the training, and goes on with the one that is there")
    train.add_argument("--device", default="cpu", help="such as cuda; default: cpu")
    train.add_argument("--bf16", action="store_true", help="products in bfloat16")
    train.add_argument("--compile", action="store_true", help="by torch.compile")
    train.add_argument("--shards", type=whole, default=0, metavar="N",
                       help="parts of a batch, one after another: more take less memory")
    train.add_argument("--data", default="", metavar="PATH",
                       help="of sudoku-extreme and maze-hard: a folder with train.csv and "
                       "test.csv; of arc: arc-agi-1 or arc-agi-2")  # fmt: skip
    evaluate = what.add_parser("eval", example="rlm-kernel trm eval mine.safetensors",
                               help="how many of many puzzles it solves")
    evaluate.add_argument("model", help="a model's name, or a checkpoint's path")
    evaluate.add_argument("--puzzles", type=whole, default=1_000, metavar="N",
                          help="how many, or tasks of ARC; default: 1000")
    evaluate.add_argument("--data", default="", metavar="PATH",
                          help="of sudoku-extreme and maze-hard: a folder with test.csv, or a file")
    evaluate.add_argument("--device", default="", help="such as cuda; default: in numpy")
    evaluate.add_argument("--votes", type=whole, default=0, metavar="N",
                          help="of ARC: augmentations that vote on a task; default: all")
    for verb in (puzzle, solve, train, evaluate):
        verb.add_argument("--seed", type=whole, default=0, metavar="S", help="default: 0")
    for verb in (solve, evaluate):
        _json_option(verb)


def _json_option(verb: Parser) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON, nothing else")


def _context_option(verb: Parser, help: str, *, count: str = "+", default: Any = ()) -> None:
    verb.add_argument("--context", "-c", nargs=count, action="extend", metavar="PATH", help=help,
                      default=default if default is None else list(default))  # fmt: skip


def _place_options(verb: Parser, where: str) -> None:
    verb.add_argument("--workdir", metavar="PATH", help="the folder that its code is in")
    verb.add_argument("--where", choices=("kernel",), help=where)


def _otlp_option(verb: Parser, help: str = "") -> None:
    verb.add_argument("--otlp", metavar="URL", help=help or "sends its spans to an OpenTelemetry "
                      "collector there as it goes on, such as http://127.0.0.1:6006")  # fmt: skip


def _tool_option(verb: Parser) -> None:
    verb.add_argument("--tool", action="append", metavar="NAME",
                      help="its code may call this tool that comes along: trm_solve")  # fmt: skip


def _model_options(verb: Parser) -> None:
    # Nothing has a default here: what isn't given is left to the config file and to RLM.
    verb.add_argument("--model", "-m", help="the root model; default: the local one")
    verb.add_argument("--sub-model", metavar="MODEL", help="answers llm_query; default: the same")
    verb.add_argument("--api-base", metavar="URL", help="an OpenAI-compatible server")
    verb.add_argument("--budget", help="such as '$1, 200 calls, 10 min'; default: $1, 1000 calls")
    verb.add_argument("--max-turns", type=whole, metavar="N", help="default: 30")
    verb.add_argument("--max-depth", type=whole, metavar="N",
                      help="1: sub-models only (default); 2: children")
    verb.add_argument("--sandbox", choices=("auto", "bubblewrap", "landlock", "none"),
                      help="what holds the code; none: it runs with your rights")  # fmt: skip
    verb.add_argument("--allow-read", action="append", metavar="PATH", help="it may read this")
    verb.add_argument("--allow-write", action="append", metavar="PATH", help="and change this")
    verb.add_argument("--allow-net", action=argparse.BooleanOptionalAction, default=None,
                      help="and use the network")  # fmt: skip
    verb.add_argument("--quiet", "-q", action="store_true", help="no progress, the answer only")
