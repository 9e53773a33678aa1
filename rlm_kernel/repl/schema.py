"""What a reply must look like: from a schema, choices or a grammar to a ``Constraint``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..protocol import Constraint

Parse = Callable[[Any], Any]


def constraint(
    schema: Any = None, choices: Sequence[str] | None = None, grammar: str | None = None
) -> tuple[Constraint | None, Parse | None]:
    """Give the constraint, and what makes a parsed reply into the type that was asked for.

    Args:
        schema: a JSON schema (dict), a pydantic model, or a plain type (``list[str]``, ``int``).
        choices: the texts that a reply can be.
        grammar: a GBNF grammar.

    Raises:
        TypeError: for more than one of them, or one that can't be understood.
    """
    given = [name for name, value in
             (("schema", schema), ("choices", choices), ("grammar", grammar))
             if value is not None]  # fmt: skip
    if len(given) > 1:
        msg = f"Give only one of schema, choices and grammar; got {' and '.join(given)}."
        raise TypeError(msg)
    if choices is not None:
        if isinstance(choices, str) or not all(isinstance(c, str) for c in choices):
            msg = "choices takes a list of texts: choices=['yes', 'no']."
            raise TypeError(msg)
        if not choices:
            msg = "choices is empty; give at least one text."
            raise TypeError(msg)
        return Constraint(choices=tuple(choices)), None
    if grammar is not None:
        if not isinstance(grammar, str):
            msg = f"grammar takes a text, not {type(grammar).__name__}."
            raise TypeError(msg)
        return Constraint(grammar=grammar), None
    if schema is None:
        return None, None
    if isinstance(schema, Mapping):
        return Constraint(schema=dict(schema)), None
    return _typed(schema)


def _typed(schema: Any) -> tuple[Constraint, Parse]:
    from pydantic import TypeAdapter  # late: 0.1 s, and most calls ask for plain text

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(schema)
        as_json = adapter.json_schema()
    except Exception as error:
        msg = (
            f"schema can't be {schema!r:.80}: give a JSON schema (dict), a pydantic model or a "
            f"plain type such as list[str] ({type(error).__name__})."
        )
        raise TypeError(msg) from None
    return Constraint(schema=as_json), adapter.validate_python
