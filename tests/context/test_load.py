"""Contexts are loaded to the letter, by reference, or refused in one sentence."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.context import Loaded, Text, load, load_all, load_path, load_paths, several
from rlm_kernel.errors import ContextError


def names(found):
    return [loaded.name for loaded in found]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "text"), ("", "text"), (b"\xff\x00", "bytes"), (bytearray(b"x"), "bytes"),
        ([1, "a"], "list"), ((1, 2), "list"), ({"k": 1}, "dict"), (object(), "object"),
        (range(5), "list"), ({1, 2}, "object"), (3.5, "object"),
    ],
)  # fmt: skip
def test_a_live_value_is_bound_as_it_is(value, kind):
    loaded = load(value)
    assert loaded.value is value
    assert (loaded.name, loaded.kind) == ("context", kind)
    assert loaded.describe()
    assert loaded.info()["kind"] == kind


def test_a_table_is_bound_as_it_is_and_described():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"city": ["Lagos", "Lyon"], "n": [1, 2]})
    loaded = load(table)
    assert loaded.value is table
    assert loaded.kind == "table"
    told = loaded.describe()
    for word in ("2 rows", "2 columns", "city", "int64", "Lagos"):
        assert word in told
    assert loaded.info()["rows"] == 2


def test_a_str_is_text_even_where_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("inside")
    assert load("notes.txt").value == "notes.txt"
    assert load(Path("notes.txt")).value == "inside"
    assert load_path("notes.txt").value == "inside"


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_a_file_is_read_to_the_letter(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("f") / "x.txt"
    path.write_bytes(text.encode())
    assert load_path(path).value == text
    assert load_path(path, limit=0).value == text


@pytest.mark.parametrize(
    "text", ["a\r\nb\rc\n", "nul\x00!", "\ufeffmark", "🎈👩‍👩‍👧", "\u2028", ""]
)
def test_line_ends_marks_and_wide_characters_stay(tmp_path, text):
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode())
    assert load_path(path).value == text


def test_a_byte_order_mark_is_kept_and_said(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfa,b\n")
    loaded = load_path(tmp_path / "x.txt")
    assert loaded.value[0] == "\ufeff"
    assert "byte order mark" in loaded.describe()
    assert load_path(tmp_path / "x.txt", encoding="utf-8-sig").value == "a,b\n"


def test_lone_surrogates_in_a_str_stay_and_can_be_described():
    loaded = load("a\ud800b")
    assert loaded.value == "a\ud800b"
    loaded.describe().encode()


@pytest.mark.parametrize(
    ("data", "offset", "advice"),
    [
        ("Müller, Köln, Straße\n".encode("latin-1"), 1, "encoding='cp1252'"),
        ("text".encode("utf-16"), 0, "encoding='utf-16'"),
        ("これは日本語の文章です。漢字も含みます。".encode("shift_jis"), 0, "encoding='shift_jis'"),
        (b"%PDF-1.7\n\xe2\xe3", 9, "PDF"),
        (b"\x1f\x8b\x08", 1, "gzip"),
        (bytes(range(256)), 128, "binary"),
        (b"ok " * 40_000 + b"\xff", 120_000, "encoding="),
    ],
)
@pytest.mark.parametrize("limit", [0, 1 << 26])
def test_what_is_not_utf8_is_refused_with_its_offset_and_a_way(
    tmp_path, data, offset, advice, limit
):
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    with pytest.raises(ContextError) as caught:
        load_path(path, limit=limit)
    assert f"byte {offset:,} " in str(caught.value)
    assert advice in str(caught.value)


def test_an_encoding_is_taken_for_files_and_bytes(tmp_path):
    (tmp_path / "x.txt").write_bytes("Köln\r\n".encode("latin-1"))
    assert load_path(tmp_path / "x.txt", encoding="latin-1").value == "Köln\r\n"
    assert load_path(tmp_path / "x.txt", encoding="latin-1", limit=0).value == "Köln\r\n"
    assert load("Köln".encode("latin-1"), encoding="latin-1").value == "Köln"
    with pytest.raises(ContextError, match="isn't an encoding"):
        load_path(tmp_path / "x.txt", encoding="klingon")
    with pytest.raises(ContextError, match="ascii text: byte 1"):
        load_path(tmp_path / "x.txt", encoding="ascii")


def test_big_files_stay_where_they_are(tmp_path):
    path = tmp_path / "big.txt"
    path.write_text("line é\n" * 1000)
    loaded = load_path(path, limit=100)
    assert isinstance(loaded.value, Text)
    assert loaded.value == "line é\n" * 1000
    assert "7,000 characters, 1,000 lines" in loaded.describe()
    assert "finditer" in loaded.describe()
    assert type(load_path(path).value) is str


def test_a_missing_file_is_said_with_the_nearest_names(tmp_path):
    (tmp_path / "Report-2024.txt").write_text("")
    with pytest.raises(ContextError, match=r"no file or folder.*Did you mean.*Report-2024\.txt"):
        load_path(tmp_path / "report-2024.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ContextError, match=r"no folder.*Did you mean.*folder"):
        load_path(tmp_path / "foldr" / "x.txt")
    with pytest.raises(ContextError, match="web address"):
        load_path("https://example.org/x.txt")
    with pytest.raises(ContextError, match="can't be a path"):
        load_path("nul\x00")


def test_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions don't bind this user")
    with pytest.raises(ContextError, match="Permission denied"):
        load_path(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device")
def test_a_device_is_refused_rather_than_read_for_ever():
    with pytest.raises(ContextError, match="neither a file nor a folder"):
        load_path("/dev/zero")


def test_a_folder_gives_its_texts_and_says_what_it_left_out(tmp_path):
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "a.txt").write_bytes(b"one\r\n")
    (tmp_path / "sub" / "b.md").write_text("two")
    (tmp_path / "sub" / ".git" / "config").write_text("hidden")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    loaded = load_path(tmp_path)
    assert loaded.value == {"a.txt": "one\r\n", "sub/b.md": "two"}
    assert loaded.kind == "files"
    told = loaded.describe()
    for word in (
        "2 files",
        "8 characters",
        "'a.txt'",
        "1 file that isn't text was left out",
        "logo.png",
    ):
        assert word in told
    assert "left out" in loaded.info()["note"]


def test_a_folder_without_text_is_refused_naming_the_first_few(tmp_path):
    with pytest.raises(ContextError, match="holds no files"):
        load_path(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.bin").write_bytes(b"\xff\x00")
    with pytest.raises(
        ContextError, match=r"none of its 5 files is UTF-8 \('0\.bin', '1\.bin', '2\.bin', …\)"
    ):
        load_path(tmp_path)


def test_several_are_numbered_and_one_is_not(tmp_path):
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "b.txt").write_text("B")
    assert names(load_all("x")) == ["context"]
    assert names(load_all(several("x"))) == ["context"]
    found = load_all(several("x", [1], tmp_path / "a.txt"))
    assert names(found) == ["context_0", "context_1", "context_2"]
    assert found[2].value == "A"
    listed = ["a", "b"]
    assert load_all(listed)[0].value is listed
    assert names(load_paths([tmp_path / "a.txt", tmp_path / "b.txt"])) == ["context_0", "context_1"]
    assert names(load_all(load_paths([tmp_path / "a.txt"]))) == ["context"]
    with pytest.raises(ContextError, match="at least one"):
        load_all(several())


def test_a_glob_is_one_context(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "a.txt", "c.md", "[x].txt"):
        Path(name).write_text(name)
    assert load_paths(["*.txt"])[0].value == {n: n for n in ("[x].txt", "a.txt", "b.txt")}
    assert load_paths(["*.md"])[0].value == "c.md"
    assert load_paths(["[x].txt"])[0].value == "[x].txt"
    assert names(load_paths(["*.txt", "c.md"])) == ["context_0", "context_1"]
    with pytest.raises(ContextError, match="No file matches"):
        load_paths(["*.csv"])


def test_an_open_file_is_read_from_where_it_stands(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("ab é\r\n".encode())
    with path.open("rb") as file:
        file.read(1)
        assert load(file).value == "b é\r\n"
        assert not file.closed
    with path.open(encoding="utf-8", newline="") as text:
        assert load(text).value == "ab é\r\n"
    with path.open(encoding="ascii") as text, pytest.raises(ContextError, match="isn't ascii"):
        load(text)
    with pytest.raises(ContextError, match="can't be read"):
        load(file)
    assert load(io.StringIO("s")).value == "s"


def test_none_is_not_a_context():
    with pytest.raises(ContextError, match="None"):
        load(None)


def test_the_model_is_told_size_parts_and_a_preview():
    told = load("2024-01-03 | Lagos | pump\n" * 500).describe()
    for word in (
        "13,000 characters",
        "500 lines",
        "3 fields",
        "' | '",
        "It begins '2024",
        "and ends",
    ):
        assert word in told
    told = load(["a" * 10, "b" * 2000, 3]).describe()
    for word in ("3 items", "int, str", "10, 2,000", "First item: 'aaaaaaaaaa'", "Last item: 3"):
        assert word in told
    told = load({"k\n": "v" * 5000}).describe()
    assert "'k\\n' (str, 5,000)" in told
    assert len(told) < 1000
    assert "keys 'a'" in load('{"a": 1}\n' * 20).describe()
    assert "CRLF" in load("x y\r\n" * 20).describe()
    assert load("short").describe().endswith("All of it: 'short'")
    assert "1 line" in load("one\n").size_text()


def test_a_context_that_misbehaves_is_still_described():
    class Bad:
        def __repr__(self):
            raise RuntimeError("no")

        def __len__(self):
            raise RuntimeError("no")

    for value in (Bad(), [Bad()], {"k": Bad()}, {Bad(): 1}):
        told = load(value).describe()
        assert "Bad" in told
        assert len(told) < 2000


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.none() | st.text() | st.binary() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
))  # fmt: skip
def test_any_value_has_a_short_description(value):
    if value is None:
        return
    loaded = load(value)
    assert loaded.value is value
    assert 0 < len(loaded.describe()) < 6000
    loaded.describe().encode()
    assert isinstance(loaded, Loaded)


@pytest.mark.parametrize(
    "value",
    [range(10**30), [range(10**30)], [10**5_000], {"a": 10**5_000}, {10**5_000: 1}],
    ids=["range", "ranges", "numbers", "values", "keys"],
)
def test_a_value_too_long_to_be_counted_or_written_is_described(value):
    assert load(value).describe()


def test_a_table_with_numbers_too_long_to_be_written_is_described():
    pandas = pytest.importorskip("pandas")
    for table in (pandas.DataFrame({10**5_000: [1]}), pandas.DataFrame([[10**5_000]])):
        assert load(table).describe()
