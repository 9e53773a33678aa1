"""Every text the engine sends to a model, in one place.

Guarantees: texts of the person and of the context are joined in, never formatted, so braces
survive; a sentence about a name is only there when the name is bound; numbers come from
``PromptEnv``, so that what is said about limits is what is enforced.
A change of any wording that may change a model's behaviour raises ``PROMPT_VERSION``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ._examples import Kind, kind_of, worked_examples
from ._messages import (
    Refusal,
    answer_refused,
    cut_note,
    edited,
    empty_reply,
    first_message,
    fold_request,
    folded,
    forced_turn,
    later_blocks_dropped,
    next_step,
    no_code,
    no_output,
    observation,
    rejected,
    repeated_cell,
    turn_header,
    unclosed_fence,
    unknown_label,
)

__all__ = [
    "BOUND_NAMES", "PROMPT_VERSION", "REPL_GRAMMAR", "Kind", "PromptEnv", "Refusal", "Style",
    "addenda", "answer_refused", "answer_type_section", "chars_for", "cut_note",
    "describe_tool", "edited", "empty_reply", "first_message", "fold_request", "folded",
    "forced_turn", "is_small", "kind_of", "later_blocks_dropped", "limits_section",
    "names_section", "next_step", "no_code", "no_output", "observation", "rejected",
    "repeated_cell", "small_model_options", "sub_model_section", "system_prompt", "turn_header",
    "unclosed_fence", "unknown_label", "worked_examples",
]  # fmt: skip

PROMPT_VERSION = 1

Style = Literal["full", "small"]

CHARS_PER_TOKEN = 3.5
"""Characters of English or code per token, on the careful side: windows are quoted with it."""

REPL_GRAMMAR = r"""
root ::= "```repl\n" line+ "```"
line ::= ([^`\n] [^\n]*)? "\n"
"""
"""GBNF that lets a reply be exactly one fenced block, and nothing before or after it."""

SMALL_OUTPUT = 1_500
"""Characters of one output that a small root is shown."""

BOUND_NAMES = ("context", "llm_query", "llm_query_batched", "answer", "FINAL", "FINAL_VAR",
               "SHOW_VARS", "show_output")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PromptEnv:
    """What is true of a run and worth saying to its root model.

    Args:
        model: the root model's name; sub_model: the name of the model behind ``llm_query``.
        sub_window_tokens: the sub-model's real window, or None where it isn't known.
        output_limit: characters of one cell's output that are shown (head and tail).
        max_turns: turns of the run; depth and max_depth: this run's depth and the deepest.
        tools: name to one line of signature and docstring (``describe_tool``).
        names: the names bound in the namespace; sentences about others are left out.
        budget: what is left to spend, in words, or None.
        answer_type: JSON schema of the answer as text, or None for any value.
        style: ``"small"`` is the short form with worked examples.
        extra: the person's own instructions, appended as they are.
    """

    model: str = ""
    sub_model: str = ""
    sub_window_tokens: int | None = None
    output_limit: int = 20_000
    max_turns: int = 30
    depth: int = 0
    max_depth: int = 1
    tools: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = BOUND_NAMES
    budget: str | None = None
    answer_type: str | None = None
    style: Style = "full"
    extra: str = ""


# --- the system prompt ---------------------------------------------------------------------

ROLE = """\
You answer a question about data you can't see in this chat. The data is the Python variable \
`context` in a live IPython kernel. You work by writing cells; the kernel keeps every variable \
between them. You can't see anything you don't print."""

TURN = """\
Each reply holds one short thought and exactly one fenced block, which is run as a Jupyter cell:
```repl
print(type(context), len(context))
context[:500]
```
What it prints comes back to you, the value of a bare last expression too, and a traceback if it \
fails (variables made before the failure are kept). Never write an output yourself: wait for it."""

METHOD = """\
How to work:
- Look before you decide: type, length, the first lines, some from the middle, how items are \
separated. Then say in one sentence how you will get the answer.
- You direct, code and sub-models do the reading. What a pattern can decide (finding, counting, \
sorting, dates, sums) is done with Python over the whole of `context`: it is exact and free.
- What needs understanding is asked of a sub-model about pieces that code picked out. Give it \
clean text and a narrow task, and ask for a short answer in a fixed form, so that code can \
read it. Keep what comes back in variables.
- Read a few lines yourself when that settles it. Never print `context` as a whole.
- Check before you submit: print a sample of the evidence, compare a count in a second way, \
make sure nothing was left out at the edges of pieces."""

FULL_ENDING = """\
How to end: in code, when an output that you have seen supports the answer, run a cell with
`answer["content"] = result; answer["ready"] = True`, or `FINAL(result)`, or \
`FINAL_VAR("result")`. These three mean the same. Submit a variable that holds the answer \
rather than typing it again. Don't submit in your first cell, nor in a cell that may fail: an \
empty answer or one from a failed cell is refused. If turns run short, submit the best \
supported answer rather than none; a draft can be left in `answer["content"]` at any time."""

_NAME_LINES: Mapping[str, str] = {
    "context": "`context`: the data (text, a list, a mapping, a table). Don't rebind it.",
    "history": "`history`: what was asked and answered earlier in this session.",
    "llm_query": "`llm_query(prompt)`: one completion of the sub-model; gives its text.",
    "llm_query_batched": (
        "`llm_query_batched(prompts)`: many at once, far faster than a loop; gives a list in the "
        "same order, each item a text or a `ModelError` value where that one failed."
    ),
    "ask_human": "`ask_human(question)`: asks the person; only for what the data can't tell.",
    "SHOW_VARS": "`SHOW_VARS()`: lists the variables that you have made.",
    "show_output": (
        "`show_output(n, start, stop)`: characters start to stop of the whole output of cell n."
    ),
}


def system_prompt(env: PromptEnv, question: str = "") -> str:
    """Give the system message of a run.

    Args:
        env: what is true of the run.
        question: used only to choose worked examples, and only by the small style.

    Returns:
        The text; the same for the same ``env`` (and kind of question), so that it caches.
    """
    if env.style == "small":
        return _small_prompt(env, question)
    parts = [
        ROLE, TURN, names_section(env), sub_model_section(env), METHOD, FULL_ENDING,
        limits_section(env), answer_type_section(env), addenda(env.model), env.extra,
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def names_section(env: PromptEnv) -> str:
    """Give the list of what is bound, one line each, the person's tools after our own names."""
    lines = [line for name, line in _NAME_LINES.items() if name in env.names]
    if "rlm_query" in env.names:
        lines.append(_rlm_query_line(env))
    lines += [f"`{name}`: " + text for name, text in env.tools.items()]
    return "Bound in the kernel, besides what you import or define:\n" + "\n".join(
        "- " + line for line in lines
    )


def _rlm_query_line(env: PromptEnv) -> str:
    if env.depth + 1 >= env.max_depth:
        return "`rlm_query(prompt)`: here the same as `llm_query`, since the depth is used up."
    return (
        "`rlm_query(prompt, context=data)`: a child that works like you, with a kernel of its own "
        "in which `context` is `data`. It costs many calls: for parts that need several steps."
    )


def sub_model_section(env: PromptEnv) -> str:
    """Say what the sub-model can take, as one number in tokens and in characters."""
    if "llm_query" not in env.names:
        return ""
    start = "A sub-model sees only the prompt that you give it: not `context`, not this chat."
    if env.sub_window_tokens is None:
        return start + " Its window isn't known: keep a prompt under about 20,000 characters."
    chars = chars_for(env.sub_window_tokens)
    return (
        f"{start} Prompt and reply together fit {env.sub_window_tokens:,} tokens, about {chars:,} "
        "characters; fill a prompt well below that rather than sending many small ones."
    )


def chars_for(tokens: int) -> int:
    """Give about how many characters fit so many tokens, rounded down to two digits."""
    chars = int(tokens * CHARS_PER_TOKEN)
    unit: int = 10 ** max(0, len(str(chars)) - 2)
    return chars // unit * unit


def limits_section(env: PromptEnv) -> str:
    """Say the limits of the run: output, turns, budget."""
    shown = f"Of a cell's output you see at most {env.output_limit:,} characters, head and tail"
    page = "; `show_output` pages the rest" if "show_output" in env.names else ""
    turns = f"You have {env.max_turns} turns."
    budget = f" Left to spend: {env.budget}." if env.budget else ""
    return f"{shown}{page}. {turns}{budget}"


def answer_type_section(env: PromptEnv) -> str:
    """Say what form the answer must have, or nothing."""
    if not env.answer_type:
        return ""
    return "The answer must be a Python value that fits this JSON schema:\n" + env.answer_type


_SMALL_RULES = """\
You answer a question about a long text. You can't see the text: it is the Python string \
`context`. Write Python code that reads `context`. Each reply is one code block:
```repl
...
```
You then see what it printed. Rules:
- Search and count with Python (`re`, `in`, `sum`, `splitlines`), over the whole `context`.
- Take names, dates and spelling from the lines that you were shown, not from memory; compare \
whole fields, or a name with the marks around it, so that `u1` doesn't match `u12`.
- First cell: compute, keep the result in a variable, print it with some evidence. No FINAL.
- When the output shows that it is right: `FINAL(variable)`. If it is 0, empty or an error: \
try another pattern."""


def _small_prompt(env: PromptEnv, question: str) -> str:
    parts = [_SMALL_RULES]
    if "llm_query" in env.names:
        window = env.sub_window_tokens or 4_000
        parts.append(
            "Only to understand prose, ask a model about a short piece: `llm_query(prompt)` gives "
            f"text; at most {chars_for(window // 2):,} characters. It can't count."
        )
    if env.tools:
        parts.append("Tools:\n" + "\n".join(env.tools.values()))
    parts += [answer_type_section(env), worked_examples(question), env.extra]
    return "\n\n".join(part for part in parts if part)


def small_model_options(repeats: int = 0) -> dict[str, Any]:
    """Give the call options that suit a small root.

    Args:
        repeats: how often in a row the model has proposed the cell that it proposed before;
            a repeating model needs some heat to leave its track.

    Returns:
        ``temperature``, ``max_tokens``, ``grammar`` (GBNF) and ``stop``.
    """
    heat = min(0.4 + 0.2 * repeats, 1.0) if repeats else 0.0
    return {"temperature": heat, "max_tokens": 320, "grammar": REPL_GRAMMAR, "stop": ()}


_BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)


def is_small(model: str) -> bool:
    """Tell whether a model gets the short form: ``local``, and names that say 9B or less.

    A mixture such as ``30b-a3b`` counts by its largest number.
    """
    if model == "local" or model.startswith("local:"):
        return True
    sizes = [float(size) for size in _BILLIONS.findall(model)]
    return bool(sizes) and max(sizes) <= 9


_FEW_FAT_CALLS = """\
Calls to the sub-model cost money and time. Use few, large ones: put many items into one prompt \
(hundreds of lines, not one each), tens of calls for a whole run, not thousands. Print the number \
of prompts before you send a batch, and count with code, not with calls."""

_EAGER = ("qwen3-coder", "qwen-3-coder", "kimi-k2", "glm-4")


def addenda(model: str) -> str:
    """Give what has to be said to one family of models only, or ``""``."""
    lowered = model.lower()
    return _FEW_FAT_CALLS if any(name in lowered for name in _EAGER) else ""


def describe_tool(tool: Callable[..., Any], name: str | None = None) -> str:
    """Give ``name(signature) - first line of the docstring`` of a person's tool."""
    label = name or str(getattr(tool, "__name__", "") or type(tool).__name__)
    try:
        signature = str(inspect.signature(tool))
    except (TypeError, ValueError):  # builtins without a text signature
        signature = "(...)"
    doc = (inspect.getdoc(tool) or "").strip().partition("\n")[0]
    return label + signature + (" - " + doc if doc else "")
