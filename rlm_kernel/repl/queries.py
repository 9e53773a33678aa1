"""The functions that code calls to ask: models, child runs, a person, the user's tools.

They are objects with a docstring that people and models read, ``__call__`` for plain code and,
where it makes sense, ``aio`` for ``await``. They hold nothing but the door to what answers.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from ..errors import Cancelled, ModelError, ProviderError
from ..protocol import Query
from .bridge import Method
from .schema import Parse, constraint


class Door(Protocol):
    """What the functions need of the runtime."""

    def ask(self, method: Method, *args: Any, batch: bool = False) -> Future[Any]:
        """Send a call with the cell and line it comes from."""
        ...

    def wait(self, future: Future[Any]) -> Any:
        """Wait for it; a KeyboardInterrupt cancels it."""
        ...


class Name:
    """Something bound under a name in the namespace of the cells."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __repr__(self) -> str:
        doc = (self.__doc__ or "").partition("\n")[0]
        return f"<{self.__name__}: {doc}>"


def _text(value: Any, what: str, instead: str) -> str:
    if isinstance(value, str):
        return str(value)
    hint = instead if isinstance(value, (list, tuple)) else "Use str(…) or an f-string."
    msg = f"{what} takes its prompt as text (str), not {type(value).__name__}. {hint}"
    raise TypeError(msg)


def _finished(value: Any, parse: Parse | None) -> Any:
    """Make a reply into the type asked for; an error stays a value."""
    if parse is None or isinstance(value, ModelError):
        return value
    try:
        return parse(value)
    except Exception as error:
        return ProviderError(
            f"The reply isn't what schema asks for: {str(error)[:300]}", kind="malformed"
        )


def _raised(value: Any) -> Any:
    if isinstance(value, ModelError):
        raise value
    return value


def _items(values: Any, what: str) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        msg = f"{what} takes a list of prompts, not {type(values).__name__}."
        raise TypeError(msg)
    return list(values)


async def _awaited(future: Future[Any]) -> Any:
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if future.cancelled() and task is not None and not task.cancelling():
            msg = "The call was cancelled before its reply was whole."
            raise Cancelled(msg) from None
        raise


def _llm(prompt: Any, what: str, options: Mapping[str, Any]) -> tuple[Query, Parse | None]:
    asked, parse = constraint(options.get("schema"), options.get("choices"), options.get("grammar"))
    return (
        Query(
            prompt=_text(prompt, what, "llm_query_batched takes a list of prompts."),
            model=options.get("model"),
            system=options.get("system"),
            constraint=asked,
            max_tokens=options.get("max_tokens"),
            temperature=options.get("temperature"),
            name=options.get("name") or "",
        ),
        parse,
    )


LLM_OPTIONS = frozenset(
    {"model", "system", "schema", "choices", "grammar", "max_tokens", "temperature", "name"}
)


def _llm_items(
    prompts: Any, what: str, options: Mapping[str, Any]
) -> tuple[list[Query], list[Parse | None]]:
    queries, parses = [], []
    for i, item in enumerate(_items(prompts, what)):
        own = dict(options)
        prompt = item
        if isinstance(item, Mapping):
            own.update({k: v for k, v in item.items() if k != "prompt"})
            prompt = item.get("prompt")
            if unknown := set(own) - LLM_OPTIONS:
                msg = f"{what}: item {i} has {sorted(unknown)}, which isn't an option of a call."
                raise TypeError(msg)
        query, parse = _llm(prompt, f"{what}: item {i}", own)
        queries.append(query)
        parses.append(parse)
    return queries, parses


class LlmQuery(Name):
    """Ask a sub-model one thing and give its reply.

    The call blocks until the reply is there; in async code use ``await llm_query.aio(...)``.
    For many prompts ``llm_query_batched`` is much faster: it asks them all at once.

    Args:
        prompt: the whole text the sub-model sees, instructions and material together.
        model: another model than the run's sub-model.
        system: a system message.
        schema: a JSON schema, a pydantic model or a type (``list[str]``); the reply is then the
            parsed value.
        choices: the texts the reply can be.
        grammar: a GBNF grammar for the reply (local models).
        max_tokens: the most tokens of the reply.
        temperature: of sampling.
        name: shown in the tree.

    Returns:
        The text, or the parsed value where ``schema`` is given.

    Raises:
        ModelError: the call gave no text (budget, provider, cancelled); its text says why.
    """

    def __init__(self, door: Door) -> None:
        super().__init__("llm_query")
        self._door = door

    def __call__(
        self,
        prompt: str,
        model: str | None = None,
        *,
        system: str | None = None,
        schema: Any = None,
        choices: Sequence[str] | None = None,
        grammar: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        name: str | None = None,
    ) -> Any:
        query, parse = _llm(prompt, "llm_query", {
            "model": model, "system": system, "schema": schema, "choices": choices,
            "grammar": grammar, "max_tokens": max_tokens, "temperature": temperature,
            "name": name,
        })  # fmt: skip
        [reply] = self._door.wait(self._door.ask("llm_query", [query]))
        return _raised(_finished(reply, parse))

    async def aio(self, prompt: str, model: str | None = None, **options: Any) -> Any:
        """Ask without blocking; the same arguments and reply."""
        if unknown := set(options) - LLM_OPTIONS:
            msg = f"llm_query.aio has no option {sorted(unknown)}."
            raise TypeError(msg)
        query, parse = _llm(prompt, "llm_query", {"model": model, **options})
        [reply] = await _awaited(self._door.ask("llm_query", [query]))
        return _raised(_finished(reply, parse))


class LlmQueryBatched(Name):
    """Ask a sub-model many things at once; the replies come in the order of the prompts.

    Args:
        prompts: texts, or dicts with ``prompt`` and options of their own
            (``{"prompt": …, "name": …, "model": …}``).
        model, system, schema, choices, grammar, max_tokens, temperature, name: as for
            ``llm_query``, for all items.

    Returns:
        A list with a reply for each prompt: the text (or parsed value), or, where that one call
        failed, a ``ModelError`` value in its place. It is falsy, and ``str()`` says what happened;
        ask again for those only.
    """

    def __init__(self, door: Door) -> None:
        super().__init__("llm_query_batched")
        self._door = door

    def __call__(
        self,
        prompts: Iterable[str | Mapping[str, Any]],
        model: str | None = None,
        *,
        system: str | None = None,
        schema: Any = None,
        choices: Sequence[str] | None = None,
        grammar: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        name: str | None = None,
    ) -> list[Any]:
        queries, parses = _llm_items(prompts, "llm_query_batched", {
            "model": model, "system": system, "schema": schema, "choices": choices,
            "grammar": grammar, "max_tokens": max_tokens, "temperature": temperature,
            "name": name,
        })  # fmt: skip
        if not queries:
            return []
        replies = self._door.wait(self._door.ask("llm_query", queries, batch=True))
        return [_finished(r, p) for r, p in zip(replies, parses, strict=True)]

    async def aio(
        self,
        prompts: Iterable[str | Mapping[str, Any]],
        model: str | None = None,
        **options: Any,
    ) -> list[Any]:
        """Ask without blocking; the same arguments and replies."""
        queries, parses = _llm_items(prompts, "llm_query_batched", {"model": model, **options})
        if not queries:
            return []
        replies = await _awaited(self._door.ask("llm_query", queries, batch=True))
        return [_finished(r, p) for r, p in zip(replies, parses, strict=True)]


def _rlm(prompt: Any, context: Any, model: str | None, name: str | None, what: str) -> Query:
    return Query(
        prompt=_text(prompt, what, "rlm_query_batched takes a list of prompts."),
        model=model,
        name=name or "",
        context=context,
        has_context=context is not None,
    )


class RlmQuery(Name):
    """Start a child run that works on the question by itself, and give its answer.

    The child has its own kernel, sees nothing of this one's variables, and writes code as you do.
    Use it for a part that needs several steps of its own; ``llm_query`` is cheaper for the rest.

    Args:
        prompt: the question.
        context: what the child's ``context`` is; without it the prompt is.
        model: the child's root model.
        name: shown in the tree.

    Returns:
        The child's answer.

    Raises:
        ModelError: there is no answer; its text says why.
    """

    def __init__(self, door: Door) -> None:
        super().__init__("rlm_query")
        self._door = door

    def __call__(
        self, prompt: str, context: Any = None, model: str | None = None, name: str | None = None
    ) -> Any:
        query = _rlm(prompt, context, model, name, "rlm_query")
        [answer] = self._door.wait(self._door.ask("rlm_query", [query]))
        return _raised(answer)

    async def aio(
        self, prompt: str, context: Any = None, model: str | None = None, name: str | None = None
    ) -> Any:
        """Ask without blocking; the same arguments and answer."""
        query = _rlm(prompt, context, model, name, "rlm_query")
        [answer] = await _awaited(self._door.ask("rlm_query", [query]))
        return _raised(answer)


class RlmQueryBatched(Name):
    """Start several child runs in parallel; the answers come in the order of the prompts.

    Args:
        prompts: questions, or dicts with ``prompt``, ``context``, ``model``, ``name``.
        contexts: a list with the ``context`` of each child.
        model: the children's root model.
        name: shown in the tree.

    Returns:
        A list with each child's answer, or a ``ModelError`` value in its place.
    """

    def __init__(self, door: Door) -> None:
        super().__init__("rlm_query_batched")
        self._door = door

    def __call__(
        self,
        prompts: Iterable[str | Mapping[str, Any]],
        contexts: Sequence[Any] | None = None,
        model: str | None = None,
        name: str | None = None,
    ) -> list[Any]:
        queries = self._queries(prompts, contexts, model, name)
        if not queries:
            return []
        return list(self._door.wait(self._door.ask("rlm_query", queries, batch=True)))

    async def aio(
        self,
        prompts: Iterable[str | Mapping[str, Any]],
        contexts: Sequence[Any] | None = None,
        model: str | None = None,
        name: str | None = None,
    ) -> list[Any]:
        """Ask without blocking; the same arguments and answers."""
        queries = self._queries(prompts, contexts, model, name)
        if not queries:
            return []
        return list(await _awaited(self._door.ask("rlm_query", queries, batch=True)))

    def _queries(
        self, prompts: Any, contexts: Sequence[Any] | None, model: str | None, name: str | None
    ) -> list[Query]:
        items = _items(prompts, "rlm_query_batched")
        if contexts is not None:
            if isinstance(contexts, str) or len(contexts) != len(items):
                msg = (
                    f"contexts must be a list with one context for each of the {len(items)} "
                    "prompts."
                )
                raise TypeError(msg)
        else:
            contexts = [None] * len(items)
        queries = []
        for i, (item, context) in enumerate(zip(items, contexts, strict=True)):
            own: Mapping[str, Any] = item if isinstance(item, Mapping) else {"prompt": item}
            if unknown := set(own) - {"prompt", "context", "model", "name"}:
                msg = f"rlm_query_batched: item {i} has {sorted(unknown)}, which isn't an option."
                raise TypeError(msg)
            queries.append(
                _rlm(
                    own.get("prompt"),
                    own.get("context", context),
                    own.get("model", model),
                    own.get("name", name),
                    f"rlm_query_batched: item {i}",
                )
            )
        return queries


class AskHuman(Name):
    """Ask the person who watches this run, and wait for what they write.

    Args:
        question: one clear question.
        choices: answers to choose from, if there are such.

    Returns:
        Their answer.

    Raises:
        ModelError: nobody is there to answer.
    """

    def __init__(self, door: Door) -> None:
        super().__init__("ask_human")
        self._door = door

    def __call__(self, question: str, choices: Sequence[str] | None = None) -> str:
        given, chosen = self._checked(question, choices)
        return str(self._door.wait(self._door.ask("ask_human", given, chosen)))

    async def aio(self, question: str, choices: Sequence[str] | None = None) -> str:
        """Ask without blocking; the same arguments and answer."""
        given, chosen = self._checked(question, choices)
        return str(await _awaited(self._door.ask("ask_human", given, chosen)))

    @staticmethod
    def _checked(question: Any, choices: Any) -> tuple[str, list[str] | None]:
        if not isinstance(question, str):
            msg = f"ask_human takes its question as text (str), not {type(question).__name__}."
            raise TypeError(msg)
        if choices is None:
            return question, None
        if isinstance(choices, str):
            msg = "ask_human takes choices as a list of texts."
            raise TypeError(msg)
        return question, [str(c) for c in choices]


class Tool(Name):
    """A tool of the user's that runs in the process of whoever started the run.

    Arguments and result cross between the processes by value.
    """

    def __init__(self, door: Door, name: str, signature: str = "(...)", doc: str = "") -> None:
        super().__init__(name)
        self._door = door
        self._shown = signature
        self.__doc__ = f"{name}{signature}\n\n{doc}".rstrip()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._door.wait(self._door.ask("tool", self.__name__, args, kwargs))

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tool without blocking."""
        return await _awaited(self._door.ask("tool", self.__name__, args, kwargs))


def describe_tool(tool: Any) -> tuple[str, str]:
    """Give the signature and docstring of a tool, as they are shown to code."""
    try:
        signature = str(inspect.signature(tool))
    except (TypeError, ValueError):
        signature = "(...)"
    return signature, inspect.getdoc(tool) or ""
