"""An answer of the type that was asked for, or the reason why it isn't."""

from decimal import Decimal

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


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (list, range(10**9)),
        (set[int], range(0, -(10**12), -1)),
        (list[list[int]], [range(10**6)] * 10),
        (dict[str, list[int]], {"a": range(10**30)}),
        (int, Decimal("1E+99999999")),
        (list[int], [Decimal("1E-99999999")]),
    ],
    ids=["list", "set", "ranges", "longest", "number", "small number"],
)
def test_what_would_become_large_when_it_is_checked_is_refused(kind, value):
    with pytest.raises(AnswerError, match="more than"):
        answer_type(kind)(value)


def test_small_ranges_and_numbers_are_checked_as_ever():
    assert answer_type(list[int])(range(3)) == [0, 1, 2]
    assert answer_type(int)(Decimal("1E+3")) == 1000
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(AnswerError):
        answer_type(list[int])(itself)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "number", "multipleOf": 0.5}, Decimal("1.5")),
        ({"type": "object", "patternProperties": {"a": {}}}, {1: 2}),
        ({"type": "string"}, 10**5_000),
    ],
    ids=["decimal", "keys", "long number"],
)
def test_a_value_that_the_check_was_not_made_for_is_no_fault_of_the_run(schema, value):
    with pytest.raises(AnswerError, match="can't be checked"):
        answer_type(schema)(value)
