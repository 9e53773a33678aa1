"""A browser tab with a notebook in it, driven and read as a person would, for the lab's tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from lab_server import ROOT, TOKEN, Server
from playwright.sync_api import Locator, Page

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
SECONDS = 30.0

#: What JupyterLab itself logs as errors; why each isn't ours.
ALLOWED = {
    r"status of 404": "asks for what need not be there: a workspace, a checkpoint, translations",
    r"uncaught: Cannot read properties of undefined \(reading 'schema'\)": "Notebook 7's own",
    r"uncaught: Command 'filebrowser:open-path' not registered": "Notebook 7's own",
    r"Comm not found for comm id [0-9a-f-]{36}": "a widget that another tab of the notebook shows",
    r"Could not restore the debugger state: Canceled future": "JupyterLab's own, at a restart",
    r"Fetch API cannot load|Failed to fetch|ERR_(CONNECTION|ABORTED|NETWORK)": (
        "a request that a reload or the closing of the page cut off"
    ),
}

#: The first cell of the tests' notebooks: `script`, `sub`, `text` and `until`, see ``stage.py``.
SCRIPT = "from stage import *"

_CELLS = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const widgets = panel?.content?.widgets;
  if (!widgets) return null;
  return widgets.map((w) => ({
    ...w.model.toJSON(), id: w.model.id, type: w.model.type,
    header: w.node.querySelector('.rlm-Header')?.innerText ?? '',
    state: w.model.sharedModel.executionState ?? '',
  }));
}"""
_STATUS = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const context = panel?.sessionContext;
  if (!panel?.context?.isReady || !context?.isReady) return 'starting';
  return context.session?.kernel?.status ?? 'none';
}"""
_SELECT = """(index) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  notebook.mode = 'command';
  notebook.node.focus();
  return notebook.scrollToItem(index);
}"""


class Lab:
    """One tab.

    Args:
        page: the tab.
        server: the server it looks at.
        app: ``lab`` or ``notebook``.
        folder: where its notebooks lie, below the server's.
    """

    def __init__(self, page: Page, server: Server, app: str = "lab", folder: str = "") -> None:
        self.page = page
        self.folder = folder
        self.server = server
        self.app = app
        self.path = ""
        self.console: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self._heard("error", f"uncaught: {error}"))

    def _heard(self, kind: str, text: str) -> None:
        self.console.append(f"{kind}: {text}")
        if kind == "error" and not any(re.search(known, text) for known in ALLOWED):
            self.errors.append(text)

    # -- opening --------------------------------------------------------------------------------

    def open(self, cells: Sequence[str], kernel: str = "rlm", name: str = "notebook.ipynb") -> Lab:
        """Write a notebook, open it and wait until its kernel is ready."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        path = self.server.work / self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return self.goto(name)

    def goto(self, name: str) -> Lab:
        """Open a notebook that is there and wait until its kernel is ready."""
        self.path = f"{self.folder}/{name}"
        where = "lab/tree" if self.app == "lab" else "notebooks"
        more = "&reset" if self.app == "lab" else ""
        self.page.goto(f"{self.server.url}/{where}/{self.path}?token={TOKEN}{more}")
        self.wait_idle()
        return self

    def reload(self) -> None:
        """Load the page again; whether the kernel is busy then is the test's business."""
        self.page.reload()
        self.until(lambda: self.cells(), "the notebook is there after the reload")

    # -- reading --------------------------------------------------------------------------------

    def cells(self) -> list[dict[str, Any]]:
        """The notebook's cells as they would be saved; and id, type, state, what is drawn on it."""
        found = self.page.evaluate(_CELLS)
        return [{**cell, "source": _joined(cell["source"])} for cell in found or []]

    def sources(self) -> list[str]:
        """The text of each cell."""
        return [cell["source"] for cell in self.cells()]

    def output(self, index: int) -> str:
        """What a cell shows, as plain text."""
        return output_text(self.cells()[index])

    def ours(self) -> list[dict[str, Any]]:
        """The cells that were placed for runs."""
        return [cell for cell in self.cells() if "cell" in cell["metadata"].get("rlm", {})]

    def kernel_status(self) -> str:
        """The kernel's status as the front end has it; ``starting`` until it can execute."""
        return str(self.page.evaluate(_STATUS))

    def cell(self, index: int) -> Locator:
        """A cell as it is drawn."""
        return self.page.locator(".jp-Notebook:visible .jp-Cell").nth(index)

    def header(self, cell: dict[str, Any]) -> Locator:
        """What is drawn on a cell of a run."""
        return self.cell(self.index(cell)).locator(".rlm-Header")

    def index(self, cell: dict[str, Any]) -> int:
        """Where a cell is now."""
        return [one["id"] for one in self.cells()].index(cell["id"])

    @property
    def panel(self) -> Locator:
        """The side panel, opened where it isn't."""
        panel = self.page.locator(".rlm-Panel:visible")
        if not panel.count():
            self.command("rlm:show-tree")
            panel.first.wait_for()
        return panel.first

    def rows(self) -> list[str]:
        """The rows of the tree in sight, as a person reads them."""
        texts = self.panel.locator(".rlm-row:not(.rlm-head)").all_inner_texts()
        return [re.sub(r"\s+", " ", text).strip() for text in texts]

    def row(self, text: str, kind: str = "") -> Locator:
        """The first row of the tree with this text, of this kind."""
        which = f".rlm-kind-{kind}" if kind else ":not(.rlm-head)"
        return self.panel.locator(f".rlm-row{which}").filter(has_text=text).first

    def row_text(self, text: str, kind: str = "") -> str:
        """What the first row with this text says; empty where it isn't drawn."""
        texts = self.row(text, kind).all_inner_texts()
        return texts[0] if texts else ""

    def focused(self, selector: str) -> str:
        """The text of what has the keyboard, if it is, or is in, one of these; else nothing."""
        script = "(s) => document.activeElement?.closest(s)?.textContent || ''"
        return str(self.page.evaluate(script, selector))

    def status_bar(self) -> str:
        """The status bar's text."""
        return self.page.locator("#jp-main-statusbar").inner_text()

    def phase(self) -> str:
        """How the run stands, in words: in the status bar, or the toolbar where there is none."""
        place = ".rlm-Status" if self.app == "lab" else ".rlm-Toolbar"
        shown = self.page.locator(place)
        return shown.first.inner_text() if shown.count() else ""

    def wait_phase(self, word: str, seconds: float = SECONDS) -> None:
        """Wait until the run stands so."""
        self.until(lambda: word in self.phase(), f"the run is {word!r}", seconds)

    # -- doing ----------------------------------------------------------------------------------

    def select(self, index: int) -> None:
        """Make a cell the active one, in command mode and in view."""
        count = len(self.cells())
        assert -count <= index < count, f"there is no cell {index} among {count}"
        index = index % count
        self.page.evaluate(_SELECT, index)

    def run_cell(self, index: int, wait: bool = True) -> None:
        """Run a cell by the keyboard."""
        self.select(index)
        self.page.keyboard.press("Control+Enter")
        if wait:
            self.until(lambda: self._done(index), f"cell {index} has run")

    def _done(self, index: int) -> bool:
        cell = self.cells()[index]
        return cell["execution_count"] is not None and cell["state"] != "running"

    def run_all(self) -> None:
        """Run all cells, as the menu does."""
        self.command("notebook:run-all-cells")

    def command(self, name: str, **args: Any) -> None:
        """Execute a command without waiting for what it starts."""
        script = "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }"
        self.page.evaluate(script, [name, args])

    def edit(self, index: int, text: str) -> None:
        """Type a new source into a cell."""
        self.select(index)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        self.until(lambda: self.sources()[index] == text, "the text was typed")

    def click(self, cell: dict[str, Any], button: str) -> None:
        """Press a button in the header of a cell."""
        found = self.header(cell).get_by_role("button", name=button, exact=True)
        found.scroll_into_view_if_needed()
        found.click()

    def go_to_row(self, text: str) -> None:
        """Move the keyboard down the tree, from its beginning to the call with this text."""
        script = "() => document.activeElement.getAttribute('data-key')"
        self.page.keyboard.press("Home")
        self.until(lambda: "turn" not in self.focused(".rlm-row"), "at the beginning")
        while text not in self.focused(".rlm-kind-call"):
            before = self.page.evaluate(script)
            self.page.keyboard.press("ArrowDown")
            self.until(lambda before=before: self.page.evaluate(script) != before, f"{text!r}", 2)

    def make(self, name: str) -> None:
        """Make the file that ``until(name)`` in a cell waits for."""
        (self.server.work / Path(self.path).parent / name).touch()

    def theme(self, name: str) -> None:
        """Change the theme, such as to "JupyterLab Dark"."""
        self.page.evaluate(
            "(n) => jupyterapp.commands.execute('apputils:change-theme', {theme: n})", name
        )
        light = "true" if "Light" in name else "false"
        self.page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")

    # -- waiting --------------------------------------------------------------------------------

    def until(self, question: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        """Ask again and again until there is an answer, and give it."""
        last: Any = None
        for _ in range(int(seconds / 0.05)):
            last = question()
            if last:
                return last
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{what}: not within {seconds:g} s (last: {last!r})")

    def wait_idle(self, seconds: float = SECONDS) -> None:
        """Wait until the kernel is there and does nothing."""
        self.until(lambda: self.kernel_status() == "idle", "the kernel is idle", seconds)

    def wait_proposal(self, source: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait until a cell with this text was placed, has its header and waits for the person."""

        def found() -> dict[str, Any] | None:
            for cell in self.ours():
                if cell["source"] != source or cell["metadata"]["rlm"]["status"] != "proposed":
                    continue
                if "waits for you" in cell["header"]:
                    return cell
            return None

        cell: dict[str, Any] = self.until(found, f"the proposal {source!r}", seconds)
        return cell

    def wait_output(self, source: str, text: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait until a run's cell with this source shows this text."""

        def found() -> dict[str, Any] | None:
            for cell in self.ours():
                if cell["source"] == source and text in output_text(cell):
                    return cell
            return None

        cell: dict[str, Any] = self.until(found, f"{text!r} under {source!r}", seconds)
        return cell

    def wait_cells(self, count: int, seconds: float = SECONDS) -> list[dict[str, Any]]:
        """Wait until this many cells were placed for runs."""
        found: list[dict[str, Any]] = self.until(
            lambda: ours if len(ours := self.ours()) >= count else None,
            f"{count} cells of a run",
            seconds,
        )
        return found

    def tidy(self) -> None:
        """Give the picture to the notebook and a panel that is wide enough; no hints."""
        if self.app == "lab":
            hide = "() => { if (!jupyterapp.shell.leftCollapsed) jupyterapp.shell.collapseLeft(); }"
            self.page.evaluate(hide)
        got_it = self.panel.get_by_role("button", name="Got it")
        if got_it.is_visible():
            got_it.click()
        box = self.panel.bounding_box()
        assert box is not None
        mouse = self.page.mouse
        mouse.move(box["x"] - 2, box["y"] + box["height"] / 2)
        mouse.down()
        mouse.move(box["x"] + box["width"] - 560, box["y"] + box["height"] / 2, steps=4)
        mouse.up()

    # -- looking --------------------------------------------------------------------------------

    def screenshot(self, folder: Path, name: str) -> Path:
        """Take a picture of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    def axe(self, selector: str) -> list[str]:
        """What axe-core finds wrong within a part of the page: rule, why, and where."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = self.page.evaluate(
            "async (selector) => await window.axe.run(selector, {resultTypes: ['violations']})",
            selector,
        )
        return [
            f"{found['id']}: {found['help']}: "
            + "; ".join(f"{node['target']} {node['html'][:160]}" for node in found["nodes"][:3])
            for found in result["violations"]
        ]

    def save_evidence(self, folder: Path, name: str) -> None:
        """Keep what helps to understand a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        if not self.page.is_closed():
            self.screenshot(folder, name)
            cells = json.dumps(self.cells(), indent=1)
            (folder / f"{name}-cells.json").write_text(cells, encoding="utf-8")
        (folder / f"{name}-console.txt").write_text("\n".join(self.console), encoding="utf-8")


def output_text(cell: dict[str, Any]) -> str:
    """What a cell shows, as plain text."""
    parts = []
    for output in cell.get("outputs", []):
        if "text" in output:
            parts.append(_joined(output["text"]))
        elif "data" in output:
            parts.append(_joined(output["data"].get("text/plain", "")))
        else:
            parts.append("\n".join(output.get("traceback", [])))
    return re.sub(r"\x1b\[[0-9;]*m", "", "".join(parts))


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
