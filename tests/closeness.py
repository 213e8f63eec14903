"""Arrays compared with what a NumPy computation expects, together with where they live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from backend_cases import BackendCase

from bpx.backend.transfer import backend_of


def assert_close(case: BackendCase, got: Any, expected: Any, rtol: float, *, dtype: str | None = None) -> None:
    """Assert that an array is where it should be, in the right dtype and shape, and near what is expected.

    The difference is measured against the largest element of ``expected``. Dicts are compared key by key.

    Parameters
    ----------
    case : BackendCase
        The library and device that ``got`` must be an array of.
    got : array or dict of arrays
    expected : array_like or dict of array_like
    rtol : float
        Largest difference allowed, relative to the largest element; 0 for equal bits.
    dtype : str or None
        The dtype that ``got`` must have; None is the case's widest.
    """
    if isinstance(expected, Mapping):
        assert sorted(got) == sorted(expected)
        for name, value in expected.items():
            assert_close(case, got[name], value, rtol, dtype=dtype)
        return
    lives = backend_of(got)
    assert lives is not None, f"expected an array of {case.spec}, got {type(got).__name__}"
    assert lives.spec == case.spec
    assert str(got.dtype).rpartition(".")[2] == (dtype or case.dtype)
    host, expected = case.numpy(got), np.asarray(expected)
    assert host.shape == expected.shape
    if rtol == 0.0:
        np.testing.assert_array_equal(host, expected)
    else:
        assert relative_difference(host, expected) <= rtol


def relative_difference(got: Any, expected: Any) -> float:
    """Return the largest difference over the largest element of what is expected; infinity if one is not finite."""
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return np.inf
    if not expected.size:
        return 0.0
    scale = np.abs(expected).max()
    return float(np.abs(got - expected).max() / (scale if scale > 0.0 else 1.0))


def assert_same_bits(got: Any, expected: Any) -> None:
    """Assert that two lists of dicts of NumPy arrays are equal to the bit."""
    assert len(got) == len(expected)
    for mine, theirs in zip(got, expected, strict=True):
        assert sorted(mine) == sorted(theirs)
        for name in theirs:
            assert mine[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
