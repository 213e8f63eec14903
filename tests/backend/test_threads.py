"""On how many threads products run: by their size alone, and as before when bpx has computed."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import bpx
from bpx.backend import numpy_backend, threads
from bpx.errors import InputError

SMALL, LARGE = 1_000_000, 100_000_000


class FakePool:
    """A library told to use four threads, which remembers what it is told."""

    def __init__(self):
        self.num_threads = 4
        self.told = []

    def set_num_threads(self, number):
        self.num_threads = number
        self.told.append(number)


@pytest.fixture
def pool(monkeypatch):
    fake = FakePool()
    monkeypatch.setattr(threads, "find_blas", lambda with_scipy: (fake,))
    monkeypatch.setattr(threads, "_chosen", None)
    return fake


@pytest.fixture
def numpy():
    return bpx.get_backend("numpy")


class Watch(bpx.Identity):
    """Does nothing, and notes the number of threads at each step."""

    pool, seen, error = None, [], None

    def forward(self, xp, params, x, context=None):
        if self.error is not None:
            raise self.error
        self.seen.append((x.shape[0], self.pool.num_threads))
        return super().forward(xp, params, x, context)


@pytest.fixture
def watch(pool, monkeypatch):
    monkeypatch.setattr(Watch, "pool", pool)
    monkeypatch.setattr(Watch, "seen", [])
    return Watch


def new(watch, sizes=(300, 40, 3)):
    n_in, hidden, n_out = sizes
    layers = [bpx.Linear(n_in, hidden), watch(), bpx.ReLU(), bpx.Linear(hidden, n_out)]
    return bpx.Network(layers, loss="cross_entropy")


def data(rows, n_in=300):
    return np.ones((rows, n_in), dtype=np.float32), np.arange(rows) % 3


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True, 1025, 10**30])
def test_a_number_of_threads_is_a_whole_number_of_at_least_one(number):
    with pytest.raises(InputError, match="n must be"):
        bpx.set_threads(number)


@pytest.mark.parametrize(
    ("work", "updates", "chosen", "during"),
    [
        (SMALL, False, None, 1),
        (SMALL, True, None, 1),
        (LARGE, False, None, 4),
        (LARGE, True, None, 4),
        (4_000_000, False, None, 4),  # a second thread gains earlier where nothing is updated between the products
        (4_000_000, True, None, 1),
        (SMALL, True, 3, 3),
        (LARGE, True, 1, 1),
        (LARGE, False, 8, 8),
        (65_536, True, None, 4),  # shared between no threads anyway
        (262_144, False, None, 4),
    ],
)
def test_small_products_run_on_one_thread(work, updates, chosen, during, pool, numpy):
    bpx.set_threads(chosen)
    with numpy.threads(work, updates):
        assert pool.num_threads == during
    assert pool.num_threads == 4
    assert pool.told == ([] if during == 4 else [during, 4])


def test_no_more_threads_than_the_library_was_told_to_use(pool, numpy):
    pool.num_threads = 1
    for work in (SMALL, LARGE):
        with numpy.threads(work, updates=True):
            assert pool.num_threads == 1


def test_within_a_thread_the_innermost_counts(pool, numpy):
    with numpy.threads(SMALL):
        with numpy.threads(LARGE):
            assert pool.num_threads == 4
            with numpy.threads(SMALL):
                assert pool.num_threads == 1
        assert pool.num_threads == 1
    assert pool.num_threads == 4


@pytest.mark.parametrize(("asked", "number"), [(None, 4), (3, 3)])
def test_of_two_threads_the_one_that_asks_for_more_counts(asked, number, pool, numpy):
    inside, leave = threading.Event(), threading.Event()

    def compute():
        with numpy.threads(LARGE):
            inside.set()
            assert leave.wait(10)

    other = threading.Thread(target=compute)
    with numpy.threads(SMALL):
        bpx.set_threads(asked)
        other.start()
        assert inside.wait(10)
        assert pool.num_threads == number
        leave.set()
        other.join()
        assert pool.num_threads == 1
    assert pool.num_threads == 4


def test_the_first_that_leaves_takes_nothing_from_the_other(pool, numpy):
    inside, leave = threading.Event(), threading.Event()

    def compute():
        with numpy.threads(SMALL):
            inside.set()
            assert leave.wait(10)

    other = threading.Thread(target=compute)
    with numpy.threads(SMALL):
        other.start()
        assert inside.wait(10)
    assert pool.num_threads == 1
    leave.set()
    other.join()
    assert pool.told == [1, 4]


def test_where_each_thread_has_its_own_number_it_is_changed_for_one_alone(pool, numpy, monkeypatch):
    pool.threading_layer = "openmp"
    inside, leave = threading.Event(), threading.Event()

    def compute():
        with numpy.threads(SMALL):
            inside.set()
            assert leave.wait(10)

    other = threading.Thread(target=compute)
    with numpy.threads(SMALL):
        other.start()
        assert inside.wait(10)
        told = len(pool.told)
    assert pool.told[told:] == [4]  # although the other one is still computing: it has a number that nobody else sets
    leave.set()
    other.join()
    assert not threads.blas_threads._asked


@pytest.mark.parametrize("error", [ValueError("a fault"), KeyboardInterrupt()])
def test_an_exception_leaves_the_library_as_it_was(error, pool, watch, monkeypatch):
    net = new(watch)
    monkeypatch.setattr(watch, "error", error)
    x, y = data(64)
    for compute in (lambda: net.fit(x, y, epochs=1), lambda: net.gradients(x, y), lambda: net.predict(x)):
        with pytest.raises(type(error)):
            compute()
        assert pool.num_threads == 4
        assert not threads.blas_threads._asked
    assert 1 in pool.told


def test_a_training_is_on_one_thread_at_its_steps_alone(pool, watch):
    seen = []
    new(watch).fit(*data(100), epochs=2, batch_size=40, callbacks=lambda run: seen.append(pool.num_threads))
    assert watch.seen == [(40, 1), (40, 1), (20, 1)] * 2
    assert seen == [4, 4]


def test_a_shorter_batch_has_the_threads_of_the_others(pool, watch, monkeypatch):
    monkeypatch.setattr(numpy_backend, "THREADED_STEP", 40 * 300 * 40)
    new(watch).fit(*data(100), epochs=2, batch_size=40)
    assert watch.seen == [(40, 4), (40, 4), (20, 4)] * 2
    watch.seen.clear()
    new(watch).fit(*data(100), epochs=2, batch_size=39)
    assert {number for _, number in watch.seen} == {1}


def test_batches_that_come_as_they_are_have_the_threads_of_their_size(pool, watch, monkeypatch):
    monkeypatch.setattr(numpy_backend, "THREADED_STEP", 40 * 300 * 40)
    x, y = data(100)
    new(watch).fit([(x[:40], y[:40]), (x[40:80], y[40:80]), (x[80:], y[80:])], epochs=1)
    assert watch.seen == [(40, 4), (40, 4), (20, 1)]


def test_the_pieces_of_a_prediction_have_the_same_number_of_threads(pool, watch, monkeypatch):
    monkeypatch.setattr("bpx.core.model.PREDICT_ROWS", 40)
    monkeypatch.setattr(numpy_backend, "UNSHARED_PASS", 0)
    for least, number in ((40 * 300 * 40, 4), (40 * 300 * 40 + 1, 1)):
        monkeypatch.setattr(numpy_backend, "THREADED_PASS", least)
        new(watch).predict(data(100)[0])
        assert watch.seen == [(40, number), (40, number), (20, number)]
        watch.seen.clear()


def test_work_is_counted_as_if_in_float32():
    for dtype, factor in (("float32", 1), ("float64", 2)):
        assert bpx.mlp([300, 40, 50, 3], dtype=dtype).count_work(10) == 10 * 300 * 40 * factor
    assert bpx.Network([bpx.Identity()]).count_work(10) == 0


def test_a_change_holds_from_the_next_steps_on(pool, watch):
    new(watch).fit(*data(100), epochs=2, batch_size=50, callbacks=lambda run: bpx.set_threads(2))
    assert watch.seen == [(50, 1), (50, 1), (50, 2), (50, 2)]


FORK = """
import os
import bpx
from bpx.backend import threads

with bpx.get_backend("numpy").threads(1_000_000):
    child = os.fork()
    if child == 0:
        os._exit(len(threads.blas_threads._asked))
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_with_nobody():
    """In a process of its own: JAX, which other tests import, warns of each fork."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def test_pytorch_computes_on_the_number_that_was_chosen(watch, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class TorchPool:
        num_threads = property(lambda self: torch.get_num_threads())

    monkeypatch.setattr(watch, "pool", TorchPool())
    before = torch.get_num_threads()
    net = new(watch).to("torch")
    bpx.set_threads(before + 1)
    net.fit(*data(100), epochs=1, batch_size=50)
    net.predict(data(10)[0])
    assert watch.seen == [(50, before + 1), (50, before + 1), (10, before + 1)]
    assert torch.get_num_threads() == before


REAL = """
import sys
import numpy as np
import bpx
from bpx.backend.threads import find_blas

pools = find_blas(False)
before = [pool.num_threads for pool in pools]

def train(*parts):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1500, 501), dtype="float32"), rng.integers(0, 10, 1500)
    net = bpx.mlp([501, 205, 10])
    for epochs in parts:
        net.fit(x, y, epochs=epochs, batch_size=int(sys.argv[1]))
    return b"".join(part[name].tobytes() for part in net.params for name in sorted(part))

assert train(4) == train(1, 3) == train(2, 2)
assert [pool.num_threads for pool in pools] == before
if len(sys.argv) > 2:
    bpx.set_threads(int(sys.argv[2]))
    assert train(4) == train(1, 3)
print(before)
"""


@pytest.mark.parametrize("arguments", [("180",), ("80",), ("180", "1"), ("80", "2")])
def test_the_bits_of_a_training_are_those_of_its_parts(arguments):
    """180 rows are above the limit, with products whose bits differ between one thread and two; 80 rows below it."""
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", REAL, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() in ("[]", "[2]")  # [] where NumPy's BLAS is none that threadpoolctl knows


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("name", ["jax", "mlx", "numpy", "torch"])
def test_a_forked_process_works_or_is_told_why_it_does_not(name):
    """Threads of JAX and MLX are not in it: it would wait for them for ever."""
    pytest.importorskip({"mlx": "mlx.core"}.get(name, name), reason=f"{name} is not installed")
    code = f"""
import os, warnings
import bpx
warnings.simplefilter("ignore")
x, y = bpx.datasets.xor()
net = bpx.mlp([2, 4, 1], loss="squared_error", backend={name!r})
net.fit(x, y, epochs=2)
child = os.fork()
if child == 0:
    try:
        said = 0
        for call in (lambda: net.fit(x, y, epochs=1), lambda: net.predict(x),
                     lambda: bpx.mlp([2, 4, 1], loss="squared_error", backend={name!r})):
            try:
                call()
            except bpx.BackendError as error:
                said += "forked off" in str(error) and "spawn" in str(error)
        os._exit(said)
    finally:
        os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(net.fit(x, y, epochs=1)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["3" if name in ("jax", "mlx") else "0", "1"]
