"""Replies of a given form, from servers that hold to it and from those that don't."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from helpers_lm import ListSink, ask, call
from hypothesis import given
from hypothesis import strategies as st
from servers import Fault, OpenAIServer

from rlm_kernel.errors import ConfigError, ModelError, ProviderError
from rlm_kernel.lm import Gateway, ScriptedModel
from rlm_kernel.lm.structured import check, strict, validate
from rlm_kernel.protocol import Constraint, Reply

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
YES_NO = Constraint(choices=("yes", "no"))


def through(model: Any, constraint: Constraint) -> tuple[Any, ListSink]:
    sink = ListSink()

    async def main() -> Reply | ModelError:
        gateway = Gateway()
        try:
            name = gateway.name_of(model)
            return await call(gateway, ask("Q", name, constraint=constraint), sink=sink)
        except ModelError as error:
            return error

    return asyncio.run(main()), sink


def test_a_wrong_reply_is_sent_back_with_what_is_wrong() -> None:
    model = ScriptedModel(["Ann, 7", '{"name": "Ann", "age": "7"}', '{"name": "Ann", "age": 7}'])
    reply, sink = through(model, Constraint(schema=PERSON))
    assert reply.value == {"name": "Ann", "age": 7}
    assert "JSON schema" in model.requests[0].messages[-1]["content"]
    assert model.requests[1].messages[-2]["content"] == "Ann, 7"
    assert "isn't JSON" in model.requests[1].messages[-1]["content"]
    assert "['age']" in model.requests[2].messages[-1]["content"]
    assert reply.usage.calls == 3  # all of them were paid for
    assert len(sink.of("call.ended")) == 1


def test_three_wrong_replies_are_an_error_of_that_call() -> None:
    model = ScriptedModel(["maybe"] * 5)
    error, _ = through(model, YES_NO)
    assert isinstance(error, ProviderError)
    assert "isn't exactly one of 'yes', 'no'" in str(error)
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    "text",
    ["yes", "Yes", " YES. ", '"yes"', "**Yes**", '{"choice": "yes"}', "Answer: yes",
     "Let me think.\nyes", '{"answer": "Yes"}'],
)  # fmt: skip
def test_a_choice_comes_back_as_it_was_given(text: str) -> None:
    assert check(YES_NO, text) == ("yes", "yes")


@pytest.mark.parametrize(
    "text", ["", "maybe", "yes or no", "not yes", "yesterday", "{}", "[1]", "[" * 200_000]
)
def test_what_is_no_choice_is_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        check(YES_NO, text)


def test_choices_that_differ_in_case_only_are_told_apart() -> None:
    both = Constraint(choices=("A", "a"))
    assert check(both, "a")[1] == "a"
    with pytest.raises(ValueError, match="exactly one"):
        check(both, "'A.")


@given(
    st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5, unique=True), st.data()
)
def test_every_choice_can_be_chosen(choices: list[str], data: st.DataObject) -> None:
    constraint = Constraint(choices=tuple(choices))
    pick = data.draw(st.sampled_from(choices))
    assert check(constraint, pick)[1] == pick
    try:
        wrapped = json.dumps({"choice": pick})
    except UnicodeEncodeError:
        return
    if wrapped not in choices:
        assert check(constraint, wrapped)[1] == pick


@given(st.text(max_size=60))
def test_any_reply_is_a_value_or_a_sentence(text: str) -> None:
    for constraint in (Constraint(schema={"type": "object"}), YES_NO):
        with contextlib.suppress(ValueError):
            assert check(constraint, text)[1] is not None


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Here: {"a": 1} I hope it helps.', ' {"a":1}\n']
)
def test_json_is_found_in_what_models_put_around_it(text: str) -> None:
    assert check(Constraint(schema={"type": "object"}), text)[1] == {"a": 1}


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (Constraint(), "exactly one"),
        (Constraint(choices=()), "exactly one"),
        (Constraint(choices=("a",), grammar="x"), "exactly one"),
        (Constraint(choices=("a", " ")), "blank"),
        (Constraint(schema={"type": "nonsense"}), "isn't a JSON schema"),
        (Constraint(schema={"x": object()}), "isn't JSON"),
    ],
)
def test_a_form_that_is_none_is_refused(constraint: Constraint, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        validate(constraint)


def test_a_form_that_is_none_sends_nothing_and_is_the_item_s_own_error() -> None:
    model = ScriptedModel(["x"])
    error, sink = through(model, Constraint(schema={"type": "nonsense"}))
    assert isinstance(error, ModelError)
    assert "isn't a JSON schema" in str(error)
    assert model.requests == []
    assert len(sink.of("call.ended")) == 1


def test_a_reference_to_an_address_is_not_fetched(openai_server: OpenAIServer) -> None:
    away = Constraint(schema={"$ref": f"{openai_server.api_base}/models"})
    with pytest.raises(ConfigError, match="can't be used"):
        check(away, "{}")
    assert openai_server.requests == []


def test_a_grammar_needs_a_provider_that_takes_one(openai_server: OpenAIServer) -> None:
    grammar = Constraint(grammar='root ::= "a"')
    error, _ = through(ScriptedModel(["a"]), grammar)
    assert isinstance(error, ProviderError)
    assert "takes no grammar" in str(error)

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base)
        await call(gateway, ask("hi", constraint=grammar))
        await gateway.close()

    asyncio.run(main())
    assert openai_server.requests[0].json["grammar"] == 'root ::= "a"'


def test_a_server_gets_the_schema_and_the_words(openai_server: OpenAIServer) -> None:
    openai_server.script('{"name": "Ann", "age": 7}')

    async def main() -> Any:
        gateway = Gateway(api_base=openai_server.api_base)
        reply = await call(gateway, ask("who?", constraint=Constraint(schema=PERSON)))
        await gateway.close()
        return reply.value

    assert asyncio.run(main()) == {"name": "Ann", "age": 7}
    seen = openai_server.requests[0].json
    sent = seen["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (PERSON, True)
    assert "JSON schema" in seen["messages"][-1]["content"]


def test_a_server_without_schemas_is_asked_in_words(openai_server: OpenAIServer) -> None:
    def policy(request: dict[str, Any]) -> Any:
        if "response_format" in request:
            return Fault(status=400, body={"error": {"message": "response_format: unknown field"}})
        return "No"

    openai_server.reply_with(policy)

    async def main() -> Any:
        gateway = Gateway(api_base=openai_server.api_base, cache=False)
        values = [(await call(gateway, ask("?", constraint=YES_NO))).value for _ in range(2)]
        await gateway.close()
        return values

    assert asyncio.run(main()) == ["no", "no"]
    assert len(openai_server.requests) == 3


def test_strict_schemas_are_recognized() -> None:
    assert strict(PERSON)
    assert not strict({**PERSON, "additionalProperties": True})
    assert not strict({**PERSON, "required": ["name"]})
    assert not strict({"type": "array", "items": {"type": "object", "properties": {"a": {}}}})
