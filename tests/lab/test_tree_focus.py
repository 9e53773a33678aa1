"""The tree in a browser, by keys only: the focus stays in it when the control that had it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]

WHERE = """() => {
    const one = document.activeElement;
    const name = one.getAttribute('aria-label') ?? (one.innerText || one.tagName);
    return one.dataset.key ?? (one.role === 'tab' ? `tab ${name}` : name);
}"""


def _focused(page: Any, what: str) -> None:
    """Wait until this has the focus: a row by its key, else by its label or its words."""
    try:
        page.wait_for_function(f"what => ({WHERE})().trim() === what", arg=what, timeout=5000)
    except Exception:
        pytest.fail(f"{page.evaluate(WHERE)!r} has the focus, not {what!r}")


def _drawn(page: Any) -> None:
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _row(page: Any, node: str) -> None:
    page.evaluate(f"rlmPerf.focus('{node}')")
    _focused(page, node)


def _reach(page: Any, name: str, key: str = "Tab") -> None:
    """Press a key until a control of this name has the focus."""
    for _ in range(60):
        if page.evaluate(WHERE).strip() == name:
            return
        page.keyboard.press(key)
    pytest.fail(f"{name!r} can't be reached; {page.evaluate(WHERE)!r} has the focus")


QUESTION = """rlmPerf.kernel.emit('demo', [{ type: 'call.started', node: 'ask1', parent: 'cell5',
    role: 'human', model: 'human', prompt: 'Which?', choices: ['North', 'South'] }],
    Date.now() / 1e3)"""
ANSWERED = """rlmPerf.kernel.emit('demo', [{ type: 'call.ended', node: 'ask1', text: 'North' }],
    Date.now() / 1e3)"""
DECIDED = "rlmPerf.kernel.inform('demo', { phase: 'thinking', pending: null })"
NEXT = """() => {
    rlmPerf.kernel.emit('demo', [
        { type: 'turn.started', node: 'turn6', parent: 'run1', number: 6 },
        { type: 'cell.proposed', node: 'cell6', parent: 'turn6', code: 'llm_query("x")', number: 6 }
    ], Date.now() / 1e3);
    rlmPerf.kernel.inform('demo', { phase: 'proposed', pending: { cell: 'cell6',
        code: 'llm_query("x")', number: 6, turn: 6, asks: true, decided: false, held_by: '',
        leased_by: '', executing: false, estimate: {} } });
}"""


@pytest.mark.parametrize(("key", "words"), [("r", "no"), ("e", "# mine")])
def test_a_decision_that_was_written_leaves_the_keyboard_at_its_row(
    tree: Open, key: str, words: str
) -> None:
    page = tree("waits")
    _row(page, "cell5")
    page.keyboard.press(key)
    page.locator("textarea:focus").wait_for()
    page.keyboard.type(words)
    page.keyboard.press("Control+Enter")
    _focused(page, "cell5")
    page.evaluate(NEXT)
    _focused(page, "cell6")  # the keyboard goes along with what is shown by itself
    page.keyboard.press("ArrowUp")
    _focused(page, "turn6")


def test_whoever_pressed_a_key_since_keeps_their_place(tree: Open) -> None:
    page = tree("waits")
    _row(page, "cell5")
    page.keyboard.press("r")
    page.locator("textarea:focus").wait_for()
    page.keyboard.press("Control+Enter")
    _focused(page, "cell5")
    page.evaluate(DECIDED)
    page.keyboard.press("ArrowUp")
    _focused(page, "root5")
    page.evaluate(NEXT)
    page.locator("[data-key='cell6']").wait_for()
    _drawn(page)
    _focused(page, "root5")


@pytest.mark.parametrize("button", ["Run", "Reject…"])
def test_the_buttons_of_a_decision_leave_the_keyboard_at_its_row(tree: Open, button: str) -> None:
    page = tree("waits")
    _row(page, "cell5")
    page.keyboard.press("Enter")
    _reach(page, button)
    page.keyboard.press("Enter")
    if button != "Run":
        page.locator("textarea:focus").wait_for()
        _reach(page, "Cancel")
        page.keyboard.press("Enter")
        _focused(page, "cell5")
        return
    page.evaluate(DECIDED)
    _focused(page, "cell5")


def test_a_chosen_answer_and_a_cancelled_call_leave_the_keyboard_at_their_row(tree: Open) -> None:
    page = tree("asks")
    page.evaluate(QUESTION)
    _row(page, "ask1")
    page.keyboard.press("Enter")
    _reach(page, "North")
    page.keyboard.press("Enter")
    page.evaluate(ANSWERED)
    _focused(page, "ask1")
    _row(page, "check")
    _reach(page, "Cancel the call")
    page.keyboard.press("Enter")
    page.evaluate(
        """rlmPerf.kernel.emit('demo', [{ type: 'call.ended', node: 'check', status: 'cancelled',
          error: 'A person cancelled this call before its reply was whole; all else is kept.',
          error_kind: 'cancelled' }], Date.now() / 1e3)"""
    )
    _focused(page, "check")
    said = page.get_by_label("Details", exact=True).inner_text()
    assert "Cancelled by you before there was a reply; all else is kept." in said
    assert "Do these three reports agree?" in page.locator("[data-key='check']").inner_text()
    assert page.get_by_label("Prompt", exact=True).is_visible()


def test_a_view_that_is_changed_by_a_key_gives_its_tab_the_keyboard(tree: Open) -> None:
    page = tree()
    _row(page, "cell3")
    page.keyboard.press("2")
    _focused(page, "tab Icicle")
    page.keyboard.press("3")
    _focused(page, "tab Cell")
    page.keyboard.press("ArrowRight")
    _focused(page, "tab Tree")
    page.keyboard.press("ArrowLeft")
    _focused(page, "tab Cell")


def test_what_is_closed_in_another_view_gives_that_view_the_keyboard(tree: Open) -> None:
    page = tree()
    _row(page, "cell3")
    page.keyboard.press("Enter")
    page.keyboard.press("3")
    _reach(page, "Close the details")
    page.keyboard.press("Enter")
    _focused(page, "Code with the calls of each line")
    _reach(page, "tab Cell", "Shift+Tab")
    page.keyboard.press("1")
    _focused(page, "tab Tree")
    _drawn(page)
    _focused(page, "tab Tree")  # nothing asks for the row any more


def test_controls_that_go_or_can_be_pressed_no_more_pass_the_keyboard_on(tree: Open) -> None:
    page = tree()
    _row(page, "run1")
    page.keyboard.press("/")
    page.keyboard.type("rain")
    _reach(page, "Clear")
    page.keyboard.press("Enter")
    _focused(page, "Search: words, or /a pattern/")
    _row(page, "cell2")
    page.keyboard.press("f")
    _reach(page, "‹ everything", "Shift+Tab")  # noqa: RUF001 - as it is shown
    page.keyboard.press("Enter")
    _focused(page, "cell2")
    page.keyboard.press("3")
    _reach(page, "Previous cell")
    page.keyboard.press("Enter")
    _focused(page, "Cell")


def test_a_run_that_ends_takes_its_controls_and_not_the_keyboard(tree: Open) -> None:
    page = tree("asks")
    _row(page, "cell5")
    _reach(page, "Take over", "Shift+Tab")
    page.evaluate("rlmPerf.kernel.inform('demo', { ended: true, phase: 'done' })")
    _focused(page, "cell5")


SHORT = """rlmPerf.kernel.inform('demo', { phase: 'running', budget: {
    money: { used: 0.2, limit: 1, refused: 0 }, calls: { used: 40, limit: 40, refused: 3 } } })"""
ENOUGH = """rlmPerf.kernel.inform('demo', { budget: {
    money: { used: 0.2, limit: 1, refused: 0 }, calls: { used: 41, limit: 500, refused: 0 } } })"""


def test_a_budget_that_is_used_up_is_raised_where_it_is_said(tree: Open) -> None:
    page = tree("asks")
    _row(page, "cell5")
    page.evaluate(SHORT)
    box = page.get_by_role("group", name="Budget", exact=True)
    box.get_by_text("Budget used up: 40 of 40 calls made, 3 calls were refused.").wait_for()
    _reach(page, "Raise budget…", "Shift+Tab")
    page.keyboard.press("Enter")
    field = box.get_by_role("textbox")
    page.wait_for_function("document.activeElement.matches('.rlm-short input')")
    assert field.input_value() == "80 calls"
    page.evaluate("rlmPerf.kernel.refuses = \"'many' isn't a budget\"")
    page.keyboard.type("many")
    page.keyboard.press("Enter")
    box.get_by_role("alert").get_by_text("'many' isn't a budget").wait_for()
    page.evaluate(SHORT.replace("refused: 3", "refused: 4").replace("used: 40", "used: 60"))
    box.get_by_text("60 of 40 calls made, 4 calls").wait_for()
    assert field.input_value() == "many"  # not lost, whatever is told meanwhile
    page.keyboard.press("Escape")
    _focused(page, "Raise budget…")
    page.evaluate("rlmPerf.kernel.refuses = ''")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.matches('.rlm-short input')")
    page.keyboard.type("500 calls")
    page.keyboard.press("Enter")
    page.wait_for_function("rlmPerf.kernel.steered.some(one => one.budget === '500 calls')")
    page.evaluate(ENOUGH)
    box.wait_for(state="detached")
    _focused(page, "cell5")
