"""A text that stays in its file gives what the equal ``str`` gives."""

from __future__ import annotations

import itertools
import pickle
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlm_kernel.context import Text, _lines, _offsets, _patterns, _regex
from rlm_kernel.errors import ContextError

ODD = [
    "a", "b", "k", "s", " ", "0", "\n", "\r", "\r\n", "\t", "\x00", "\x1c", "\x85", "\v", "\f", "é",
    "ß", "\u017f", "\u212a", "\u0660", "\u2028", "日", "\ufeff", "🎈", "👩‍👩‍👧", "e\u0301",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(ODD), max_size=60).map("".join) | st.text(max_size=40)
PLAIN = st.lists(st.sampled_from(ODD[:12]), max_size=60).map("".join)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Every border (segments, blocks, windows) is met within a few characters."""
    monkeypatch.setattr(_offsets, "SEGMENT", 7)
    monkeypatch.setattr(_offsets, "_BLOCK", 16)
    monkeypatch.setattr(_lines, "_BLOCK", 8)
    monkeypatch.setattr("rlm_kernel.context.text._STEP", 5)
    monkeypatch.setattr("rlm_kernel.context.text._MOST", 11)
    monkeypatch.setattr(_regex.over_windows, "__defaults__", (3,))
    monkeypatch.setattr(_regex.over_lines, "__defaults__", (3,))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


number = itertools.count()


def filed(place, text):
    path = place / f"{next(number)}.txt"
    path.write_bytes(text.encode())
    return Text(path)


many = settings(max_examples=300, deadline=None)


@many
@given(TEXTS, st.integers(-70, 70) | st.none(), st.integers(-70, 70) | st.none(),
       st.integers(-5, 5).filter(bool) | st.none())  # fmt: skip
def test_pieces_are_those_of_the_str(place, text, start, stop, step):
    view = filed(place, text)
    assert len(view) == len(text)
    assert view.nbytes == len(text.encode())
    assert str(view) == text
    assert "".join(view) == text
    assert view[start:stop:step] == text[start:stop:step]
    for at in (0, -1, len(text) // 2):
        if text:
            assert view[at] == text[at]
    with pytest.raises(IndexError):
        view[len(text)]


@many
@given(TEXTS, st.data())
def test_searches_are_those_of_the_str(place, text, data):
    view = filed(place, text)
    cuts = st.integers(0, len(text))
    a, b = data.draw(cuts), data.draw(cuts)
    sub = data.draw(
        st.just(text[a : min(b, a + 4)]) | st.sampled_from([*ODD, "aa", "aba", "\ud800"])
    )
    start = data.draw(st.integers(-70, 70) | st.none())
    end = data.draw(st.integers(-70, 70) | st.none())
    assert view.find(sub, start, end) == text.find(sub, start, end)
    assert view.rfind(sub, start, end) == text.rfind(sub, start, end)
    assert view.count(sub, start, end) == text.count(sub, start, end)
    assert (sub in view) == (sub in text)
    assert view.startswith(sub) == text.startswith(sub)
    assert view.endswith((sub, "q")) == text.endswith((sub, "q"))
    if sub:
        assert view.split(sub) == text.split(sub)
        assert view.split(sub, 1) == text.split(sub, 1)


def test_searches_of_repeated_letters_count_as_str_does(place):
    for text in ("aaaaaaa" * 5, "abababa" * 5, "\n" * 40):
        view = filed(place, text)
        for sub in ("a", "aa", "aaa", "aba", "abab", "\n"):
            assert view.count(sub) == text.count(sub), (text, sub)


@many
@given(TEXTS, st.booleans(), st.data())
def test_lines_are_those_of_the_str(place, text, keepends, data):
    view, expected = filed(place, text), text.splitlines(keepends)
    lines = view.splitlines(keepends)
    assert list(lines) == expected
    assert len(lines) == len(expected)
    assert lines[1:-1] == expected[1:-1]
    assert list(lines[::-2]) == expected[::-2]
    if expected:
        at = data.draw(st.integers(-len(expected), len(expected) - 1))
        assert lines[at] == expected[at]
    with pytest.raises(IndexError):
        lines[len(expected)]


def test_one_endless_line_is_one_line(place):
    text = "é" * 3000
    assert list(filed(place, text).lines()) == [text]


PATTERNS = [
    "a", "a|b", "[ab0]+", "ab?", "a*", "a*?b", "(a)(b)?", r"\d+", r"\w+", r"\s+", r"\S+\s\S+",
    r"\bs", r"\B.", ".", ".+", ".{2,3}", "(?s).+", "(?s)a.{1,3}?b", "^.", ".$", "(?m)^.",
    "(?m).$", r"\A.", r".\Z", "[^a]", "[^\n]+", "é", "日+", "[é日]", "(?i)k", "(?i)S", "(?i)[a-k]",
    "(?a)\\w+", "(?a)\\s+", "(?ia)k", "(?<=a)b", "(?<!a)b", "a(?=\n)", "a(?!b)", r"(.)\1",
    "(?P<x>a)(?P<y>b)?", "x*", "", "$", "^", "(?m)^$", r"\n", r"a\nb", r"[\x00-\x7f]",
    r"[\x80-\xff]", r"(?m)^(\w+)\s*(\S*)$", "(?:a|é)+?", "(?i)ß", r"\x1c", r"[\s]", r"[^\s]+",
    r"\D", r"(?s:.)a", "(?>a+)b", "a++",
]  # fmt: skip


def same_matches(view, text, pattern):
    wanted, got = list(re.finditer(pattern, text)), list(view.finditer(pattern))
    assert [m.span() for m in got] == [m.span() for m in wanted]
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.group() == theirs.group() == ours[0]
        assert ours.groups() == theirs.groups()
        assert ours.groupdict() == theirs.groupdict()
        assert (ours.lastindex, ours.lastgroup) == (theirs.lastindex, theirs.lastgroup)
        for number in range(len(theirs.groups()) + 1):
            assert ours.span(number) == theirs.span(number)
            assert ours.start(number) == theirs.start(number)
    assert view.findall(pattern) == re.findall(pattern, text)
    first = view.search(pattern)
    assert (first and first.span()) == (wanted[0].span() if wanted else None)


@settings(max_examples=600, deadline=None)
@given(TEXTS | PLAIN, st.sampled_from(PATTERNS))
@example("a\n日b\nab", "(?m)^.")
@example("s\u017fk\u212a", "(?i)k")
@example("a\x1cb", r"\s+")
@example("é\nab\ncd\nef\ngh\n", "(?s).+")
@example("é\nab\ncd\nef\ngh\n", "(?s)é.*h")
@example("é\nab\ncd\nef\ngh\n", r"\w+$")
@example("é\nab\ncd\nef\ngh\n", r"^\w+")
@example("é\nab\ncd\nef\ngh\n", r"(?m)^\w+$")
@example("ab\né\ncd\nef\ngh\n", r"\b\w+")
def test_regular_expressions_find_what_they_find_in_the_str(place, text, pattern):
    same_matches(filed(place, text), text, pattern)


@settings(max_examples=300, deadline=None)
@given(TEXTS | PLAIN, st.data())
def test_generated_patterns_too(place, text, data):
    atoms = st.sampled_from(
        ["a", "b", "é", ".", r"\s", r"\w", "[^a]", r"\n", "^", "$", r"\b", "[a-k0]", "s"]
    )
    quantified = st.tuples(atoms, st.sampled_from(["", "", "?", "{1,2}", "*", "+", "*?"])).map(
        lambda pair: pair[0] if pair[0] in ("^", "$", r"\b") else "".join(pair)
    )
    parts = st.lists(quantified, min_size=1, max_size=4).map("".join)
    flags = data.draw(st.sampled_from(["", "(?m)", "(?s)", "(?i)", "(?a)", "(?ms)", "(?mi)"]))
    pattern = flags + data.draw(parts) + data.draw(st.sampled_from(["", "|b", "(?=a)", "(?<!s)"]))
    same_matches(filed(place, text), text, pattern)


def test_compiled_patterns_and_flags_are_taken(place):
    view = filed(place, "A\nb")
    assert view.findall("a", re.IGNORECASE) == ["A"]
    assert view.search(re.compile("B", re.I)).span() == (2, 3)
    with pytest.raises(TypeError, match="not bytes"):
        view.findall(b"a")
    with pytest.raises(re.error):
        view.finditer("(")
    assert view.search("z") is None


@pytest.mark.parametrize(
    ("pattern", "text", "way"),
    [
        (r"ERROR \d+", "plain", "over_bytes"),
        (r"x\s+y", "plain", "over_bytes"),
        ("ERROR [0-9]+", "né", "over_bytes"),
        (r"\d{2}", "né", "over_windows"),
        (r"\w+ .*", "né", "over_lines"),
    ],
)
def test_big_texts_are_searched_where_they_are(place, monkeypatch, pattern, text, way):
    """The whole is decoded only for what can't be found otherwise."""
    view, used = filed(place, text * 10), []
    real = getattr(_regex, way)
    monkeypatch.setattr(_regex, way, lambda *a: used.append(way) or real(*a))
    monkeypatch.setattr(Text, "__str__", lambda self: pytest.fail("decoded as a whole"))
    view.findall(pattern)
    assert used == [way]


def test_a_pattern_without_bound_knows_that_it_is():
    reach = _patterns.reach(re.compile(r"a[^b]*b"))
    assert (reach.width, reach.one_line) == (None, False)
    assert _patterns.reach(re.compile("a.{3}")).width == 6


def test_it_equals_its_str_and_another_of_the_same(place):
    view, same, other = filed(place, "né\n" * 9), filed(place, "né\n" * 9), filed(place, "ne\n" * 9)
    assert view == "né\n" * 9 == view
    assert view == same
    assert view != other
    assert view != "né\n" * 8
    assert view != 5
    with pytest.raises(TypeError):
        hash(view)


def test_it_crosses_as_its_path(place):
    view = filed(place, "né" * 50)
    data = pickle.dumps(view)
    assert len(data) < 400
    assert pickle.loads(data) == view


def test_a_file_that_changes_is_noticed(place):
    view = filed(place, "before " * 50)
    view.path.write_text("after")
    with pytest.raises(ContextError, match="load it again"):
        view[:5]
    with pytest.raises(ContextError, match="load it again"):
        view.find("b")


def test_a_file_that_is_deleted_stays_readable(place):
    view = filed(place, "still here")
    view.path.unlink()
    assert view[-4:] == "here"
    assert view.find("here") == 6


def test_what_it_lacks_is_said_with_a_way_out(place):
    view = filed(place, "abc")
    with pytest.raises(AttributeError, match=r"str\(context\)"):
        view.upper()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        view.nonsense()
    assert "3 characters" in repr(view)


GOOD = [b"a", "é".encode(), "日".encode(), "🎈".encode()]
BAD = [b"\xff", b"\x80", b"\xc3", b"\xe6\x97", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"]


@many
@given(st.lists(st.sampled_from(GOOD), max_size=30), st.sampled_from(BAD), st.integers(0, 30))
def test_the_first_byte_that_is_not_utf8_is_named(place, good, bad, at):
    data = b"".join(good[:at]) + bad + b"".join(good[at:])
    try:
        data.decode()
    except UnicodeDecodeError as error:
        expected = error.start
    else:
        return
    path = place / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(UnicodeDecodeError) as caught:
        Text(path)
    assert caught.value.start == expected
