"""What calls may come to is said before they are made: from the code, then from the prompts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies import cell

from rlm_kernel.engine.estimate import EXPECTED_OUTPUT, PER_CALL, Estimator
from rlm_kernel.errors import ConfigError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.lm.tokens import estimate
from rlm_kernel.protocol import Constraint, ModelInfo, Query

IN, OUT = 1e-6, 2e-6
CONTEXT = "It was a bright cold day in April. " * 4_000
WHOLE = estimate(CONTEXT)


def info(model: str) -> ModelInfo:
    if model == "nobody":
        raise ConfigError("nobody")
    if model == "free":
        return ModelInfo(model, "x")
    return ModelInfo(model, "x", max_output=8_000, input_price=IN, output_price=OUT)


def estimator(**more: Any) -> Estimator:
    return Estimator(info, "sub", {"context": CONTEXT}, **more)


def of(code: str, **more: Any) -> Any:
    return estimator(**more).of_code(code)


# -- the number of calls --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "calls", "loops"),
    [
        ("print(len(context))", 0, False),
        ("llm_query('a'); llm_query('b')", 2, False),
        ("await llm_query.aio('a')", 1, False),
        ("for line in context.splitlines():\n    llm_query(line)", 1, True),
        ("while todo:\n    llm_query(todo.pop())", 1, True),
        ("[llm_query(x) for x in xs]", 1, True),
        ("def f(x):\n    return llm_query(x)", 1, True),
        ("list(map(lambda x: llm_query(x), xs))", 1, True),
        ("list(pool.map(llm_query, xs))", 1, True),
        ("ask = llm_query\n[ask(x) for x in xs]", 1, True),
        ("llm_query_batched(['a', 'b', 'c'])", 3, False),
        ("ps = ['a', 'b', 'c']\nllm_query_batched(ps)", 3, False),
        ("llm_query_batched(['a'] * 40)", 40, False),
        ("llm_query_batched([f'{i}?' for i in range(7)])", 7, False),
        ("llm_query_batched([f'{i}?' for i in range(7) if i])", 1, True),
        ("llm_query_batched(prompts)", 1, True),
        ("for x in llm_query_batched(['a', 'b']):\n    print(x)", 2, False),
        ("llm_query(llm_query('a'))", 2, False),
        ("x = 'llm_query(1)'  # llm_query", 0, False),
        ("%time y = 2\nllm_query('a')", 1, False),
        ("this isn't code: llm_query(", 0, False),
    ],
)
def test_the_places_that_call_are_counted_and_those_that_repeat_are_marked(
    code: str, calls: int, loops: bool
) -> None:
    found = of(code)
    assert (found.calls, found.loops) == (calls, loops)


# -- the whole of the context ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "llm_query(context)",
        "llm_query(f'What is this about?\\n{context}')",
        "llm_query('Sum up: ' + context)",
        "llm_query('Sum up: %s' % context)",
        "llm_query('Sum up: {}'.format(context))",
        "doc = context\nprompt = f'Q: {doc}'\nllm_query(prompt)",
        "llm_query(prompt='x' + str(context).strip())",
        "llm_query('\\n'.join(context.splitlines()))",
        "llm_query_batched([{'prompt': context}])",
        "llm_query('q', system=context)",
        "llm_query(context[0:])",
    ],
)
def test_a_prompt_with_all_of_the_context_counts_all_of_it(code: str) -> None:
    found = of(code)
    assert WHOLE <= found.tokens - EXPECTED_OUTPUT <= WHOLE + 100
    assert found.cost == pytest.approx(
        (found.tokens - EXPECTED_OUTPUT) * IN + EXPECTED_OUTPUT * OUT
    )


def test_a_batch_over_the_whole_context_counts_it_once_for_each_item() -> None:
    found = of("llm_query_batched([f'{q}\\n{context}' for q in ['a', 'b', 'c']])")
    assert found.tokens >= 3 * WHOLE


def test_a_piece_of_the_context_counts_as_a_piece() -> None:
    found = of("llm_query(context[:1400])")
    piece = found.tokens - EXPECTED_OUTPUT - PER_CALL
    assert piece == pytest.approx(estimate(CONTEXT[:1400]), rel=0.1)


def test_names_bound_in_earlier_cells_are_known_and_rebinding_forgets_them() -> None:
    one = estimator()
    one.ran("doc = 'Text: ' + context")
    assert one.of_code("llm_query(doc)").tokens > WHOLE
    one.ran("doc = doc[:0] or find()")
    assert one.of_code("llm_query(doc)").tokens < 1_000


@pytest.mark.parametrize("value", [["item " * 50] * 300, dict.fromkeys(range(300), "item " * 50)])
def test_a_list_or_dict_as_context_counts_by_its_items(value: Any) -> None:
    one = Estimator(info, "sub", {"context": value})
    found = one.of_code("llm_query(str(context))")
    assert found.tokens == pytest.approx(300 * estimate("item " * 50), rel=0.1)


# -- prices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("llm_query('a', model='free')", "no price is known for free"),
        ("llm_query('a', 'nobody')", "no price is known for nobody"),
        ("llm_query('a', model=which())", "the code doesn't show which model is called"),
    ],
)
def test_an_unknown_price_is_none_and_never_zero(code: str, why: str) -> None:
    found = of(code + "; llm_query('b')")
    assert found.cost is None
    assert found.unknown == (why,)
    assert found.as_dict()["cost"] is None


def test_a_child_has_no_known_cost_and_where_none_can_start_it_is_a_call() -> None:
    assert of("rlm_query('a', context)", children=True).cost is None
    assert of("rlm_query('a', context)").cost == pytest.approx(WHOLE * IN + 512 * OUT, rel=0.01)


@pytest.mark.parametrize("value", [[10**5_000], {"a": 10**5_000}], ids=["list", "dict"])
def test_numbers_too_long_to_be_written_count_as_nothing(value: Any) -> None:
    found = Estimator(info, "sub", {"context": value}).of_code("llm_query(str(context))")
    assert found.calls == 1


def test_a_call_that_asks_for_any_length_has_an_estimate() -> None:
    assert estimator().of_queries([Query("x", max_tokens=10**5_000)]).calls == 1


def test_code_that_calls_no_model_has_no_estimate() -> None:
    assert of("x = 1").as_dict() == {}


@given(st.text(max_size=300))
def test_whatever_a_model_writes_an_estimate_comes_of_it(code: str) -> None:
    assert of(f"llm_query(f'{code}')\n" + code).calls >= 0
    assert of(code + "_query").calls >= 0


# -- exactly, of calls that are issued ------------------------------------------------------------


def test_calls_that_are_issued_count_their_prompts_and_what_replies_usually_have() -> None:
    [prompt] = ["word " * 400]
    found = estimator().of_queries([Query(prompt), Query(prompt, system=prompt)])
    assert found.calls == 2
    given = 3 * estimate(prompt) + 2 * PER_CALL
    assert found.tokens == given + 2 * EXPECTED_OUTPUT
    assert found.cost == pytest.approx(given * IN + 2 * EXPECTED_OUTPUT * OUT)


def test_a_reply_that_must_be_short_counts_as_short() -> None:
    def tokens(**more: Any) -> int:
        return int(estimator().of_queries([Query("a", **more)]).tokens)

    assert tokens() - tokens(max_tokens=12) == EXPECTED_OUTPUT - 12
    assert tokens(constraint=Constraint(choices=("yes", "no"))) < 40


def test_one_call_without_a_price_makes_the_sum_unknown() -> None:
    found = estimator().of_queries([Query("a"), Query("b", model="free")])
    assert found.cost is None
    assert found.unknown == ("no price is known for free",)


# -- in a run -------------------------------------------------------------------------------------


def test_a_proposal_carries_its_estimate_before_it_runs(make: Any) -> None:
    sub = ScriptedModel([], name="sub", price=(IN, OUT))
    rlm = make([cell("r = llm_query(f'{context}?')")], sub, mode="step")
    run = rlm.start("q", CONTEXT)
    run.wait()
    assert sub.requests == []
    node = run.tree[run.pending.id]
    assert node.estimate["calls"] == 1
    assert node.estimate["tokens"] > WHOLE
    assert node.estimate["cost"] == pytest.approx(WHOLE * IN + 512 * OUT, rel=0.01)


def test_what_an_earlier_cell_bound_is_known_to_the_estimate_of_the_next(make: Any) -> None:
    rlm = make([cell("doc = context.strip()\nprint(1)"), cell("llm_query(doc)")], ["x"])
    rlm.mode = "ask when tokens > 10k"
    run = rlm.start("q", CONTEXT)
    run.wait()
    assert run.phase == "proposed"
    assert run.pending.code == "llm_query(doc)"
    assert "tokens" in run.reason
