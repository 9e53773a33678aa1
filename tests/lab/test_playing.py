"""What is played and followed: the tree by itself, over a kernel that isn't there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]

#: Which of the code and of what came of it can be read in the details, as they are scrolled.
SEEN = """() => {
  const box = document.querySelector('.rlm-reading').getBoundingClientRect();
  const inside = (one) => {
    const { top, bottom } = one.getBoundingClientRect();
    return top >= box.top - 1 && Math.min(bottom, top + 20) <= box.bottom;
  };
  return [...document.querySelectorAll('.rlm-reading pre')].filter(inside)
    .map((one) => one.getAttribute('aria-label'));
}"""


def play(page: Any) -> Any:
    """Show the run as it was; gives its player, paused."""
    page.locator(".rlm-bar-box").get_by_role("button", name="Play").click()
    player = page.get_by_role("group", name="Player")
    player.get_by_role("button", name="Pause").click()
    return player


def to(page: Any, part: float) -> None:
    page.locator(".rlm-scrub input").evaluate(
        f"(e) => {{ e.value = {part} * e.max; "
        "e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )


def step(page: Any, key: str) -> None:
    """Press a key, and wait until what comes of it is drawn."""
    page.keyboard.press(key)
    page.evaluate(
        """async () => {
          for (let i = 0; i < 4; i += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def step_until(page: Any, key: str, shown: str) -> None:
    """Press a key until something is shown."""
    for _ in range(40):
        if page.locator(shown).count():
            return
        step(page, key)
    raise AssertionError(f"{shown} was never there")


def selected(node: str) -> str:
    return f"[data-key={node!r}][aria-selected='true']"


@pytest.mark.parametrize(("width", "height"), [(320, 560), (700, 430), (1200, 280)])
def test_who_steps_sees_the_code_and_then_what_came_of_it(
    tree: Open, width: int, height: int
) -> None:
    from playwright.sync_api import expect

    page = tree(width=width)
    page.set_viewport_size({"width": width, "height": height})
    player = play(page)
    to(page, 0)
    player.get_by_role("button", name="Step forward").focus()
    step_until(page, "]", selected("cell1"))
    assert page.evaluate(SEEN)[0] == "Code"
    step_until(page, "]", "[aria-label=Output]")
    expect(page.get_by_label("Output", exact=True)).to_be_visible()
    page.wait_for_function(f"() => ({SEEN})().includes('Output')")
    for node, what in (("cell2", "Output"), ("cell3", "Error")):
        step_until(page, "]", selected(node))
        step_until(page, "]", f"[aria-label={what}]")
        page.wait_for_function(f"() => ({SEEN})().includes({what!r})")
    step_until(page, "[", selected("cell1"))


def test_a_selection_stays_until_the_next_step_and_nothing_is_followed_unasked(tree: Open) -> None:
    from playwright.sync_api import expect

    page = tree()
    player = play(page)
    chosen = page.locator(".rlm-selected")
    to(page, 0)
    follow = player.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    player.get_by_role("button", name="Step forward").focus()
    step_until(page, "]", selected("cell1"))
    page.locator("[data-key='turn1']").click()
    expect(chosen).to_contain_text("turn 1")
    step(page, "]")
    expect(chosen).to_contain_text("cell 1")

    follow.click()
    page.locator("[data-key='turn1']").click()
    for _ in range(5):
        step(page, "]")
    expect(page.locator("[data-key='cell2']")).to_be_visible()
    expect(chosen).to_contain_text("turn 1")
    follow.click()
    expect(chosen).to_contain_text("cell 2")

    # At its end there is the answer, nothing that was opened by itself.
    to(page, 1)
    expect(chosen).to_have_count(0)
    expect(page.get_by_role("group", name="Details")).to_have_count(0)
    player.get_by_role("button", name="Step back").click()
    expect(chosen).to_have_count(1)


def test_a_recording_that_gets_a_note_shows_it_at_the_moment_that_is_shown(tree: Open) -> None:
    from playwright.sync_api import expect

    page = tree()
    page.evaluate("rlmPerf.kernel.inform('demo', { recorded: true })")
    play(page)
    to(page, 0)
    step_until(page, "]", selected("cell1"))
    there = page.locator(".rlm-row[aria-level]").count()
    page.evaluate(
        """() => {
          const run = rlmPerf.kernel.runs.get('demo');
          const at = run.log.findIndex((one) => one.event.node === 'cell1');
          const event = { type: 'note', node: 'run1', text: 'Look at its length.' };
          run.log.splice(at + 1, 0, { seq: 0, time: run.log[at].time, event });
          run.log.forEach((one, i) => { one.seq = i + 1; });
          rlmPerf.kernel.inform('demo', { seq: run.log.length });
        }"""
    )
    expect(page.locator(".rlm-caption")).to_have_text("Look at its length.")
    expect(page.locator(".rlm-row[aria-level]")).to_have_count(there)
    expect(page.locator(".rlm-selected")).to_contain_text("cell 1")
    asked = page.evaluate("rlmPerf.kernel.asked.filter((one) => one.type === 'events').length")
    step_until(page, "]", "[aria-label=Output]")
    again = page.evaluate("rlmPerf.kernel.asked.filter((one) => one.type === 'events').length")
    assert again == asked, "fetched once"
