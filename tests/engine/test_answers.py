"""An answer of the type that was asked for, or the reason why it isn't."""

import pydantic
import pytest

from rlm_kernel.engine.answers import answer_type
from rlm_kernel.errors import AnswerError, ConfigError


class Ship(pydantic.BaseModel):
    name: str
    guns: int


def test_any_value_will_do_where_nothing_was_asked():
    value = object()
    assert answer_type(None)(value) is value


def test_a_plain_type_is_checked_and_json_text_of_it_is_taken():
    check = answer_type(list[int])
    assert check([1, 2]) == [1, 2]
    assert check("[1, 2]") == [1, 2]
    with pytest.raises(AnswerError, match="integer"):
        check(["many"])


def test_a_pydantic_model_is_made_of_a_dict():
    assert answer_type(Ship)({"name": "Beagle", "guns": 6}) == Ship(name="Beagle", guns=6)
    with pytest.raises(AnswerError, match="guns"):
        answer_type(Ship)({"name": "Beagle"})


@pytest.mark.parametrize("kind", [list[int], {"type": "array"}, {"items": {"$ref": "#"}}])
@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 900 + "]" * 900, "[" + "[]," * 1_000_000])
def test_a_text_that_would_take_the_engine_down_is_no_answer(kind, text):
    if kind == {"items": {"$ref": "#"}}:
        kind = {"type": "array", **kind}
    if kind == {"type": "array"} and text.endswith("]"):
        return  # which it is
    with pytest.raises(AnswerError):
        answer_type(kind)(text)


def test_a_json_schema_is_checked_with_the_place_of_the_fault():
    check = answer_type({"type": "object", "properties": {"n": {"type": "integer"}}})
    assert check({"n": 3}) == {"n": 3}
    assert check('{"n": 3}') == {"n": 3}
    with pytest.raises(AnswerError, match="at n"):
        check({"n": "three"})


def test_a_text_stays_a_text_where_the_schema_takes_text():
    assert answer_type({"type": "string"})("[1]") == "[1]"


def test_what_is_no_type_is_refused_before_anything_runs():
    with pytest.raises(ConfigError, match="isn't a JSON schema"):
        answer_type({"type": "nonsense"})
    with pytest.raises(ConfigError, match="can't be checked"):
        answer_type(42)
