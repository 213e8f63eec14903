"""What is written on a tape is done again to the same bits; what cannot be is refused."""

import weakref

import numpy as np
import pytest

from bpx.backend.numpy_functions import numpy_namespace
from bpx.backend.tape import Tape, TapeError

XP = numpy_namespace()
A = np.random.default_rng(0).standard_normal((5, 4))
B = np.random.default_rng(1).standard_normal((5, 4))
ROWS = np.array([3, 0, 3])

WORK = {
    "operators": lambda a, b: (a + b) * (1.0 - a) / (b * b + 2) - 0.5 * b,
    "in place": lambda a, b: _in_place(a * 1.0, b),
    "powers": lambda a, b: a**2 + abs(b) ** 1.5,
    "comparisons": lambda a, b: XP.astype(a > b, a.dtype) * a,
    "functions": lambda a, b: XP.exp(a) + XP.tanh(b) + XP.log1p(XP.abs(a)) + XP.sqrt(XP.abs(b)) + XP.sign(a),
    "limits": lambda a, b: XP.maximum(a, 0.0) + XP.minimum(a, b),
    "where": lambda a, b: XP.where(a > 0.0, b, 0.5) + XP.where(a > 0.0, 1.5, b),
    "products": lambda a, b: XP.matmul(XP.matmul(a, b.T), a) + a @ (b.T @ b),
    "vectors": lambda a, b: XP.matmul(XP.reshape(a, (-1,)), XP.reshape(b, (-1,))) * a,
    "sums": lambda a, b: XP.sum(a, axis=0) + XP.sum(b, axis=1, keepdims=True) + XP.sum(a * b),
    "maxima": lambda a, b: XP.max(a, axis=1, keepdims=True) + XP.max(b, axis=0),
    "means": lambda a, b: XP.mean(a, axis=1, keepdims=True) + XP.mean(b, axis=0),
    "rows": lambda a, b: XP.take(a, ROWS, axis=0) - XP.take(b, ROWS, axis=0),
    "views": lambda a, b: a[1:, ::2] + b.T[::2, 1:].T + a[0, ...][::2] * b[2, 3],
    "integers": lambda a, b: XP.astype(a * 100.0, XP.int32) ^ 12345,
    "parts": lambda a, b: XP.concat([a, 2.0 * b, a[:, 1:2]], axis=1) + XP.concat([a, b])[:5, :1],
    "axes": lambda a, b: (
        XP.reshape(XP.permute_dims(XP.reshape(a, (5, 2, 2)), (1, 0, 2)), (5, 4)) + XP.reshape(b.T, (5, 4))
    ),
    "waves": lambda a, b: XP.sin(a) * XP.cos(b),
    "like": lambda a, b: XP.ones_like(a) * b,
    "copies": lambda a, b: a.copy() * b,
}


def _play(tape):
    for function, arguments in tape.calls:
        function(*arguments)


def _in_place(a, b):
    a += b
    a *= a
    a -= 2.0 * b
    view = a.T
    view /= 3.0
    return a


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WORK)
def test_a_tape_makes_the_same_bits_of_other_values(name, dtype):
    tape, work = Tape(1 << 20), WORK[name]
    a, b = A.astype(dtype), B.astype(dtype)
    result = tape.unwrap(work(tape.wrap(a), tape.wrap(b)))
    expected = np.asarray(work(A.astype(dtype), B.astype(dtype)))
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected, strict=True)
    a[...], b[...] = B[::-1], A * 3.0
    expected = np.asarray(work(a.copy(), b.copy()))
    _play(tape)
    np.testing.assert_array_equal(result, expected, strict=True)


def test_what_is_assigned_is_written_down():
    tape, a = Tape(1 << 20), A.copy()
    x = tape.wrap(a)
    x[...] = 2.0 * x
    np.testing.assert_array_equal(a, 2.0 * A)
    _play(tape)
    np.testing.assert_array_equal(a, 4.0 * A)


REFUSED = {
    "float": lambda x: float(x[0, 0]),
    "int": lambda x: int(x[0, 0]),
    "bool": lambda x: bool(x[0, 0] > 0.0),
    "item": lambda x: x[0, 0].item(),
    "list": lambda x: x.tolist(),
    "a mask": lambda x: x[x > 0.0],
    "rows by index": lambda x: x[ROWS],
    "assignment to a part": lambda x: x.__setitem__(0, 1.0),
    "another function": np.linalg.norm,
    "einsum": lambda x: np.einsum("ij->i", x),
    "outer": lambda x: np.multiply.outer(x, x),
    "accumulate": lambda x: np.add.accumulate(x),
    "options": lambda x: np.exp(x, where=np.ones(x.shape, dtype=bool)),
    "a result without the tape": lambda x: np.ones(5).dot(x) + 1.0,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_again_is_refused(name):
    with pytest.raises(TapeError):
        REFUSED[name](Tape(1 << 20).wrap(A.copy()))


def test_a_step_that_is_too_large_is_refused():
    x = Tape(3 * A.nbytes).wrap(A.copy())
    y = x + 1.0
    y = y + 1.0
    y = y + 1.0
    with pytest.raises(TapeError, match="too large"):
        y + 1.0


def test_a_closed_tape_plays_but_holds_no_other_array():
    tape, a, unused = Tape(1 << 20), A.copy(), A.copy()
    result = tape.unwrap(tape.wrap(a) * 2.0)
    tape.wrap(unused)
    gone = weakref.ref(unused)
    tape.close()
    del unused
    assert gone() is None
    a[...] = B
    _play(tape)
    np.testing.assert_array_equal(result, B * 2.0)
