"""The page of a recording, opened from a file with the network cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel.engine.recorded import load_run
from rlm_kernel.log.recording import save
from rlm_kernel.protocol import Logged
from rlm_kernel.protocol import events as e

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"


def recording(path: Path) -> Path:
    """A run with a child, an error and a decision, and texts that would run as scripts."""
    events = (
        e.RunStarted(node="run1", question=f"What is it? {HOSTILE}", model="m"),
        e.RunOpened(node="run1", system="You", first=HOSTILE),
        e.Noted(node="run1", text=f"First it looks. {HOSTILE}"),
        e.TurnStarted(node="turn1", parent="run1", number=1),
        e.CallStarted(node="call1", parent="turn1", role="root", model="m", prompt=HOSTILE),
        e.CallEnded(node="call1", text=HOSTILE, usage={"calls": 1, "input_tokens": 9}),
        e.CellProposed(node="cell1", parent="turn1", number=1, code=f"x = {HOSTILE!r}"),
        e.CellDecided(node="cell1", decision="edit", by="lab", code="x = 2"),
        e.CellStarted(node="cell1"),
        e.RunStarted(node="run2", parent="cell1", question="a child"),
        e.RunEnded(node="run2", answer="kid"),
        e.CellEnded(node="cell1", status="error", error="E: no", output=HOSTILE),
        e.TurnEnded(node="turn1", status="ok"),
        e.RunEnded(node="run1", answer=f"forty {HOSTILE}"),
    )
    logged = [Logged(i, 100 + i / 2, event) for i, event in enumerate(events, 1)]
    return save(logged, path)


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    path = load_run(recording(tmp_path / "run.rlm")).export(tmp_path / "run.html")
    context = browser.new_context(viewport={"width": 1100, "height": 720}, offline=True)
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.locator(".rlm-row").first.wait_for()
    yield page
    assert [url for url in asked if not url.startswith("file:")] == []
    context.close()


def test_it_shows_and_plays_without_a_network_and_runs_no_text(page: Any) -> None:
    from playwright.sync_api import expect

    text = page.locator("#rlm-page").inner_text()
    assert "What is it?" in text
    assert "forty" in text
    rows = page.locator(".rlm-row[aria-level]")
    whole = rows.count()
    # A step back from the end leads to what came last, with its code; forward is the answer again.
    page.keyboard.press("[")
    expect(page.locator(".rlm-selected")).to_contain_text("cell 1")
    expect(page.get_by_role("group", name="Details")).to_contain_text("x = 2")
    page.keyboard.press("]")
    expect(page.locator(".rlm-selected")).to_have_count(0)
    page.locator(".rlm-scrub input").evaluate(
        "(e) => { e.value = 0; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(rows).to_have_count(1)
    assert "forty" not in page.locator("#rlm-page").inner_text()
    assert page.locator(".rlm-caption").inner_text() == f"First it looks. {HOSTILE}"
    page.keyboard.press("]")
    expect(rows).to_have_count(2)

    # The row and the code of what runs, and what came of it, are there to be seen while it plays.
    page.set_viewport_size({"width": 1100, "height": 330})
    page.locator(".rlm-scrub input").evaluate(
        "(e) => { e.value = e.max / 2; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.locator(".rlm-grid").hover()
    page.mouse.wheel(0, -1000)
    speed = page.get_by_role("combobox", name="Speed")
    speed.select_option("0.5")
    page.get_by_role("button", name="Play").click()
    details = page.get_by_role("group", name="Details")
    expect(page.locator(".rlm-selected")).to_contain_text("cell 1", timeout=20_000)
    expect(page.locator(".rlm-selected")).to_be_in_viewport()
    expect(details).to_contain_text("x = 2")
    page.set_viewport_size({"width": 1100, "height": 720})
    # What a person selects stays.
    rows.first.click()
    speed.select_option("8")
    page.get_by_role("button", name="Play").wait_for()
    expect(page.locator(".rlm-selected")).to_contain_text("What is it?")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".rlm-selected")).to_have_count(0, timeout=20_000)
    expect(details).to_have_count(0)
    expect(rows).to_have_count(whole)
    for kind in ("turn", "child", "error", "decision"):
        assert page.locator(f".rlm-mark-{kind}").count() == 1
    assert page.evaluate("window.hacked") is None


def test_a_solve_shows_its_grids_and_runs_no_text(browser: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    grid = "1 2 | 3 4\n3 4 | 1 2"
    events = (
        e.RunStarted(node="run1", question="What is it?", model="m"),
        e.TurnStarted(node="turn1", parent="run1", number=1),
        e.CellProposed(node="cell1", parent="turn1", number=1, code="trm_solve(p)"),
        e.SolveStarted(node="solve1", parent="cell1", task=f"sudoku4 {HOSTILE}", line=1,
                       puzzle=f"1 . {HOSTILE}", model=HOSTILE, parameters=91_234),
        e.SolveStep(node="step1", parent="solve1", number=1, calls=8, grid=f"{grid}\n{HOSTILE}",
                    changed=13, wrong=4, halt=0.02, frames=[{"cells": HOSTILE}]),
        e.SolveEnded(node="solve1", solved=True, said=f"Solved. {HOSTILE}", answer=grid, steps=1,
                     calls=8),
        e.CellEnded(node="cell1"),
        e.RunEnded(node="run1", answer="it"),
    )  # fmt: skip
    logged = [Logged(i, 100 + i / 2, event) for i, event in enumerate(events, 1)]
    path = load_run(save(logged, tmp_path / "run.rlm")).export(tmp_path / "run.html")
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    row = page.locator("[data-key=solve1]")
    expect(row).to_contain_text("latent recursion")
    expect(page.locator("[data-key=step1]")).to_contain_text("step 1")
    expect(page.locator("[data-key=step1]")).to_contain_text("13 cells changed, 4 break a rule")
    row.click()
    details = page.get_by_role("group", name="Details")
    for words in (f"1 . {HOSTILE}", f"Solved. {HOSTILE}", "8 times", "91,234"):
        expect(details).to_contain_text(words)
    expect(details.locator("pre").first).to_have_text(grid)
    page.locator("[data-key=step1]").click()
    expect(details.locator("pre").first).to_have_text(f"{grid}\n{HOSTILE}")
    expect(details).to_contain_text("2 %")
    assert page.evaluate("window.hacked") is None
    context.close()


def test_a_link_leads_to_the_moment_when_a_node_came(page: Any) -> None:
    from playwright.sync_api import expect

    page.evaluate("location.hash = '#cell1'")
    for _ in ("followed", "opened"):
        expect(page.locator("#rlm-page")).not_to_contain_text("forty")
        expect(page.locator(".rlm-selected")).to_contain_text("cell 1")
        page.reload()
        page.locator(".rlm-row").first.wait_for()


def test_axe_finds_nothing_wrong(page: Any) -> None:
    from lab_page import AXE

    page.evaluate(AXE.read_text(encoding="utf-8"))
    for moment in (1.0, 0.5):
        page.locator(".rlm-scrub input").evaluate(
            f"(e) => {{ e.value = {moment} * e.max; "
            "e.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        found = page.evaluate("async () => (await window.axe.run()).violations")
        assert [(x["id"], [n["html"][:200] for n in x["nodes"]]) for x in found] == []


def test_without_scripts_the_static_tree_is_there(browser: Any, tmp_path: Path) -> None:
    load_run(recording(tmp_path / "run.rlm")).export(tmp_path / "run.html")
    context = browser.new_context(java_script_enabled=False, offline=True)
    plain = context.new_page()
    plain.goto((tmp_path / "run.html").as_uri())
    assert "What is it?" in plain.locator("#rlm-page").inner_text()
    context.close()
