"""The benchmark compares like with like: all peers do the same work. No test here says anything about time."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmarks import command_line, measuring, peers, report, steadiness, targets, tasks, threads
from benchmarks.cases import busy, comparison, device
from benchmarks.measuring import Case, Line, Spread
from benchmarks.peers import cupy_products
from benchmarks.settings import Settings
from benchmarks.steadiness import Watch

os.environ.setdefault("KERAS_BACKEND", threads.keras_backend())  # read when Keras is first imported

WITH_SGD_ONLY = (peers.SKLEARN,)
"""A warm start of scikit-learn forgets Adam's moments: with Adam it is compared by the fit."""

WHOLE_BATCHES_ONLY = (peers.SCAN,)
OTHER_LOSS = (peers.SKLEARN, peers.NOTEBOOK)

WORK = [
    (name, optimizer, rows)
    for name in peers.MLP
    for optimizer, rows in (("sgd", 32), ("adam", 32), ("sgd", 29))
    if name not in (peers.FLOOR, peers.FLOOR_CUDA, peers.COMPILED, peers.REDUCED_CUDA)
    and not (optimizer == "adam" and name in WITH_SGD_ONLY)
    and not (rows == 29 and name in WHOLE_BATCHES_ONLY)
]
"""Peers, optimizers and rows; in batches of 8, 29 rows leave a short one."""


def made(table: peers.Table, name: str, *arguments: Any) -> Any:
    found, missing = peers.make(table, (name,), *arguments)
    if missing:
        pytest.skip(f"{name}: {missing[name]}")
    return found[name]


@pytest.mark.slow
@pytest.mark.parametrize("name, optimizer, rows", WORK)
def test_trainers_do_the_same_work(name: str, optimizer: str, rows: int) -> None:
    task = tasks.Task((6, 5, 4, 3), 8, rows, optimizer, 0.05)
    expected = peers.load(peers.MLP, peers.HAND)(task)
    trainer = made(peers.MLP, name, task)
    for each in (expected, trainer):
        each.train(3)
        each.train(2)  # goes on, with the optimizer's state
    assert trainer.loss == pytest.approx(expected.loss, rel=1e-5)
    for ours, reference in zip(trainer.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=2e-3, atol=1e-4)
    for weight, (first, _) in zip(trainer.parameters()[::2], task.start(), strict=True):
        assert np.abs(weight - first).max() > 1e-2, "nothing was learned"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in peers.XOR if name not in OTHER_LOSS])
def test_xor_trainers_do_the_same_work(name: str) -> None:
    expected = peers.load(peers.XOR, peers.HAND)()
    trainer = made(peers.XOR, name)
    for each in (expected, trainer):
        each.train(150)
    assert trainer.loss == pytest.approx(expected.loss, rel=1e-12)
    for ours, reference in zip(trainer.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-12)


def test_xor_as_published_is_the_notebook_to_the_bit() -> None:
    notebook, ours = peers.load(peers.XOR, peers.NOTEBOOK)(), peers.load(peers.XOR, peers.BPX)(True)
    start = tasks.xor_start()
    for each in (notebook, ours):
        each.train(300)
        for number, (_, bias) in enumerate(start):
            np.testing.assert_array_equal(each.parameters()[2 * number + 1], bias)
    for a, b in zip(ours.parameters(), notebook.parameters(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(peers.PREDICT))
def test_predictors_agree(name: str) -> None:
    task = tasks.Task((6, 5, 4, 3), 8, 32)
    x = task.data()[0]
    found = np.asarray(made(peers.PREDICT, name, task)(x))
    assert found.shape == (32, 3)
    np.testing.assert_allclose(found, peers.load(peers.PREDICT, peers.HAND)(task)(x), rtol=1e-5, atol=1e-6)


def test_floor_has_every_product_of_a_step() -> None:
    floor = peers.load(peers.MLP, peers.FLOOR)(tasks.Task((6, 5, 4, 3), 8, 32))
    assert len(floor.products) == 3 + 3 + 2  # forward, weights, and the inputs of all layers but the first
    floor.train(1)


def test_floor_on_cuda_waits_for_its_products_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rehearsed with NumPy in CuPy's place: what it is asked for is what both have."""
    waited = []

    class Device:
        def synchronize(self) -> None:
            waited.append(floor.products[-1].keywords["out"].copy())

    monkeypatch.setattr(cupy_products, "available", lambda name: name)
    monkeypatch.setattr(bpx, "get_backend", {"cupy": Device()}.__getitem__)
    monkeypatch.setitem(sys.modules, "cupy", np)
    floor = cupy_products.CupyProducts(tasks.Task((6, 5, 4, 3), 8, 32))
    floor.train(2)
    assert len(floor.products) == 3 + 3 + 2
    last = floor.products[-1]
    assert len(waited) == 1
    np.testing.assert_array_equal(waited[0], np.matmul(*last.args))


def test_blocks_run_in_turn_and_in_both_orders() -> None:
    ran: list[str] = []
    seconds = measuring.interleave({name: lambda name=name: ran.append(name) for name in "ABC"}, 2, settle=0.0)
    assert "".join(ran) == "ABCCBAABC"
    assert {name: len(values) for name, values in seconds.items()} == {"A": 2, "B": 2, "C": 2}


def watch(*readings: float, patience: float = 60.0) -> Watch:
    """Return a watch whose probe gives these readings, and then the shortest of them."""
    left = list(readings)
    made = Watch(lambda: left.pop(0) if left else min(readings), pause=0.0)
    made.patience = patience
    return made


def test_rounds_wait_for_processors_near_each_other() -> None:
    seen, ran = watch(1.0, 1.3, 1.0, 1.6, 1.1), []
    assert seen.steady()
    measuring.interleave({"A": lambda: ran.append("A")}, 1, settle=0.0, watch=seen)
    # waits for 1.3 to become 1.0; the round that ends at 1.6 does not count, and 1.1 is near enough to go on
    assert ran == ["A"] * 3
    assert (seen.repeated, seen.best) == (1, 1.0)
    assert seen.waited > 0.0


def test_a_round_that_does_not_count_leaves_no_time_behind() -> None:
    seconds = iter([5.0, 7.0, 9.0])  # of the round before, of the one that is made again, and of that again
    readings = watch(1.0, 1.0, 1.0, 2.0, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_timed", lambda block, settle: next(seconds))
        assert measuring.interleave({"A": lambda: None}, 1, watch=readings) == {"A": [9.0]}


def test_patience_ends() -> None:
    """On a machine that gets worse for good, rounds count all the same."""
    seen = watch(1.0, *[2.0] * 10_000, patience=0.05)
    assert seen.steady()
    seconds = measuring.interleave({"A": lambda: None}, 3, settle=0.0, watch=seen)
    assert len(seconds["A"]) == 3
    assert 0.04 < seen.waited < 5.0


def test_without_patience_nothing_is_probed() -> None:
    def fail() -> float:
        raise AssertionError("probed")

    assert len(measuring.interleave({"A": lambda: None}, 2, settle=0.0, watch=Watch(fail))["A"]) == 2


def test_the_first_look_ends_when_both_states_were_seen() -> None:
    seen = watch(1.5, 1.4, 1.0, 9.0)
    seen.begin(7.0, look=60.0)
    assert (seen.patience, seen.best, seen.probe()) == (7.0, 1.0, 9.0)
    began = time.perf_counter()
    watch(1.0).begin(7.0, look=0.05)
    assert time.perf_counter() - began < 5.0


def test_the_probe_is_a_time() -> None:
    assert 0.0 < steadiness.product_seconds() < 1.0


def test_ratios_are_taken_round_by_round() -> None:
    case = Case("x", "x", "s", lines={"a": Line("a", [1.0, 20.0, 3.0]), "b": Line("b", [2.0, 10.0, 1.0])})
    assert case.ratio("a", "b") == Spread(2.0, 1.25, 2.5)
    assert case.ratio("a", "c") is None


def test_slope_of_quadratic_growth() -> None:
    assert measuring.slope([1, 2, 4], [5.0, 20.0, 80.0]) == pytest.approx(2.0)


def test_a_skipped_epoch_is_noticed() -> None:
    assert comparison.disagreement({"a": 1.0, "b": 1.001, "c": None}, 0.01) == ""
    assert "b 1.1" in comparison.disagreement({"a": 1.0, "b": 1.1}, 0.01)


def test_a_failing_peer_is_named_and_ends_in_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("no such kernel")

    case = comparison.compare_blocks(Case("x", "x", "s"), {"good": lambda: None, "bad": fail}, 1, 1)
    assert list(case.lines) == ["good"]
    assert case.missing == {"bad": "FAILED: RuntimeError: no such kernel"}
    options = argparse.Namespace(json=None, markdown=None, plot=None, quick=True)
    assert command_line.write([{"x": case}], options) == 1
    assert "missing: bad (FAILED: RuntimeError: no such kernel)" in capsys.readouterr().out


def sgd_case(bpx: float, hand: float, torch: float) -> dict[str, Case]:
    seconds = {peers.BPX: bpx, peers.HAND: hand, peers.TORCH: torch}
    lines = {name: Line(name, [value, value]) for name, value in seconds.items()}
    return {"sgd/64-32-10": Case("sgd/64-32-10", "x", "s", lines=lines, missing={peers.JAX: "not installed"})}


@pytest.mark.parametrize(
    "bpx, hand, torch, against_hand, against_torch",
    [
        (1.2, 1.0, 3.0, "yes", "yes"),
        (1.3, 1.0, 3.0, "no", "yes"),
        (3.1, 3.0, 3.0, "yes", "yes (NumPy by hand is at 1.00 itself)"),
        (3.1, 2.9, 3.0, "yes", "no"),
    ],
)
def test_verdicts(bpx: float, hand: float, torch: float, against_hand: str, against_torch: str) -> None:
    run = sgd_case(bpx, hand, torch)
    chosen = [t for t in targets.targets() if t.case == "sgd/64-32-10"]
    verdicts = {t.against: report.holds([targets.judge(t, run)]) for t in chosen if t.peer == peers.BPX}
    assert verdicts[peers.HAND] == against_hand
    assert verdicts[peers.TORCH] == against_torch
    assert verdicts[peers.JAX] == "not measured: JAX jitted: not installed"


def test_runs_that_disagree_are_said_to() -> None:
    target = next(t for t in targets.targets() if t.case == "sgd/64-32-10")
    verdicts = [targets.judge(target, sgd_case(value, 1.0, 3.0)) for value in (1.2, 1.3)]
    assert report.holds(verdicts) == "runs disagree: yes, no"


def test_below_a_peer_wherever_numpy_by_hand_is_holds_whether_it_is_or_not() -> None:
    target = next(t for t in targets.targets() if t.case == "sgd/64-32-10" and t.against == peers.TORCH)
    runs = [sgd_case(2.9, 2.9, 3.0), sgd_case(3.1, 3.1, 3.0)]
    verdicts = [targets.judge(target, run) for run in runs]
    assert report.holds(verdicts) == "yes (NumPy by hand is at 1.03 itself)"
    verdicts.append(targets.judge(target, sgd_case(3.1, 2.9, 3.0)))
    assert report.holds(verdicts) == "runs disagree: yes, yes, no"


def test_every_target_has_a_case() -> None:
    names = "xor sgd adam epoch estimator predict busy memory import compiled cuda mlx"
    for target in targets.targets():
        assert target.case.partition("/")[0] in names.split()
        assert target.limit >= 0


def test_without_a_cuda_device_its_targets_are_gaps_with_a_reason() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here; scripts/gpu_check.sh runs this case")
    cases = command_line.run_cases(["cuda"], Settings.tiny())
    assert list(cases) == ["cuda/sgd/64-32-10", "cuda/adam/64-32-10"]
    (target,) = (t for t in targets.targets() if t.case == "cuda/adam/64-32-10")
    verdict = targets.judge(target, cases)
    assert (verdict.value, verdict.holds) == (None, None)
    assert verdict.reason == f"not measured: {peers.TORCH_CUDA}: no CUDA device"


@pytest.mark.slow
@pytest.mark.parametrize("processors", [2, 3])
def test_a_busy_machine_is_one_of_two_processors(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "count_processors", lambda: processors)
    cases = command_line.run_cases(["busy"], Settings.tiny())
    found = [target for target in targets.targets() if target.group == "a busy machine"]
    assert {target.case for target in found} == set(cases)
    for verdict in (targets.judge(target, cases) for target in found):
        if processors == 2:
            assert verdict.value is not None
            assert verdict.value.median > 0
        else:
            assert "this machine has 3 processors" in verdict.reason


def test_neighbors_end_with_the_block() -> None:
    with busy.neighbors(2) as processes:
        assert [process.poll() for process in processes] == [None, None]
    assert all(process.poll() is not None for process in processes)


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor stand for the device, for one test."""
    for table in ("DEVICE", "DEVICE_INFERENCE"):
        monkeypatch.setattr(peers, table, dict(getattr(peers, table)))
    device.rehearse()


ON_A_DEVICE = [name for name in peers.DEVICE if name not in (peers.FLOOR_CUDA, peers.REDUCED_CUDA)]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", ON_A_DEVICE)
def test_trainers_of_a_device_do_the_same_work(name: str, optimizer: str, rehearsed: None) -> None:
    task = tasks.Task((6, 5, 4, 3), 8, 32, optimizer, 0.05)
    expected = peers.load(peers.MLP, peers.HAND)(task)
    trainer = made(peers.DEVICE, name, task, "float32")
    for each in (expected, trainer):
        each.train(3)
        each.train(2)
    assert trainer.loss == pytest.approx(expected.loss, rel=1e-5)
    for ours, reference in zip(trainer.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=2e-3, atol=1e-4)


@pytest.mark.slow
def test_bfloat16_is_bfloat16(rehearsed: None) -> None:
    """What was rounded is off by more than float32 rounds, and less than bfloat16 may be."""
    task = tasks.Task((6, 5, 4, 3), 8, 32, "sgd", 0.05)
    losses = {}
    for name in (peers.BPX_CUPY, peers.TORCH_CUDA, peers.GRAPH_CUDA):
        for precision in ("float32", "bfloat16"):
            trainer = made(peers.DEVICE, name, task, precision)
            trainer.train(3)
            losses[name, precision] = trainer.loss
        assert 1e-6 < abs(losses[name, "bfloat16"] / losses[name, "float32"] - 1.0) < 2e-2, name


def test_products_alone_are_all_of_them_in_their_precision(rehearsed: None) -> None:
    torch = pytest.importorskip("torch")
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("tf32", torch.float32)):
        floor = made(peers.DEVICE, peers.FLOOR_CUDA, tasks.Task((6, 5, 4, 3), 8, 32), precision)
        floor.train(1)
        assert len(floor.alone.products) == 3 + 3 + 2
        assert floor.alone.products[0].keywords["out"].dtype == dtype
    assert torch.get_float32_matmul_precision() == "highest", "a setting of the process is put back"


@pytest.mark.slow
def test_the_cases_of_a_device_run_where_the_processor_stands_for_it(
    rehearsed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(device, "BLOCK_SECONDS", 1e-3)  # nothing is timed here
    cases = command_line.run_cases(["cuda-steps", "cuda-fits", "cuda-predict"], Settings.tiny())
    assert set(cases) == {
        *(f"cuda/{p}/{o}/64-32-10" for p in ("float32", "tf32", "bfloat16") for o in ("sgd", "adam")),
        *(f"cuda/fit/{peer}/{o}/64-32-10" for peer in (peers.BPX_CUPY, peers.BPX_TORCH_CUDA) for o in ("sgd", "adam")),
        *(f"cuda/{what}/{rows}" for what in ("predict", "evaluate") for rows in (1, 32, 8192)),
        *(f"cuda/compiled/sgd/{size}" for size in ("64-32-10", "784-128-10")),
    }
    for case in cases.values():
        assert case.disagreement == ""
        assert not any("FAILED" in reason for reason in case.missing.values()), case.missing
    judged = [targets.judge(t, cases) for t in targets.device_targets() if t.case in cases]
    assert len(judged) > 20
    known = [verdict for verdict in judged if verdict.value is not None]
    assert {v.target.against for v in known} >= {peers.GRAPH_CUDA, peers.TORCH_CUDA, ""}


def test_without_a_device_these_cases_are_gaps_with_a_reason() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here; scripts/gpu_check.sh runs these cases")
    cases = command_line.run_cases(["cuda-steps", "cuda-fits", "cuda-predict"], Settings.tiny())
    for case in cases.values():
        assert not case.lines
        assert case.missing
    assert cases["cuda/tf32/adam/64-32-10"].missing[peers.GRAPH_CUDA] == "no CUDA device"


def test_the_six_sizes_and_the_wide_ones_have_targets_in_every_precision() -> None:
    known = {target.case for target in targets.device_targets()}
    for precision in ("float32", "tf32", "bfloat16"):
        for size in (*tasks.SIZES, *device.WIDE):
            assert {f"cuda/{precision}/{optimizer}/{size}" for optimizer in ("sgd", "adam")} <= known
    assert list(device.list_tasks(Settings(), "sgd")) == [*tasks.SIZES, *device.WIDE]


def test_no_comparison_begins_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slowly(settings: Settings) -> Any:
        for name in "abc":
            time.sleep(0.3)
            yield Case(name, name, "s")

    monkeypatch.setattr(command_line, "find", lambda name: slowly)
    assert list(command_line.run_cases(["xor", "sgd"], Settings.tiny(), seconds=0.4)) == ["a", "b"]
    said = capsys.readouterr().err
    assert "left out after 0.4 s: what of xor comes after b" in said
    assert "left out after 0.4 s: what of sgd comes after b" in said
    assert list(command_line.run_cases(["xor"], Settings.tiny())) == ["a", "b", "c"]


def test_threads_are_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*threads.ENVIRONMENT, "JAX_PLATFORMS", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    threads.set_threads(3)
    assert {os.environ[name] for name in threads.ENVIRONMENT} == {"3"}
    assert threads.thread_count() == 3


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--only", "nothing"], ["--runs", "0"], ["--threads", "two"]):
        with pytest.raises(SystemExit) as stopped:
            command_line.main(arguments)
        assert stopped.value.code == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_tiny_run_writes_all_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    settings = dataclasses.replace(Settings.tiny(), everyone=False)
    runs = [command_line.run_cases(["xor", "sgd"], settings) for _ in range(2)]
    paths = {name: tmp_path / f"report.{name}" for name in ("json", "md", "png")}
    options = argparse.Namespace(json=paths["json"], markdown=paths["md"], plot=paths["png"], quick=True)
    assert command_line.write(runs, options) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    for heading in ("Machine", "BLAS", "XOR as published", "64-32-10, batch 32, SGD", "training step, SGD, float32"):
        assert heading in printed
    assert "one epoch of 60,000 x 784" not in printed  # its case was not run
    check_schema(json.loads(paths["json"].read_text()))
    assert "| training step, SGD, float32 | 64-32-10: bpx / NumPy by hand | 1.25 |" in paths["md"].read_text()
    assert paths["png"].read_bytes().startswith(b"\x89PNG")


def check_schema(written: dict[str, Any]) -> None:
    assert written["schema"] == 1
    assert {"cpu", "threads", "versions", "blas", "pools", "cuda"} <= set(written["machine"])
    assert [len(run["cases"]) for run in written["runs"]] == [3, 3]
    for case in written["runs"][0]["cases"]:
        assert case["disagreement"] == ""
        names = [line["peer"] for line in case["peers"]]
        assert peers.BPX in names
        assert not set(names) & set(case["missing"])
        for line in case["peers"]:
            assert all(math.isfinite(value) and value > 0 for value in line["seconds"])
    judged = {(target["case"], target["target"]): target for target in written["targets"]}
    found = judged["sgd/64-32-10", "64-32-10: bpx / NumPy by hand"]
    assert found["limit"] == 1.25
    assert {type(run["holds"]) for run in found["runs"]} == {bool}
    assert judged["epoch", "bpx / scikit-learn"]["runs"][0]["reason"] == "not measured: case not run"
    assert len(written["targets"]) == len(list(targets.targets()))


def test_a_run_that_is_interrupted_reports_what_it_has(monkeypatch):
    def comparisons(settings):
        yield Case("first", "a comparison", "s")
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "find", lambda name: comparisons)
    assert list(command_line.run_cases(["cuda", "predict"], Settings.tiny())) == ["first"]
