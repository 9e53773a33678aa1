"""A run that was recorded, to be read as one that has just ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AnswerError, ConfigError, ContextError, NotLive, RecordingError
from ..lm.secrets import hide_secrets, secret_values
from ..log import Tree, recording, tree_html
from ..log.recording import Recording, Redact
from ..protocol import Logged, Usage
from ..protocol import events as e
from .exporting import export
from .kept import kept_texts, kept_value
from .replay import answer_of
from .transcript import Transcript

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from .compare import Comparison

#: What a live run has beside its methods.
_LIVE = frozenset(("gate", "ledger", "log", "mode", "phase", "reason", "repl", "settings", "turn"))
#: In which bytes may hold a key.
_CODES = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


class RecordedRun:
    """What ``Run.load`` gives: question, answer, tree and transcript of a run, without a kernel.

    Args:
        recording: what was loaded.

    Raises:
        RecordingError: it is of calls typed outside of a run.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.tree: Tree = recording.tree
        self._listeners: list[Callable[[], object]] = []
        started = [x.event for x in recording.events if isinstance(x.event, e.RunStarted)]
        if not started:
            raise RecordingError(f"{recording.path} holds calls typed outside of a run, no run.")
        self._started = started[0]
        self.node = self._started.node

    @property
    def path(self) -> Path:
        """Where it was loaded from."""
        return self.recording.path

    @property
    def id(self) -> str:
        """The run's id."""
        return self._started.run_id

    @property
    def plain(self) -> bool:
        """Whether it is the model's alone, without recursion (``RLM.plain``)."""
        return bool(self._started.config.get("plain"))

    @property
    def question(self) -> str:
        """What was asked."""
        return self._started.question

    @property
    def events(self) -> Sequence[Logged]:
        """The events, oldest first."""
        return self.recording.events

    @property
    def versions(self) -> Mapping[str, str]:
        """What it was made with: package to version; empty where that wasn't kept."""
        found = self._started.config.get("versions")
        return found if isinstance(found, dict) else {}

    @property
    def depth(self) -> int:
        """How deep it went: 1: it had calls only, 2: children, … whatever it was allowed."""
        runs: dict[str, int] = {}  # node → the runs that it is in, itself among them
        for node in self.tree.walk(self.tree[self.node]):
            runs[node.id] = runs.get(node.parent or "", 0) + (node.kind == "run")
        return max(runs.values())

    @property
    def status(self) -> str:
        """How it had ended; ``"cut"`` where the recording stops before its end."""
        node = self.tree[self.node]
        return node.status if node.ended is not None else "cut"

    @property
    def answer_text(self) -> str | None:
        """The text form of its answer or draft."""
        return self.tree[self.node].answer

    @property
    def answer(self) -> Any:
        """Its answer: a text, or plain data (numbers, lists, dicts); else its text form.

        Raises:
            AnswerError: it has none.
        """
        ended = self._ended()
        if ended is None or ended.answer is None:
            raise AnswerError(f"The recorded run is {self.status} and has no answer.")
        known, value = answer_of(ended)
        return value if known else ended.answer

    @property
    def usage(self) -> Usage:
        """What it had used, with everything below it."""
        return self.tree[self.node].total

    @property
    def transcript(self) -> Transcript:
        """Its turns: reply, code, what it showed."""
        return Transcript(self.tree, self.node, self.answer_text, self.status)

    def note(self, text: str, at: str = "") -> None:
        """Put a sentence into the recording, which whoever plays it sees from its moment on.

        Args:
            text: the sentence.
            at: the node with which it comes, such as ``"cell2"``; empty: the end.

        Raises:
            ConfigError: there is no such node, or that is no text.
        """
        if not isinstance(text, str):
            raise ConfigError(f"A note is a text, and {text!r:.60} is none.")
        events = list(self.events)
        place = len(events)
        if at:
            found = (i for i, logged in enumerate(events) if logged.event.node == at)
            place = next(found, -1) + 1
            if not place:
                raise ConfigError(f"The recording has no node {at!r:.60}: its tree names them.")
            while place < len(events) and isinstance(events[place].event, e.Noted):
                place += 1  # what is noted there already comes first
        time = events[place - 1].time
        events.insert(place, Logged(0, time, e.Noted(node=self.node, text=text)))
        events = [replace(logged, seq=seq) for seq, logged in enumerate(events, 1)]
        self.tree = Tree()
        for logged in events:
            self.tree.apply(logged)
        self.recording = replace(self.recording, events=events, tree=self.tree)
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever something was put into the recording; give what ends that."""
        self._listeners.append(listener)

        def unlisten() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unlisten

    def save(
        self, path: Path | str, *, context: bool = True, redact: Redact | None = None
    ) -> Path:
        """Write it into one ``.rlm`` file; see ``Run.save``.

        Args:
            path: of the file; one that is there is replaced.
            context: whether the contexts that it holds go along; none do where texts are redacted.
            redact: as there.
        """
        held = self.recording.contexts if context and redact is None else ()
        contexts = {name: self.recording.context(name) for name in held}
        refuse_keys(contexts)
        return recording.save(
            self.events, path, contexts=contexts, redact=hiding(redact),
            redacted=self.recording.redacted,
        )  # fmt: skip

    def export(self, path: Path | str, form: str = "") -> Path:
        """Write it in another form, that other programs open; keys are cut out as by ``save``.

        Args:
            path: of the file; one that is there is replaced.
            form: ``"html"`` (a page of its own with tree and player), ``"ipynb"`` (a notebook
                that runs again from what it holds), ``"rlm"`` (JSON lines for the official
                visualizer), ``"pairs"`` (a person's decisions as preference pairs, JSON lines),
                ``"rollout"`` (the chat with its answer, JSON); empty: by the file's ending
                (``.html``, ``.ipynb``, ``.jsonl``, ``.json``).

        Returns:
            The path.

        Raises:
            ConfigError: that is no form.
            RecordingError: it can't be written.
        """
        return export(self._without_keys(), Path(path), form)

    def spans(self) -> Sequence[ReadableSpan]:
        """Give it as OpenTelemetry spans with OpenInference's attributes, without keys.

        Raises:
            ConfigError: the extra ``otel`` isn't installed.
        """
        from .tracing import spans_of

        return spans_of(self._without_keys())

    def send_spans(self, url: str) -> int:
        """Send its spans to an OpenTelemetry collector, or to Phoenix, by OTLP over HTTP.

        The same run is always the same trace: sent again, it adds nothing there.

        Args:
            url: of the collector, such as ``http://127.0.0.1:6006``. What it asks for beside
                (a key) comes from ``OTEL_EXPORTER_OTLP_HEADERS``, as for every exporter.

        Returns:
            How many there were.

        Raises:
            ConfigError: that is no address, or the extra ``otel`` isn't installed.
            RecordingError: they couldn't be sent.
        """
        from .tracing import send

        return send(self._without_keys(), url)

    def _without_keys(self) -> RecordedRun:
        """Give it with the keys of this process's environment cut out."""
        hide = hiding(None)
        if hide is None:
            return self
        events = [replace(x, event=recording.redacted(x.event, hide)) for x in self.events]
        return RecordedRun(replace(self.recording, events=events, tree=Tree(events)))

    def compare(self, *others: Any) -> Comparison:
        """Set it beside others: answers, costs, and where they part.

        Args:
            *others: live or ended runs, recorded ones, or paths of recordings.

        Raises:
            ConfigError: there is no other.
            RecordingError: a path isn't a recording's.
        """
        from .compare import compare

        return compare(self, *others)

    def texts(self) -> dict[str, str]:
        """Give the contexts that it holds and that are texts, by name, without keys."""
        hide = hiding(None) or str
        found = {}
        for name in self.recording.contexts:
            value = kept_value(self.recording.context(name))
            if isinstance(value, str):
                found[name] = hide(value)
        return found

    def refuse_redacted(self) -> None:
        """Raise RecordingError where its texts were changed, so that its cells can't run again."""
        if self.recording.redacted:
            raise RecordingError(
                f"{self.path} was redacted when it was saved: it can be looked at, and its cells "
                "can't be run again."
            )

    def _ended(self) -> e.RunEnded | None:
        ends = [x.event for x in self.events
                if isinstance(x.event, e.RunEnded) and x.event.node == self.node]  # fmt: skip
        return ends[-1] if ends else None

    if not TYPE_CHECKING:  # which would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            from .run import Run

            if name.startswith("_") or not (name in _LIVE or hasattr(Run, name)):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise NotLive(
                f"This is a recording, so its run is over and has no {name!r}. It can be played "
                '(%rlm load, or export("run.html")), gone on with otherwise (RLM().fork(it, '
                "turn=1)), and its cells run again (RLM().replay(it))."
            )

    def _repr_html_(self) -> str:
        return tree_html(self.tree)

    def __repr__(self) -> str:
        return f"<RecordedRun {self.id} {self.status}: {self.question[:60]!r}>"


def recorded(source: Any) -> RecordedRun:
    """Give a run as a recorded one: a live or ended ``Run``, a recorded one, or a path."""
    if isinstance(source, RecordedRun):
        return source
    if isinstance(source, Path | str):
        return load_run(source)
    held = Recording(source.log.folder or Path(), {}, list(source.events), source.tree)
    return RecordedRun(held)


def load_run(path: Path | str) -> RecordedRun:
    """Read a recorded run.

    Args:
        path: a run's folder, or a ``.rlm`` file.

    Raises:
        RecordingError: in one sentence, for whatever can't be read.
    """
    return RecordedRun(recording.load(path))


def refuse_keys(contexts: Mapping[str, bytes]) -> None:
    """Raise ContextError where a context holds a key of this process's environment.

    It can't be cut out: the cells would give something else over another context.
    """
    keys = secret_values(os.environ)
    forms = [key.encode(code, "surrogatepass") for key in keys for code in _CODES]

    def keyed(held: str | bytes) -> bool:
        if isinstance(held, str):
            return any(key in held for key in keys)
        return any(form in held for form in forms)

    for name, data in contexts.items() if keys else ():
        if any(map(keyed, kept_texts(data))):
            raise ContextError(
                f"{name} holds the value of an environment variable that looks like a key, so it "
                "isn't put into a recording: save it without its context."
            )


def hiding(redact: Redact | None) -> Callable[[str], str] | None:
    """Give ``redact``, and before it what cuts out the keys of this process's environment."""
    hide = hide_secrets(os.environ)
    if hide is None:
        return redact
    return hide if redact is None else lambda text: redact(hide(text))
