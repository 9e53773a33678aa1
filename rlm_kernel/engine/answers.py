"""What an answer may be: any value, or one that fits ``answer_type``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import AnswerError, ConfigError, ReplError
from ..protocol.frames import MOST_ITEMS, refuse_items

DIGITS = 4_300  # of a number; as many as Python reads


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A check that every answer passes through.

    Args:
        schema: the JSON schema as text, as the model is told it; None where any value will do.
    """

    schema: str | None
    _check: Any = None

    def __call__(self, value: Any) -> Any:
        """Give the value in the form that was asked for, or raise AnswerError saying why not."""
        if self._check is None:
            return value
        _refuse_large(value)
        try:
            return self._check(value)
        except AnswerError:
            raise
        except Exception as error:  # of a value that the check wasn't made for
            why = f"{type(error).__name__}: {str(error)[:200]}"
            raise AnswerError(f"The answer can't be checked ({why}).") from error


def answer_type(spec: Any) -> AnswerType:
    """Make the check for ``answer_type=``.

    Args:
        spec: None, a type (``int``, ``list[str]``), a pydantic model, or a JSON schema (a dict).

    Raises:
        ConfigError: in one sentence, when nothing can be made of it.
    """
    if spec is None:
        return AnswerType(None)
    if isinstance(spec, Mapping):
        return _by_json_schema(dict(spec))
    return _by_pydantic(spec)


def _refuse_large(value: Any) -> None:
    """Refuse what is small only until it is checked: a range as a list, 1E+99999999 as an int."""
    stack, seen, items = [value], set[int](), 0
    while stack:
        one = stack.pop()
        if isinstance(one, range):
            items += abs((one.stop - one.start) // one.step)
        elif isinstance(one, Decimal):
            if one.is_finite() and abs(one.adjusted()) > DIGITS:
                raise AnswerError(f"The answer has a number of more than {DIGITS:,} digits.")
        elif isinstance(one, list | tuple | set | frozenset | dict) and id(one) not in seen:
            seen.add(id(one))
            stack += [*one, *one.values()] if isinstance(one, dict) else one
    if items > MOST_ITEMS:
        raise AnswerError(f"The answer has more than {MOST_ITEMS:,} items.")


def _by_json_schema(schema: dict[str, Any]) -> AnswerType:
    import jsonschema  # type: ignore[import-untyped]

    validator_class = jsonschema.validators.validator_for(schema)
    try:
        validator_class.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(f"answer_type isn't a JSON schema: {error.message}.") from error
    validator = validator_class(schema)

    def check(value: Any) -> Any:
        plain = _parsed(value) if isinstance(value, str) and not _takes_text(schema) else value
        try:
            problem = next(iter(validator.iter_errors(plain)), None)
        except RecursionError:
            raise AnswerError("The answer is nested too deep.") from None
        if problem is not None:
            where = "/".join(map(str, problem.absolute_path))
            raise AnswerError(problem.message + (f" (at {where})" if where else "") + ".")
        return plain

    return AnswerType(json.dumps(schema), check)


def _takes_text(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind is None or "string" in ([kind] if isinstance(kind, str) else kind)


def _parsed(text: str) -> Any:
    _refuse_items(text)
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise AnswerError("The answer is nested too deep.") from None


def _refuse_items(text: str) -> None:
    try:
        refuse_items(text.encode("utf-8", "surrogatepass"))
    except ReplError:
        raise AnswerError(f"The answer has more than {MOST_ITEMS:,} items.") from None


def _by_pydantic(spec: Any) -> AnswerType:
    import pydantic

    try:
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(spec)
        schema = json.dumps(adapter.json_schema())
    except (pydantic.PydanticUserError, pydantic.errors.PydanticSchemaGenerationError) as error:
        raise ConfigError(
            f"answer_type={spec!r} can't be checked: give a type such as list[str], a pydantic "
            "model, or a JSON schema as a dict."
        ) from error

    def check(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except pydantic.ValidationError as first:
            if isinstance(value, str):  # a model that submits the JSON text of the value
                _refuse_items(value)
                try:
                    return adapter.validate_json(value)
                except pydantic.ValidationError:
                    pass
            problem = first.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise AnswerError(problem["msg"] + (f" (at {where})" if where else "") + ".") from first

    return AnswerType(schema, check)
