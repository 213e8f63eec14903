"""MLX, which puts work off: memory, threads, its float64, and what is refused. A GPU's part is rehearsed on a CPU."""

import copy
import gc
import io
import shutil
import threading

import numpy as np
import pytest

import bpx
from bpx.backend.mlx_backend import MlxBackend
from bpx.backend.precision import MANTISSA_BITS, round_mantissa
from bpx.core.model import PREDICT_ROWS

RNG = np.random.default_rng(7)
X = RNG.standard_normal((40, 4)).astype(np.float32)
Y = RNG.integers(3, size=40)


def _network(backend="mlx", **options):
    return bpx.mlp([4, 16, 3], seed=3, backend=backend, **options)


def _in_thread(function):
    """Return what a function returns in a thread of its own; raise here what it raises there."""
    found, raised = [], []

    def call():
        try:
            found.append(function())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]


# -- memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_memory_does_not_grow_with_the_steps(optimizer, mlx):
    net = _network()
    net.fit(X, Y, epochs=1, batch_size=1, optimizer=optimizer)
    held = {}
    for epochs in (1, 12):  # 40 and 480 steps
        net.fit(X, Y, epochs=epochs, batch_size=1, optimizer=optimizer)
        gc.collect()
        held[epochs] = mlx.get_active_memory()
    assert 0 < held[12] < held[1] + 440  # not a byte for each step more


def test_memory_of_a_prediction_does_not_grow_with_the_rows(mlx):
    """Beside the rows themselves, and the outputs, which are held twice while pieces become one array."""
    net = bpx.mlp([4, 256, 3], backend="mlx")
    beside = []
    for rows in (PREDICT_ROWS, 6 * PREDICT_ROWS):
        x = np.ones((rows, 4), dtype=np.float32)
        net.predict(x[:1])
        gc.collect()
        mlx.reset_peak_memory()
        before = mlx.get_active_memory()
        assert net.predict(x).shape == (rows, 3)
        beside.append(mlx.get_peak_memory() - before - x.nbytes - 2 * rows * 3 * 4)
        gc.collect()
        assert mlx.get_active_memory() == before
    assert beside[1] < beside[0] + PREDICT_ROWS * 256 * 4 / 2  # not even half of another piece's hidden layer


def test_what_is_put_off_never_grows_beyond_a_step(mlx):
    waiting = []

    def body(carry, data, inputs):
        graph = io.StringIO()
        mlx.export_to_dot(graph, carry)
        waiting.append(graph.getvalue().count("->"))
        carry = carry * 0.5 + data
        return carry, mlx.sum(carry)

    place = bpx.get_backend("mlx")
    numbers = place.per_step(np.ones((200, 1)), "float32")
    with place.computing():
        _, outputs = place.loop(body)(mlx.zeros((3,)), mlx.ones((3,)), (numbers,), 200)
    assert outputs[-1] == pytest.approx(6.0)
    assert max(waiting) < 10


# -- threads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam", bpx.LBFGS()], ids=str)
def test_a_network_trained_in_one_thread_works_in_another(optimizer, mlx):
    nets = [_network(), _network()]
    batch = None if isinstance(optimizer, bpx.LBFGS) else 10
    for net, run in zip(nets, (_in_thread, lambda function: function()), strict=True):
        run(lambda net=net: net.fit(X, Y, epochs=3, batch_size=batch, optimizer=optimizer))
    assert nets[0].fit(X, Y, epochs=2, batch_size=batch, optimizer=optimizer).loss == _in_thread(
        lambda: nets[1].fit(X, Y, epochs=2, batch_size=batch, optimizer=optimizer).loss
    )
    np.testing.assert_array_equal(_in_thread(lambda: nets[0].predict(X)), nets[1].predict(X))
    assert nets[0].evaluate(X, Y) == _in_thread(lambda: nets[1].evaluate(X, Y))


def test_what_one_thread_returns_another_reads(mlx):
    net = _network()
    x, y = mlx.array(X), mlx.array(Y.astype(np.int32))
    mlx.eval(x, y)
    many = mlx.array(np.ones((PREDICT_ROWS + 1, 4), dtype=np.float32))
    mlx.eval(many)
    np.testing.assert_array_equal(_in_thread(lambda: net.predict(x)), net.predict(X))
    assert np.isfinite(_in_thread(lambda: net.predict(many))).all()
    _, gradients = _in_thread(lambda: net.gradients(x, y))
    for mine, here in zip(gradients, net.gradients(X, Y)[1], strict=True):
        for name in here:
            np.testing.assert_array_equal(np.asarray(mine[name]), here[name])
    for make in (lambda: copy.deepcopy(net), lambda: _network("numpy").to("mlx")):
        np.testing.assert_array_equal(_in_thread(make).predict(X), net.predict(X))


def test_what_another_thread_has_put_off_is_an_error_that_says_what_to_do(mlx):
    later = mlx.array(X) * 2.0
    with pytest.raises(bpx.BackendError, match=r"another thread has put off.*call mx\.eval on it in the thread that"):
        _in_thread(lambda: _network().predict(later))
    mlx.eval(later)
    assert _in_thread(lambda: _network().predict(later)).shape == (40, 3)


@pytest.mark.parametrize("prefetch", [True, False])
def test_batches_from_an_iterable(prefetch, mlx):
    def make(kind):
        batches = [(kind(X[i : i + 10]), kind(Y[i : i + 10].astype(np.int32))) for i in range(0, 40, 10)]
        mlx.eval([part for batch in batches for part in batch if kind is mlx.array])
        return batches

    losses = [
        _network(spec).fit(make(kind), epochs=4, prefetch=prefetch, optimizer="sgd").loss
        for spec, kind in (("mlx", np.array), ("mlx", mlx.array), ("numpy", np.array))
    ]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], losses[2], rtol=1e-5)


# -- numbers ----------------------------------------------------------------------------------------------


def test_exponentials_of_float64_have_all_its_digits(mlx):
    """MLX's own ``exp`` is one of float32 there: off by 3e-7."""
    place = bpx.get_backend("mlx")
    x = np.concatenate([np.linspace(-700.0, 700.0, 4001), RNG.uniform(-2.0, 2.0, 4000), [0.0, -0.0, 1e-300]])
    y = RNG.permutation(x)
    with np.errstate(under="ignore"):
        exact, both = np.exp(x.astype(np.longdouble)), np.logaddexp(x.astype(np.longdouble), y.astype(np.longdouble))
    with place.computing():
        got = place.to_numpy(place.xp.exp(place.asarray(x)))
        added = place.to_numpy(place.xp.logaddexp(place.asarray(x), place.asarray(y)))
        ends = place.to_numpy(place.xp.exp(place.asarray(np.array([-np.inf, np.inf, np.nan, -1e4, 1e4]))))
        single = place.xp.exp(place.asarray(X)), place.xp.logaddexp(place.asarray(X), place.asarray(X))
    assert got.dtype == added.dtype == np.float64
    assert np.max(np.abs(got / exact - 1)) < 1e-15
    assert np.max(np.abs(added - both) / np.maximum(np.abs(both), 1.0)) < 1e-15
    np.testing.assert_array_equal(ends, [0.0, np.inf, np.nan, 0.0, np.inf])
    assert [array.dtype for array in single] == [mlx.float32, mlx.float32]


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_mantissas_are_rounded_to_numpys_bits(precision, mlx):
    named = [0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF]
    special = np.array(named, dtype=np.uint32)  # subnormals, the smallest and the largest, infinity, NaN
    bits = np.concatenate([special, special | np.uint32(1 << 31), RNG.integers(2**32, size=100_000, dtype=np.uint32)])
    x, place = bits.view(np.float32), bpx.get_backend("mlx")
    assert np.isnan(x).sum() > 100
    with place.computing():
        got = place.to_numpy(place.round_mantissa(place.asarray(x), MANTISSA_BITS[precision]))
    np.testing.assert_array_equal(got.view(np.uint32), round_mantissa(x, MANTISSA_BITS[precision]).view(np.uint32))


# -- arrays, devices --------------------------------------------------------------------------------------


def test_arrays_stay_what_they_are_and_numpy_reads_them_where_they_lie(mlx):
    net = _network()
    x, y = mlx.array(X), mlx.array(Y.astype(np.int32))
    net.fit(x, y, epochs=1)
    assert type(net.predict(x)) is mlx.array
    assert all(type(array) is mlx.array for part in net.gradients(x, y)[1] for array in part.values())
    assert type(net.predict(X)) is np.ndarray
    assert type(_network("numpy").predict(x)) is mlx.array
    first, second = bpx.to_numpy(x), bpx.to_numpy(x)
    assert first is not second
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(first, X)


def test_devices_are_named_and_others_refused(mlx):
    for spec in ("mlx:cpu", "mlx:cpu:0"):
        assert bpx.get_backend(spec).spec == "mlx:cpu:0"
    for spec in ("mlx:tpu", "mlx:cpu:7"):
        with pytest.raises(bpx.BackendError, match=rf"mlx has no device '{spec[4:]}'; its devices are .*cpu:0"):
            bpx.get_backend(spec)


def test_float64_on_a_gpu_is_refused_with_the_reason(mlx):
    """Without a GPU: the CPU's backend is told that it is one."""
    place = MlxBackend("cpu")
    _network(place, dtype="float64")
    place.device = "gpu:0"
    with pytest.raises(bpx.BackendError, match="'mlx:gpu:0' has no float64, because Apple's GPUs have none"):
        _network(place, dtype="float64")
    with pytest.raises(bpx.BackendError, match="has no float64"):
        _network("numpy", dtype="float64").to(place)
    assert np.isfinite(_network(place).fit(X, Y, epochs=2).loss).all()


@pytest.mark.slow
def test_compiled_as_on_a_gpu_the_numbers_are_the_same(mlx):
    """On a CPU MLX gives each new kernel to the system's compiler, which takes seconds."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("MLX compiles for the CPU by g++, and there is none here")
    place = MlxBackend("cpu")
    assert not place.compiles
    losses, outputs, compiled = [], [], []
    for place.compiles in (False, True):
        net = bpx.mlp([4, 2, 3], activation="tanh", seed=5, backend=place)
        place._mx, kept = _Watched(mlx, compiled), place._mx
        losses.append(net.fit(X, Y, epochs=5, batch_size=10, optimizer="sgd").loss)
        outputs.append(net.predict(X))
        place._mx = kept
        assert bool(compiled) == place.compiles
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


class _Watched:
    """MLX, with a note of each function that it compiles."""

    def __init__(self, module, compiled):
        self._module, self._compiled = module, compiled

    def __getattr__(self, name):
        return getattr(self._module, name)

    def compile(self, function):
        self._compiled.append(function)
        return self._module.compile(function)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", bpx.SGD(0.1, momentum=0.9)], ids=str)
def test_what_an_optimizer_begins_with_is_computed_where_it_is_made(optimizer, mlx):
    class Failing(bpx.Callback):
        def on_train_begin(self, run):
            raise RuntimeError("not today")

    net = _network()

    def begin():
        with pytest.raises(RuntimeError, match="not today"):
            net.fit(X, Y, epochs=1, optimizer=optimizer, callbacks=[Failing()])

    _in_thread(begin)
    copy.deepcopy(net)
    _in_thread(net.copy)
    net.fit(X, Y, epochs=1, optimizer=optimizer)
