"""The tree by itself in a real browser, over a kernel that isn't there: keys, following, texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

LAB = Path(__file__).resolve().parents[2] / "labextension"
FOCUSED = "[role=row]:focus"

Open = Callable[..., Any]


def _key(page: Any) -> str:
    return str(page.locator(FOCUSED).get_attribute("data-key"))


def _focus(page: Any, node: str) -> None:
    page.evaluate(f"rlmPerf.focus('{node}')")
    page.locator(f"[data-key='{node}']:focus").wait_for()


def _drawn(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _steered(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("rlmPerf.kernel.steered")
    return found


def test_one_stop_for_tab_then_arrows_through_the_tree(tree: Open) -> None:
    page = tree()
    assert page.locator("[role=treegrid] [tabindex='0']").count() == 1
    _focus(page, "run1")
    went = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        _drawn(page)
        went.append(_key(page))
    assert went == ["turn1", "root1", "turn1", "root1", "turn1", "turn1"]
    assert page.locator(FOCUSED).get_attribute("aria-expanded") == "false"
    page.keyboard.press("End")
    page.locator("[data-key='cell6']:focus").wait_for()
    page.keyboard.press("Home")
    page.locator("[data-key='run1']:focus").wait_for()
    assert page.locator("[role=treegrid] [tabindex='0']").count() == 1


def test_rows_say_their_place_to_a_screen_reader(tree: Open) -> None:
    page = tree()
    _focus(page, "cell3")
    row = page.locator(FOCUSED)
    said = {
        name: row.get_attribute(f"aria-{name}")
        for name in ("level", "posinset", "setsize", "selected")
    }
    assert said == {"level": "3", "posinset": "2", "setsize": "2", "selected": "true"}
    assert int(row.get_attribute("aria-rowindex")) > 1
    text = row.inner_text()
    assert "error" in text
    assert "NameError" in text


def test_letters_act_in_the_tree_and_are_letters_in_the_search(tree: Open) -> None:
    page = tree("waits")
    _focus(page, "cell5")
    page.keyboard.press("/")
    page.locator("input[type=search]:focus").wait_for()
    page.keyboard.type("as")
    assert _steered(page) == []
    page.keyboard.press("Escape")
    page.locator("[data-key='cell5']:focus").wait_for()
    page.keyboard.press("a")
    page.wait_for_function("rlmPerf.kernel.steered.length === 1")
    assert _steered(page) == [{"type": "approve", "proposal": "cell5"}]
    page.keyboard.press("s")
    page.keyboard.press("t")
    page.wait_for_function("rlmPerf.kernel.steered.length === 3")
    assert [one["type"] for one in _steered(page)[1:]] == ["step", "take over"]


def test_a_proposal_is_edited_with_the_keyboard_alone(tree: Open) -> None:
    page = tree("waits")
    _focus(page, "cell5")
    page.keyboard.press("e")
    page.locator("textarea:focus").wait_for()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("more()")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("rlmPerf.kernel.steered.length === 1")
    (sent,) = _steered(page)
    assert (sent["type"], sent["proposal"]) == ("edit", "cell5")
    assert sent["code"].endswith("print(check)\n    more()")


def test_what_waits_is_selected_by_itself_and_the_keyboard_stays_where_it_is(tree: Open) -> None:
    page = tree("waits")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    assert page.locator("[data-key='cell5']").get_attribute("aria-selected") == "true"
    assert "call" in page.locator(".rlm-decide").inner_text(), "the estimate"
    assert page.evaluate("document.activeElement === document.body")
    page.locator("[data-key='turn5']").click()
    page.get_by_role("button", name="Run", exact=True).wait_for(state="detached")
    page.evaluate(_NEXT_PROPOSAL)
    page.locator("[data-key='cell6']").wait_for()
    _drawn(page)
    assert page.locator("[data-key='turn5']").get_attribute("aria-selected") == "true"


def test_the_next_proposal_takes_the_place_of_one_that_was_shown_by_itself(tree: Open) -> None:
    page = tree("waits")
    page.get_by_role("button", name="Run", exact=True).click()
    page.evaluate(_NEXT_PROPOSAL)
    page.locator("[data-key='cell6'][aria-selected='true']").wait_for()
    page.get_by_role("button", name="Run", exact=True).wait_for()
    page.evaluate("rlmPerf.kernel.inform('demo', { ended: true, phase: 'done', pending: null })")
    page.locator(".rlm-details").wait_for(state="detached")


_NEXT_PROPOSAL = """() => {
    rlmPerf.kernel.emit('demo', [
        { type: 'turn.started', node: 'turn6', parent: 'run1', number: 6 },
        { type: 'cell.proposed', node: 'cell6', parent: 'turn6', code: 'llm_query("x")', number: 6 }
    ], Date.now() / 1e3);
    const { pending } = rlmPerf.kernel.runs.get('demo').info;
    rlmPerf.kernel.inform('demo', { pending: { ...pending, cell: 'cell6', number: 6 } });
}"""


def test_a_run_goes_on_to_whatever_is_written(tree: Open) -> None:
    page = tree("waits")
    until = page.get_by_label("Run to", exact=True)
    until.first.select_option(label="a turn…")
    page.locator(".rlm-write input:focus").wait_for()
    page.keyboard.type("turn 9")
    page.keyboard.press("Enter")
    page.locator(".rlm-write").wait_for(state="detached")
    until.first.select_option(label="the next error")
    page.wait_for_function("rlmPerf.kernel.steered.length === 2")
    assert [one["until"] for one in _steered(page)] == ["turn 9", "error"]


def test_a_rule_is_put_together_and_what_is_wrong_with_it_is_said(tree: Open) -> None:
    page = tree("waits")
    page.get_by_label("Mode: how proposals are decided").select_option(label="Ask when…")
    rule = page.get_by_label("Ask when", exact=True).get_by_role("textbox")
    for fact in ("calls > 5", "imports os, subprocess"):
        page.get_by_role("button", name=fact).click()
    assert rule.input_value() == "calls > 5 or imports os, subprocess"
    page.evaluate("rlmPerf.kernel.refuses = 'That is no rule.'")
    rule.press("Enter")
    page.get_by_role("alert").get_by_text("That is no rule.").wait_for()
    assert rule.input_value() == "calls > 5 or imports os, subprocess"  # not lost
    page.evaluate("rlmPerf.kernel.refuses = ''")
    page.get_by_role("button", name="Set").click()
    rule.wait_for(state="detached")
    assert _steered(page)[-1] == {
        "type": "mode", "mode": "ask when calls > 5 or imports os, subprocess"
    }  # fmt: skip


def test_a_refused_command_is_said(tree: Open) -> None:
    page = tree("waits")
    page.evaluate("rlmPerf.kernel.refuses = 'Cell 5 was decided already.'")
    _focus(page, "cell5")
    page.keyboard.press("r")
    page.locator("textarea:focus").wait_for()
    page.keyboard.type("too many calls")
    page.keyboard.press("Control+Enter")
    page.get_by_role("alert").get_by_text("Cell 5 was decided already.").wait_for()
    assert page.locator("textarea").input_value() == "too many calls"  # not lost


def test_the_focus_stays_with_its_row_when_rows_come_above(tree: Open) -> None:
    page = tree("waits", size=400)
    _focus(page, "call300")
    before = page.locator(FOCUSED).bounding_box()
    page.evaluate(
        """rlmPerf.kernel.emit('demo', Array.from({ length: 5 }, (_, i) => (
          { type: 'call.started', node: `n${i}`, parent: 'turn1', role: 'root' })),
          Date.now() / 1e3)"""
    )
    _drawn(page)
    assert _key(page) == "call300"
    after = page.locator(FOCUSED).bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2


_MORE_TURNS = """rlmPerf.kernel.emit('demo', Array.from({ length: 60 }, (_, i) => (
    { type: 'turn.started', node: `turn${i + 100}`, parent: 'run1', number: i + 100 })),
    Date.now() / 1e3)"""


def test_new_rows_are_followed_at_the_end_and_only_counted_elsewhere(tree: Open) -> None:
    page = tree("waits")
    grid = page.get_by_role("treegrid")
    page.evaluate(_MORE_TURNS)
    page.locator("[data-key='turn159']").wait_for()
    grid.evaluate("element => { element.scrollTop = 0 }")
    page.locator("[data-key='run1']").wait_for()
    page.evaluate(_MORE_TURNS.replace("+ 100", "+ 300"))
    pill = page.get_by_role("button", name="60 new")
    pill.wait_for()
    assert grid.evaluate("element => element.scrollTop") == 0
    pill.click()
    page.locator("[data-key='turn359']").wait_for()
    pill.wait_for(state="detached")


def test_ten_thousand_rows_are_few_elements(tree: Open) -> None:
    page = tree("done", size=10_000)
    _focus(page, "call9000")
    assert int(page.get_by_role("treegrid").get_attribute("aria-rowcount")) > 10_000
    assert page.locator("[role=row]").count() < 80


def test_a_long_prompt_comes_a_page_at_a_time(tree: Open) -> None:
    page = tree("asks")
    _focus(page, "check")
    page.keyboard.press("Enter")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.wait_for()
    assert len(prompt.inner_text()) == 1000
    page.get_by_role("button", name="Show next").click()
    page.get_by_role("button", name="66,536 of").wait_for()
    assert len(prompt.text_content()) == 1000 + 65_536


def test_a_reply_streams_in_while_it_is_looked_at(tree: Open) -> None:
    page = tree("asks")
    _focus(page, "check")
    page.keyboard.press("Enter")
    page.wait_for_function("rlmPerf.kernel.watched.join() === 'check'")
    say = """([text, at]) =>
      rlmPerf.kernel.push({ kind: 'text', run: 'demo', node: 'check', text, at })"""
    page.evaluate(say, ["Yes, ", 0])
    page.evaluate(say, ["all three.", 5])
    page.get_by_label("Reply").get_by_text("Yes, all three.").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("rlmPerf.kernel.watched.length === 0")


def test_foreign_text_is_only_text(tree: Open) -> None:
    page = tree("asks")
    evil = "<img src=x onerror='window.evil = 1'><b>bold</b>\u202edneb https://example.org"
    page.evaluate(
        """text => rlmPerf.kernel.emit('demo', [
          { type: 'call.ended', node: 'check', status: 'error', text, error: text, model: text },
          { type: 'cell.proposed', node: 'evil', parent: 'turn5', code: text },
          { type: 'note', node: 'check', text } ], Date.now() / 1e3)""",
        evil,
    )
    for node in ("check", "evil"):
        _focus(page, node)
        page.keyboard.press("Enter")
        page.get_by_label("Details", exact=True).get_by_text("<b>bold</b>").first.wait_for()
        page.keyboard.press("Escape")
    assert page.evaluate("window.evil === undefined")
    assert page.locator("#tree img, #tree a, .rlm-details b:text('bold')").count() == 0
    assert "\u202e" not in page.locator("#tree").inner_text()


@pytest.mark.parametrize("width", [280, 420, 640, 900, 1400])
def test_every_width_shows_titles_and_never_scrolls_sideways(tree: Open, width: int) -> None:
    page = tree("waits", width=width)
    _focus(page, "cell5")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("[data-key='cell5'] .rlm-words").bounding_box()["width"] > 30
    wide = page.evaluate(
        "[...document.querySelectorAll('.rlm-head-box, .rlm-bar-box, .rlm-details')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)"
    )
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(tree: Open, scheme: str) -> None:
    page = tree("waits", color_scheme=scheme)
    page.evaluate((LAB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    _focus(page, "cell5")
    page.keyboard.press("Enter")
    for tab in ("Tree", "Icicle", "Cell"):
        page.get_by_role("tab", name=tab).click()
        _drawn(page)
        found = page.evaluate(
            "axe.run('#tree', { preload: false }).then(found => found.violations)"
        )
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], tab


def test_the_icicle_is_walked_by_keys_and_has_a_table_as_its_twin(tree: Open) -> None:
    page = tree()
    page.get_by_role("tab", name="Icicle").click()
    page.locator("canvas").focus()
    for key, told in (("ArrowDown", "turn 1"), ("ArrowRight", "turn 2"), ("ArrowDown", "root")):
        page.keyboard.press(key)
        page.locator(".rlm-icicle-told").get_by_text(told).wait_for(timeout=5000)
    page.get_by_role("button", name="as a table").click()
    first = page.get_by_role("table").get_by_role("row").nth(1).inner_text()
    assert "100.0 %" in first


def test_the_cell_view_tells_which_line_the_calls_came_from(tree: Open) -> None:
    page = tree()
    _focus(page, "cell2")
    page.keyboard.press("3")
    line = page.get_by_role("listitem").filter(has_text="llm_query_batched(prompts)")
    assert "llm_query × 40" in line.inner_text()  # noqa: RUF001
    assert page.locator(".rlm-removed").inner_text().endswith("60_000)]")
    line.get_by_role("button").click()
    page.get_by_label("Details", exact=True).get_by_text("With all below").first.wait_for()


@pytest.mark.parametrize("width", [320, 450, 600])
def test_a_narrow_panel_keeps_titles_and_what_failed(tree: Open, width: int) -> None:
    page = tree("done", size=120, width=width)
    where = """(row) => {
        const box = (one) => one.getBoundingClientRect();
        const title = row.querySelector('.rlm-title');
        const words = title.querySelector('.rlm-words');
        const said = title.querySelector('.rlm-amiss');
        const time = row.querySelector('.rlm-time');
        return { cut: words.scrollWidth > words.clientWidth, wide: words.clientWidth,
                 failed: said.innerText.trim().split(/\\s+/).slice(0, 2).join(' '),
                 inside: box(said).right <= box(title).right && box(said).left >= box(words).right,
                 apart: box(title).right <= box(time).left,
                 icon: box(title.querySelector('.rlm-icon')).width > 0 };
    }"""
    shown = {
        key: page.locator(f"[data-key='{key}']").evaluate(where)
        for key in ("run1", "turn2", "cell2", "batch1")
    }
    for key, row in shown.items():
        assert row["failed"] == "2 ✗", key
        assert row["inside"], key
        assert row["apart"], key
        assert row["icon"], key
        assert row["wide"] > 40, key
    assert not shown["turn2"]["cut"]
    assert not shown["batch1"]["cut"], "of how many calls is read beside those that failed"


def test_waiting_for_the_person_is_drawn_and_said_apart_from_work(tree: Open) -> None:
    page = tree("waits", width=600)
    for key in ("run1", "turn5", "cell5"):
        row = page.locator(f"[data-key='{key}']")
        assert row.locator(".rlm-wait").last.bounding_box()["width"] > 5, key
        assert "waiting for you" in row.locator(".rlm-time").get_attribute("title"), key
    cell = page.locator("[data-key='cell5']")
    assert cell.locator(".rlm-work").count() == 0, "it did nothing yet"
    assert cell.locator(".rlm-time.rlm-idle").count() == 1
    ran = page.locator("[data-key='cell3']")  # it was decided after 2 s, and then ran
    assert ran.locator(".rlm-wait").count() == 0
    assert ran.locator(".rlm-time").inner_text() == "20 ms"
    page.get_by_role("tab", name="Icicle").click()
    page.locator("canvas").wait_for()
    page.locator("canvas").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    told = page.locator(".rlm-icicle-told")
    told.filter(has_text="turn 2").wait_for()
    assert "s + 6.4 s waiting for you" in told.inner_text()


@pytest.mark.parametrize(("width", "more"), [(700, "ArrowUp"), (1200, "ArrowLeft")])
def test_the_details_grow_by_keys_and_stay_so(tree: Open, width: int, more: str) -> None:
    page = tree("waits", width=width)
    splitter = page.get_by_role("separator")
    splitter.focus()
    side = "height" if width < 900 else "width"
    details = page.locator(".rlm-details")
    before = details.bounding_box()[side]
    for _ in range(3):
        page.keyboard.press(more)
    _drawn(page)
    now = details.bounding_box()[side]
    assert now > before + 20
    value = splitter.get_attribute("aria-valuenow")
    page.reload()
    splitter.wait_for()
    assert splitter.get_attribute("aria-valuenow") == value
    assert abs(details.bounding_box()[side] - now) < 2


def test_a_filter_holds_for_the_icicle_too(tree: Open) -> None:
    page = tree()
    page.get_by_role("tab", name="Icicle").click()
    page.get_by_role("button", name="as a table").click()
    listed = page.get_by_role("table")
    listed.get_by_text("List every figure").first.wait_for()
    page.get_by_role("searchbox").fill("Halcyon")
    listed.get_by_text("List every figure").first.wait_for(state="detached")
    assert listed.get_by_role("row").count() > 1
    page.get_by_role("searchbox").fill("there is no such word")
    page.get_by_text("Nothing matches the filter.").wait_for()


_UNSAID = r"""() => {
    const bare = (text) => {
        for (let before = ''; before !== text; ) {
            before = text;
            text = text.replace(/⟦[^⟦⟧]*⟧/g, ' ');
        }
        return text;
    };
    // What the run says is in its own words, whatever the language; so is code.
    const told = ['code', 'question', 'prompt', 'text', 'name', 'model', 'sub_model', 'error',
                  'answer', 'output', 'reason', 'note', 'context', 'node', 'by', 'changed'];
    const data = new Set();
    const take = (value, own) => {
        if (typeof value === 'string')
            for (const word of own ? value.match(/\p{L}{2,}/gu) ?? [] : []) data.add(word);
        else if (value !== null && typeof value === 'object')
            for (const [key, one] of Object.entries(value)) take(one, own || told.includes(key));
    };
    for (const run of rlmPerf.kernel.runs.values()) take([run.log, run.info], false);
    const found = new Set();
    const look = (text, where) => {
        for (const word of bare(text ?? '').match(/\p{L}{2,}/gu) ?? [])
            if (![...data].some((one) => one.startsWith(word)))
                found.add(`${word}: ${text.slice(0, 80)} (${where})`);
    };
    const root = document.querySelector('#tree');
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { data: text, parentElement: parent } = texts.currentNode;
        if (!parent.closest('pre, code, [value^="ask when"]')) look(text, parent.className);
    }
    for (const element of root.querySelectorAll('*'))
        for (const name of ['title', 'aria-label', 'placeholder', 'aria-valuetext',
                            'aria-roledescription'])
            look(element.getAttribute(name), name);
    return [...found];
}"""


@pytest.mark.parametrize("show", ["done", "waits", "asks", "none"])
def test_every_word_that_is_ours_is_said_in_the_language_of_the_page(
    tree: Open, show: str
) -> None:
    page = tree(show, pseudo="&pseudo", wait=show != "none")
    assert "⟦" in page.locator("#tree").inner_text()
    seen = set(page.evaluate(_UNSAID))
    if show != "none":
        page.get_by_role("button", name="⟦Filter⟧").click()
        for node in ("run1", "turn1", "root1", "cell2", "batch1", "call7", "cell3", "cell4"):
            page.evaluate(f"rlmPerf.focus('{node}')")
            page.keyboard.press("Enter")
            _drawn(page)
            seen |= set(page.evaluate(_UNSAID))
        for number in (2, 3):
            page.get_by_role("tab").nth(number - 1).click()
            _drawn(page)
            seen |= set(page.evaluate(_UNSAID))
        page.get_by_role("button", name="⟦Keys⟧").click()
        page.get_by_role("dialog").wait_for()
        seen |= set(page.evaluate(_UNSAID))
        page.keyboard.press("Escape")
        page.get_by_role("tab").first.click()
        for key, group in (("k", "⟦Fork⟧"), ("b", "⟦Player⟧")):
            page.evaluate("rlmPerf.focus('cell2')")
            page.locator("[data-key='cell2']:focus").wait_for()
            page.keyboard.press(key)
            page.get_by_role("group", name=group).wait_for()
            seen |= set(page.evaluate(_UNSAID))
            page.keyboard.press("Escape")
    assert sorted(seen) == []


_CALL = """([role, more]) => {
    const now = Date.now() / 1e3;
    rlmPerf.kernel.emit('demo', [
        { type: 'call.ended', node: 'check', text: 'yes' },
        { type: 'cell.ended', node: 'cell5', seconds: 9 },
        { type: 'turn.ended', node: 'turn5' },
        { type: 'turn.started', node: 'turn6', parent: 'run1', number: 6 },
        { type: 'call.started', node: 'said', parent: 'turn6', role, prompt: 'Cell 5 said yes.',
          ...more }
    ], now - 7);
    rlmPerf.kernel.inform('demo', { phase: 'thinking', in_flight: 1, pending: null });
}"""


@pytest.mark.parametrize(
    ("role", "typed", "sent"),
    [
        ("root", "print(1)", "```repl\nprint(1)\n```"),
        ("root", "FINAL(42)", "FINAL(42)"),
        ("root", "So:\n```repl\nx\n```", "So:\n```repl\nx\n```"),
        ("sub", "print(1)", "print(1)"),
    ],
)
def test_who_is_the_model_is_told_and_writes_its_reply(
    tree: Open, role: str, typed: str, sent: str
) -> None:
    page = tree("asks")
    page.evaluate(_CALL, [role, {"model": "human"}])
    page.get_by_role("button", name="you are the model").wait_for()
    page.locator("[data-key='said'][aria-selected='true']").wait_for()
    assert page.evaluate("document.activeElement === document.body")
    details = page.get_by_label("Details", exact=True)
    details.get_by_text("Cell 5 said yes.").wait_for()
    assert details.get_by_text("a cell (Python), or FINAL(…)").count() == (role == "root")
    assert details.get_by_text("The earlier messages are the turns above.").count() == (
        role == "root"
    )
    assert "asking" in page.locator("[data-key='turn6']").inner_text()
    box = details.get_by_label("Your reply")
    prompt = details.get_by_text("Cell 5 said yes.").bounding_box()
    assert prompt["y"] + prompt["height"] < box.bounding_box()["y"], "read, then write"
    box.fill(typed)
    details.get_by_role("button", name="Reply").click()
    page.wait_for_function("rlmPerf.kernel.steered.length === 1")
    assert _steered(page) == [{"type": "answer", "node": "said", "text": sent}]
    page.evaluate(
        "rlmPerf.kernel.emit('demo', [{ type: 'call.ended', node: 'said', text: 'x' }], 2e9)"
    )
    page.get_by_text("the model thinks").wait_for()
    assert "asking" not in page.locator("[data-key='turn6']").inner_text()


def test_who_is_the_model_goes_on_writing_without_the_mouse(tree: Open) -> None:
    page = tree("asks")
    page.evaluate(_CALL, ["root", {"model": "human"}])
    page.get_by_label("Your reply").fill("x")
    page.get_by_label("Your reply").press("Control+Enter")
    page.wait_for_function("rlmPerf.kernel.steered.length === 1")
    page.evaluate(
        """rlmPerf.kernel.emit('demo', [
            { type: 'call.ended', node: 'said', text: 'x' },
            { type: 'call.started', node: 'next', parent: 'turn6', role: 'root', model: 'human' }],
            Date.now() / 1e3)"""
    )
    page.locator("[data-key='next'][aria-selected='true']").wait_for()
    page.locator("textarea:focus").wait_for()
    assert page.get_by_label("Your reply").input_value() == ""


def test_a_turn_without_code_says_what_was_wrong(tree: Open) -> None:
    page = tree("asks")
    page.evaluate(_CALL, ["root", {"model": "human"}])
    page.evaluate(
        """rlmPerf.kernel.emit('demo', [
            { type: 'call.ended', node: 'said', text: 'hello' },
            { type: 'turn.ended', node: 'turn6', status: 'error',
              observation: 'There was no code in your reply.' }], Date.now() / 1e3)"""
    )
    row = page.locator("[data-key='turn6']")
    row.get_by_text("There was no code").wait_for()
    for node in ("turn6", "said"):
        _focus(page, node)
        page.keyboard.press("Enter")
        told = page.get_by_label("Details", exact=True)
        told.get_by_role("heading", name="What the model was told").wait_for()
        told.get_by_text("There was no code in your reply.").wait_for()


def test_thinking_says_how_long_it_has_been(tree: Open) -> None:
    page = tree("asks")
    page.evaluate(_CALL, ["root", {"model": "openai/gpt-5"}])
    page.locator(".rlm-phase .rlm-said").wait_for()
    said = " ".join(page.locator(".rlm-phase").inner_text().split())
    assert re.fullmatch(r"the model thinks · \d+ s", said)


def test_taking_over_shows_at_once_and_lasts_until_the_phase_changes(tree: Open) -> None:
    page = tree("asks")
    page.evaluate("rlmPerf.kernel.inform('demo', { phase: 'thinking' })")
    page.get_by_role("button", name="Take over").click()
    phase = page.locator(".rlm-phase")
    phase.get_by_text("you take over after the model").wait_for()
    page.evaluate("rlmPerf.kernel.inform('demo', { phase: 'taken over' })")
    phase.get_by_text("you write", exact=True).wait_for()
    head = page.locator(".rlm-head-box")
    head.get_by_text("You are at the keyboard.").wait_for()
    assert page.locator(".rlm-primary").all_inner_texts() == ["Hand back…"], "the next step"
    head.get_by_role("button", name="Hand back…").click()
    page.get_by_role("button", name="Hand back", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.evaluate("rlmPerf.kernel.inform('demo', { phase: 'thinking' })")
    phase.get_by_text("the model thinks").wait_for()
    assert head.get_by_text("You are at the keyboard.").count() == 0
    page.evaluate("rlmPerf.kernel.refuses = 'No.'")
    page.get_by_role("button", name="Take over").click()
    page.get_by_role("alert").get_by_text("No.").wait_for()
    assert "take over" not in phase.inner_text()


def test_who_has_taken_over_is_not_asked_about_the_cell_that_was_proposed(tree: Open) -> None:
    page = tree("waits")
    page.get_by_text("This cell waits for you.").wait_for()
    page.evaluate(
        """rlmPerf.kernel.inform('demo', { phase: 'taken over' }), rlmPerf.kernel.emit('demo',
        [{ type: 'run.phase', node: 'run1', phase: 'taken over' }], Date.now() / 1e3)"""
    )
    page.locator("[data-key='cell5']", has_text="set aside").wait_for()
    page.locator("[data-key='turn5']", has_text="set aside").wait_for()
    page.get_by_text("This cell waits for you.").wait_for(state="detached")
    _focus(page, "cell5")
    page.keyboard.press("a")
    page.keyboard.press("s")
    page.wait_for_function("rlmPerf.kernel.steered.length > 0")
    assert [one["type"] for one in _steered(page)] == ["step"], "nothing was approved"


def test_the_run_is_stopped_by_two_presses_of_one_key(tree: Open) -> None:
    page = tree("waits")
    _focus(page, "cell5")
    page.keyboard.press(".")
    page.get_by_role("button", name="Stop for good?").wait_for()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Stop for good?").wait_for(state="detached")
    page.keyboard.press(".")
    page.keyboard.press(".")
    page.wait_for_function("rlmPerf.kernel.steered.length === 1")
    assert _steered(page) == [{"type": "stop"}]


_HOLE = """() => {
    const grid = document.querySelector('.rlm-grid').getBoundingClientRect();
    const rows = [...document.querySelectorAll('.rlm-body .rlm-row')]
        .map(row => row.getBoundingClientRect());
    const body = document.querySelector('.rlm-body').getBoundingClientRect();
    let hole = 0;
    for (let y = grid.top + 25; y < Math.min(grid.bottom, body.bottom); y += 6)
        if (!rows.some(row => row.top <= y && y <= row.bottom)) hole += 6;
    return [hole, Math.max(Math.floor(grid.bottom - body.bottom), 0)];
}"""


def test_a_list_that_was_scrolled_has_no_hole_whatever_becomes_of_it(tree: Open) -> None:
    page = tree("waits")
    grid = page.get_by_role("treegrid")
    page.evaluate(_MORE_TURNS)
    page.locator("[data-key='turn159']").wait_for()
    page.evaluate(
        """() => { const tree = document.querySelector('#tree'); const { parentElement } = tree;
                   tree.remove(); parentElement.prepend(tree); }"""  # as an output is moved
    )
    page.wait_for_function(f"({_HOLE})().join() === '0,0'")
    assert grid.evaluate("element => element.scrollTop") > 1000
    page.evaluate("rlmPerf.kernel.inform('demo', { ended: true, phase: 'done', pending: null })")
    page.locator(".rlm-details").wait_for(state="detached")
    page.set_viewport_size({"width": 1100, "height": 1200})  # more room
    _drawn(page)
    assert page.evaluate(_HOLE) == [0, 0]
    page.get_by_role("searchbox").fill("NameError")  # fewer rows
    page.locator("[data-key='turn159']").wait_for(state="detached")
    _drawn(page)
    hole, _ = page.evaluate(_HOLE)
    assert hole == 0
    assert grid.evaluate("element => element.scrollTop") == 0


@pytest.mark.parametrize("width", [660, 900, 1000, 1400])
def test_the_marks_of_the_time_axis_never_overlap(tree: Open, width: int) -> None:
    page = tree("waits", width=width)
    page.evaluate("rlmPerf.kernel.emit('demo', [], 0)")
    page.evaluate(
        """rlmPerf.kernel.emit('demo',
            [{ type: 'note', node: 'run1', text: 'late' }], Date.now() / 1e3 + 300)"""
    )
    page.locator(".rlm-tick").first.wait_for(state="attached")
    _drawn(page)
    boxes = page.evaluate(
        """[...document.querySelectorAll('.rlm-tick')].map(tick => {
            const { left, right } = tick.getBoundingClientRect(); return [left, right]; })"""
    )
    assert boxes
    assert all(a[1] + 2 < b[0] for a, b in pairwise(boxes))


@pytest.mark.parametrize("width", [250, 300])
def test_six_rows_stay_in_sight_beside_the_details_of_a_narrow_panel(
    tree: Open, width: int
) -> None:
    page = tree("waits", width=width)
    page.set_viewport_size({"width": width, "height": 520})
    page.get_by_role("button", name="Run", exact=True).wait_for()
    for _ in range(2):
        _drawn(page)
    seen, covered = page.evaluate(
        """() => { const grid = document.querySelector('.rlm-grid').getBoundingClientRect();
          const rows = [...document.querySelectorAll('.rlm-body .rlm-row')].filter(row => {
            const box = row.getBoundingClientRect();
            return box.top >= grid.top + 23 && box.bottom <= grid.bottom + 1; });
          const covered = rows.filter(row => {
            const title = row.querySelector('.rlm-title').getBoundingClientRect();
            const status = row.querySelector('.rlm-status').getBoundingClientRect();
            return status.width > 0 && status.left < title.right; });
          return [rows.length, covered.length]; }"""
    )
    assert seen >= 6
    assert covered == 0


def test_what_is_taken_out_of_the_page_is_gone(tree: Open) -> None:
    page = tree("waits")
    page.evaluate("rlmPerf.dispose()")
    page.evaluate(_MORE_TURNS)
    _drawn(page)
    assert page.locator("#tree > *").count() == 0
