"""The comparison of the backends trains the same on each, and says so. No test here says anything about time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from backend_comparison import candidates, command_line, measuring, report
from backend_comparison.measuring import Curve, Row
from backend_comparison.sizes import SIZES

SCRIPTS = Path(command_line.__file__).resolve().parents[1]
TINY = ["--sizes", "xor", "--steps", "8"]


def row(size: str = "xor", backend: str = "torch", **numbers: Any) -> Row:
    """Return a row of a run that went well."""
    given = {"microseconds": [3.0, 1.0, 2.0], "final_loss": 0.5, "loss_difference": 0.0, "parameter_difference": 0.0}
    return Row(size, backend, "cpu", "1.0", 8, **{**given, "speed": 2.0, **numbers})


def test_sizes_are_from_xor_to_the_largest():
    assert next(iter(SIZES)) == "xor"
    assert list(SIZES)[-1] == "1024-2048-2048-10"
    work = [size.work for size in SIZES.values()]
    assert work == sorted(work)
    for size in SIZES.values():
        assert size.steps % size.batches == 0
    for name in ("xor", "64-32-10", "784-128-10"):
        size = SIZES[name]
        x, y = size.data()
        net = size.network("float32", bpx.get_backend("numpy"))
        assert net.n_params == size.n_params
        assert len(x) == len(y) == size.batch * size.batches


def test_steps_are_rounded_up_to_whole_epochs():
    size = SIZES["64-32-10"]
    assert [size.epochs(n) for n in (1, 32, 33, None)] == [1, 1, 2, 10]


@pytest.mark.parametrize("seconds, times", [(1.0, 5), (14.0, 2), (40.0, 1)])
def test_a_slow_library_is_timed_less_often_and_never_not_at_all(seconds, times, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    trainer = measuring.Trainer(SIZES["xor"], "numpy", "float32", 1000)
    monkeypatch.setattr(trainer, "train", lambda: clock.__setitem__(0, clock[0] + seconds))
    assert trainer.times(5) == pytest.approx([seconds * 1e3] * times)


@pytest.mark.parametrize("name", ["xor", "64-32-10"])
def test_every_backend_trains_the_same(name, backend):
    size = SIZES[name]
    expected = measuring.reference(size, 64)
    assert expected.loss[-1] < expected.loss[0]
    assert list(expected.params) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    candidate = candidates.Candidate(backend.backend.name, backend.spec, backend.backend.device, "1")
    for dtype in ("float32", "float64") if backend.has_float64 else ("float32",):
        found = measuring.measure(size, candidate, dtype, 64, 1, expected)
        assert found.reason == ""
        assert (found.steps, len(found.microseconds)) == (64, 1)
        assert found.microseconds[0] > 0
        assert found.final_loss == pytest.approx(float(expected.loss[-1]), rel=1e-4)
        assert report.disagreements([found], dtype) == []
        assert (found.parameter_difference > 1e-9) == (dtype == "float32")


def test_writes_a_table_the_data_and_a_chart(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    files = {name: tmp_path / f"report.{name}" for name in ("json", "png")}
    code = command_line.main([*TINY, "--backend", "numpy", "--json", str(files["json"]), "--plot", str(files["png"])])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert printed.splitlines()[0].split() == (
        ["size", "backend", "device", "version", "us/step", "speed", "final", "loss", "loss", "diff", "params", "diff"]
    )
    assert [line.split()[:4] for line in printed.splitlines() if line.startswith("xor")] == (
        [["xor", "numpy", "cpu", np.__version__]]
    )
    assert printed.endswith("\nAll numbers agree.\n")
    written = json.loads(files["json"].read_text())
    assert {"schema", "date", "python", "bpx", "dtype", "rows", "disagreements"} <= set(written)
    (found,) = written["rows"]
    assert found["steps"] == 8
    assert len(found["microseconds"]) == command_line.REPETITIONS
    assert found["median_microseconds"] == sorted(found["microseconds"])[2]
    assert found["speed"] == 1.0
    assert 0.0 <= found["loss_difference"] < 1e-5
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_every_backend_has_a_row_or_a_reason():
    found = candidates.find([], "float32")
    assert found[0].spec == "numpy"
    assert [one.spec for one in found] == list(dict.fromkeys(one.spec for one in found))
    for status in bpx.backends():
        mine = [one for one in found if one.name == status.name]
        assert mine, status.name
        assert {one.reason for one in mine} == {status.reason}
        assert all(one.version == (status.version or "") for one in mine)
        if status.available:
            assert {one.device.partition(":")[0] for one in mine} <= {d.partition(":")[0] for d in status.devices}


def test_named_backends_alone_are_compared_with_numpy(capsys, strict):
    assert command_line.main([*TINY, "--backend", "array-api-strict:device1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("xor")]
    assert [line[1:3] for line in lines] == [["numpy", "cpu"], ["array-api-strict", "device1"]]


def test_a_backend_takes_part_once():
    assert [one.spec for one in candidates.find(["numpy:cpu", "numpy"], "float32")] == ["numpy"]


def test_one_device_of_each_kind_takes_part():
    status = bpx.BackendStatus("torch", True, ("cpu", "cuda:0", "cuda:1"), "2", "")
    assert list(candidates._specs(status)) == ["torch:cpu", "torch:cuda:0"]
    assert list(candidates._specs(status._replace(name="cupy", devices=("cuda:0", "cuda:1")))) == ["cupy:0"]


def test_a_backend_without_the_precision_has_a_row_with_the_reason(capsys, strict):
    assert command_line.main([*TINY, "--dtype", "float64", "--backend", "array-api-strict:no_float64"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("all")]
    assert "has no float64" in line


def test_jax_is_told_to_compute_in_float64(jax, monkeypatch):
    kept = jax.config.jax_enable_x64
    try:
        jax.config.update("jax_enable_x64", False)
        assert not [one.reason for one in candidates.find(["jax"], "float32") if one.reason]
        assert not [one.reason for one in candidates.find(["jax"], "float64") if one.reason]
        assert jax.config.jax_enable_x64
    finally:
        jax.config.update("jax_enable_x64", kept)


# -- what goes wrong --------------------------------------------------------------------------------------


def without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make one backend unusable."""
    real = bpx.get_backend

    def get_backend(spec: Any = None) -> Any:
        if str(spec).startswith(name):
            raise bpx.BackendError(f"backend {name!r} cannot be used: no driver or device")
        return real(spec)

    monkeypatch.setattr(bpx, "get_backend", get_backend)


def test_a_backend_that_cannot_run_has_a_row_with_its_reason(capsys, monkeypatch):
    without(monkeypatch, "cupy")
    assert command_line.main([*TINY, "--backend", "cupy:1"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("all")]
    assert line.split()[1:3] == ["cupy", "1"]
    assert line.endswith("backend 'cupy' cannot be used: no driver or device")


@pytest.mark.parametrize("others", [[], ["--backend", "numpy"]])
def test_a_required_backend_that_cannot_run_is_exit_code_1(others, capsys, monkeypatch):
    without(monkeypatch, "cupy")
    assert command_line.main([*TINY, *others, "--require", "numpy", "--require", "cupy"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    said = "compare_backends: cupy is required: backend 'cupy' cannot be used: no driver or device"
    assert printed.err.splitlines() == [said]


def test_a_required_backend_takes_part(capsys, strict):
    assert command_line.main([*TINY, "--backend", "numpy", "--require", "array-api-strict"]) == 0
    assert "array-api-strict" in capsys.readouterr().out


def test_a_backend_that_fails_while_training_is_exit_code_1(capsys, monkeypatch, strict, tmp_path):
    real = measuring.Trainer.curve

    def curve(trainer: Any) -> Curve:
        if trainer.net.backend.name == "array-api-strict":
            raise RuntimeError("no such kernel")
        return real(trainer)

    monkeypatch.setattr(measuring.Trainer, "curve", curve)
    file = tmp_path / "report.json"
    assert command_line.main([*TINY, "--backend", "array-api-strict", "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "failed: RuntimeError: no such kernel" in printed
    assert [one["failed"] for one in json.loads(file.read_text())["rows"]] == [False, True]


def test_numbers_that_are_too_far_off_are_exit_code_1(capsys, monkeypatch):
    real = command_line.reference
    monkeypatch.setattr(command_line, "reference", lambda *a: Curve(real(*a).loss * 1.001, real(*a).params))
    assert command_line.main([*TINY, "--backend", "numpy"]) == 1
    assert "numpy on cpu: the losses of xor differ by 1.0e-03, more than 0.0001" in capsys.readouterr().out


@pytest.mark.parametrize(
    "dtype, numbers, said",
    [
        ("float64", {"loss_difference": 1e-10, "parameter_difference": 1e-10}, []),
        ("float64", {"parameter_difference": 1.1e-10}, ["parameters"]),
        ("float64", {"loss_difference": 1.1e-10}, ["losses"]),
        ("float32", {"loss_difference": 1.1e-4, "parameter_difference": 1.1e-2}, ["losses", "parameters"]),
        ("float32", {"loss_difference": float("nan")}, ["losses"]),
        ("float32", {"loss_difference": None, "parameter_difference": None}, []),
    ],
)
def test_how_far_is_too_far(dtype, numbers, said):
    found = report.disagreements([row(**numbers)], dtype)
    assert len(found) == len(said)
    assert all(f"the {what} of xor" in line for what, line in zip(said, found, strict=True))


def test_differences_are_relative_to_the_largest_loss_and_parameter():
    expected = Curve(np.array([2.0, 1.0]), {"a": np.array([10.0, 0.0]), "b": np.array([0.01])})
    got = Curve(np.array([2.0, 1.2]), {"b": np.array([0.41]), "a": np.array([10.0, 0.1])})
    assert got.differences(expected) == pytest.approx((0.1, 0.04))
    nothing = Curve(np.array([0.0]), {"a": np.array([0.0])})
    assert Curve(np.array([0.5]), {"a": np.array([-0.25])}).differences(nothing) == (0.5, 0.25)
    with pytest.raises(ValueError, match=r"\(1,\) is compared with one of shape \(2,\)"):
        measuring.largest_difference(np.zeros(1), np.zeros(2))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--backend", "nunpy"], "unknown backend 'nunpy'; did you mean 'numpy'?"),
        (["--require", "nunpy"], "unknown backend 'nunpy'"),
        (["--sizes", "huge"], "invalid choice: 'huge'"),
        (["--steps", "0"], "must be at least 1, got 0"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
        (["--json", "nowhere/report.json"], "there is no folder nowhere for report.json"),
        (["--plot", "nowhere/report.png"], "there is no folder nowhere for report.png"),
    ],
)
def test_wrong_arguments_are_exit_code_2(arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        command_line.main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_chart_without_matplotlib_is_refused_before_any_work(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--plot", str(tmp_path / "chart.png")])
    assert stopped.value.code == 2
    assert 'pip install "bpx-backprop[plot]"' in capsys.readouterr().err


def test_runs_with_the_base_dependencies_alone():
    blocked = (
        "array_api_strict",
        "cupy",
        "jax",
        "matplotlib",
        "mlx",
        "onnx",
        "polars",
        "scipy",
        "sklearn",
        "torch",
        "typer",
    )
    code = f"""
import runpy, sys
sys.path.insert(0, {str(SCRIPTS)!r})
for name in {blocked!r}:
    sys.modules[name] = None
sys.argv = ["compare_backends.py", *{TINY!r}]
runpy.run_path({str(SCRIPTS / "compare_backends.py")!r}, run_name="__main__")
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert sum(line.startswith("xor") for line in ran.stdout.splitlines()) == 1
    reasons = {line.split()[1]: line for line in ran.stdout.splitlines() if line.startswith("all")}
    assert sorted(reasons) == ["array-api-strict", "cupy", "jax", "mlx", "torch"]
    assert all("is not installed; install it with" in line for line in reasons.values())


def test_the_chart_has_a_line_a_backend_on_log_axes():
    pytest.importorskip("matplotlib")
    from backend_comparison.chart import draw

    rows = [row("64-32-10"), row("xor"), row("xor", "cupy", microseconds=[7.0])]
    figure = draw([*rows, Row("all", "jax", "", "", reason="not installed")], "float32")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    torch, cupy = axes.get_lines()
    assert list(torch.get_xdata()) == [SIZES["xor"].work, SIZES["64-32-10"].work]
    assert list(torch.get_ydata()) == [2.0, 2.0]
    assert list(cupy.get_ydata()) == [7.0]
    assert torch.get_color() != cupy.get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["torch (cpu)", "cupy (cpu)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["64-32-10", "xor"]


def test_the_check_on_a_gpu_calls_it_with_arguments_that_it_has():
    lines = (SCRIPTS / "gpu_check.sh").read_text().replace("\\\n", " ").splitlines()
    (line,) = [line for line in lines if "compare_backends.py" in line and line.startswith("run ")]
    arguments = line.partition("compare_backends.py")[2].replace('"', "").split()
    options = command_line.parser().parse_args(arguments)
    assert options.require == ["cupy"]
    assert (options.json.name, options.plot.name) == ("backends.json", "backends.png")
