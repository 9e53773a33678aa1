"""What a cell displays: as text for the model, as it always was for the person."""

from __future__ import annotations

import html
import io
import tokenize
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from .capture import Capture
from .safe import left_out_text, safe_bundle
from .text import plain, short_repr, shortened

DISPLAYED = 20_000  # characters of one display() as text
PERSON = 200_000  # characters of a text that is sent to the person's front end


class Shown:
    """The text of a cell's bare last expression, once there is one."""

    def __init__(self) -> None:
        self.result: str | None = None


@contextmanager
def displays(
    shell: InteractiveShell, code: str, capture: Capture, limit: int, *, person: bool,
    model: bool = False,
) -> Iterator[Shown]:  # fmt: skip
    """Catch what a cell displays.

    Args:
        shell: the shell that runs it.
        code: the cell's code (a semicolon at its end hides the last expression).
        capture: takes the text of each ``display()``; what IPython itself prints is none of it.
        limit: the most characters of the result's text.
        person: whether a person sees the displays too.
        model: whether a model wrote the code: the person then sees what is safe of it.
    """
    hook: Any = shell.displayhook
    publisher: Any = shell.display_pub
    formatter: Any = shell.display_formatter
    shown = Shown()
    compute, publish = hook.compute_format_data, publisher.publish

    def compute_format_data(result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if type(result) in (str, bytes):  # the repr of a whole context helps nobody
            shown.result = short_repr(result, limit)
            return {"text/plain": short_repr(result, PERSON)}, {}
        if person:
            data, metadata = compute(result)
        else:
            data, metadata = formatter.format(result, include={"text/plain"})
        text = data.get("text/plain")
        if isinstance(text, str):
            shown.result = shortened(plain(text), limit)
            if len(text) > PERSON:
                data = {**data, "text/plain": shortened(text, PERSON)}
        elif not data:
            shown.result = _failed_repr(result)
        return (data, metadata) if not (person and model) else made_safe(data, metadata)

    def made_safe(data: Any, metadata: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        kept, about, left_out = safe_bundle(data, metadata)
        if left_out:
            said = left_out_text(left_out)
            capture.write(said + "\n")
            kept["text/plain"] = f"{kept.get('text/plain', '')}\n{said}".strip()
            if "text/html" in kept:
                kept["text/html"] += f"<p><em>{html.escape(said)}</em></p>"
        return kept, about

    def publish_(data: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("update"):  # a progress bar that is drawn anew would fill the output
            capture.write(f"{_as_text(data)}\n")
        if person:
            if model:
                metadata = args[0] if args else kwargs.pop("metadata", None)
                data, about = made_safe(data, metadata)
                args = (about, *args[1:])
            with capture.paused():
                publish(data, *args, **kwargs)

    def unseen(method: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            if person:
                with capture.paused():
                    method(*args, **kwargs)

        return call

    patched: dict[tuple[Any, str], Any] = {
        (hook, "compute_format_data"): compute_format_data,
        (hook, "quiet"): lambda: _ends_with_semicolon(code),
        (publisher, "publish"): publish_,
    }
    for name in (
        "start_displayhook",  # ipykernel 7.3 wants a message that is being handled
        "write_output_prompt",
        "write_format_data",
        "finish_displayhook",
    ):
        patched[hook, name] = unseen(getattr(hook, name))
    with overridden(patched):
        yield shown


@contextmanager
def overridden(patches: Mapping[tuple[Any, str], Any]) -> Iterator[None]:
    """Give objects other attributes for a while; the classes' own come back."""
    before = {}
    for (owner, name), value in patches.items():
        before[owner, name] = owner.__dict__.get(name, _MISSING)
        owner.__dict__[name] = value
    try:
        yield
    finally:
        for (owner, name), old in before.items():
            if old is _MISSING:
                owner.__dict__.pop(name, None)
            else:
                owner.__dict__[name] = old


_MISSING = object()


def _as_text(data: Mapping[str, Any]) -> str:
    text = data.get("text/plain")
    if isinstance(text, str):
        return shortened(plain(text), DISPLAYED)
    kinds = [f"{kind}, {len(str(value)):,} characters" for kind, value in data.items()]
    return f"<{'; '.join(kinds)}>" if kinds else "<an empty display>"


def _failed_repr(value: Any) -> str | None:
    if hasattr(type(value), "_ipython_display_"):
        return None  # it has displayed itself
    return f"<{type(value).__name__}: its repr() failed>"


def _ends_with_semicolon(code: str) -> bool:
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type not in _LAYOUT:
                last = token.string
    except (tokenize.TokenError, SyntaxError):  # magics aren't Python
        return code.rstrip().endswith(";")
    return last == ";"


_LAYOUT = (tokenize.ENDMARKER, tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.DEDENT)
