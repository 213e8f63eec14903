"""The fixture of backends itself: what it runs on, what it skips and why, and what it turns into failures."""

import os
import subprocess
import sys
from pathlib import Path

import backend_cases

from bpx.backend.registry import BACKENDS

ROOT = Path(__file__).parent.parent
ONE_TEST = "tests/layers/test_linear.py::test_multiplies_and_adds"


def _pytest(*options: str, **environment: str) -> tuple[int, str]:
    """Run one test of backends in a process of its own, without a GPU; return exit code and output."""
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    variables.pop("BPX_TEST_BACKENDS", None) if "BPX_TEST_BACKENDS" not in environment else None
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *options, ONE_TEST]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout


def _without(folder: Path, *libraries: str) -> dict[str, str]:
    """Return an environment in which libraries cannot be imported."""
    for library in libraries:
        (folder / f"{library}.py").write_text(f"raise ImportError('no {library} here', name='{library}')\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_a_backend_that_was_asked_for_and_is_missing_is_a_failure(cupy):
    for options, environment in ((["--backend", "cupy"], {}), ([], {"BPX_TEST_BACKENDS": "numpy,cupy"})):
        code, output = _pytest(*options, **environment)
        assert code == 1
        assert "cupy was asked for: backend 'cupy' cannot be used: no driver or device" in output
        assert "1 error" in output
        assert ("2 passed" in output) == bool(environment)


def test_a_backend_that_nobody_knows_is_a_failure():
    code, output = _pytest("--backend", "numppy")
    assert code == 1
    assert "numppy was asked for: unknown backend 'numppy'; did you mean 'numpy'?" in output


def test_the_option_restricts_and_can_be_repeated(strict):
    code, output = _pytest("--backend", "numpy", "--backend", "array-api-strict:device1")
    assert code == 0
    assert "3 passed" in output
    for case in ("numpy", "numpy:read-only", "array-api-strict:device1"):
        assert f"[{case}] PASSED" in output


def test_array_api_strict_at_another_version_than_was_told_is_a_failure(strict, tmp_path):
    (tmp_path / "forgets.py").write_text("__import__('array_api_strict').reset_array_api_strict_flags()\n")
    told = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        backend_cases.STRICT_VERSION: "2024.12",
    }
    code, output = _pytest("--backend", "array-api-strict", **told)
    assert code == 0
    assert "3 passed" in output
    code, output = _pytest("--backend", "array-api-strict", "-p", "forgets", **told)
    assert code == 1
    assert "3 errors" in output
    assert f"{backend_cases.STRICT_VERSION} is 2024.12, and array-api-strict is at 2025.12" in output


def test_missing_libraries_are_visible_skips_with_their_reasons(tmp_path, strict):
    code, output = _pytest(**_without(tmp_path, "torch", "jax", "mlx", "cupy"))
    assert code == 0
    assert "7 passed, 4 skipped" in output
    for library in ("torch", "jax", "mlx", "cupy"):
        assert f"backend '{library}' cannot be used: {library} is not installed; install it with" in output


def test_what_needs_a_gpu_is_marked_and_skipped_with_the_probes_own_reason(tmp_path, cupy):
    code, output = _pytest("-m", "gpu", **_without(tmp_path, "torch", "jax", "mlx"))
    assert code == 0
    assert "1 skipped, 10 deselected" in output
    assert "backend 'cupy' cannot be used: no driver or device" in output


def test_every_backend_of_bpx_has_its_cases():
    names = backend_cases.names(())
    assert names[:2] == ("numpy", "numpy:read-only")
    assert {"cupy", "array-api-strict", "array-api-strict:device1", "array-api-strict:no_float64"} <= set(names)
    assert {name.partition(":")[0] for name in names} == {*BACKENDS, backend_cases.INVENTED}
    assert len(set(names)) == len(names)


def test_a_gpu_is_told_by_its_name():
    gpus = ["cupy", "cupy:1", "torch:cuda:0", "torch:cuda", "torch:mps", "jax:gpu:0", "mlx:gpu:0"]
    assert all(backend_cases.needs_gpu(name) for name in gpus)
    assert not any(
        map(backend_cases.needs_gpu, ["numpy", "torch:cpu", "jax:cpu:0", "mlx:cpu:0", "array-api-strict:device1"])
    )


def test_read_only_inputs_refuse_to_be_written_into():
    array = backend_cases.make(backend_cases.READ_ONLY).array([1.0, 2.0])
    assert not array.flags.writeable
