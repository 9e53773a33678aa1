"""The harness itself: what it reads and does is what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab_page import Lab


@pytest.mark.parametrize("app", ["lab", "notebook"])
@pytest.mark.parametrize("kernel", ["rlm", "python3"])
def test_a_cell_typed_and_run_by_the_keyboard_shows_its_output(
    tab: Callable[..., Lab], app: str, kernel: str
) -> None:
    lab = tab(app).open(["1 + 1"], kernel=kernel)
    lab.run_cell(0)
    assert lab.output(0) == "2"
    lab.edit(0, "print('edited')")
    lab.run_cell(0)
    assert lab.output(0) == "edited\n"
    assert lab.cells()[0]["execution_count"] == 2
