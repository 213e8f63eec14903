"""Steps in a loop: the same results on every backend, and on JAX one program however the steps are grouped."""

import numpy as np
import pytest
from closeness import assert_close

import bpx
from bpx.backend.base import slices

NUMBERS = np.array([[0.5, 1.0], [0.25, 2.0], [0.125, 3.0], [0.5, 4.0], [1.0, 5.0]])
KEYS = np.array([[1], [2], [3], [4], [5]], dtype=np.int32)
ORDER = np.array([[0, 1], [2, 3], [1, 0], [3, 2], [0, 3]])
FOLLOWING = np.array([[0, 1], [2, 3], [1, 2], [2, 3], [0, 1]])


def _steps(backend, calls=None):
    """Return a loop whose step adds some rows of the data, weighted by the step's numbers, to the carry."""
    xp = backend.xp

    def body(carry, data, inputs):
        if calls is not None:
            calls.append(None)
        rows, numbers, keys = inputs
        (total,) = carry
        if rows is not None:
            data = xp.take(data, rows, axis=0)
        change = xp.sum(data, axis=0) * numbers[0]
        if keys is not None:
            change = change * keys[0]
        total += change
        return (total,), xp.sum(total) + numbers[1]

    return backend.loop(body)


def _expected(rows, keys, length):
    data, total, outputs = np.arange(8.0).reshape(4, 2), np.zeros(2), []
    for i in range(length):
        part = data if rows is None else data[rows[i]]
        total = total + part.sum(axis=0) * NUMBERS[i, 0] * (1 if keys is None else keys[i, 0])
        outputs.append(total.sum() + NUMBERS[i, 1])
    return total, outputs


@pytest.mark.parametrize("keys", [None, KEYS], ids=["no keys", "keys"])
@pytest.mark.parametrize("rows", [None, ORDER, FOLLOWING], ids=["whole set", "batches", "batches in order"])
def test_steps_run_in_order_and_their_outputs_come_back_at_once(rows, keys, backend):
    place = backend.backend
    run = _steps(place)
    data = backend.array(np.arange(8.0).reshape(4, 2))
    for length in (1, 2, 5):
        inputs = (
            None if rows is None else place.rows_per_step(rows[:length]),
            place.per_step(NUMBERS[:length], backend.dtype),
            None if keys is None else place.per_step(keys[:length], "int32"),
        )
        start = place.copy(backend.array(np.zeros(2)))
        (total,), outputs = run((start,), data, inputs, length)
        expected, each = _expected(rows, keys, length)
        assert_close(backend, total, expected, 0.0)  # powers of two: exact in every precision
        assert type(outputs) is np.ndarray
        assert outputs.dtype == np.float64
        assert outputs.tolist() == each


@pytest.mark.parametrize("spec", ["numpy", "torch"])
def test_rows_that_follow_each_other_are_read_where_they_lie(spec, request):
    if spec == "torch":
        request.getfixturevalue("torch")
    place = bpx.get_backend(spec)
    take, data = place.xp.take, place.asarray(np.arange(8.0).reshape(4, 2))
    first, _ = place.rows_per_step(np.array([[1, 2, 3], [0, 1, 2]]))
    part = take(data, first, axis=0)
    assert np.shares_memory(place.to_numpy(part), place.to_numpy(data))
    np.testing.assert_array_equal(place.to_numpy(part), np.arange(2.0, 8.0).reshape(3, 2))
    np.testing.assert_array_equal(place.to_numpy(take(data, slice(1, 2), axis=1)), [[1.0], [3.0], [5.0], [7.0]])
    across = place.asarray(np.arange(8.0).reshape(2, 4)).T  # rows that do not lie in one piece are copied
    part = place.to_numpy(take(across, first, axis=0))
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part, np.arange(8.0).reshape(2, 4).T[1:])


def test_rows_of_steps_as_slices():
    assert slices(np.array([[3, 4], [0, 1]])) == [slice(3, 5), slice(0, 2)]
    assert slices(np.array([[7], [2]])) == [slice(7, 8), slice(2, 3)]
    assert slices(np.array([[0, 1, 2], [3, 5, 4]])) is None
    assert slices(np.array([[2, 1, 0]])) is None
    assert slices(np.zeros((0, 3), dtype=np.int64)) is None


@pytest.mark.parametrize("constant", [False, True])
def test_on_jax_one_program_serves_a_step_alone_and_two_together(constant, jax):
    place, calls = bpx.get_backend("jax"), []
    run = _steps(place, calls)
    data = place.asarray(np.arange(8.0).reshape(4, 2))
    numbers = np.repeat(NUMBERS[:1], 2, axis=0) if constant else NUMBERS[:2]
    for length in (2, 1, 2, 1):
        start = place.asarray(np.zeros(2))
        inputs = (
            None,
            place.per_step(numbers[:length], "float64", constant=constant),
            place.per_step(KEYS[:length], "int32"),
        )
        run((start,), data, inputs, length)
    assert len(calls) == 1


def test_numbers_that_are_equal_by_chance_are_no_constants_to_jax(jax):
    place, calls = bpx.get_backend("jax"), []
    run = _steps(place, calls)
    data = place.asarray(np.arange(8.0).reshape(4, 2))
    for numbers in (NUMBERS[:2], NUMBERS[[0, 0]]):
        inputs = (None, place.per_step(numbers, "float64"), None)
        run((place.asarray(np.zeros(2)),), data, inputs, 2)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("optimizer", "constant"),
    [
        (bpx.SGD(0.1), True),
        (bpx.SGD(0.1, 0.9), True),
        (bpx.RMSprop(), True),
        (bpx.Adam(), False),
        (bpx.AdamW(), False),
        (bpx.Averaged(bpx.SGD(0.1)), False),
    ],
)
def test_an_optimizer_knows_whether_its_numbers_change(optimizer, constant):
    assert optimizer.constant is constant
