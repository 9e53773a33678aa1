"""What a model's cell may send to the page, in real kernels; a person's own cells are theirs."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

# Fixtures ``both`` and ``ours`` are kernels of tests/notebook/conftest.py.

TRIES = r"""
from IPython.display import HTML, SVG, Javascript, Markdown, display
display(Javascript("alert(1)"))
display(HTML("<b>bold</b><script>alert(1)</script><img src=x onerror=alert(2)>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><circle/><script>alert(1)</script></svg>"))
display(Markdown("# title <img src=x onerror=alert(3)>"))
handle = display(HTML("first"), display_id="same")
handle.update(HTML("<script>alert(4)</script>second"))
get_ipython().set_next_input("import os; os.system('x')")
import comm
comm.create_comm(target_name="jupyter.widget", data={"state": {"_esm": "alert(5)"}})
from ipykernel.comm import Comm
Comm(target_name="foreign", data={"x": 1})
done = HTML("<i>last</i><script>alert(6)</script>")
done
"""


class Running(HTMLParser):
    """Collects what would run of HTML; the tree shows the code too, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" or any(name.startswith("on") for name, _ in attrs):
            self.found.append(tag)


def shown(cell: Any) -> str:
    bundles = [m["content"].get("data") for m in cell.messages]
    return str([b for b in bundles if b])


def test_nothing_that_a_models_cell_shows_can_run(both: Any) -> None:
    both.run(f"m = script({TRIES!r}, 'FINAL(1)')")
    cell = both.run("%%rlm r --context text --model m --mode auto\nGo")
    assert cell.ok, cell.text
    kinds = {m["header"]["msg_type"] for m in cell.messages}
    assert "comm_open" not in kinds
    assert cell.reply["payload"] == []
    data = [m["content"]["data"] for m in cell.messages if "data" in m["content"]]
    seen = [d for d in data if "text/html" in d and ("bold" in str(d) or "last" in str(d))]
    assert any("<b>bold</b>" in d["text/html"] for d in seen)
    assert "application/javascript" not in str([list(d) for d in data])
    assert "text/markdown" not in str([list(d) for d in data])
    for each in data:
        look = Running()
        look.feed(each.get("text/html", ""))
        assert look.found == []
        assert "<script" not in each.get("image/svg+xml", "")


def test_the_model_is_told_and_the_person_sees_that_something_was_left_out(ours: Any) -> None:
    ours.run(
        "m = script('from IPython.display import Javascript, display\\n"
        "display(Javascript(\"x\"))', 'FINAL(1)')"
    )
    cell = ours.run("%%rlm r --context text --model m --mode auto\nGo")
    assert cell.ok, cell.text
    assert "left out of a model's output" in shown(cell)
    assert "application/javascript" in ours.value("r.transcript")


def test_a_persons_own_cell_shows_what_it_shows(ours: Any) -> None:
    cell = ours.run(
        "from IPython.display import Javascript, display\ndisplay(Javascript('x'))\n"
        "import comm; c = comm.create_comm(target_name='mine')\n"
        "get_ipython().set_next_input('x')"
    )
    assert "application/javascript" in shown(cell)
    assert "comm_open" in {m["header"]["msg_type"] for m in cell.messages}
    assert cell.reply["payload"][0]["source"] == "set_next_input"


def test_widgets_of_libraries_in_a_models_cell_break_nothing(ours: Any) -> None:
    code = "import anywidget\nclass W(anywidget.AnyWidget):\n    _esm = 'x'\nw = W()\nw"
    ours.run(f"m = script({code!r}, 'FINAL(type(w).__name__)')")
    cell = ours.run("%%rlm r --context text --model m --mode auto\nGo")
    assert cell.ok, cell.text
    assert "Answer: W" in cell.text
    assert "comm_open" not in {m["header"]["msg_type"] for m in cell.messages}
    assert ours.run("v = W()").ok  # and in the person's own cell it opens
