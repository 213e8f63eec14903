"""The model behind ``scripts/scaling.py``: known values of its sums, and what it says and draws of a projection."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "scaling.py"


@pytest.fixture(scope="module")
def scaling() -> Any:
    spec = importlib.util.spec_from_file_location("scaling", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STEP = {"c0": 1e-3, "c1": 1e-5, "bytes": 8e6, "pack": 8e9}
FOUND = {
    "batch": 100,
    "seconds": {"1 ranks": 2e-3, "1 threads": 2e-3, "2 ranks": 1.5e-3, "2 threads": 1.2e-3},
    "model": STEP,
}


def test_the_best_of_three_ways_is_taken(scaling: Any) -> None:
    a, b = 1e-5, 1e9
    assert scaling.sum_up(1, 1e6, a, b) == 0
    assert scaling.sum_up(1024, 4, a, b) == pytest.approx(10 * (a + 4 / b))  # few bytes: doubling
    assert scaling.sum_up(8, 1e9, a, b) == pytest.approx(6 * a + 2 * 7 / 8 * 1e9 / b)  # many: Rabenseifner's
    assert scaling.sum_up(3, 1e9, a, b) == pytest.approx(4 * a + 2 * 2 / 3 * 1e9 / b)  # or the ring, as quick there


def test_a_step_of_several_ranks_packs_and_sums_up_and_that_of_one_does_not(scaling: Any) -> None:
    assert scaling.project(STEP, 100, 1, 1e-5, 1e9) == pytest.approx(2e-3)
    assert scaling.project(STEP, 50, 2, 1e-5, 1e9) == pytest.approx(1.5e-3 + 1e-3 + scaling.sum_up(2, 8e6, 1e-5, 1e9))


def test_what_is_projected_is_marked_as_that_and_what_was_measured_is_a_ratio(scaling: Any) -> None:
    lines = scaling.describe("100-10", FOUND, [1, 2])
    assert "2 ranks      1,500 us a step, 1.25 of one process with 2 threads, efficiency 0.67" in lines[3]
    begin = lines.index("  PROJECTION, not measured; the step of a rank is this machine's, on one thread:")
    assert begin == 4
    assert len(lines) == 5 + 3 * len(scaling.CLUSTERS)
    assert all("1024: " in line for line in lines[5:] if "weak" in line or "strong" in line)


def test_it_is_drawn(scaling: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    scaling.draw({"networks": {"100-10": FOUND}}, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
