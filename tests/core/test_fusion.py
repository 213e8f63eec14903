"""Fused steps against plain ones, and how many operations a step gives the device."""

import gc

import numpy as np
import pytest
from compiled_kernels import CXX, Compiler

import bpx
from bpx.backend import buffered
from bpx.backend.captured import CapturingBackend
from bpx.backend.kernels import LossKernels, PassKernel, UpdateKernel
from bpx.backend.numpy_backend import NumpyBackend
from bpx.core.fusion import list_passes


class Fusing(NumpyBackend):
    """NumPy with functions fused as on CuPy; counts the passes by name."""

    fuses = True

    def __init__(self):
        super().__init__()
        self.passes = []

    def fused(self, function, name):
        def apply(*arrays):
            self.passes.append(name)
            return function(self.xp, *arrays)

        return apply


class Doubling(bpx.ReLU):
    """A layer of the user's: not its parent's forward."""

    def forward(self, xp, params, x, context=None):
        return super().forward(xp, params, 2.0 * x, context)

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        dx, grads = super().backward(xp, params, cache, dy)
        return 2.0 * dx, grads


ACTIVATIONS = [
    bpx.Sigmoid(), bpx.Tanh(), bpx.ReLU(), bpx.LeakyReLU(0.1), bpx.GELU(), bpx.GELU("tanh"), bpx.SiLU(), bpx.Softplus(),
]  # fmt: skip

NETWORKS = {
    **{repr(each): [bpx.Linear(5, 6), each, bpx.Linear(6, 3)] for each in ACTIVATIONS},
    "no bias": [bpx.Linear(5, 6, bias=False), bpx.ReLU(), bpx.Linear(6, 3)],
    "frozen": [bpx.Linear(5, 6, frozen=("bias",)), bpx.ReLU(), bpx.Linear(6, 6, frozen=("weight", "bias")), bpx.Tanh(),
               bpx.Linear(6, 3)],
    "activation first": [bpx.Tanh(), bpx.Linear(5, 3)],
    "activation last": [bpx.Linear(5, 4), bpx.ReLU(), bpx.Linear(4, 3), bpx.Softplus()],
    "two activations": [bpx.Linear(5, 4), bpx.ReLU(), bpx.SiLU(), bpx.Linear(4, 3)],
    "others between": [bpx.Linear(5, 6), bpx.BatchNorm(6), bpx.ReLU(), bpx.Dropout(0.3), bpx.LayerNorm(6),
                       bpx.Residual([bpx.Linear(6, 6), bpx.Tanh()]), bpx.Linear(6, 3)],
    "the user's": [bpx.Linear(5, 6), Doubling(), bpx.Linear(6, 3)],
}  # fmt: skip

X = np.random.default_rng(0).standard_normal((40, 5))
Y = np.random.default_rng(1).uniform(0.1, 1.0, (40, 3))


def _network(layers, backend, loss="squared_error"):
    return bpx.Network(layers, loss=loss, dtype="float64", seed=3, backend=backend)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_fused_training_is_the_plain_one_to_the_bit(name):
    place = Fusing()
    fused, plain = (_network(NETWORKS[name], backend) for backend in (place, "numpy"))
    options = {"epochs": 12, "batch_size": 16, "optimizer": bpx.Adam(0.01)}
    assert fused.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    for mine, theirs in zip(fused.params + fused.state, plain.params + plain.state, strict=True):
        for key in theirs:
            np.testing.assert_array_equal(mine[key], theirs[key])
    np.testing.assert_array_equal(fused.predict(X), plain.predict(X))
    assert fused.evaluate(X, Y) == plain.evaluate(X, Y)
    assert bool(place.passes) == (name != "the user's")


def test_the_bias_is_added_in_the_pass_of_the_activation():
    place = Fusing()
    net = _network([bpx.Linear(5, 6), bpx.ReLU(), bpx.Linear(6, 3, bias=False), bpx.Tanh(), bpx.Linear(3, 3)], place)
    net.predict(X)
    assert place.passes == ["bpx_relu_of_sum", "bpx_tanh"]
    place.passes.clear()
    net.fit(X, Y, epochs=1)
    assert place.passes == ["bpx_relu_of_sum", "bpx_tanh", "bpx_tanh_backward", "bpx_relu_backward"]


def test_where_nothing_is_fused_the_layers_are_called_as_they_are():
    layers = (bpx.Linear(5, 6), bpx.ReLU())
    for backend in (None, bpx.get_backend("numpy")):
        for layer, (forward, backward) in zip(layers, list_passes(np, backend, layers), strict=True):
            assert (forward, backward) == (layer.forward, layer.backward)


# -- the number of operations --------------------------------------------------------------------------------


class Counted(np.ndarray):
    """An array that counts what is done with it: each operation as one of the device's, views as none."""

    count = 0
    quiet = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(x.view(np.ndarray) if isinstance(x, Counted) else x for x in out)
        _note()
        result = getattr(ufunc, method)(*plain, **options)
        return out[0] if out is not None else _counted(result)

    def __array_function__(self, function, types, arguments, options):
        _note()
        with _Quiet():
            return _counted(super().__array_function__(function, types, arguments, options))

    def astype(self, *arguments, **options):
        _note()
        return super().astype(*arguments, **options)

    def __setitem__(self, key, value):
        _note()
        super().__setitem__(key, value)

    def copy(self, *arguments):
        _note()
        return super().copy(*arguments)


class _Quiet:
    """What is done in it was counted as a whole."""

    def __enter__(self):
        Counted.quiet += 1

    def __exit__(self, *error):
        Counted.quiet -= 1


def _note(operations=1):
    if not Counted.quiet:
        Counted.count += operations


def _counted(result):
    return result if result is None or isinstance(result, Counted) else np.asarray(result).view(Counted)


class Counting(CapturingBackend, NumpyBackend):
    """A device that counts the operations of each recorded run; what a GPU's library fuses counts as one."""

    fuses = True

    def __init__(self, own_kernels=True):
        super().__init__()
        import array_api_compat.numpy as compat

        self.own_kernels, self.counts = own_kernels, []
        functions = {name: getattr(compat, name) for name in dir(compat) if not name.startswith("__")}
        functions["zeros"] = lambda *arguments, **options: _counted(np.zeros(*arguments, **options))
        functions["vecdot"] = lambda a, b: compat.sum(a * b)  # as on CuPy
        functions["reshape"] = lambda x, shape: x.reshape(shape)
        self.xp = type("Namespace", (), {name: staticmethod(f) for name, f in functions.items() if callable(f)})
        for name, value in functions.items():
            if not callable(value) or isinstance(value, type):
                setattr(self.xp, name, value)

    def asarray(self, data, dtype=None):
        return _counted(super().asarray(data, dtype))

    def copy(self, array):
        return _counted(np.array(array))

    def to_numpy(self, array):
        return np.asarray(array).view(np.ndarray)

    def capture(self, step):
        def launch():
            Counted.count = 0
            step()
            self.counts.append(Counted.count)

        return launch

    def _as_one(self, function, operations=1):
        def apply(*arguments):
            _note(operations)
            with _Quiet():
                return function(*arguments)

        return apply

    def fused(self, function, name):
        return self._as_one(lambda *arrays: function(self.xp, *arrays))

    def elementwise(self, kernel, like, slots):
        return self._as_one(lambda *arguments: kernel(self.xp, *arguments))

    def fused_update(self, kernel, slots):
        if not self.own_kernels:
            return None

        def apply(params, grads, slots, numbers):
            for w, dw, kept in zip(params, grads, slots, strict=True):
                kernel(self.xp, w, dw, *kept, *numbers)
            return True

        return self._as_one(apply)

    def fused_loss(self, loss):
        if not self.own_kernels:
            return None

        def apply(z, y, weight):
            value, cache = loss.forward(self.xp, z, y, weight)
            return value, loss.backward(self.xp, cache)

        return self._as_one(apply, 2)


def _count(sizes, optimizer, place, batch_size=16):
    x = np.random.default_rng(0).standard_normal((64, sizes[0])).astype("float32")
    y = np.random.default_rng(1).integers(sizes[-1], size=64)
    net = bpx.mlp(sizes, backend=place)
    plain = bpx.mlp(sizes)
    for each in (net, plain):
        each.fit(x, y, epochs=10, batch_size=batch_size, optimizer=optimizer)
    np.testing.assert_allclose(net.params[0]["weight"], plain.params[0]["weight"], rtol=1e-3, atol=1e-5)
    assert len(place.counts) > 10 * (64 // (batch_size or 64)) - buffered.PLAIN_STEPS - 2 - 1
    assert len(set(place.counts)) == 1, "each step is the same"
    return place.counts[0]


@pytest.mark.parametrize("optimizer, numbers", [(bpx.SGD(0.1), 0), (bpx.Adam(0.01), 1)])
@pytest.mark.parametrize("sizes, most", [([20, 8, 3], 25), ([20, 8, 8, 3], 32)])
def test_the_operations_of_a_step(sizes, most, optimizer, numbers):
    """Batch of x and y, loss written, counter; 4 forward, 6 backward, 6 for a further layer; loss 2, update 1."""
    count = _count(sizes, optimizer, Counting())
    assert count == 4 + numbers + 10 + 6 * (len(sizes) - 3) + 2 + 1 <= most


def test_the_operations_of_a_step_without_kernels_for_loss_and_update():
    """Batch of x and y, loss written, counter; 13 for the loss, one for each of four parameters."""
    assert _count([20, 8, 3], bpx.SGD(0.1), Counting(own_kernels=False)) == 4 + 10 + 13 + 4


def test_the_stand_in_counts_each_operation_once():
    place = Counting()
    x = place.asarray(np.ones((4, 3)))
    xp = place.xp

    def count(work):
        Counted.count = 0
        work()
        return Counted.count

    assert count(lambda: x + 1.0) == 1
    assert count(lambda: xp.matmul(x, x.T)) == 1
    assert count(lambda: xp.sum(x, axis=0)) == 1
    assert count(lambda: xp.max(x, axis=1, keepdims=True)) == 1
    assert count(lambda: xp.take(x, place.asarray(np.zeros(1, int)), axis=0)[0, ...]) == 1
    assert count(lambda: xp.astype(x > 0.0, x.dtype)) == 2
    assert count(lambda: xp.where(x > 0.0, x, 0.0)) == 2
    assert count(lambda: xp.vecdot(x, x)) == 2
    assert count(lambda: x.__setitem__(0, 1.0)) == 1
    assert count(lambda: x.__iadd__(1.0)) == 1
    assert count(lambda: (x.T, x[0, ...], xp.reshape(x, (-1,)))) == 0


# -- with the kernels that a GPU would run -------------------------------------------------------------------


class Compiling(CapturingBackend, Fusing):
    """Recordings that are calls, functions fused, and the kernels of updates and losses compiled for this processor."""

    def __init__(self, compiler):
        super().__init__()
        self.compiler = compiler
        self.captured = 0

    def capture(self, step):
        self.captured += 1
        return step

    def fused(self, function, name):
        return PassKernel(self.compiler, self.xp, function, name)

    def fused_update(self, kernel, slots):
        return UpdateKernel(self.compiler, kernel, slots)

    def fused_loss(self, loss):
        return LossKernels(self.compiler, loss)


@pytest.mark.skipif(CXX is None, reason="there is no C++ compiler here")
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("optimizer", [bpx.SGD(0.1, momentum=0.9), bpx.Adam(0.01)])
def test_a_training_by_kernels_of_its_own_learns_the_same(loss, optimizer, tmp_path):
    place = Compiling(Compiler(tmp_path))
    layers = [bpx.Linear(5, 8), bpx.ReLU(), bpx.Linear(8, 8, frozen=("bias",)), bpx.Tanh(), bpx.Linear(8, 3)]
    made, plain = (_network(layers, backend, loss) for backend in (place, "numpy"))
    y = np.eye(3)[np.random.default_rng(1).integers(3, size=40)]
    options = {"epochs": 20, "batch_size": 16, "optimizer": optimizer}
    np.testing.assert_allclose(made.fit(X, y, **options).loss, plain.fit(X, y, **options).loss, rtol=1e-9)
    for mine, theirs in zip(made.params, plain.params, strict=True):
        for key in theirs:
            np.testing.assert_allclose(mine[key], theirs[key], rtol=1e-7, atol=1e-10)
    assert place.captured == 2
    passes = {"bpx_relu_of_sum", "bpx_relu_backward", "bpx_tanh_of_sum", "bpx_tanh_backward"}
    assert set(place.compiler.launched) == {"bpx_update", "bpx_loss_rows", "bpx_loss_value"} | passes
    gc.collect()


@pytest.mark.skipif(CXX is None, reason="there is no C++ compiler here")
def test_weights_of_samples_and_frozen_networks_go_the_plain_way(tmp_path):
    place = Compiling(Compiler(tmp_path))
    made, plain = (_network([bpx.Linear(5, 3)], backend, "cross_entropy") for backend in (place, "numpy"))
    y, weights = np.arange(40) % 3, np.linspace(0.0, 2.0, 40)
    for net in (made, plain):
        net.fit(X, y, epochs=5, sample_weight=weights, optimizer="sgd")
    np.testing.assert_allclose(made.predict(X), plain.predict(X), rtol=1e-12)
    assert set(place.compiler.launched) == {"bpx_update"}


class Rounded(np.ndarray):
    """An operand that was rounded once and for all."""


class Rounding(NumpyBackend):
    """NumPy whose products take operands that were rounded before; counts how often one is rounded."""

    def __init__(self):
        super().__init__()
        self.rounded = 0

    def make_rounding(self, precision):
        def round_operand(x):
            self.rounded += not isinstance(x, Rounded)
            return self.round_mantissa(np.asarray(x), 7).view(Rounded)

        return round_operand

    def make_matmul(self, precision):
        plain = super().make_matmul(precision)

        def matmul(a, b):
            self.rounded += sum(not isinstance(x, Rounded) for x in (a, b))
            return plain(np.asarray(a), np.asarray(b))

        return matmul


@pytest.mark.parametrize("optimizer", ["sgd", bpx.Adam(0.01)])
def test_operands_that_are_rounded_once_give_the_training_whose_products_round_each_time(optimizer):
    place, y = Rounding(), np.arange(40) % 3
    made, plain = (bpx.mlp([5, 8, 8, 3], precision="bfloat16", seed=1, backend=backend) for backend in (place, "numpy"))
    options = {"epochs": 3, "batch_size": None, "optimizer": optimizer}
    assert made.fit(X, y, **options).loss == plain.fit(X, y, **options).loss
    for mine, theirs in zip(made.params, plain.params, strict=True):
        for key in theirs:
            np.testing.assert_array_equal(mine[key], theirs[key])
    assert place.rounded == 3 * 3 * 3, "of three layers input, weight and gradient, at each of three steps"
    np.testing.assert_array_equal(made.predict(X), plain.predict(X))


class RoundingAndFusing(Rounding, Fusing):
    """Both: what an activation hands to a linear layer is rounded in its own pass."""

    def __init__(self):
        super().__init__()
        self.passes = []


def test_an_activation_rounds_what_it_hands_on():
    place, y = RoundingAndFusing(), np.arange(40) % 3
    layers = [bpx.Linear(5, 8), bpx.ReLU(), bpx.Linear(8, 8), bpx.LeakyReLU(), bpx.Linear(8, 3)]
    made, plain = (
        bpx.Network(layers, loss="cross_entropy", precision="bfloat16", seed=1, backend=b) for b in (place, "numpy")
    )
    options = {"epochs": 3, "batch_size": None}
    assert made.fit(X, y, **options).loss == plain.fit(X, y, **options).loss
    assert place.rounded == 3 * 3 * 3
    assert len(place.passes) == 3 * 4
    np.testing.assert_array_equal(made.predict(X), plain.predict(X))
