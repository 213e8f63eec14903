"""scripts/gpu_check.sh with a stand-in for the interpreter: order, limits, and what is left out. No GPU is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gpu_check.sh"

pytestmark = [
    pytest.mark.skipif(not SCRIPT.is_file(), reason="needs the checkout, for its script"),
    pytest.mark.skipif(shutil.which("timeout") is None or os.name != "posix", reason="needs bash and timeout"),
]

INTERPRETER = """#!/usr/bin/env bash
case "$1" in
  -) cat > /dev/null; echo "a machine" ;;
  -c) for name in $MISSING; do case "$2" in *"'$name'"*) exit 1 ;; esac; done
      case "$2" in *"import sys, cupy;"*) exit "${ONE_CARD:-0}" ;; esac
      case "$2" in *"import sys, torch;"*|*"import sys, jax;"*) exit "${NO_CUDA_IN_OTHERS:-0}" ;; esac ;;
  *) echo "ran $*"
     for name in $SLOW; do case "$*" in *"$name"*) exec sleep 60 ;; esac; done
     for name in $FAILING; do case "$*" in *"$name"*) exit 1 ;; esac; done ;;
esac
exit 0
"""


def _check(folder: Path, **variables: str) -> tuple[int, str]:
    """Run the script; return its exit code and its report."""
    interpreter = folder / "python"
    interpreter.write_text(INTERPRETER)
    interpreter.chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if k != "LIMIT"}
    environment = {**clean, "PYTHON": str(interpreter), "MISSING": "", "SLOW": "", "FAILING": "", **variables}
    done = subprocess.run(
        ["bash", str(SCRIPT), str(folder / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (folder / "out" / "report.txt").read_text()


def test_every_part_runs_in_order(tmp_path: Path) -> None:
    code, report = _check(tmp_path)
    parts = [line.split()[1] for line in report.splitlines() if " (at most " in line]
    assert parts == [
        "tests_cupy", "tests_torch", "predict", "fits", "steps", "tests_jax", "tests_cards", "compare_backends", "xor",
        "digits",
    ]  # fmt: skip
    for part in parts:
        assert (tmp_path / "out" / f"{part}.txt").read_text().startswith("ran "), part
    assert "-n 8" in report
    assert "left out: 0" in report
    assert "outcome: passed" in report
    assert code == 0


def test_what_needs_a_missing_package_is_left_out_and_said(tmp_path: Path) -> None:
    code, report = _check(tmp_path, MISSING="typer xdist", NO_CUDA_IN_OTHERS="1")
    assert "--ignore=tests/cli" in report
    assert "-n 8" not in report
    end = report.partition("== left out: ")[2]
    for reason in (
        "the command line's tests: the command line does not start", "xor, digits: the command line does not start",
        "tests_torch: there is no PyTorch with CUDA here", "tests_jax: there is no JAX with CUDA here",
    ):  # fmt: skip
        assert reason in end
    assert "bpx xor" not in report
    assert code == 0


def test_sums_over_cards_are_left_out_where_there_is_one(tmp_path: Path) -> None:
    code, report = _check(tmp_path, ONE_CARD="1")
    assert "tests_cards: there is one card here, and sums over cards need two" in report.partition("== left out: ")[2]
    assert "== tests_cards (at most" not in report
    assert code == 0


def test_sums_over_cards_need_what_starts_processes(tmp_path: Path) -> None:
    code, report = _check(tmp_path, MISSING="mpi4py", NO_CUDA_IN_OTHERS="1")
    assert "tests_cards: there is no mpi4py and no PyTorch with CUDA" in report.partition("== left out: ")[2]
    assert code == 0


def test_a_command_line_that_does_not_start_is_left_out(tmp_path: Path) -> None:
    code, report = _check(tmp_path, FAILING="backends")
    assert "--ignore=tests/cli" in report
    assert "xor, digits: the command line does not start" in report.partition("== left out: ")[2]
    assert code == 1, "compare_backends.py failed too, which the stand-in cannot tell from it"


def test_a_failure_is_an_outcome_and_the_rest_runs(tmp_path: Path) -> None:
    code, report = _check(tmp_path, FAILING="cuda-fits")
    assert "== fits FAILED" in report
    assert "digits" in report
    assert code == 1


@pytest.mark.slow
def test_the_whole_ends_in_time_and_what_had_none_left_is_said(tmp_path: Path) -> None:
    began = time.perf_counter()
    code, report = _check(tmp_path, LIMIT="14", SLOW="cuda-fits")
    assert time.perf_counter() - began < 40
    assert "fits: stopped at its limit of" in report
    assert "steps: no time is left" in report
    assert "digits: no time is left" in report
    assert code == 1
