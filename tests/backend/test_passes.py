"""Functions of elements as one kernel, compiled for this processor and compared with their sources."""

import numpy as np
import pytest
from cases import LAYER_CASES
from compiled_kernels import CXX, Compiler

import bpx
from bpx.backend import kernels
from bpx.backend.kernels import PassKernel
from bpx.backend.precision import round_mantissa
from bpx.core.fusion import Activate, Differentiate
from bpx.formulas import find_declared
from bpx.layers.base import COMPUTING

ELEMENTWISE = [case for case in LAYER_CASES if find_declared(type(case.layer), "elementwise", *COMPUTING)]

needs_compiler = pytest.mark.skipif(CXX is None, reason="there is no C++ compiler here")

NP = bpx.get_backend("numpy").xp


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    return Compiler(tmp_path_factory.mktemp("passes"))


def _call(compiler, function, *arguments):
    """Return what a kernel makes of some arrays, and how many were launched."""
    compiler.launched.clear()
    return PassKernel(compiler, NP, function, "bpx_pass")(*arguments), len(compiler.launched)


@needs_compiler
def test_nested_results_and_given_arrays_come_back_in_their_places(compiler):
    def function(xp, pair, c):
        a, b = pair
        total = a + b
        return total, (a, (total, {"product": a * b, "none": None}), c)

    x, y = np.asarray([1.0, 2.0]), np.asarray([3.0, 4.0])
    kernel = PassKernel(compiler, NP, function, "bpx_nested")
    for shift in range(3):
        moved = x + shift
        total, (first, (again, rest), third) = kernel((moved, y), y)
        assert again is total
        np.testing.assert_array_equal(total, moved + y)
        assert first is moved
        np.testing.assert_array_equal(rest["product"], moved * y)
        assert rest["none"] is None
        assert third is y


SHAPES = {"together": (6, 8), "one by one": (5, 7), "one row": (1, 4), "no matrix": (9,), "stack": (2, 3, 4)}


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_element_is_met_once_and_a_row_is_shared_by_all(shape, dtype, compiler, generator):
    x, row = generator.standard_normal(shape).astype(dtype), generator.standard_normal(shape[-1]).astype(dtype)
    made, launched = _call(compiler, lambda xp, a, b: a * 2.0 - b, x, row)
    assert launched == 1
    np.testing.assert_array_equal(made, x * np.asarray(2.0, dtype) - row)
    assert made.dtype == x.dtype


@needs_compiler
def test_arrays_that_begin_or_lie_elsewhere_are_read_as_they_are(compiler, generator):
    memory = generator.standard_normal(4 * 6 + 1).astype("float32")
    for x in (memory[1:].reshape(4, 6), memory[:24].reshape(6, 4).T, memory[:24].reshape(4, 6)[:, ::2]):
        made, launched = _call(compiler, lambda xp, a: xp.maximum(a, 0.0), x)
        assert launched == 1
        np.testing.assert_array_equal(made, np.maximum(x, 0.0))


@needs_compiler
def test_flags_go_in_and_come_out(compiler):
    x = np.asarray([[-1.0, 2.0], [0.0, np.nan]])
    (flags, y), _ = _call(compiler, lambda xp, a: (a > 0.0, xp.astype(a > 0.0, a.dtype)), x)
    np.testing.assert_array_equal(flags, x > 0.0)
    assert flags.dtype == bool
    np.testing.assert_array_equal(y, [[0.0, 1.0], [0.0, 0.0]])
    back, _ = _call(compiler, lambda xp, a, f: xp.where(f, a, 3.0), x, flags)
    np.testing.assert_array_equal(back, [[3.0, 2.0], [3.0, 3.0]])


UNFOLLOWED = {
    "what no symbol knows": (lambda xp, a: xp.sort(a), (np.ones((2, 2)),)),
    "another shape": (lambda xp, a, b: a + b, (np.ones((2, 2)), np.ones((2, 1)))),
    "two dtypes": (lambda xp, a, b: a + b, (np.ones((2, 2)), np.ones((2, 2), dtype="float32"))),
    "whole numbers": (lambda xp, a: a + a, (np.ones((2, 2), dtype=int),)),
    "no array": (lambda xp, a, b: a * b, (np.ones((2, 2)), 2.0)),
    "nothing": (lambda xp, a: a + a, (np.ones((0, 2)),)),
    "a number out": (lambda xp, a: 2.0, (np.ones((2, 2)),)),
}


@pytest.mark.parametrize("kind", UNFOLLOWED)
def test_what_cannot_be_followed_is_called_as_it_is(kind):
    function, arguments = UNFOLLOWED[kind]
    compiler = Compiler(None)
    np.testing.assert_array_equal(PassKernel(compiler, NP, function, "bpx_pass")(*arguments), function(NP, *arguments))
    assert not compiler.launched


def test_the_activations_are_those_that_take_each_element_by_itself():
    kinds = {type(case.layer).__name__ for case in ELEMENTWISE}
    assert kinds == {"Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Mish", "SELU"}


@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.name)
def test_an_elementwise_layer_does_the_same_to_a_part_of_its_input(case, generator):
    xp, layer = bpx.get_backend("numpy").xp, case.layer
    x = generator.standard_normal((6, 4))
    dy = generator.standard_normal((6, 4))
    y, cache = Activate(layer)(xp, x)
    part, its_cache = Activate(layer)(xp, x[2:3, 1:3])
    np.testing.assert_allclose(part, y[2:3, 1:3], rtol=1e-15)
    dx = Differentiate(layer)(xp, dy, cache)
    np.testing.assert_allclose(Differentiate(layer)(xp, dy[2:3, 1:3], its_cache), dx[2:3, 1:3], rtol=1e-14)


def test_a_layer_of_the_users_that_computes_something_else_is_not_taken_for_its_parent():
    class Centered(bpx.ReLU):
        def forward(self, xp, params, x, context=None):
            return super().forward(xp, params, x - xp.mean(x, axis=0), context)

    assert not find_declared(Centered, "elementwise", *COMPUTING)
    assert find_declared(type("Renamed", (bpx.ReLU,), {}), "elementwise", *COMPUTING)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.name)
def test_every_activation_is_followed(case, dtype, compiler, generator):
    x, bias, dy = (generator.standard_normal(s).astype(dtype) for s in ((6, 4), (4,), (6, 4)))
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    activate, differentiate = Activate(case.layer), Differentiate(case.layer)
    for arguments in ((x,), (x, bias)):
        y, cache = activate(NP, *arguments)
        (made, its_cache), launched = _call(compiler, activate, *arguments)
        assert launched == 1
        np.testing.assert_allclose(made, y, **close)
    dx, launched = _call(compiler, differentiate, dy, its_cache)
    assert launched == 1
    np.testing.assert_allclose(dx, differentiate(NP, dy, cache), **close)


@needs_compiler
@pytest.mark.parametrize("shape", [(1,), (3,), (4, 5), (64, 7), (8, 128)])
def test_rounding_to_bfloat16_is_that_of_the_other_backends(shape, compiler, generator):
    x = (10.0 ** generator.uniform(-30, 30, shape) * generator.choice([-1, 1], shape)).astype("float32")
    special = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, 1.00390625, 1.01171875], dtype="float32")
    x.reshape(-1)[: special.size] = special[: x.size]
    with np.errstate(over="ignore"):
        expected = round_mantissa(x, 7)
    (y, bits), launched = _call(compiler, lambda xp, a: (a + 0.0, xp.round_operand(a)), x)
    assert launched == 1
    assert bits.dtype == np.uint16
    np.testing.assert_array_equal((bits.astype(np.uint32) << 16).view(np.float32), expected)
    np.testing.assert_array_equal(y, x)


@needs_compiler
def test_more_arrays_than_a_kernel_takes_are_updated_by_several(compiler, monkeypatch):
    monkeypatch.setattr(kernels, "MOST_POINTERS", 6)
    params, rate = [np.full(3, float(i)) for i in range(8)], np.asarray(0.5)
    compiler.launched.clear()
    update = kernels.UpdateKernel(compiler, bpx.SGD(0.5).update, 0)
    assert update(params, [np.ones(3) for _ in params], [[] for _ in params], [rate])
    assert len(compiler.launched) == 3
    for i, w in enumerate(params):
        np.testing.assert_array_equal(w, np.full(3, i - 0.5))


@needs_compiler
def test_a_kernel_is_compiled_once_for_all_networks(compiler):
    made = kernels.Kernels(compiler, NP)
    assert made.fuse(Activate(bpx.ReLU()), "a") is made.fuse(Activate(bpx.ReLU()), "a")
    assert made.fuse(Activate(bpx.LeakyReLU(0.1)), "a") is not made.fuse(Activate(bpx.LeakyReLU(0.2)), "a")
    assert made.fuse_update(bpx.SGD(0.1).update, 0) is made.fuse_update(bpx.SGD(0.2).update, 0)
    assert made.fuse_loss(bpx.CrossEntropy()) is made.fuse_loss(bpx.CrossEntropy())
    assert made.fuse_loss(bpx.CrossEntropy()) is not made.fuse_loss(bpx.CrossEntropy(label_smoothing=0.1))


def test_what_does_not_hash_is_made_each_time_and_what_is_kept_is_bounded(monkeypatch):
    class Unhashable(bpx.SquaredError):
        __hash__ = None

    made, loss = kernels.Kernels(None, NP), Unhashable()
    assert made.fuse_loss(loss) is not made.fuse_loss(loss)
    monkeypatch.setattr(kernels, "MOST_KEPT", 3)
    for i in range(9):
        made.fuse_loss(bpx.CrossEntropy(label_smoothing=i / 10))
    assert len(made._kept) == 3


@needs_compiler
def test_a_loss_is_compiled_for_some_shapes_only(compiler, monkeypatch):
    monkeypatch.setattr(kernels, "MOST_SHAPES", 2)
    made = kernels.LossKernels(compiler, bpx.SquaredError())
    done = [made(np.ones((n, 2)), np.ones((n, 2)), None) is not None for n in (3, 4, 5, 3)]
    assert done == [True, True, False, True]
