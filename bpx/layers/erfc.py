"""The complementary error function in the functions of the array API standard, which has none."""

from __future__ import annotations

from typing import Any

from bpx.backend.base import Array

_CHEBYSHEV = (
    -0.6513268598908547, 0.6419697923564902, 0.019476473204185836, -0.009561514786808632, -0.0009465953444820369,
    0.00036683949785276145, 4.252332480690777e-05, -2.0278578112534242e-05, -1.6242900046470256e-06,
    1.3036558355805232e-06, 1.5626441722066142e-08, -8.523809591492654e-08, 6.5290544390988515e-09,
    5.059343495551469e-09, -9.91364156493033e-10, -2.273651222931836e-10, 9.646791102015527e-11, 2.3940380830391146e-12,
    -6.886027526497553e-12, 8.944879273090725e-13, 3.130921399342958e-13, -1.1270822361367252e-13,
    3.810905255189232e-16, 7.106097613609237e-15, -1.5230282014571043e-15, -9.457494571291233e-17,
)  # fmt: skip
"""Coefficients of P below, computed with 60 digits by interpolation at 120 Chebyshev nodes."""


def erfc(xp: Any, x: Array) -> Array:
    """Return the complementary error function, 1 - erf(x), to about 4e-16 (absolute) in float64.

    For x >= 0, with ``t = 2 / (2 + x)``, ``erfc(x) = t exp(-x**2 + P(2 t - 1))``, P a sum of Chebyshev polynomials;
    for x < 0, ``erfc(x) = 2 - erfc(-x)``. The sum is taken by Clenshaw's recurrence.

    References
    ----------
    J. L. Schonfelder, "Chebyshev expansions for the error and related functions", 1978.
    """
    z = xp.abs(x)
    t = 2.0 / (2.0 + z)
    s = 2.0 * t - 1.0
    later, b = 0.0 * s, 0.0 * s
    for coefficient in reversed(_CHEBYSHEV[1:]):
        later, b = b, 2.0 * s * b - later + coefficient
    tail = t * xp.exp(-z * z + (s * b - later + _CHEBYSHEV[0]))
    return xp.where(x >= 0.0, tail, 2.0 - tail)
