"""What ``%rlm VERB`` does, one function each."""

from __future__ import annotations

import shlex
import textwrap
import uuid
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from ..engine.heading import model_text
from ..engine.record import newest_without_answer
from ..engine.recorded import RecordedRun
from ..errors import RecordingError
from ..log import duration_text, money_text, tree_html, tree_text
from ..log.format import capped, clean, estimate_text, oneline, usage_text
from ..log.sealed import shown_folder
from ..protocol import Ack, Command, Usage
from ..protocol.control import (
    AnswerCall,
    Approve,
    Cancel,
    HandBack,
    Pause,
    Reject,
    Respond,
    Resume,
    Retry,
    RunTo,
    SetBudget,
    SetMode,
    Step,
    Stop,
    TakeOver,
)
from . import _options, keys
from ._front import front_of
from ._publish import publisher_of
from ._recording_verbs import RECORDING
from ._verb_table import Verbs, Words
from ._words import near
from .ask import CLIENT
from .follow import resume_hint

if TYPE_CHECKING:
    from ..engine import Run
    from ..log import Node
    from .magics import RLMMagics

VERBS = Verbs()
_verb = VERBS.add
_WIDTH = 80  # of `%rlm help`
_LEFT = 28  # and of how a verb is written there


# -- looking --------------------------------------------------------------------------------------


@_verb("status [NAME]", "where a run stands, and what can be done next")
def status(magics: RLMMagics, name: str, words: Words) -> None:
    """Say where a run stands and what can be done next."""
    session = magics.session
    chosen = name or (words[0] if words else "")
    if not chosen and session.current is None:
        where = keys.where_calls_are_made()
        print(f"{where[0].upper()}{where[1:]}.")
        print("No run in this kernel yet. Write a question into a cell under `%%rlm --context "
              "NAME`. `%rlm resume` names an earlier run that can go on; `%rlm help` lists what "
              "else there is.")  # fmt: skip
        return
    run = session.run_named(chosen)
    used = usage_text(run.usage.subtree)
    print(f"{session.name_of(run)}: {run.phase}, {capped(clean(run.question), 100)}")
    print(f"  {used or 'nothing used yet'} · {duration_text(run.usage.seconds)} · "
          f"{run.ledger.remaining_text()} · mode {run.mode.text}")  # fmt: skip
    print(f"  {_held(run)}")
    print(f"  {keys.where_calls_are_made()}")
    folder = run.log.folder
    print(f"  kept in {shown_folder(folder)}" if folder else "  not kept on disk")
    if run.reason:
        print(f"  {clean(run.reason)}")
    if run.pending is not None:
        print(f"  cell {run.pending.number} waits:\n{_indented(clean(run.pending.code))}")
        if estimate := estimate_text(run.tree[run.pending.id].estimate):
            print(f"  its calls: {estimate}")
    if run.asking is not None:
        print(f"  why: {clean(run.asking.reason)}")
    if run.answer_text is not None:
        print(f"  answer: {capped(clean(run.answer_text), 2000)}")
    print(f"  → {_next(run)}")


def _held(run: Run) -> str:
    from ..repl.box import words

    if run.settings.where == "kernel":
        return f"cells run in a kernel of their own, sandbox {words(run.settings.sandbox)}"
    children = run.settings.max_depth > run.settings.depth + 1
    below = f"; those of children: sandbox {words(run.settings.sandbox)}" if children else ""
    if run.settings.held != "none":
        return f"cells run in this kernel, sandbox {words(run.settings.held)}{below}"
    return f"cells run in this kernel, with all your rights{below}"


@_verb("key [NAME]", "asks for a provider's key; without a name: which there are (-d forgets one)")
def key(magics: RLMMagics, name: str, words: Words) -> None:
    """Take a key from a person, who types it at a prompt."""
    gateways = magics.session.gateways
    if not words:
        print(keys.listed())
    elif words[0] == "-d" and len(words) == 2:
        print(keys.forget(words[1], gateways))
    elif len(words) == 1 and words[0] != "-d":
        print(keys.give(words[0], gateways))
    else:
        raise UsageError(
            "%rlm key takes a name only, such as OPENAI_API_KEY, and asks for the value: written "
            "here it would stay in the notebook. If it is in this cell now, delete the cell."
        )


@_verb("tree [NAME]", "the tree of a run, live where it can be (of the session, without a run)")
def tree(magics: RLMMagics, name: str, words: Words) -> None:
    """Show a tree."""
    session = magics.session
    chosen = name or (words[0] if words else "")
    outside = session.outside
    if not chosen and session.current is None and outside is not None:
        shown = outside.tree
        data = {"text/plain": tree_text(shown), "text/html": tree_html(shown)}
        publisher_of(session.shell).show(data, uuid.uuid4().hex, update=False)
        return
    session.widgets.show(session.found(chosen))
    missing = session.widgets.missing()
    if front_of(session.shell).widgets and missing and session.once("widget"):
        print(missing)


@_verb("show N", "cell N of the run: its code, what was decided, its whole output as it is kept")
def show(magics: RLMMagics, name: str, words: Words) -> None:
    """Show one cell."""
    run = magics.session.found(name)
    numbers = {node.number: node for node in run.tree.find(kind="cell") if _of(run, node)}
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) not in numbers:
        known = f"1 to {max(numbers)}" if numbers else "none yet"
        raise UsageError(f"%rlm show takes the number of a cell: {known}.")
    node = numbers[int(words[0])]
    head = f"cell {node.number} by the {node.author or 'model'}, {node.status}"
    if node.decision:
        head += f", {node.decision} by {node.by}"
    print(head)
    print(_indented(clean(node.code)))
    for title, text in (("output", node.output), ("value", node.result), ("error", node.error)):
        if text:
            print(f"{title}:\n{_indented(clean(text))}")


@_verb("cost [NAME]", "calls, tokens and money, by model, of a run and of the session")
def cost(magics: RLMMagics, name: str, words: Words) -> None:
    """Say what was used."""
    session = magics.session
    chosen = name or (words[0] if words else "")
    runs = {session.name_of(session.run_named(chosen)): session.run_named(chosen)} if chosen else (
        session.runs
    )  # fmt: skip
    if not runs and session.outside is None:
        print("Nothing was used yet.")
        return
    rows: list[tuple[str, str, Usage]] = []
    for key, run in runs.items():
        models: dict[str, Usage] = {}
        for call in run.tree.calls:
            models[call.model] = models.get(call.model, Usage()) + call.own
        rows += [(key, model, usage) for model, usage in models.items()]
    outside = session.outside
    if outside is not None and not chosen:
        for call in outside.tree.calls:
            rows.append(("outside of runs", call.model, call.own))
    print(f"{'run':<16} {'model':<28} {'calls':>6} {'tokens in':>10} {'out':>8} {'cost':>12}")
    whole = Usage()
    for key, model, usage in rows:
        whole = whole + usage
        _row(clean(key), clean(model), usage)
    if len(rows) > 1:
        _row("all", "", whole)


@_verb("models", "the models that can be named here, and what they cost")
def models(magics: RLMMagics, name: str, words: Words) -> None:
    """List models."""
    session = magics.session
    chosen = magics.session.make(where="kernel")
    asked = [chosen.model or "local", chosen.sub_model]
    asked += [run.settings.model for run in session.runs.values()]
    for model in dict.fromkeys(model for model in asked if model):
        try:
            print(f"  {model_text(chosen.gateway.info(model))}")
        except ValueError as error:  # ConfigError says what is missing
            print(f"  {model}: {error}")
    print("  human (you answer, by `%rlm answer NODE TEXT` or at the prompt)")
    print("Others by their provider: " + ", ".join(_options.PREFIXES[2:]) + " …")
    print("A variable that holds a provider, such as ScriptedModel([…]), is a model too.")


@_verb("context [NAME|PATH…]", "sets what `context` is, for this shell and its next questions")
def context(magics: RLMMagics, name: str, words: Words) -> None:
    """Set the context, or say what it is."""
    from ..context import load_all

    shell = magics.session.shell
    if words:
        (value,) = _options.context(words, shell.user_ns)
        loaded = load_all(value)
        for item in loaded:
            shell.push({item.name: item.value}, interactive=False)
    else:
        given = _options.context(None, shell.user_ns)
        if not given:
            print(repr(shell.user_ns.get("context")))
            return
        loaded = load_all(given[0])
    for item in loaded:
        print(f"{item.name}: {item.describe()}")


@_verb("config", "the options of %%rlm, their values here, and what they mean")
def config(magics: RLMMagics, name: str, words: Words) -> None:
    """List the options."""
    for key, trait in sorted(magics.traits(config=True).items()):
        if key in ("parent", "config"):
            continue
        print(f"RLMMagics.{key} = {getattr(magics, key)!r}\n    {trait.help}")
    print("Set one by `%config RLMMagics.model = 'local'`; `%config RLM` isn't needed for these.")


@_verb("help", "this list")
def help_(magics: RLMMagics, name: str, words: Words) -> None:
    """List the verbs."""
    print("%%rlm [NAME] [--context VAR|PATH…] [--model …] [--mode …] [--budget …]")
    print(_beside("", "asks: the question is the cell's text (`%%rlm?` says all)"))
    for verb in VERBS.values():
        print(_beside(f"%rlm {verb.usage}", verb.help))
    print("`--run NAME` behind any of them means another run than the current one.")


# -- steering -------------------------------------------------------------------------------------


@_verb("pause", "pauses at the next boundary; nothing is lost")
def pause(magics: RLMMagics, name: str, words: Words) -> None:
    """Pause."""
    run = magics.session.run_named(name)
    _took(run.send(Pause(client=CLIENT)))
    print(f"{magics.session.name_of(run)} is {run.phase}. `%rlm resume` goes on.")


def _where_to_go_on() -> str:
    """Say which run could be picked up, where this kernel has none."""
    try:
        folder, record = newest_without_answer()
    except RecordingError:
        return "No run yet: `%%rlm` on a cell with a question starts one."
    asked = oneline(record.started.question, 80)
    return (
        f"No run in this kernel yet. The newest without an answer is {asked!r}: "
        f"`%rlm resume {shlex.quote(str(folder))}` goes on with it."
    )


@_verb("resume [FOLDER]", "goes on where the run was paused; or with one whose kernel died")
def resume(magics: RLMMagics, name: str, words: Words) -> None:
    """Go on; `%rlm resume FOLDER [CONTEXT] [--model M] [--budget B]` picks a run up from disk.

    What it may reach is given as for the command line: --api-base, --sandbox, --allow-read and so
    on; --where says whether its cells run in this shell or in a kernel of its own.
    """
    left = list(words)
    options = _options.of_resume(left)
    if left:
        magics.pick_up(left[0], left[1:], name, **options)
        return
    if magics.session.current is None:
        raise UsageError(_where_to_go_on())
    _go_on(magics, name, Resume(client=CLIENT))


@_verb("step", "lets the proposal run and waits at the next one")
def step(magics: RLMMagics, name: str, words: Words) -> None:
    """Run one cell."""
    _go_on(magics, name, Step(client=CLIENT))


@_verb("run to WHERE", "goes on without asking to: error, child, 'turn 5', $0.50 (used so far)")
def run_to(magics: RLMMagics, name: str, words: Words) -> None:
    """Go on without asking until something happens."""
    if words[:1] != ["to"] or len(words) < 2:
        raise UsageError(
            "%rlm run to takes where to stop: error, child, turn 5 or $0.50; a question goes into "
            "a cell under %%rlm."
        )
    _go_on(magics, name, RunTo(until=" ".join(words[1:]), client=CLIENT))


@_verb("approve", "runs the proposal as it is, or lets the calls be made that wait")
def approve(magics: RLMMagics, name: str, words: Words) -> None:
    """Run the proposal."""
    _go_on(magics, name, Approve(client=CLIENT))


@_verb("edit", "puts the proposal into a cell: change it there and run it")
def edit(magics: RLMMagics, name: str, words: Words) -> None:
    """Put the proposal into a new cell."""
    run = magics.session.run_named(name)
    if words:
        raise UsageError("%rlm edit takes no words: it puts the proposal into a cell to be edited.")
    magics.insert(run)


@_verb("reject [REASON]", "doesn't run it, or doesn't make the calls; the model is told why")
def reject(magics: RLMMagics, name: str, words: Words) -> None:
    """Reject the proposal."""
    _go_on(magics, name, Reject(reason=" ".join(words), client=CLIENT))


@_verb("respond TEXT", "doesn't run it; the text is what the model gets as its output")
def respond(magics: RLMMagics, name: str, words: Words) -> None:
    """Answer in the place of the proposal."""
    if not words:
        raise UsageError("%rlm respond takes the text that the model gets as the cell's output.")
    _go_on(magics, name, Respond(text=" ".join(words), client=CLIENT))


@_verb("takeover", "you write the cells from here on; the run waits")
def takeover(magics: RLMMagics, name: str, words: Words) -> None:
    """Take over."""
    run = magics.session.run_named(name)
    _took(run.send(TakeOver(client=CLIENT)))
    print("You have the notebook: write and run cells. `%rlm handback [note]` gives it back.")


@_verb("handback [NOTE]", "the model goes on; it is told what you did, and the note")
def handback(magics: RLMMagics, name: str, words: Words) -> None:
    """Hand back."""
    _go_on(magics, name, HandBack(note=" ".join(words), client=CLIENT))


@_verb("stop", "ends the run at once; its log and variables stay")
def stop(magics: RLMMagics, name: str, words: Words) -> None:
    """Stop."""
    run = magics.session.run_named(name)
    _took(run.send(Stop(client=CLIENT)))
    run.wait(10)
    print(f"{magics.session.name_of(run)} is {run.phase}; all it did is in `%rlm tree`.")


@_verb("cancel NODE", "ends one call, batch or child (`%rlm tree` names them)")
def cancel(magics: RLMMagics, name: str, words: Words) -> None:
    """Cancel a node."""
    run = magics.session.run_named(name)
    _took(run.send(Cancel(node=_node(run, words, "cancel"), client=CLIENT)))
    print("Cancelled.")


@_verb("retry NODE", "tries a call in flight again")
def retry(magics: RLMMagics, name: str, words: Words) -> None:
    """Try a call again."""
    run = magics.session.run_named(name)
    _took(run.send(Retry(node=_node(run, words, "retry"), client=CLIENT)))
    print("It is tried again.")


@_verb("answer NODE TEXT", "answers a call in flight, or a question to you, by hand")
def answer(magics: RLMMagics, name: str, words: Words) -> None:
    """Answer a call by hand."""
    run = magics.session.run_named(name)
    node = _node(run, words, "answer")
    if len(words) < 2:
        raise UsageError("%rlm answer takes a call and the text of its answer.")
    _took(run.send(AnswerCall(node=node, text=" ".join(words[1:]), client=CLIENT)))
    print("Answered.")


@_verb("mode [MODE]", "auto, step, 'ask when calls > 5 or cost > $0.50 or imports os' …")
def mode(magics: RLMMagics, name: str, words: Words) -> None:
    """Say or set the mode of the live run."""
    run = magics.session.run_named(name)
    if words:
        _took(run.send(SetMode(mode=" ".join(words), client=CLIENT)))
    print(f"{magics.session.name_of(run)}: mode {run.mode.text}")


@_verb("budget [BUDGET]", "sets the budget anew ('$2'); what was used stays used")
def budget(magics: RLMMagics, name: str, words: Words) -> None:
    """Say or set the budget of the live run, else of calls outside of runs."""
    session = magics.session
    run = session.current
    if name or (run is not None and not run.ended):
        run = session.run_named(name)
        if words:
            _took(run.send(SetBudget(budget=" ".join(words), client=CLIENT)))
        print(f"{session.name_of(run)}: {run.ledger.remaining_text()}")
        return
    ledger = session.outside_of_runs().ledger
    if words:
        ledger.set_budget(" ".join(words))
    print(f"calls outside of runs: {ledger.remaining_text()}")


# -- pieces ---------------------------------------------------------------------------------------


def _go_on(magics: RLMMagics, name: str, command: Command) -> None:
    """Send what makes a run go on, and stay with it in this cell."""
    run = magics.session.run_named(name)
    known = magics.session.name_of(run)
    if run.ended:
        raise UsageError(f"{known} is over ({run.phase}): {_next(run)}.")
    if isinstance(command, Approve | Reject | Respond) and not (run.pending or run.asking):
        raise UsageError(f"Nothing of {known} waits for a decision: it is {run.phase}. "
                         f"Next: {_next(run)}.")  # fmt: skip
    magics.stay(run, front=front_of(magics.shell), send=lambda phases: phases.send(command))


def _took(ack: Ack) -> None:
    if not ack.ok:
        raise UsageError(ack.message)


def _node(run: Run, words: Words, verb: str) -> str:
    open_ = [node.id for node in run.tree.walk() if node.live and node.kind in ("call", "batch")]
    if not words:
        raise UsageError(f"%rlm {verb} takes a node: {', '.join(open_) or 'none is in flight'}.")
    if words[0] not in run.tree:
        raise UsageError(f"There is no node {words[0]!r}.{near(words[0], open_)}")
    return words[0]


def _next(run: Run) -> str:
    match run.phase:
        case "proposed":
            return "%rlm approve, edit, reject REASON, respond TEXT, takeover, stop"
        case "asking":
            return "%rlm approve (allow them), reject REASON, mode auto, stop"
        case "paused":
            return "%rlm resume, step, takeover, stop"
        case "taken over":
            return "run cells of your own, then %rlm handback [note]"
        case "done" | "partial":
            return "%rlm tree, show N, cost; another question sees what this one made"
        case "failed" | "stopped":
            return "%rlm tree shows what it did; %%rlm asks again" + resume_hint(run)
        case _:
            return "%rlm pause, stop"


def _of(run: Run | RecordedRun, node: Node) -> bool:
    """Whether a cell belongs to the run itself and not to a child."""
    above = next((n for n in run.tree.above(node) if n.kind == "run"), None)
    return above is not None and above.id == run.node and node.number > 0


def _row(key: str, model: str, usage: Usage) -> None:
    money = money_text(usage.cost, known=usage.known_cost)
    print(f"{key[:16]:<16} {model[:28]:<28} {usage.calls:>6,} {usage.input_tokens:>10,} "
          f"{usage.output_tokens:>8,} {money:>12}")  # fmt: skip


def _beside(usage: str, help: str) -> str:
    """Put what is said of a verb beside how it is written, folded so that it fits any output."""
    return textwrap.fill(
        help, _WIDTH, initial_indent=f"{usage:<{_LEFT - 2}}  ", subsequent_indent=" " * _LEFT,
        break_on_hyphens=False,
    )  # fmt: skip


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.split("\n"))


VERBS.update(RECORDING)

__all__ = ["VERBS", "status"]
