"""Replies of a given form: a JSON schema, one of several strings, a grammar.

A provider that can hold a model to the form does so; for others the form is asked for in words.
Either way the reply is checked here, and a wrong one is sent back with what was wrong with it.
A grammar can't be checked here, so it needs a provider that takes grammars.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from ..errors import ConfigError
from ..protocol import CallRequest, Constraint, Message

Support = Literal["yes", "maybe", "no"]

FIXES = 2  # times that a wrong reply is sent back
_CAP = 2_000  # characters of a wrong reply that are sent back


def validate(constraint: Constraint) -> None:
    """Refuse a form that isn't one.

    Raises:
        ConfigError: more than one of the three, no choices, or a schema that isn't one.
    """
    given = [x for x in (constraint.schema, constraint.choices, constraint.grammar) if x]
    if len(given) != 1:
        msg = "A call takes exactly one of schema=, choices= (at least one) and grammar=."
        raise ConfigError(msg)
    if constraint.choices is not None:
        if not all(isinstance(c, str) and c.strip() for c in constraint.choices):
            msg = "choices= takes strings that aren't blank."
            raise ConfigError(msg)
    elif constraint.schema is not None:
        _validator(_dumps(constraint.schema))


def json_schema(constraint: Constraint) -> Mapping[str, Any] | None:
    """Give the form as a JSON schema of an object, for providers that take one."""
    if constraint.schema is not None:
        return constraint.schema
    if constraint.choices is not None:
        return {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(constraint.choices)}},
            "required": ["choice"],
            "additionalProperties": False,
        }
    return None


def strict(schema: Any) -> bool:
    """Say whether a schema is one that OpenAI's strict mode takes."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" or "properties" in schema:
            names = set(schema.get("properties") or {})
            if schema.get("additionalProperties") is not False:
                return False
            if names != set(schema.get("required") or ()):
                return False
        return all(strict(v) for v in schema.values())
    if isinstance(schema, (list, tuple)):
        return all(strict(v) for v in schema)
    return True


def prepare(request: CallRequest, support: Support) -> CallRequest:
    """Give the request to send: the form asked for in words where the provider may not hold it."""
    constraint = request.constraint
    if constraint is None or support == "yes":
        return request
    words = _instruction(constraint)
    messages = _with_words(request.messages, words)
    return replace(
        request, messages=messages, constraint=constraint if support == "maybe" else None
    )


def check(constraint: Constraint, text: str) -> tuple[str, Any]:
    """Give a reply's text and value in the form that was asked for.

    Raises:
        ValueError: it isn't; the message says what is wrong, for the model to read.
    """
    if constraint.choices is not None:
        choice = _choice(constraint.choices, text)
        return choice, choice
    if constraint.schema is not None:
        value = _json(text)
        problem = _problem(constraint.schema, value)
        if problem:
            raise ValueError(problem)
        return text, value
    return text, None


def again(request: CallRequest, text: str, problem: str) -> CallRequest:
    """Give the request that sends a wrong reply back with what is wrong with it."""
    shown = text if len(text) <= _CAP else text[:_CAP] + " …"
    more: tuple[Message, ...] = (
        {"role": "assistant", "content": shown or "(nothing)"},
        {
            "role": "user",
            "content": f"That reply can't be used: {problem} Reply again, in the form asked for "
            "and nothing else.",
        },
    )
    return replace(request, messages=request.messages + more)


def _instruction(constraint: Constraint) -> str:
    if constraint.choices is not None:
        listed = "\n".join(f"- {c}" for c in constraint.choices)
        return f"Reply with exactly one of these, letter for letter, and nothing else:\n{listed}"
    if constraint.schema is not None:
        return (
            "Reply with one JSON value and nothing else: no prose, no code fence. "
            f"It must be valid against this JSON schema:\n{_dumps(constraint.schema)}"
        )
    return f"Reply with text of this grammar and nothing else:\n{constraint.grammar}"


def _with_words(messages: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    for i in range(len(messages) - 1, -1, -1):
        if messages[i]["role"] == "user":
            new: Message = {"role": "user", "content": f"{messages[i]['content']}\n\n{words}"}
            return (*messages[:i], new, *messages[i + 1 :])
    return (*messages, {"role": "user", "content": words})


_WRAPPING = "*_`\"' \n\t\u201c\u201d\u2018\u2019"  # what models put around a word


def _bare(text: str) -> str:
    return text.strip(_WRAPPING).rstrip(".!").strip(_WRAPPING).casefold()


def _choice(choices: Sequence[str], text: str) -> str:
    if text in choices:
        return text
    candidates = [text]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        pass  # not JSON: most replies are the bare word
    else:
        if isinstance(value, Mapping) and len(value) == 1:
            value = next(iter(value.values()))
        candidates.append(value if isinstance(value, str) else json.dumps(value))
    last = text.strip().rsplit("\n", 1)[-1]
    candidates += [last, last.rpartition(":")[2]]
    for candidate in candidates:
        if candidate in choices:
            return candidate
        bare = _bare(candidate)
        hits = [c for c in choices if bare and _bare(c) == bare]
        if len(hits) == 1:
            return hits[0]
    shown = ", ".join(repr(c) for c in choices)
    msg = f"It isn't exactly one of {shown}."
    raise ValueError(msg)


_FENCE = re.compile(r"^\s*(?:```|~~~)[a-zA-Z]*\s*\n(.*?)\n?\s*(?:```|~~~)\s*$", re.DOTALL)


def _json(text: str) -> Any:
    """Read the JSON value of a reply; a fence or prose around it is forgiven."""
    stripped = text.strip()
    if found := _FENCE.match(stripped):
        stripped = found[1].strip()
    try:
        return json.loads(stripped)
    except ValueError as error:
        first = error
    except RecursionError:
        raise ValueError("The JSON is nested too deep.") from None
    decoder = json.JSONDecoder()
    for start in (m.start() for m in re.finditer(r"[\[{]", stripped)):
        try:
            return decoder.raw_decode(stripped, start)[0]
        except (ValueError, RecursionError):
            break  # the outermost bracket doesn't open a value: don't fish for a part of one
    msg = f"It isn't JSON ({first})."
    raise ValueError(msg) from first


def _dumps(schema: Any) -> str:
    try:
        return json.dumps(schema, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        msg = f"The schema isn't JSON ({error})."
        raise ConfigError(msg) from error


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    import jsonschema  # type: ignore[import-untyped]
    import referencing

    schema = json.loads(text)
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        cls.check_schema(schema)
    except jsonschema.SchemaError as error:
        msg = f"That isn't a JSON schema: {error.message}."
        raise ConfigError(msg) from error
    # An empty registry: a $ref to an address is never fetched.
    return cls(schema, registry=referencing.Registry())


def _problem(schema: Mapping[str, Any], value: Any) -> str:
    import jsonschema

    try:
        error = jsonschema.exceptions.best_match(_validator(_dumps(schema)).iter_errors(value))
    except Exception as problem:  # a $ref that leads nowhere, a regex that isn't one
        msg = f"The schema can't be used: {problem}."
        raise ConfigError(msg) from problem
    if error is None:
        return ""
    where = "".join(f"[{p!r}]" for p in error.absolute_path)
    message = error.message if len(error.message) < 500 else error.message[:500] + " …"
    return f"At {where}: {message}." if where else f"{message}."
