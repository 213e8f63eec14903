"""What one process sees of the others: nothing, and what a launcher's variables say."""

import subprocess
import sys

import numpy as np
import pytest
import started_ranks as ranks

import bpx
from bpx.core.sharing import SharedStep, SummedLoss, check_shareable
from bpx.distributed.launchers import Launch, check_slurm, find_launch
from bpx.errors import InputError


def test_alone_a_rank_is_the_first_of_one():
    assert (bpx.distributed.rank(), bpx.distributed.size()) == (0, 1)


TOGETHER = (
    "mpi4py", "torch.distributed", "bpx.core.sharing", "bpx.core.together", "bpx.distributed.communicator",
    "bpx.distributed.mpi", "bpx.sklearn.sharing", "bpx.training.sharing",
)  # fmt: skip
"""What is for several processes alone."""


def _check_imports(code, but=()):
    """Assert that a program leaves all of `TOGETHER`, but for some, unimported."""
    code += (
        f"\nimport sys; found = set({TOGETHER}) & set(sys.modules) - set({tuple(but)})\n"
        "found |= {name for name in sys.modules if name.endswith(('_group', 'backend.cards', 'nccl'))}\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ranks.make_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_single_process_imports_nothing_of_it():
    work = (
        "import sys, bpx\n"
        "x, y = bpx.datasets.xor()\n"
        "net = bpx.mlp([2, 3, 1], loss='squared_error')\n"
        "net.fit(x, y, epochs=2)\n"
        "net.evaluate(x, y), net.predict(x)\n"
    )
    _check_imports(f"{work}assert 'bpx.distributed' not in sys.modules")
    # Asked for, it finds that this process is alone, and loads nothing that it would need otherwise.
    asked = f"{work}net.fit(x, y, epochs=1, distributed=True)\nassert 'bpx.distributed.communicator' in sys.modules"
    _check_imports(asked, but=["bpx.distributed.communicator"])


ESTIMATORS = {
    "MLPClassifier": {"max_iter": 5, "early_stopping": True},
    "MLPRegressor": {"max_iter": 5},
    "NetworkClassifier": {"max_iter": 5},
    "NetworkRegressor": {"max_iter": 5},
    "TableClassifier": {"preset": "fast", "max_iter": 2},
    "TableRegressor": {"preset": "fast", "max_iter": 2},
}


def test_an_estimator_alone_imports_nothing_of_it():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("polars", reason="polars is not installed")
    work = "import warnings, bpx.sklearn; warnings.simplefilter('ignore')\nx, y = bpx.datasets.moons(60, seed=0)\n"
    for name, parameters in ESTIMATORS.items():
        work += f"bpx.sklearn.{name}(**{parameters}).fit(x, y.ravel()).predict(x)\n"
    _check_imports(work)


def test_a_command_alone_imports_nothing_of_it(tmp_path):
    pytest.importorskip("typer", reason="typer is not installed")
    for arguments in (["train", "moons", "--epochs", "1", "-o", str(tmp_path / "model")], ["xor"]):
        run = f"from bpx.cli.app import app\ntry: app({arguments})\nexcept SystemExit as end: assert not end.code\n"
        _check_imports(run)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_alone_a_distributed_estimator_changes_no_bit(name):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("polars", reason="polars is not installed")
    import bpx.sklearn

    x, y = bpx.datasets.moons(60, seed=0)
    found = []
    for distributed in (False, True):
        model = getattr(bpx.sklearn, name)(**ESTIMATORS[name], random_state=0, distributed=distributed)
        model.fit(x, y.ravel())
        found.append([array.tobytes() for part in model.network_.params for array in part.values()])
    assert found[0] == found[1]


def test_alone_distributed_changes_no_bit():
    x, y = bpx.datasets.moons(100, seed=0)
    nets = [bpx.mlp([2, 5, 1], loss="binary_cross_entropy") for _ in range(2)]
    for net, distributed in zip(nets, (False, True), strict=True):
        net.fit(x, y, epochs=2, batch_size=8, distributed=distributed)
    first, second = (net.params[0]["weight"].tobytes() for net in nets)
    assert first == second
    assert nets[0].evaluate(x, y) == nets[1].evaluate(x, y, distributed=True)
    np.testing.assert_array_equal(nets[0].predict(x), nets[1].predict(x, distributed=True))


@pytest.mark.parametrize(
    ("variables", "launch"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, Launch("mpi", 2, 4)),
        ({"PMI_RANK": "0", "PMI_SIZE": "3"}, Launch("mpi", 0, 3)),
        ({"PMIX_RANK": "1", "SLURM_STEP_NUM_TASKS": "8"}, Launch("mpi", 1, 8)),
        ({"PMIX_RANK": "1"}, Launch("mpi", 1, None)),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}, Launch("torchrun", 1, 2)),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),  # inside a job script, which is one process
    ],
)
def test_the_launcher_is_known_by_its_variables(variables, launch):
    assert find_launch(variables) == launch


def test_single_processes_under_srun_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"srun started 4 processes, but MPI knows of 1: .* --mpi=list"):
        find_launch({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"})
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("PMIX_RANK", "0")
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    with pytest.raises(InputError, match="srun started 4 processes, but MPI knows of 2"):
        check_slurm(2)
    check_slurm(4)


def test_a_variable_that_is_no_number_is_named():
    with pytest.raises(InputError, match="the variable PMI_SIZE should hold a whole number, .* got 'many'"):
        find_launch({"PMI_RANK": "0", "PMI_SIZE": "many"})


class _Thirds:
    """A communicator of three ranks, whose sums are those of one."""

    size = 3

    def __init__(self, rank):
        self.rank = rank

    def find_part(self, rows):
        return self.rank * rows // 3, (self.rank + 1) * rows // 3

    def sum(self, array):
        return array

    def agree(self, number):
        return number


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_parts_is_a_sum(on_numpy, reduction, weighted):
    loss, draw = bpx.CrossEntropy(reduction=reduction), np.random.default_rng(0)
    z, y, w = draw.normal(size=(7, 3)), draw.integers(0, 3, size=7), draw.uniform(size=7) if weighted else None
    value, cache = loss.forward(on_numpy.xp, z, y, w)
    mass = 1.0 if reduction == "sum" else 7 if w is None else w.sum()
    total, dz = 0.0, []
    for rank in range(3):
        part = slice(*_Thirds(rank).find_part(7))
        summed = SummedLoss(loss)
        one, kept = summed.forward(on_numpy.xp, z[part], y[part], None if w is None else w[part])
        total += one
        dz.append(summed.backward(on_numpy.xp, kept))
    np.testing.assert_allclose(total / mass, value, rtol=1e-13)
    np.testing.assert_allclose(np.concatenate(dz) / mass, loss.backward(on_numpy.xp, cache), rtol=1e-12, atol=1e-15)


def test_no_rows_have_no_loss(on_numpy):
    value, cache = SummedLoss(bpx.SquaredError()).forward(on_numpy.xp, np.zeros((0, 2)), np.zeros((0, 2)))
    assert value == 0.0
    assert SummedLoss(bpx.SquaredError()).backward(on_numpy.xp, cache).shape == (0, 2)


def test_parts_of_the_batches_of_a_step_lie_behind_each_other():
    shared = SharedStep(bpx.SquaredError(), _Thirds(1), [8, 8, 1])
    assert shared.rows == 17
    assert shared.slices == [slice(0, 3), slice(3, 6), slice(6, 6)]


class OwnNoise(bpx.Dropout):
    """Draws a mask by code of its own."""

    def forward(self, xp, params, x, context=None):
        return x, None


def test_layers_that_look_at_a_batch_by_their_own_code_are_refused():
    check_shareable([bpx.BatchNorm(3), bpx.Residual([bpx.Dropout(0.1)])])
    with pytest.raises(InputError, match="OwnNoise.* its forward is not bpx's"):
        check_shareable([bpx.Residual([bpx.Linear(3, 3), OwnNoise(0.1)])])
