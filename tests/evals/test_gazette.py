"""The gazette: what is hidden in it can be found, and is as it says."""

from __future__ import annotations

import re

from rlm_kernel import trm
from rlm_kernel.evals.gazette import gazette


def test_what_is_hidden_is_found_by_code_and_its_solution_is_right() -> None:
    text, hidden = gazette(3, 60)
    assert text == gazette(3, 60)[0] != gazette(4, 60)[0]
    assert len(hidden) == 5
    pages = re.split(r"^Page (\d+)$", text, flags=re.M)[1:]
    by_number = dict(zip(map(int, pages[::2]), pages[1::2], strict=True))
    assert sorted(by_number) == list(range(1, 61))
    for one in hidden:
        assert one.puzzle in by_number[one.page]
        assert trm.check(one.puzzle, "\n".join(one.solution)).solved
    row = re.compile(r"(?m)^[1-6.] [1-6.] [1-6.] \|")
    assert sum(bool(row.search(page)) for page in by_number.values()) == 5
    assert sum("Tides" in page for page in by_number.values()) == 5
