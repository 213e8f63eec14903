"""A training that is killed at random moments ends with the bits of one that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_runs.py")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("kind, kills, seed", [("arrays", 30, 1), ("mapped", 12, 2)])
def test_killed_at_random_moments_it_ends_with_the_same_bits(kind, kills, seed, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(SCRIPT), str(tmp_path), kind, str(kills), str(seed)],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["killed"] == kills
    assert report["starts"] > kills // 3, "the children went on from too few different moments"
    assert report["codes"] == [0, 0], done.stderr
    killed, alone = report["left"]
    for name in alone:
        assert killed[name] == alone[name], name
    assert len(alone["history"]["loss"]) > 30
    assert len(alone["plateau"][0]) > 2
    assert report["files"] == 2, "two checkpoints are kept, and nothing else"
