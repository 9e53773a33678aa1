"""The live tree as an anywidget: for front ends without our JupyterLab extension.

The same bundle as in the panel; its messages are the requests and pushes of ``protocol.front``, a
reply comes as ``{"kind": "reply", …}``. A recording's events are in the widget itself: to play it
asks nothing of the kernel but, where somebody looks, the rest of a long text.

Where it stands in the page (tried in JupyterLab 4.6): a saved output that is a widget view shows
"Error displaying widget: model not found" once its kernel is gone, and its HTML isn't looked at.
So in JupyterLab and Notebook the output is the *static* tree as HTML, in an element of the class
``mount``, and the model, which lives as long as the kernel, puts the live tree in its place when
the kernel answers: while a run goes on, after it, after the page was loaded again. Without a
kernel, on GitHub and in nbconvert the static tree is what there is. Front ends that load a widget
only where a view of it is shown (VS Code, Colab) get the widget view and the HTML in one bundle.

Guarantees:
- nothing is synced but what the widget is made with; everything else are custom messages;
- the thread that brings a message is never kept waiting by a command;
- a page may speak as soon as it is told of the widget, before that is whole: it is heard then;
- what is pushed of its run, and of others that it asked for, goes to it from its first message
  on, until it is closed;
- nothing of it is stored in the notebook.

Imported only where a widget is shown: it brings anywidget and ipywidgets.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anywidget
import traitlets as t

from . import showing
from ._tap import Tap, answer_where_sent
from .ask import CLIENT

if TYPE_CHECKING:
    from .hub import Hub

VIEW = "application/vnd.jupyter.widget-view+json"


class Mounted(anywidget.AnyWidget):
    """A widget of ours, which stands where static HTML of the class ``mount`` is.

    Args:
        script: its bundle; the style beside it has the same name.
        more: traits.
    """

    _esm = t.Unicode().tag(sync=True)
    _css = t.Unicode().tag(sync=True)
    mount = t.Unicode("", help="The class of elements to stand in.").tag(sync=True)

    def __init__(self, script: Path, **more: Any) -> None:
        self.spoke = threading.Event()  # the front end has shown it, and we have heard so
        style = script.with_suffix(".css")
        super().__init__(
            mount=f"rlm-mount-{uuid.uuid4().hex}",
            _esm=script.read_text(encoding="utf-8"),
            _css=style.read_text(encoding="utf-8") if style.is_file() else "",
            **more,
        )

    def view(self) -> dict[str, Any]:
        """Give the format that has a front end show a view of it."""
        return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}


class RunWidget(Mounted):
    """The live tree of a run, or of all runs of this kernel.

    Args:
        hub: answers its requests and pushes what happens.
        run: the id of the run that it shows first; empty: the latest.
        tap: hears it while a cell runs, where that is possible.
        static: gives the tree as HTML and as text, for front ends that show no widgets.
        recording: of a recorded run what is known of it and its events, as ``Hub.packed`` gives it.
    """

    run = t.Unicode("", help="The id of the run that is shown first.").tag(sync=True)
    recording = t.List(t.Bytes(), help="A RunInfo, pages of events: JSON by gzip.").tag(sync=True)

    def __init__(
        self,
        hub: Hub,
        run: str = "",
        *,
        tap: Tap | None = None,
        static: Callable[[], dict[str, str]] | None = None,
        recording: Sequence[bytes] = (),
    ) -> None:
        self._hub = hub
        self._tap = tap
        self._static = static
        self._unsubscribe: Callable[[], None] | None = None
        self._first = threading.Lock()
        self._early: list[object] | None = []  # what is said while it is made
        self._runs = {run}  # of which it is told
        id = uuid.uuid4().hex
        if tap is not None:
            tap.add(id, self._take)
        try:
            super().__init__(showing.BUNDLE, model_id=id, run=run, recording=list(recording))
        except BaseException:
            if tap is not None:
                tap.remove(id)
            raise
        answer_where_sent(self.comm)
        self.on_msg(lambda _widget, content, _buffers: self.hear(content))
        self._hear_early()

    def hear(self, content: object) -> None:
        """Answer a message of the front end; called on whichever thread brings it."""
        with self._first:
            if self._unsubscribe is None and self.comm is not None:
                self._unsubscribe = self._hub.subscribe(self._push)
        if isinstance(content, dict):
            if isinstance(asked := content.get("run"), str):
                self._runs.add(asked)
            if isinstance(command := content.get("command"), dict):
                # By whom: the log keeps it, and a page's random name says nothing there.
                content = {**content, "command": {**command, "client": CLIENT}}
        self.spoke.set()
        self._hub.submit(content, lambda reply: self.send({"kind": "reply", **reply}))

    def close(self) -> None:
        """Take it out of the page and stop following."""
        if self._tap is not None and self.comm is not None:
            self._tap.remove(self.model_id)
        with self._first:
            unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()
        super().close()

    def _push(self, push: dict[str, Any]) -> None:
        run = push.get("run") or push.get("info", {}).get("run")
        if run is None or run in self._runs or not self.run:
            self.send(push)

    def _take(self, data: dict[str, Any]) -> bool:
        """Take a message on the thread that reads the shell channel; others are ipywidgets' own."""
        if data.get("method") != "custom":
            return False
        with self._first:
            if self._early is not None:
                self._early.append(data.get("content"))
                return True
        self.hear(data.get("content"))
        return True

    def _hear_early(self) -> None:
        while True:
            with self._first:
                if not self._early:
                    self._early = None
                    return
                content = self._early.pop(0)
            self.hear(content)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None
        data, metadata = cast("tuple[dict[str, Any], dict[str, Any]]", shown)
        return {**data, **(self._static() if self._static is not None else {})}, metadata
