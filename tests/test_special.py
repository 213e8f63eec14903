"""The complementary error function, against Python's own."""

import math

import numpy as np
from closeness import assert_close

from bpx.layers.erfc import erfc

GRID = np.concatenate([np.linspace(-7.0, 30.0, 1481), [-1e4, 1e4, 0.0, 1e-300, -1e-300]])
EXACT = np.array([math.erfc(v) for v in GRID])


def test_agrees_with_pythons_to_the_last_bits(backend):
    got = erfc(backend.xp, backend.array(GRID))
    assert_close(backend, got, EXACT, backend.either(2.5e-16, 2e-7))
    assert np.abs(backend.numpy(got) - EXACT).max() < backend.either(4.5e-16, 4e-7)


def test_the_tail_is_right_to_a_small_share_of_itself(on_numpy):
    x = np.linspace(0.0, 20.0, 401)
    exact = np.array([math.erfc(v) for v in x])
    assert (np.abs(erfc(on_numpy.xp, x) - exact) <= 1e-13 * exact).all()
