"""Texts that are scripts, wherever a text can be: none runs in any of our views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_page import Lab

BAD = (
    "<script>window.planted=1</script><img src=x onerror='window.planted=2'>"
    "<svg onload=window.planted=3>"
)
BEGIN = f'''
from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.log import tree_html
bad = {BAD!r}
root = ScriptedModel([
    "```repl\\n# " + bad + "\\nprint(" + repr(bad) + ", llm_query(" + repr(bad) + "))\\n```",
    bad,
    "```repl\\nraise ValueError(" + repr(bad) + ")\\n```",
    "```repl\\nllm_query_batched([" + repr(bad) + "] * 3, model=" + repr("no/" + bad) + ")\\n```",
    "```repl\\nFINAL(" + repr(bad) + " + str(len(context)))\\n```"], name="root" + bad)
sub = ScriptedModel(lambda messages: bad, name="sub" + bad)
'''
ASK = (
    "%%rlm r --context bad --model root --sub-model sub --mode auto --headless approve\nWhy "
    + BAD + "?"
)  # fmt: skip


def planted(page: Any) -> Any:
    return page.evaluate("() => window.planted ?? null")


def test_no_planted_script_runs_in_panel_tree_widget_or_page(
    tab: Callable[..., Lab], tmp_path: Path
) -> None:
    show = (
        "from IPython.display import HTML, display\n"
        "display(HTML(tree_html(r.tree)))\n%rlm tree r\nprint('shown')"
    )
    keep = "open('tree.html', 'w').write(tree_html(r.tree)); print('kept', r.status)"
    control = "from IPython.display import HTML\nHTML(bad)"
    lab = tab("lab").open([BEGIN, show, keep, control, ASK])
    lab.run_cell(0)
    lab.run_cell(4, wait=False)
    lab.wait_phase("done")
    assert len(lab.rows()) > 5
    lab.panel.locator("[role=row]").first.click()
    for _ in range(24):  # the details of each
        lab.page.keyboard.press("ArrowDown")
        lab.page.wait_for_timeout(40)
    assert planted(lab.page) is None
    lab.run_cell(1)
    lab.run_cell(2)
    lab.page.wait_for_timeout(300)
    assert planted(lab.page) is None
    page = lab.page.context.new_page()
    html = next(Path(lab.server.work).rglob("tree.html"))
    page.goto(html.as_uri())
    page.wait_for_timeout(200)
    assert "Why <script>" in page.inner_text("body"), "the text itself is shown"
    assert planted(page) is None
    page.close()
    # The same text as HTML does run: the test would see it.
    lab.run_cell(3)
    lab.until(lambda: planted(lab.page) is not None, "a person's own HTML ran")
