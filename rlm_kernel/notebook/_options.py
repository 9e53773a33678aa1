"""What the options of ``%%rlm`` mean: contexts, types, whether a person is needed; completions."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from ..context import load, load_paths, several
from ..engine import RLM
from ..engine.modes import parse_mode
from ..engine.own_tools import OWN
from ..errors import ContextError
from ..protocol import Provider
from ._completion import paths, variables
from ._words import near, take_option

if TYPE_CHECKING:
    from ._front import Front
    from .magics import RLMMagics

TYPES = ("int", "float", "str", "bool", "list", "dict")
PREFIXES = (
    "local", "human", "openai/", "anthropic/", "gemini/", "openrouter/", "groq/", "mistral/",
    "deepseek/", "together_ai/", "fireworks_ai/", "xai/", "bedrock/", "azure/", "vertex_ai/",
    "ollama_chat/", "hosted_vllm/", "lm_studio/",
)  # fmt: skip
MODES = ("auto", "step", '"ask when calls > 5"', '"ask when cost > $0.50"',
         '"ask when tokens > 100k"', '"ask when answer"', '"ask when imports os"',
         '"ask when net or writes"')
BUDGETS = ("$0.10", "$1", "$5", '"200 calls"', '"1M tokens"', '"10 min"')


def context(given: Sequence[str] | None, namespace: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give the context for ``RLM.start`` as its argument, or nothing where there is none.

    Args:
        given: names of variables, files, globs or folders; None: the variable ``context``.
        namespace: the person's.

    Raises:
        UsageError: one of them is neither.
        ContextError: a file can't be read.
    """
    from .session import NoContext

    if not given:
        value = namespace.get("context", NoContext())
        return () if isinstance(value, NoContext) else (value,)
    values: list[Any] = []
    for word in given:
        values += _values(word, namespace)
    return (values[0] if len(values) == 1 else several(*values),)


def _values(word: str, namespace: Mapping[str, Any]) -> list[Any]:
    if word.isidentifier() and word in namespace:
        return [load(namespace[word])]
    if word.isidentifier():
        try:
            return list(load_paths([word]))
        except ContextError:
            names = [name for name in namespace if not name.startswith("_")]
            raise UsageError(
                f"There is no variable {word!r} and no file of that name.{near(word, names)}"
            ) from None
    if any(sign in word for sign in "()[]+= ") and not any(sign in word for sign in "/\\*?"):
        raise UsageError(
            f"--context takes names of variables and paths, and {word!r} is neither: give the "
            "value a name first."
        )
    return list(load_paths([word]))


def answer_type(word: str | None, namespace: Mapping[str, Any]) -> Any:
    """Find what the answer must be: a variable of the person's, or a type by name."""
    if not word:
        return None
    if word in namespace:
        return namespace[word]
    if word in TYPES:
        return getattr(builtins, word)
    known = [*TYPES, *(name for name in namespace if not name.startswith("_"))]
    raise UsageError(
        f"--answer-type takes {', '.join(TYPES)} or a variable (a type, a pydantic model, a JSON "
        f"schema), and there is no {word!r}.{near(word, known)}"
    )


def check_person(rlm: RLM, front: Front) -> None:
    """Refuse a mode that asks for every cell where nobody can be asked."""
    if rlm.mode and parse_mode(rlm.mode).text == "step" and not front.stdin:
        if rlm.headless != "error":
            return
        raise UsageError(
            "--mode step asks a person about each cell and nobody can be asked here (the front "
            "end has no input): use --mode auto, or say what happens instead by --headless approve "
            "or --headless reject."
        )


def of_resume(words: list[str]) -> dict[str, Any]:
    """Take the options of `%rlm resume FOLDER` out of its words; give what was given of them."""
    options: dict[str, Any] = {}
    for name in ("model", "sub_model", "mode", "budget", "api_base", "sandbox", "where", "workdir"):
        flag = "--" + name.replace("_", "-")
        if flag in words:
            options[name] = take_option(words, flag)
    for name in ("allow_read", "allow_write"):
        flag = "--" + name.replace("_", "-")
        while flag in words:
            path = take_option(words, flag)
            options.setdefault(name, []).extend([path] if path else [])
    for flag, value in (("--allow-net", True), ("--no-allow-net", False)):
        if flag in words:
            words.remove(flag)
            options["allow_net"] = value
    return options


def of_plain(words: list[str]) -> dict[str, Any]:
    """Take the options of the model alone out of the words of `%rlm compare --plain`."""
    options: dict[str, Any] = {}
    for name in ("model", "api_base", "budget", "context"):
        flag = "--" + name.replace("_", "-")
        if flag in words:
            options[name] = take_option(words, flag)
    return options


def of_fork(words: list[str], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Take what a branch changes out of the words of `%rlm fork`.

    Args:
        words: of the line; what is taken is removed.
        namespace: of the notebook; the code of a cell is the text of a variable.
    """
    change: dict[str, Any] = {}
    if "--turn" in words:
        change["turn"] = _number("--turn", take_option(words, "--turn"))
    if "--cell" in words:
        number, _, name = take_option(words, "--cell").partition("=")
        code = namespace.get(name)
        if not isinstance(code, str):
            raise UsageError(
                "--cell takes a number and a variable that holds its code: --cell 3=code."
            )
        change["cells"] = {_number("--cell", number): code}
    for option in ("told", "question"):
        if f"--{option}" in words:
            change[option] = take_option(words, f"--{option}")
    if "--context" in words:
        (change["context"],) = context([take_option(words, "--context")], namespace)
    return change


def check_by_name(options: Mapping[str, Any], namespace: Mapping[str, Any]) -> None:
    """Refuse a model for another notebook that is a variable of this one."""
    for name in ("model", "sub_model"):
        value = namespace.get(str(options.get(name, "")))
        if isinstance(value, Provider):
            raise UsageError(
                f"{options[name]} is a variable of this notebook, which another doesn't have: "
                "with --notebook give the name of a model."
            )


def _number(option: str, text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{option} takes a number, not {text!r}.")
    return int(text)


def completions(magics: RLMMagics, verbs: Sequence[str]) -> dict[str, Any]:
    """Give what ``make_matcher`` takes."""
    session = magics.session
    namespace: dict[str, Any] = session.shell.user_ns
    parser = magics.question.parser
    options = [
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    ]

    def models(_: str) -> list[str]:
        set_here = {magics.model, magics.sub_model} - {""}
        providers = {
            name
            for name, value in namespace.items()
            if not name.startswith("_")
            and isinstance(value, Provider)
            and not isinstance(value, type)
        }
        used = {run.settings.model for run in session.runs.values()}
        found = [*sorted(set_here | providers | used), *PREFIXES]
        return list(dict.fromkeys(found))

    def contexts(fragment: str) -> list[str]:
        names = variables(namespace, session.shell.user_ns_hidden)
        return [*names, *paths(fragment)]

    def nodes(_: str) -> list[str]:
        run = session.current
        return [] if run is None else [node.id for node in run.tree.find(kind="call") if node.live]

    def cells(_: str) -> list[str]:
        run = session.current
        if run is None:
            return []
        return [str(node.number) for node in run.tree.find(kind="cell") if node.number]

    types = [*TYPES, *(n for n, v in namespace.items() if isinstance(v, type) and n[0] != "_")]
    values: dict[str, Any] = {
        "--model": models, "-m": models, "--sub-model": models,
        "--context": contexts, "-c": contexts, "context": contexts,
        "--mode": lambda _: MODES, "mode": lambda _: MODES,
        "--budget": lambda _: BUDGETS, "-b": lambda _: BUDGETS, "budget": lambda _: BUDGETS,
        "--where": lambda _: ("shell", "kernel"),
        "--headless": lambda _: ("error", "approve", "reject"),
        "--answer-type": lambda _: types,
        "--tool": lambda _: tuple(OWN),
        "--run": lambda _: list(session.runs),
        "tree": lambda _: list(session.runs), "status": lambda _: list(session.runs),
        "cost": lambda _: list(session.runs),
        "cancel": nodes, "retry": nodes, "answer": nodes, "show": cells,
        "run": lambda _: ("to error", "to child", "to turn 5", "to $0.50"),
        "help": lambda _: verbs,
    }  # fmt: skip
    return {"options": options, "verbs": verbs, "values": values}
