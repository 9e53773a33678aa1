"""Every error of rlm-kernel.

    RLMError
    ├── ContextError          what was given as context can't be read
    ├── ModelError            a call to a language model
    │   ├── ProviderError     the provider refused, failed or answered nonsense
    │   ├── BudgetExceeded    the budget no longer covers the call
    │   └── Cancelled         a person, an interrupt or a stop ended the call
    ├── ReplError             where cells run
    │   ├── KernelDied
    │   └── CellTimeout
    ├── AnswerError           no answer of the kind that was asked for
    ├── RecordingError        a log or recording that can't be read
    │   └── NotLive           what only a live run does was asked of a recording
    └── ConfigError           a model, budget, mode or option that isn't one

A message is one sentence or two: what happened, what is kept, what to do next.
"""

from __future__ import annotations

from typing import Any


class RLMError(Exception):
    """The root of every error that rlm-kernel raises on purpose."""


class ConfigError(RLMError, ValueError):
    """An option that can't be used: an unknown model, a budget that isn't money, a bad mode."""


class ContextError(RLMError):
    """What was given as context can't be read."""


class ModelError(RLMError):
    """A call to a language model that gave no text.

    In a batch it is a *value* in the place of the text, so that one bad item loses nothing else;
    it is falsy, and its ``str()`` says what happened.
    """

    def __bool__(self) -> bool:
        return False


class ProviderError(ModelError):
    """The provider refused, failed or answered something that isn't a completion.

    Args:
        message: one sentence.
        status: the HTTP status, where there was one.
        retry_after: seconds the provider asked to wait, where it did.
        retryable: whether the same call may succeed later.
        kind: ``"rate"``, ``"server"``, ``"timeout"``, ``"connect"``, ``"auth"``, ``"window"``,
            ``"model"``, ``"malformed"``, ``"refused"`` or ``"other"``.
        usage: what was billed all the same (a ``Usage``), None where nothing was told.
        lost: whether the connection broke after the request was sent, before any of the reply came.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
        kind: str = "other",
        usage: Any = None,
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.retryable = retryable
        self.kind = kind
        self.usage = usage
        self.lost = lost

    @property
    def cut(self) -> bool:
        """Whether the provider was at work when the call ended, so that it may bill it."""
        return self.lost or self.kind == "timeout" or (
            self.kind == "malformed" and self.status == 200
        )  # fmt: skip


class BudgetExceeded(ModelError):
    """The budget no longer covers a call; nothing was sent."""


class Cancelled(ModelError):
    """A person, an interrupt or a stop ended a call before its reply was whole."""


BY_A_PERSON = "A person cancelled this call before its reply was whole; all else is kept."
"""What is said of a call that a person cancelled; front ends know it by these words."""


class ReplError(RLMError):
    """Where cells run: a kernel that can't start, a value that can't cross, a broken channel."""


class KernelDied(ReplError):
    """The process that runs the cells is gone, and its variables with it."""


class CellTimeout(ReplError):
    """A cell ran past its time limit."""


class AnswerError(RLMError):
    """There is no answer, or none of the type that was asked for."""


class RecordingError(RLMError):
    """A log or a recording that can't be read."""


class NotLive(RecordingError, AttributeError):
    """What only a live run has or does was asked of a recording, which is over."""


def error_kind(error: BaseException) -> str:
    """Give the short word that events carry for an error (``"budget"``, ``"rate"``, …)."""
    if isinstance(error, ProviderError):
        return error.kind
    if isinstance(error, BudgetExceeded):
        return "budget"
    if isinstance(error, Cancelled):
        return "cancelled"
    return type(error).__name__
