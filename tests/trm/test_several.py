"""Several processes that train one model: the same weights, one file, and what a death leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch isn't here: pip install 'rlm-kernel[trm]'")

from rlm_kernel import trm
from rlm_kernel.trm.checkpoint import read_tensors

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]


def started(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "rlm_kernel", "trm", "train", "sudoku4", "--training", "t.safetensors", *more,
    ]  # fmt: skip
    here = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(command, cwd=folder, env=here, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def test_two_learn_what_one_would_and_the_first_alone_speaks_and_writes(tmp_path: Path) -> None:
    for updates in ("3", "5"):  # the second goes on with the first
        ran = started(tmp_path, "--updates", updates)
        _, told = ran.communicate(timeout=400)
        assert ran.returncode == 0, told
        assert len(re.findall(rf" {updates} updates  loss", told)) == 1
        assert told.count("Written: sudoku4-0.safetensors") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"sudoku4-0.safetensors", "t.safetensors"}
    two, one = trm.load(tmp_path / "sudoku4-0.safetensors"), trm.train("sudoku4", updates=5)
    assert two.card["updates"] == 5
    assert two.card["exact"] == list(one.card["exact"])
    for name, value in one.state.items():
        assert np.abs(two.state[name] - value).max() < 1e-5, name


def test_where_one_dies_the_others_end_and_the_training_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    ran = started(tmp_path, "--updates", "1000000")
    while not path.exists():
        assert ran.poll() is None, ran.communicate()[1]
        time.sleep(0.1)
    children = Path(f"/proc/{ran.pid}/task/{ran.pid}/children").read_text().split()
    second = next(int(pid) for pid in children if b"LOCAL_RANK=1" in Path(f"/proc/{pid}/environ")
                  .read_bytes().split(b"\0"))  # fmt: skip
    os.kill(second, signal.SIGKILL)
    ran.communicate(timeout=400)
    assert ran.returncode != 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert [one.name for one in tmp_path.iterdir()] == ["t.safetensors"]
    about, tensors = read_tensors(path)
    assert "about" in about
    assert len(tensors) > 20
