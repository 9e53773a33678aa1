"""The root model alone: the question of a run, with the whole context in one prompt.

So that it can be seen whether recursion pays for a question, and what it costs. Nothing is sent
where the context can't be had again as it was, is no text, or doesn't fit the model's window.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..context import Loaded
from ..context.text import Text
from ..errors import ConfigError, ContextError, ModelError
from ..lm import BudgetLedger, run_sync
from ..lm.pricing import cost_of
from ..lm.tokens import estimate_messages
from ..log import Log, Tree
from ..log.format import clean, count_text, money_text, size_text
from ..log.recording import Recording, extract
from ..protocol import CallRequest, Message, ModelInfo, Origin, Reply
from ..protocol import events as e
from .estimate import EXPECTED_OUTPUT
from .kept import bring_back
from .record import Record
from .recorded import RecordedRun
from .regrant import options_in

if TYPE_CHECKING:
    from .rlm import RLM

ROOM = 1_024  # tokens of the window that are left for the answer
_MOST = 64 << 20  # characters, which no model reads
_FEWEST = 16  # characters of a token are fewer


def contexts_again(run: RecordedRun, given: Any) -> list[Loaded]:
    """Give what a recorded run was asked over, as it was.

    Args:
        run: the run.
        given: what the person gives for it; ``...`` is nothing.

    Raises:
        ContextError: it isn't there, or isn't what it was.
        RecordingError: the recording was redacted, or can't be read.
    """
    run.refuse_redacted()
    record = Record(run.events)
    infos = record.started.context
    if not infos and record.started.config.get("logged_by") and given is ...:
        raise ContextError(
            "A log of the official rlm package doesn't hold what was asked over: give it by "
            "context= (--context)."
        )
    cwd = str(options_in(record).get("cwd") or "")
    if given is not ... and not infos:
        from ..context import load_all

        return load_all(given)
    if run.path.is_dir():
        return list(bring_back(infos, run.path, cwd, given).values())
    with tempfile.TemporaryDirectory(prefix="rlm-plain-") as folder:
        extract(run.recording, Path(folder))
        return list(bring_back(infos, Path(folder), cwd, given).values())


def ask_plain(
    rlm: RLM,
    question: str,
    contexts: Sequence[Loaded],
    tell: Callable[[str], None] | None = None,
) -> RecordedRun:
    """Ask the root model alone, with the whole context in its prompt.

    Args:
        rlm: whose model, budget and way of keeping logs it is.
        question: what is asked.
        contexts: texts.
        tell: is given one sentence, which says what the call may cost, before it is made.

    Returns:
        The run, of one call; ``"failed"`` where the context doesn't fit the model's window, which
        its reason says.

    Raises:
        ConfigError: the context is no text.
    """
    settings, ledger = rlm._settings(), BudgetLedger(rlm.budget)
    info = rlm.gateway.info(settings.model)
    asked, reason = _fitting(question, contexts, settings.model, info.window)
    answer = None
    with closing(rlm._log()) as log:
        tree = Tree()
        log.listen(tree.apply)
        log.emit(e.RunStarted(
            node="run1", run_id=log.folder.name if log.folder else "plain", question=question,
            context=[loaded.info() for loaded in contexts], model=settings.model,
            config={"plain": True, "budget": ledger.remaining_text()},
        ))  # fmt: skip
        began = time.monotonic()
        if asked is not None:
            log.emit(e.RunOpened(node="run1", first=asked["content"]))
            if tell is not None:
                tell(_price(settings.model, info, asked))
            try:
                answer = _call(rlm, asked, settings.model, ledger, log).text
            except ModelError as error:
                reason = str(error)
        log.emit(e.RunEnded(
            node="run1", status="failed" if answer is None else "done", answer=answer,
            reason=reason, answer_type="str", seconds=round(time.monotonic() - began, 3),
        ))  # fmt: skip
        held = Recording(log.folder or Path(), {}, list(log.events), tree)
    return RecordedRun(held)


# -- private ----------------------------------------------------------------------------------


def _fitting(
    question: str, contexts: Sequence[Loaded], model: str, window: int | None
) -> tuple[Message | None, str]:
    """Give the prompt; where it doesn't fit, none and why."""
    chars = sum(_length(loaded) for loaded in contexts)
    if chars > _MOST or (window is not None and chars > window * _FEWEST):
        return None, (
            f"The context has {size_text(chars)} of text"
            + (", more than any model reads." if window is None else
               f", and {model} reads {window:,} tokens.")
        )  # fmt: skip
    text = "\n\n".join(_text_of(loaded) for loaded in contexts)
    asked: Message = {"role": "user", "content": f"{text}\n\n{question}" if text else question}
    tokens = estimate_messages([asked])
    if window is not None and tokens + ROOM > window:
        return None, (
            f"The context has about {tokens:,} tokens, and {model} reads {window:,}."
        )
    return asked, ""


def _price(model: str, info: ModelInfo, asked: Message) -> str:
    tokens = estimate_messages([asked])
    cost = cost_of(tokens, EXPECTED_OUTPUT, 0, info.input_price, info.output_price)
    about = f"about {money_text(cost)}" if cost else "free"
    about = "at a price that isn't known" if cost is None else about
    return f"{clean(model)} is asked alone: one call, {count_text(tokens)} tokens, {about}."


def _call(rlm: RLM, asked: Message, model: str, ledger: BudgetLedger, log: Log) -> Reply:
    request = CallRequest((asked,), model, max_tokens=rlm.max_tokens, temperature=rlm.temperature)
    origin = Origin("run1", "run1", "root")

    async def call() -> Reply:
        return await rlm.gateway.call(request, origin, ledger, log)

    return run_sync(call())


def _texts(loaded: Loaded) -> dict[str, Any]:
    value = loaded.value
    if isinstance(value, dict) and loaded.kind == "files":
        return value
    if not isinstance(value, str | Text):
        raise ConfigError(
            f"{loaded.name} is no text ({loaded.kind}), so it can't stand in a prompt whole."
        )
    return {"": value}


def _length(loaded: Loaded) -> int:
    return sum(len(name) + len(text) for name, text in _texts(loaded).items())


def _text_of(loaded: Loaded) -> str:
    texts = _texts(loaded)
    if "" in texts and len(texts) == 1:
        return str(texts[""])
    return "\n\n".join(f"{name}:\n{text}" for name, text in texts.items())
