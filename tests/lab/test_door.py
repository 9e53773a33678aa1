"""A model's cell tries to open a terminal through the page, by every way there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from boxes import need

if TYPE_CHECKING:
    from lab_page import Lab

OPEN = (
    "window.doorOpened=(window.doorOpened||0)+1;"
    "fetch('/api/terminals',{method:'POST',headers:{'X-XSRFToken':"
    "(document.cookie.match('_xsrf=([^;]*)')||[])[1]||''}})"
)
TRIES = f'''js = {OPEN!r}
from IPython.display import HTML, SVG, Javascript, Markdown, display
display(Javascript(js))
display(HTML("<p>html</p><script>" + js + "</script>"))
display(HTML('<img src=x onerror="' + js + '">'))
display(HTML('<iframe srcdoc="<script>parent.eval(`' + js + '`)</script>"></iframe>'))
svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="%s"><script>%s</script></svg>' % (js, js)
display(SVG(svg))
display(HTML(svg))
display(Markdown('<img src=x onerror="' + js + '">'))
display({{"text/html": "<script>" + js + "</script>", "text/plain": "x"}}, raw=True)
first = display(HTML("first"), display_id="again")
first.update(HTML("<script>" + js + "</script>"))
get_ipython().set_next_input("print('next')")
import anywidget
class W(anywidget.AnyWidget):
    _esm = "export default {{ render() {{ %s }} }}" % js
    _css = "x"
display(W())
from ipykernel.comm import Comm
Comm(target_name="jupyter.widget", data={{"state": {{"_esm": js}}, "method": "x"}})
print("tried")
HTML("<b>last</b><script>" + js + "</script>")'''


def terminals(lab: Lab) -> list[Any]:
    return list(lab.server.api("GET", "terminals"))


def opened(lab: Lab) -> int:
    return int(lab.page.evaluate("() => window.doorOpened || 0"))


def test_in_the_sandbox_not_even_a_persons_cell_can_and_the_run_goes_on(
    tab: Callable[..., Lab],
) -> None:
    """The whole way in JupyterLab: ask, edit, approve, answer; and the relay shuts the door."""
    need("bubblewrap")
    begin = (
        "from rlm_kernel import ScriptedModel\ntext = 'needle ' * 3\n"
        f"m = ScriptedModel([f'```repl\\n{{c}}\\n```' for c in ({TRIES!r}, 'FINAL(n)')])"
    )
    person = f"from IPython.display import HTML, Javascript, display\ndisplay(Javascript({OPEN!r}))"
    person += f"\ndisplay(HTML('<b>tried</b><script>' + {OPEN!r} + '</script>'))"
    ask = "%%rlm r --context text --model m --mode step\nHow many?"
    lab = tab("lab").open([begin, person, ask], kernel="rlm-sandboxed")
    before = len(terminals(lab))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.run_cell(2)
    first = lab.wait_proposal(TRIES)
    lab.edit(lab.index(first), TRIES + "\nn = context.count('needle')")
    lab.click(first, "Run edited")
    lab.wait_proposal("FINAL(n)")
    lab.click(lab.ours()[-1], "Run")
    lab.wait_phase("done")
    lab.wait_idle()
    lab.page.wait_for_load_state("networkidle")
    assert "sandbox: bubblewrap" in lab.panel.inner_text()
    assert "tried" in str(lab.ours()[0]["outputs"])
    assert opened(lab) == 0
    assert len(terminals(lab)) == before


@pytest.mark.parametrize("block", ["", " --block"], ids=["cells", "inline"])
def test_a_models_cell_opens_no_terminal_and_a_persons_can(
    tab: Callable[..., Lab], block: str
) -> None:
    from lab_page import SCRIPT

    person = f"from IPython.display import Javascript\nJavascript({OPEN!r})"
    ask = f"%%rlm r --context text --model m --mode auto{block}\nGo"
    lab = tab("lab").open([SCRIPT, f"m = script({TRIES!r}, 'FINAL(1)')", person, ask])
    before = len(terminals(lab))
    for number in (0, 1, 3):
        lab.run_cell(number, wait=number != 3)
    lab.wait_phase("done")
    lab.until(lambda: len(lab.ours()) == 2, "its cells are in the notebook")
    lab.wait_idle()
    lab.page.wait_for_load_state("networkidle")
    lab.until(lambda: "tried" in str(lab.ours()[0]["outputs"]), "its outputs are in the notebook")
    assert opened(lab) == 0
    assert len(terminals(lab)) == before
    assert [c["metadata"].get("trusted") for c in lab.ours()] == [None, None]
    assert not any(c["source"] == "print('next')" for c in lab.cells())
    # The same in a cell of the person's own runs: the test would see it.
    lab.run_cell(2)
    lab.until(lambda: opened(lab) == 1, "the person's own script ran")
    lab.until(lambda: len(terminals(lab)) == before + 1, "and could open a terminal")
    for terminal in terminals(lab):
        lab.server.api("DELETE", f"terminals/{terminal['name']}")
