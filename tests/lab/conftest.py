"""One Jupyter server and one Chromium for all browser tests; a tab and a folder for each.

Without Chromium, Playwright or a built extension the tests say so and don't run; nothing is skipped
in silence. A test fails at its end if its page logged an error (``lab_page.ALLOWED`` has those of
JupyterLab itself). What helps to understand a failure is kept in a folder that the report names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).parent
LAB_SOURCES = HERE.parents[1] / "labextension"
sys.path.insert(0, str(HERE))

if TYPE_CHECKING:
    from lab_page import Lab
    from lab_server import Server

KERNELS: dict[str, str] = json.loads(os.environ.get("RLM_TEST_KERNELS", "{}")) or {
    ".".join(version("ipykernel").split(".")[:2]): sys.executable
}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--force-color-profile=srgb", "--hide-scrollbars",
]  # fmt: skip


def _cannot_run() -> str:
    """What is missing to run these tests, and the command that brings it; empty: nothing."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return "the browser tests: no Chromium; apt-get install -y chromium"
    if not (HERE.parents[1] / "rlm_kernel" / "labextension" / "package.json").exists():
        return "the browser tests: the extension isn't built; python3 scripts/build_lab.py"
    try:
        import jupyterlab  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"the browser tests: no {error.name}; python3 scripts/test.py lab"
    return ""


class Shared:
    """What all tests use: made when first asked for, closed after the last of this folder.

    Not at the end of the session: while Playwright is there an event loop counts as running, and
    ``asyncio.run`` in tests of other folders would be refused.
    """

    def __init__(self) -> None:
        self._close: list[Callable[[], Any]] = []
        self._server: Server | None = None
        self._browser: Any = None

    def server(self, home: Path) -> Server:
        from lab_server import Server

        if self._server is None:
            self._server = Server(home, KERNELS)
            self._close.append(self._server.close)
        return self._server

    def browser(self) -> Any:
        from playwright.sync_api import sync_playwright

        if self._browser is None:
            driver = sync_playwright().start()
            self._close.append(driver.stop)
            names = ("chromium", "chromium-browser", "google-chrome")
            path = next(found for name in names if (found := shutil.which(name)))
            self._browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            self._close.append(self._browser.close)
        return self._browser

    def close(self) -> None:
        while self._close:
            self._close.pop()()
        self._server = self._browser = None


SHARED = Shared()
TABS: pytest.StashKey[list[Lab]] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or HERE not in nextitem.path.parents:
        SHARED.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.failed and (tabs := item.stash.get(TABS, [])):
        report.sections.append(("the page", keep_evidence(item, tabs)))
    return report


def keep_evidence(item: pytest.Item, tabs: list[Lab]) -> str:
    """Write down what helps to understand a failure, while the pages are still there."""
    folder = Path(tempfile.mkdtemp(prefix=f"{item.name[:60].replace('/', '_')}-"))
    for number, tab in enumerate(tabs):
        try:
            tab.save_evidence(folder, f"tab{number}")
        except Exception as error:
            (folder / f"tab{number}-lost.txt").write_text(repr(error))
    (folder / "server.log").write_text(tabs[0].server.tail(200_000))
    return f"screenshots, cells, console, server log: {folder}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The Jupyter server, with JupyterLab and Notebook 7."""
    if reason := _cannot_run():
        pytest.skip(f"NOT RUN: {reason}")
    return SHARED.server(tmp_path_factory.mktemp("jupyter"))


@pytest.fixture
def tab(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[..., Lab]]:
    """Opens tabs: ``tab()`` in JupyterLab, ``tab("notebook")`` in Notebook 7."""
    from lab_page import Lab

    folder = re.sub(r"\W+", "-", request.node.name)[:80].strip("-")
    contexts: list[Any] = []
    tabs: list[Lab] = []
    request.node.stash[TABS] = tabs

    def open_tab(app: str = "lab", **more: Any) -> Lab:
        size = {"width": 1280, "height": 860}
        context = SHARED.browser().new_context(viewport=size, **more)
        contexts.append(context)
        tabs.append(Lab(context.new_page(), server, app, folder))
        return tabs[-1]

    yield open_tab
    wrong = [error for lab in tabs for error in lab.errors]
    kept = keep_evidence(request.node, tabs) if wrong else ""
    del request.node.stash[TABS]
    for context in contexts:
        context.close()
    server.end_kernels()
    assert not wrong, "the page logged errors:\n" + "\n".join([*wrong, kept])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ipykernel" in metafunc.fixturenames:
        metafunc.parametrize("ipykernel", sorted(KERNELS))


@pytest.fixture
def lab(tab: Callable[..., Lab]) -> Lab:
    """A tab in JupyterLab."""
    return tab()


@pytest.fixture
def browser() -> Any:
    """Chromium, for pages that need no Jupyter."""
    if reason := _cannot_run():
        pytest.skip(f"NOT RUN: {reason}")
    return SHARED.browser()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the real store and view."""
    if shutil.which("node") is None or not (LAB_SOURCES / "node_modules" / "esbuild").exists():
        pytest.skip("NOT RUN: the tree in a browser; python3 scripts/build_lab.py")
    folder = tmp_path_factory.mktemp("tree")
    subprocess.run(["node", "build.mjs", "perf", str(folder)], cwd=LAB_SOURCES, check=True)
    shutil.copy(LAB_SOURCES / "perf" / "perf.html", folder)
    return folder


@pytest.fixture
def tree(browser: Any, pages: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page; at the end it must not have logged an error."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_page(
        show: str = "done",
        *,
        size: int = 40,
        width: int = 1100,
        pseudo: str = "",
        wait: bool = True,
        **more: Any,
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 700}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(f"{(pages / 'perf.html').as_uri()}?show={show}&size={size}{pseudo}")
        if wait:
            page.locator("[role=row][data-key]").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots go: ``RLM_SCREENSHOTS``, or a folder of this session's."""
    return Path(os.environ.get("RLM_SCREENSHOTS") or tempfile.mkdtemp(prefix="rlm-pictures-"))
