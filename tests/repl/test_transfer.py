"""Values come out of a crossing as they went in, and nothing from a kernel is ever unpickled."""

import io
import json
import math
import pickle
import random
import threading
from collections import Counter, OrderedDict
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import ReplError
from rlm_kernel.protocol import Query
from rlm_kernel.protocol.frames import HEAD, MOST_ITEMS, body_size, pack, refuse_items, unpack
from rlm_kernel.repl.tables import to_arrow
from rlm_kernel.repl.transfer import decode, encode
from rlm_kernel.repl.wire import decode_queries, encode_queries


def crossed(value, *, copies=False):
    """Send a value through a whole frame."""
    parts = []
    frame = b"".join(pack({"v": encode(value, parts, copies=copies)}, parts))
    size = body_size(frame[:HEAD])
    message, sizes = unpack(frame[HEAD : HEAD + size])
    rest, got = frame[HEAD + size :], []
    for n in sizes:
        got.append(rest[:n])
        rest = rest[n:]
    assert rest == b""
    return decode(message["v"], got, copies=copies)


texts = st.text(st.characters())  # lone surrogates, NUL, everything
hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.binary() | st.dates()
    | st.decimals(allow_nan=False) | st.fractions() | st.uuids() | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC)) | st.times()
    | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_plain_values_come_out_equal(value):
    out = crossed(value)
    assert out == value
    assert repr(out) == repr(value) or isinstance(value, (set, frozenset, dict, list, tuple))


@given(texts)
def test_texts_come_out_to_the_letter(text):
    assert crossed(text) == text
    assert crossed(text * 300) == text * 300


@pytest.mark.parametrize(
    "value",
    [
        "\ud83d\ude00",  # two lone surrogates, which JSON would join
        10**5000,
        -(2**53),
        range(2, 10**30, 3),
        Counter({"a": -1, "b": 0}),
        OrderedDict(b=1, a=2),
        bytearray(b"abc"),
        Decimal("-Infinity"),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        [Fraction(1, 3), UUID(int=7), Path("a/b"), time(1, 2), timedelta(days=-1), date(1, 1, 1)],
        {(1, "a"): {2: [None]}, True: False},
    ],
    ids=lambda value: type(value).__name__,
)
def test_particular_values(value):
    out = crossed(value)
    assert out == value
    assert type(out) is type(value)


def test_floats_that_are_no_numbers():
    assert math.isnan(crossed(math.nan))
    assert crossed([math.inf, -math.inf]) == [math.inf, -math.inf]
    assert math.copysign(1, crossed(-0.0)) == -1
    assert crossed(Decimal("NaN")).is_nan()


def test_arrays_and_tables():
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    assert crossed(array).dtype == array.dtype
    assert (crossed(array) == array).all()
    scalar = crossed(np.float32(1.5))
    assert type(scalar) is np.float32
    assert scalar == 1.5
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2026-01-01"] * 2)})
    frame.index = ["r", "s"]
    pd.testing.assert_frame_equal(crossed({"t": frame})["t"], frame)
    series = pd.Series([1.5, 2.5], name="n")
    pd.testing.assert_series_equal(crossed(series), series)


DTYPES = st.sampled_from(
    ["?", "i1", "<i2", ">i4", "i8", "u8", "f2", "<f4", ">f8", "c8", "c16", "S5", "U4", "M8[s]",
     "m8[ns]", "i2,f4"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(DTYPES, st.lists(st.integers(0, 4), max_size=3), st.randoms(use_true_random=False),
       st.booleans())  # fmt: skip
def test_arrays_of_any_kind_and_form_come_out_as_they_went_in(dtype, shape, random, fortran):
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    raw = random.randbytes(count * kind.itemsize)
    if kind.kind == "U":
        array = np.array([random.choice(["", "é", "\0x", "abcd"]) for _ in range(count)], kind)
    elif kind.kind == "b":
        array = np.array([random.random() < 0.5 for _ in range(count)], kind)
    else:
        array = np.frombuffer(raw, kind)
    array = np.array(array.reshape(shape), order="F" if fortran else "C")
    out = crossed({"a": [array]})["a"][0]
    assert (out.dtype, out.shape, out.tobytes()) == (array.dtype, array.shape, array.tobytes())


COLUMNS = st.sampled_from([
    lambda n: [None] * n,
    lambda n: list(range(n)),
    lambda n: [x / 3 if x % 2 else math.nan for x in range(n)],
    lambda n: [math.inf, -math.inf, -0.0][:n] + [0.5] * (n - 3),
    lambda n: pd.array([x if x % 2 else None for x in range(n)], dtype="Int64"),
    lambda n: ["é\r\n\0", "", None, "x" * 9_000][:n] + ["y"] * (n - 4),
    lambda n: pd.Categorical(["b", "a", None][:n] + ["a"] * (n - 3), ["b", "a"], ordered=True),
    lambda n: pd.date_range("2026-03-29", periods=n, freq="h", tz="Europe/Berlin"),
    lambda n: pd.timedelta_range("1s", periods=n),
    lambda n: [x % 2 == 0 for x in range(n)],
    lambda n: [Decimal(x) / 8 for x in range(n)],
    lambda n: [bytes([x]) for x in range(n)],
    lambda n: [date(2026, 1, x + 1) for x in range(n)],
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=4), COLUMNS, max_size=5), st.integers(0, 9))
def test_tables_come_out_as_they_went_in(columns, rows):
    try:
        for name in columns:
            name.encode()
        frame = pd.DataFrame({name: make(rows) for name, make in columns.items()})
    except UnicodeEncodeError:
        return  # a name that no table of Arrow's can have
    out = crossed([frame], copies=True)[0]
    pd.testing.assert_frame_equal(out, frame)
    for name in frame.columns:
        pd.testing.assert_series_equal(crossed(frame[name], copies=True), frame[name])


class Mine:
    def __init__(self, x):
        self.x = x


def test_other_objects_are_refused_from_a_kernel_and_copied_to_it():
    with pytest.raises(ReplError, match=r"test_transfer\.Mine can't cross"):
        crossed(Mine(3))
    copy = crossed([Mine(3)], copies=True)[0]
    assert (type(copy).__name__, copy.x) == ("Mine", 3)
    with pytest.raises(ReplError, match="can't be copied"):
        crossed(threading.Lock(), copies=True)
    with pytest.raises(ReplError, match="can't cross"):
        crossed(np.array([object()]))


def test_a_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ReplError, match="nested"):
        crossed(loop)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("tag", ["pickle", "array", "scalar", "frame", "series"])
def test_a_pickle_from_a_kernel_is_never_loaded(tag):
    bomb = pickle.dumps(Bomb())
    array = np.empty(1, object)
    array[0] = Bomb()
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    for part in (bomb, file.getvalue()):
        with pytest.raises(ReplError):
            decode({tag: 0, "name": None}, [part])


def test_a_table_whose_offsets_point_outside_of_it_is_refused():
    good = to_arrow(pd.DataFrame({"values": ["abcd", "efgh"]}))
    # pandas' texts have offsets of 8 bytes in some versions, of 4 in others
    sizes = [s for s in (np.int32, np.int64) if good.count(np.array([0, 4, 8], s).tobytes()) == 1]
    assert sizes
    size = sizes[-1]
    offsets = np.array([0, 4, 8], size).tobytes()
    outside = np.array([0, 4, 1 << 30], size).tobytes()
    assert list(decode({"frame": 0}, [good])["values"]) == ["abcd", "efgh"]
    with pytest.raises(ReplError, match="can't be read"):
        decode({"frame": 0}, [good.replace(offsets, outside)])


def test_a_part_is_taken_once():
    text = "x" * 5_000
    with pytest.raises(ReplError, match="can't be read"):
        decode([{"text": 0}, {"text": 0}], [text.encode()])
    parts = [text.encode(), text.encode()]
    assert decode({"text": 0}, parts) == text
    with pytest.raises(ReplError):  # also by another value of the same message
        decode({"blob": 0}, parts)
    assert decode({"text": 1}, parts) == text


def test_what_unpacks_to_any_size_is_refused():
    archive = io.BytesIO()
    np.savez_compressed(archive, np.zeros(1_000_000))
    nulls = pa.table({"values": pa.nulls(1_000_000)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, nulls.schema) as writer:
        writer.write_table(nulls)
    for tag, part in (("array", archive.getvalue()), ("frame", sink.getvalue().to_pybytes())):
        assert len(part) < 10_000
        with pytest.raises(ReplError, match=r"can't be read|would be too large"):
            decode({tag: 0}, [part])


def stream(table, *, packed=None):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=packed)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


LONG = np.zeros(3_000_000)
RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([3_000_000], pa.int32()), pa.array(["x" * 50]))
NULLS = pa.ListArray.from_arrays(pa.array([0, 3_000_000], pa.int32()), pa.nulls(3_000_000))


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (stream(pa.table({"values": LONG}), packed="zstd"), "A packed table isn't taken"),
        (stream(pa.table({"values": LONG}), packed="lz4"), "A packed table isn't taken"),
        (
            stream(pa.table({"values": pa.array(["x" * 9_000_000]).dictionary_encode()}),
                   packed="zstd"),
            "A packed table isn't taken",
        ),
        (stream(pa.table({"values": RUNS})), "of type run_end_encoded"),
        (stream(pa.table({"values": NULLS})), "type list"),
        (
            stream(pa.table({"values": pa.array([0], pa.int8())}).set_column(
                0, "values",
                pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.nulls(3_000_000)),
            )),
            "of type dictionary",
        ),
        (
            stream(pa.table({"values": pa.array(np.zeros(3_000_000, bool)),
                             **{f"n{i}": pa.nulls(3_000_000) for i in range(20)}})),
            "rows and would be too large",
        ),
    ],
    ids=["zstd", "lz4", "packed dictionary", "runs", "list of nulls", "dictionary of nulls",
         "nulls beside bits"],
)  # fmt: skip
def test_tables_are_counted_before_they_are_unpacked(part, why):
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(ReplError, match=why):
            decode({"frame": 0}, [part])
    finally:
        pa.set_memory_pool(before)
    assert (pool.max_memory() or 0) < 1 << 20


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": pd.Categorical(["x", "y", "x"]), "b": [None, None, None]}),
        pd.DataFrame({"a": pd.interval_range(0, 3), "b": pd.period_range("2026", periods=3)}),
        pd.DataFrame({"a": [b"x", None], "b": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"a": [Decimal("1.5")], "b": [date(2026, 1, 1)], "c": [{"x": 1}]}),
        pd.DataFrame({f"c{i}": np.zeros(2, bool) for i in range(300)}),
        pd.DataFrame({"a": pd.to_datetime(["2026-01-01"], utc=True), "b": [time(1, 2)]}),
        pd.DataFrame(),
        pd.DataFrame({"a": np.zeros(500_000, bool)}),
    ],
    ids=["categories", "intervals", "bytes", "decimals", "wide", "times", "empty", "bits"],
)
def test_tables_of_other_kinds_still_come_out_as_they_went_in(frame):
    assert to_arrow(frame) is not None
    pd.testing.assert_frame_equal(crossed(frame), frame)


def told(names=("a",), **about):
    """Give a table that says of itself what no table of ours does."""
    about = {"index_columns": [], "columns": [], "column_indexes": [], **about}
    table = pa.table({name: [1] for name in names})
    return stream(table.replace_schema_metadata({"pandas": json.dumps(about)}))


def labels(kind, times=1):
    one = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": kind,
           "metadata": None}  # fmt: skip
    return {"column_indexes": [one] * times}


@pytest.mark.parametrize(
    "part",
    [
        told(**labels("S2000000000")),
        told(**labels("U500000000")),
        told(**labels("S9," * 1000 + "S9")),
        told(columns=[{"name": "a", "field_name": "a", "numpy_type": "(" * 1000}]),
        told(["(" + "1," * 1_000_000 + ")"], **labels("object", 2)),
        told([f"({'1,' * 1500}{n})" for n in range(2000)], **labels("object", 2)),
    ],
    ids=["bytes", "texts", "many types", "brackets", "a long name", "long names"],
)
def test_words_by_which_a_table_would_become_large_are_refused(part):
    with pytest.raises(ReplError, match=r"isn't taken|column names of over"):
        decode({"frame": 0}, [part])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        pd.DataFrame([[1]], columns=pd.to_datetime(["2026-01-01"], utc=True)),
        pd.DataFrame({"a": pd.array([1], dtype=pd.ArrowDtype(pa.timestamp("ns", "UTC")))}),
    ],
    ids=["pairs", "times", "of Arrow"],
)
def test_tables_with_labels_of_other_kinds_come_out_as_they_went_in(frame):
    assert to_arrow(frame) is not None
    pd.testing.assert_frame_equal(crossed(frame), frame)


@pytest.mark.parametrize(
    "more",
    [{"max_tokens": 10**5_000}, {"temperature": -(10**5_000)}, {"temperature": float("nan")}],
    ids=["tokens", "temperature", "nan"],
)
def test_a_call_with_a_number_that_no_request_can_hold_is_no_call(more):
    parts = []
    with pytest.raises(ReplError, match="isn't a call"):
        decode_queries(encode_queries([Query("x", **more)], parts), parts)
    fine = [Query("x", max_tokens=10, temperature=0.5)]
    assert decode_queries(encode_queries(fine, parts), parts) == fine


def test_a_fraction_that_takes_long_to_be_reduced_is_refused():
    fine = Fraction(3**5_000, 7**5_000)
    assert crossed(fine) == fine
    long = [hex(random.getrandbits(8_000_000)) for _ in range(2)]
    with pytest.raises(ReplError, match="fraction"):
        decode({"fraction": long}, [])


def test_an_array_of_items_without_a_size_is_refused():
    head = "{'descr': '|S0', 'fortran_order': False, 'shape': (30000000000,), }".ljust(117) + "\n"
    file = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    with pytest.raises(ReplError, match="can't be read"):
        decode({"array": 0}, [file])


@pytest.mark.parametrize("tag", ["set", "frozenset", "dict", "counter", "ordered"])
def test_keys_that_were_made_to_collide_are_refused(tag):
    keys = [k * (2**61 - 1) for k in range(1, 1_000)]
    assert len(set(map(hash, keys))) == 1
    body = keys if tag.endswith("set") else [[key, None] for key in keys]
    with pytest.raises(ReplError, match="can't be read"):
        decode({tag: body}, [])
    assert crossed({2.0**k for k in range(-1000, 1000)}) == {2.0**k for k in range(-1000, 1000)}


def test_json_of_too_many_items_is_refused_before_it_is_read():
    many = b'{"v":[' + b"[]," * (MOST_ITEMS // 2) + b"1]}"
    with pytest.raises(ReplError, match="more than 2,000,000 items can't come"):
        unpack(many)
    assert len(unpack(many, trusted=True)[0]["v"]) > MOST_ITEMS // 2
    with pytest.raises(ReplError, match="as a text, an array or a table"):
        pack({"v": [0] * (MOST_ITEMS + 1)})
    pack({"v": [0] * (MOST_ITEMS + 1)}, trusted=True)


def test_what_stands_in_texts_are_no_items():
    text = '[{,"\\,' * 400
    message = {"v": [text] * 1_000}
    assert b"".join(pack(message)).count(b",") > MOST_ITEMS / 4
    assert unpack(pack({"v": [text] * 2_000})[0][HEAD:])[0]["v"][1] == text


def test_a_text_that_is_never_closed_is_counted_once():
    # Each escaped quote would be the beginning of one if the first weren't read to the end.
    with pytest.raises(ReplError, match="malformed"):
        unpack(b"," * (MOST_ITEMS - 10) + b'"' + b'\\"' * 1_000_000 + b"," * 100)


@given(st.recursive(
    st.none() | st.integers(-9, 9) | st.text(st.sampled_from('",[{\\ab'), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
))  # fmt: skip
def test_items_are_counted_exactly(data):
    text = json.dumps(data, separators=(",", ":")).encode()
    with patch("rlm_kernel.protocol.frames.MOST_ITEMS", count := counted(data)):
        refuse_items(text)
    if count:
        with (
            patch("rlm_kernel.protocol.frames.MOST_ITEMS", count - 1),
            pytest.raises(ReplError, match="items"),
        ):
            refuse_items(text)


def counted(data):
    """Count the brackets that open and the commas of a value's JSON."""
    if not isinstance(data, (list, dict)):
        return 0
    inner = list(data.values()) if isinstance(data, dict) else data
    return 1 + max(0, len(inner) - 1) + sum(map(counted, inner))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["int", "dict", "tuple", "datetime", "range", "array", "text", "x"]
                ),
                inner,
                max_size=2,
            )
        ),
        max_leaves=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_nonsense_is_refused_with_a_sentence_or_is_a_value(data):
    with suppress(ReplError):  # no other exception
        decode(data, [b"junk"])


@given(st.binary(max_size=200))
def test_frames_of_nonsense_are_refused(data):
    with suppress(ReplError):  # no other exception
        size = body_size(data[:HEAD].ljust(HEAD, b"\0"))
        unpack(data[HEAD : HEAD + size])


def test_frames_that_promise_too_much_are_refused():
    with pytest.raises(ReplError):
        body_size(b"\xff\xff\xff\xff")
    for sizes in ("[99999999999]", "[-1]", "[true]", "{}", "[1e9]"):
        with pytest.raises(ReplError):
            unpack(b'{"parts": %s}' % sizes.encode())
    with pytest.raises(ReplError):
        unpack(b"[" * 100_000)
