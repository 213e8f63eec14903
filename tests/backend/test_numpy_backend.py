"""What the NumPy backend does in its own way comes to the same as the standard's functions."""

import numpy as np
import pytest
from closeness import relative_difference

import bpx
from bpx.backend.numpy_backend import CACHE_BLOCK_BYTES, numpy_namespace

OPTIMIZERS = [
    bpx.SGD(0.1), bpx.SGD(0.1, 0.9), bpx.SGD(0.1, 0.9, True), bpx.Adam(), bpx.AdamW(), bpx.RMSprop(),
    bpx.Averaged(bpx.SGD(0.1)), bpx.Averaged(bpx.Adam()),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(3, 4), (200, 50), (1, 5000), (0, 3)])
def test_sums_and_maxima_are_numpys(shape, dtype, generator):
    x = (generator.normal(size=shape) * 10).astype(dtype)
    xp = numpy_namespace()
    for options in ({"axis": 0}, {"axis": 1}, {}, {"axis": -1, "keepdims": True}, {"axis": 0, "keepdims": True}):
        exact = np.sum(x.astype(np.float64), **options)
        assert relative_difference(xp.sum(x, **options), exact) < (1e-5 if dtype == "float32" else 1e-13)
        if x.size:
            np.testing.assert_array_equal(xp.max(x, **options), np.max(x, **options))
    assert xp.sum(x, axis=0).dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(3, 4), (5, 200), (200,), (2, 3, 100), (0, 100)])
def test_limits_are_numpys(shape, dtype, generator):
    x, other = ((generator.normal(size=shape) * 10).astype(dtype) for _ in range(2))
    xp = numpy_namespace()
    if dtype != "int64" and x.size > 1:
        x.flat[1] = np.nan
    for y in (0.0, -1.5, 2, other):
        for mine, theirs in ((xp.maximum(x, y), np.maximum(x, y)), (xp.minimum(x, y), np.minimum(x, y))):
            np.testing.assert_array_equal(mine, theirs, strict=True)


def test_reshape_is_numpys(generator):
    x = generator.normal(size=(3, 4))
    for options in ({}, {"copy": True}, {"copy": None}):
        np.testing.assert_array_equal(numpy_namespace().reshape(x, (2, 6), **options), x.reshape(2, 6))
    assert not np.shares_memory(numpy_namespace().reshape(x, (2, 6), copy=True), x)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_updates_in_pieces_are_the_updates_of_the_whole(optimizer, dtype, order, generator):
    backend = bpx.get_backend("numpy")
    shape = (301, CACHE_BLOCK_BYTES // 200)
    arrays = [np.asarray(generator.normal(size=shape), dtype=dtype, order=order) for _ in range(2)]
    arrays += [np.asarray(generator.random(shape), dtype=dtype, order=order) for _ in range(optimizer.n_slots)]
    assert arrays[0].nbytes > 4 * CACHE_BLOCK_BYTES
    numbers = backend.per_step(optimizer.coefficients(np.arange(3), np.full(3, 0.1)), dtype)[2]
    expected = optimizer.update(backend.xp, *(a.copy() for a in arrays), *numbers)
    got = backend.elementwise(optimizer.update, arrays[0], optimizer.n_slots)(*arrays, *numbers)
    assert len(got) == len(expected) == 1 + optimizer.n_slots
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_array_equal(mine, theirs)


def test_numbers_of_the_steps_promote_to_no_other_dtype():
    backend = bpx.get_backend("numpy")
    for values in (np.array([[0.1, 0.2]] * 3), np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])):
        rows = backend.per_step(values, "float32")
        assert len(rows) == 3
        for row, numbers in zip(rows, values, strict=True):
            assert [float(n) for n in row] == pytest.approx(numbers.tolist(), rel=1e-7)
            assert all((np.ones(2, dtype=np.float32) * n).dtype == np.float32 for n in row)


def test_computing_warns_of_nothing():
    with bpx.get_backend("numpy").computing():
        assert np.isinf(np.exp(np.array([1e4])))
        assert np.isnan(np.array([0.0]) / np.array([0.0]))
    with pytest.warns(RuntimeWarning):
        np.exp(np.array([1e4]))
