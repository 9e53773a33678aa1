"""A provider whose calls are made by the gateway process."""

from __future__ import annotations

import os
import re
from typing import Any

from ...errors import ConfigError
from ...protocol import CallRequest, Constraint, ModelInfo, OnText, Reply
from . import wire
from .client import Client, making

_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)\b")


class RemoteProvider:
    """One model, as the gateway process has it.

    Args:
        client: the way there.
        model: the full name.
        api_base: the address of an OpenAI-compatible server, or None.
        direct: as ``Gateway.direct``.

    Raises:
        ConfigError: nothing is known of the name, or its key is missing.
    """

    def __init__(self, client: Client, model: str, api_base: str | None, direct: bool) -> None:
        self._client = client
        self._what = {"model": model, "api_base": api_base, "direct": direct}
        try:
            said = client.ask("info", **self._what)
        except ConfigError as error:
            raise ConfigError(f"{error}{_hint(str(error))}") from None
        self._info = wire.info_from(said["info"])
        self._where = str(said["where"])
        self.bare = str(said["bare"])
        self.timed = bool(said["timed"])
        self.concurrency: int | None = said["concurrency"]
        self._supports: dict[str, Any] = {}

    def __repr__(self) -> str:
        return self._where  # so that a request has the same key wherever its call is made

    def info(self, model: str) -> ModelInfo:
        """Say what is known of the model."""
        return self._info

    def support(self, model: str, constraint: Constraint) -> Any:
        """Say whether the provider holds replies to a form by itself."""
        kind = "grammar" if constraint.grammar is not None else (
            "schema" if constraint.schema is not None else "choices"
        )  # fmt: skip
        if kind not in self._supports or self._supports[kind] == "maybe":
            form = wire.constraint_to(constraint)
            self._supports[kind] = self._client.ask("support", constraint=form, **self._what)
        return self._supports[kind]

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Give one reply, or raise as the provider does."""
        run, key = making.get()
        message = {**self._what, "run": run, "key": key}
        body = wire.request_to(request)
        return wire.reply_from(await self._client.call(message, body, on_text))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.close()


def _hint(text: str) -> str:
    """Say where a key is that the gateway doesn't see."""
    for name in _VARIABLE.findall(text):
        if os.environ.get(name):
            return (
                f" {name} is set in this kernel, where the gateway process doesn't look: "
                f"`%rlm key {name}` gives it a key."
            )
    if name := next(iter(_VARIABLE.findall(text)), ""):
        return f" `%rlm key {name}` asks for it, and gives it to the gateway process only."
    return ""
