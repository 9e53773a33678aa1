"""The tree as HTML stands alone, is inert, and says it all without styles."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.log import Tree, html, tree_html
from rlm_kernel.protocol.events import CellDecided, CellEnded, PhaseChanged, RunStarted

from .samples import a_batch, a_run, a_turn, tree_of

VOID = {"br", "hr", "img", "input", "meta", "link"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text; fails on tags that don't match."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open, self.folded = set(), [], [], [], 0
        self.feed(source)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.folded += tag == "details"
        if tag in ("div", "li", "summary", "pre"):
            self.texts.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


def a_tree(words="", **options):
    turn = a_turn(1, f"x = llm_query_batched(prompts)\nprint('{words}')", output="out " + words,
                  text="reply " + words)  # fmt: skip
    return tree_of(a_run(*turn[:6], *a_batch(30, 2, prompt="P" + words), *turn[6:], **options))


def test_it_says_everything_and_the_answer_last():
    page = Page(tree_html(a_tree()))
    for words in (
        "Which city?", "done", "∑ 31 calls, 2 failed", "1 min 23 s", "9 characters",
        "turn 1", "cell 1", "x = llm_query_batched(prompts)", "output · 4 characters",
        "28 ✓ 2 ✗", "reply 5", "The provider said no.", "… 10 more", "note: said once",
        "llm_query × 30",  # noqa: RUF001
    ):  # fmt: skip
        assert words in page.text, words
    assert page.text.endswith("Answer Lagos")
    assert page.folded >= 3


def test_it_needs_nothing_from_elsewhere():
    source = tree_html(a_tree())
    page = Page(source)
    assert page.tags <= {
        "div",
        "span",
        "strong",
        "em",
        "code",
        "pre",
        "ul",
        "li",
        "details",
        "summary",
    }
    assert {name for name, _ in page.attributes} <= {"style", "class", "open", "aria-hidden"}
    assert "http" not in source
    assert "url(" not in source


EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></div></pre><h1>mine</h1>",
    "\"'><svg onload=alert(1)>",
    "<!-- comment",
    "<style>*{display:none}</style>",
    "&lt;b&gt; &#60;b&#62;",
    "]]><?php",
    "\x1b[31m\x00\u202e\ud800",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("evil", EVIL)
def test_what_models_and_contexts_plant_is_inert(evil):
    plain = Page(tree_html(a_tree("", question="q", answer="a")))
    source = tree_html(a_tree(evil, question="q" + evil, answer="a" + evil))
    page = Page(source)
    assert page.tags == plain.tags
    assert {name for name, _ in page.attributes} == {name for name, _ in plain.attributes}
    ours = {value for name, value in plain.attributes if name == "style"}
    styles = {value for name, value in page.attributes if name == "style"}
    assert all(style in ours or style.startswith("color:var(--jp-mirror") for style in styles)
    for sign in ("\x1b", "\x00", "\u202e"):
        assert sign not in source
    source.encode()


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_gives_whole_html(text):
    turn = a_turn(1, text, output=text, text=text)
    tree = tree_of(a_run(*turn, CellEnded(node="cell1", error=text), question=text, answer=text))
    page = Page(tree_html(tree))
    assert page.tags <= {
        "div",
        "span",
        "strong",
        "em",
        "code",
        "pre",
        "ul",
        "li",
        "details",
        "summary",
    }


def test_money_is_not_a_formula():
    source = tree_html(a_tree(answer="from $1 to $2 or \\(x\\)"))
    outside = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", source, flags=re.DOTALL)
    assert "mathjax_ignore" in source
    assert not re.search(r"\$(?!</span>)", outside)
    assert not re.search(r"\\(?!</span>)", outside)
    assert "from $1 to $2 or \\(x\\)" in Page(source).text


def test_it_still_reads_where_styles_are_stripped():
    page = Page(re.sub(r' (style|class)="[^"]*"', "", tree_html(a_tree())))
    assert "28 ✓ 2 ✗" in page.text
    assert "Answer Lagos" in page.text


def test_long_texts_are_cut_and_counted():
    turn = a_turn(1, "x = 1\n" * 50_000, output="o" * 50_000, text="r" * 50_000)
    source = tree_html(tree_of(a_run(*turn, answer="a" * 50_000)))
    assert len(source) < 150_000
    for more in (292_000, 42_000, 48_000, 30_000):
        assert f"{more:,} more characters" in source


def test_the_page_is_bounded_and_says_what_is_left_out(monkeypatch):
    monkeypatch.setattr(html, "PAGE", 20_000)
    turns = [event for n in range(1, 101) for event in a_turn(n, f"x = {n}", output="o" * 500)]
    source = tree_html(tree_of(a_run(*turns)))
    assert len(source) < 60_000
    assert re.search(r"\d+ more nodes left out", Page(source).text)
    assert Page(source).text.endswith("Answer Lagos")
    huge = tree_of(a_run(*a_turn(1, "x")[:6], *a_batch(20_000)))
    assert len(tree_html(huge)) < 100_000


def test_what_a_person_did_is_shown():
    turn = a_turn(1, "x = 1")
    turn[4] = CellDecided(node="cell1", decision="edit", by="widget", code="x = 2")
    page = Page(tree_html(tree_of(a_run(*turn))))
    assert "edited by widget" in page.text
    assert "x = 2" in page.text
    assert "what the model proposed x = 1" in page.text
    turn[4:] = [CellDecided(node="cell1", decision="reject", by="widget", reason="too slow")]
    page = Page(tree_html(tree_of(a_run(*turn))))
    assert "rejected by widget" in page.text
    assert "too slow" in page.text


def test_a_partial_answer_is_never_passed_off_as_one():
    events = a_run(*a_turn(1, "x"))
    events[-1] = type(events[-1])(
        node="run1", status="partial", answer="draft", forced=True, reason="Turns are used up."
    )
    page = Page(tree_html(tree_of(events)))
    assert "Partial answer" in page.text
    assert "Turns are used up." in page.text


def test_a_run_that_goes_on_shows_how_far_it_is():
    turn, batch = a_turn(1, "x"), a_batch(30)
    events = a_run(*turn[:6], *batch[:41])[:-2]
    page = Page(tree_html(tree_of(events)))
    assert "10 of 30" in page.text
    assert "20 open" in page.text
    events.append(PhaseChanged(node="run1", phase="paused", reason="The disk is full."))
    assert "paused: The disk is full." in Page(tree_html(tree_of(events))).text
    assert "Nothing happened yet" in tree_html(Tree())


def test_children_nest_to_any_depth():
    events = [RunStarted(node="run1", question="q")]
    events += [RunStarted(node=f"run{n}", parent=f"run{n - 1}", depth=n) for n in range(2, 3000)]
    assert "left out" in Page(tree_html(tree_of(events))).text
