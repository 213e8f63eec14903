"""Kernels written from updates and losses, compiled for this processor and compared with their sources."""

import numpy as np
import pytest
from compiled_kernels import CXX, Compiler

import bpx
from bpx.backend import kernels
from bpx.backend.kernels import LossKernels, UpdateKernel
from bpx.core.sharing import SummedLoss
from bpx.losses import LOSSES

needs_compiler = pytest.mark.skipif(CXX is None, reason="there is no C++ compiler here")

NP = bpx.get_backend("numpy").xp

OPTIMIZERS = {
    "sgd": bpx.SGD(0.1),
    "momentum": bpx.SGD(0.1, momentum=0.9),
    "nesterov": bpx.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": bpx.Adam(0.01),
    "scaled": bpx.Adam(0.01, scaled_eps=True),
    "adamw": bpx.AdamW(0.01),
    "rmsprop": bpx.RMSprop(0.01),
    "averaged": bpx.Averaged(bpx.AdamW(0.01)),
    "averaged-sgd": bpx.Averaged(bpx.SGD(0.1)),
}

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    return Compiler(tmp_path_factory.mktemp("kernels"))


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_arrays_are_updated_by_one_kernel_as_one_by_one(name, dtype, compiler, generator):
    optimizer, shapes = OPTIMIZERS[name], [(700, 3), (3,), (3, 300), (1,)]

    def draw(low, high):
        return [generator.uniform(low, high, shape).astype(dtype) for shape in shapes]

    params, grads = draw(-1, 1), draw(-1, 1)
    slots = [list(each) for each in zip(*(draw(0, 1) for _ in range(optimizer.n_slots)), strict=True)] or [[]] * 4
    numbers = [np.asarray(n, dtype=dtype) for n in optimizer.coefficients(np.arange(4, 5), np.full(1, 0.01))[0]]
    expected = [
        optimizer.update(NP, w.copy(), dw.copy(), *(s.copy() for s in kept), *numbers)
        for w, dw, kept in zip(params, grads, slots, strict=True)
    ]
    update, before = UpdateKernel(compiler, optimizer.update, optimizer.n_slots), [dw.copy() for dw in grads]
    compiler.launched.clear()
    assert update(params, grads, slots, numbers)
    assert compiler.launched == ["bpx_update"]
    for w, kept, wanted in zip(params, slots, expected, strict=True):
        for mine, theirs in zip((w, *kept), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for dw, same in zip(grads, before, strict=True):
        np.testing.assert_array_equal(dw, same)


@needs_compiler
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_forward_and_backward_is_two_kernels(name, dtype, reduction, compiler, generator):
    loss = LOSSES[name](reduction=reduction)
    _compare_loss(loss, dtype, 600, 7, compiler, generator)


@needs_compiler
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_losses_of_few_rows_and_columns(shape, compiler, generator):
    for loss in (bpx.CrossEntropy(label_smoothing=0.1), bpx.BinaryCrossEntropy(), bpx.SquaredError()):
        _compare_loss(loss, "float64", *shape, compiler, generator)


def _compare_loss(loss, dtype, rows, columns, compiler, generator):
    z = (4.0 * generator.standard_normal((rows, columns))).astype(dtype)
    y = np.eye(columns, dtype=dtype)[generator.integers(columns, size=rows)]
    value, cache = loss.forward(NP, z, y)
    compiler.launched.clear()
    made = LossKernels(compiler, loss)(z, y, None)
    assert compiler.launched == ["bpx_loss_rows", "bpx_loss_value"]
    np.testing.assert_allclose(made[0], value, rtol=50 * TOLERANCE[dtype])
    np.testing.assert_allclose(made[1], loss.backward(NP, cache), rtol=20 * TOLERANCE[dtype], atol=TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_the_rows_that_a_process_has_is_two_kernels_too(reduction, compiler, generator):
    part = SummedLoss(bpx.CrossEntropy(reduction=reduction))
    _compare_loss(part, "float64", 6, 3, compiler, generator)
    assert LossKernels(compiler, part)(np.zeros((0, 3)), np.zeros((0, 3)), None) is None, (
        "of no rows it is taken plainly"
    )


@needs_compiler
def test_extreme_logits_and_nan(compiler):
    z = np.asarray([[1e4, -1e4, 0.0], [-1e30, 1e30, 3.0], [0.0, 0.0, 0.0]])
    y = np.eye(3)
    loss = bpx.CrossEntropy()
    value, cache = loss.forward(NP, z, y)
    made = LossKernels(compiler, loss)(z, y, None)
    np.testing.assert_allclose(made[0], value)
    np.testing.assert_allclose(made[1], loss.backward(NP, cache))
    z[1, 1] = np.nan
    assert np.isnan(LossKernels(compiler, loss)(z, y, None)[0])


class Larger(bpx.SquaredError):
    """The larger of output and target, and the smaller."""

    def forward(self, xp, z, y, weight=None):
        return xp.sum(xp.maximum(z, y) - xp.minimum(z, y)), (z - y, 1.0)


@needs_compiler
@pytest.mark.parametrize("where", ["z", "y"])
def test_the_larger_of_two_is_nan_where_one_is(where, compiler):
    arrays = {"z": np.asarray([[1.0, 2.0]]), "y": np.asarray([[2.0, 1.0]])}
    assert LossKernels(compiler, Larger())(**arrays, weight=None)[0] == 2.0
    arrays[where][0, 1] = np.nan
    assert np.isnan(LossKernels(compiler, Larger())(**arrays, weight=None)[0])


def test_what_cannot_be_taken_by_kernels_is_left_to_the_loss(generator):
    z, y = generator.standard_normal((6, 3)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    made = LossKernels(None, bpx.CrossEntropy())
    assert made(z, y, np.ones(6)) is None, "weights of samples need a sum before the rows are done"
    assert made(z, np.arange(6) % 3, None) is None, "classes by number"
    assert made(z.astype("float32"), y, None) is None
    assert made(np.zeros((kernels.MOST_ROWS + 1, 1)), np.zeros((kernels.MOST_ROWS + 1, 1)), None) is None


class SumFirst(bpx.SquaredError):
    """Its gradient uses a sum over all rows."""

    def backward(self, xp, cache):
        d, _ = cache
        return d * xp.sum(d)


class Sorting(bpx.SquaredError):
    """It calls what no symbol knows."""

    def forward(self, xp, z, y, weight=None):
        return xp.sum(xp.sort(z - y)), (z - y, 1.0)


class NoSum(bpx.SquaredError):
    """Its loss is no sum over rows."""

    def forward(self, xp, z, y, weight=None):
        return 1.0, (z - y, 1.0)


class RowSums(bpx.SquaredError):
    """It sums over the rows."""

    def forward(self, xp, z, y, weight=None):
        return xp.sum(xp.sum(z - y, axis=0)), (z - y, 1.0)


@pytest.mark.parametrize("kind", [SumFirst, Sorting, NoSum, RowSums])
def test_a_loss_of_the_users_that_cannot_be_followed_is_taken_as_it_is(kind, generator):
    assert LossKernels(None, kind())(generator.standard_normal((6, 3)), np.ones((6, 3)), None) is None


def test_an_update_of_the_users_that_cannot_be_followed_is_made_as_it_is():
    def by_norm(xp, w, dw, rate):
        w -= rate * dw / xp.sqrt(xp.sum(dw * dw))
        return (w,)

    assert not UpdateKernel(None, by_norm, 0)([np.ones(3)], [np.ones(3)], [[]], [np.asarray(0.1)])


def test_where_nothing_is_trained_there_is_nothing_to_launch():
    assert UpdateKernel(None, bpx.SGD(0.1).update, 0)([], [], [], [np.asarray(0.1)])
