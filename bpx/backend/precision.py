"""Precisions of matrix products, and rounding to them: what a GPU's tensor cores multiply, on any processor.

TF32 and bfloat16 are float32 with a shorter mantissa: 10 and 7 bits in place of 23. Both keep its exponent of 8 bits,
so that what is a normal number in float32 is one in them too, and a loss need not be scaled to keep gradients from
underflow, as it must be for float16 with its exponent of 5 bits. A product of two such numbers takes at most 22 bits,
which float32 holds: rounded are the operands alone, and they are summed up as in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.arguments import check_choice
from bpx.errors import InputError

MANTISSA_BITS = {"float32": 23, "tf32": 10, "bfloat16": 7}
"""Bits of the mantissa that an operand of a product keeps, by the name of a precision."""


def check_precision(precision: Any, dtype: str) -> str:
    """Return how operands are to be rounded.

    Raises
    ------
    InputError
        If there is no such precision, or it is less than float32 and the network's dtype is another.
    """
    check_choice("precision", precision, MANTISSA_BITS)
    if precision != "float32" and dtype != "float32":
        raise InputError(
            f"precision={precision!r} rounds the operands of float32 products, and a network of dtype {dtype} has "
            "none; use dtype='float32' or precision='float32', which rounds nothing"
        )
    return precision  # type: ignore[no-any-return]


def find_unit_roundoff(precision: str) -> float:
    """Return the largest relative error of rounding to a precision: ``2 ** -(mantissa bits + 1)``."""
    return float(2.0 ** -(MANTISSA_BITS[precision] + 1))


def round_mantissa(x: np.ndarray, bits: int) -> np.ndarray:
    """Return float32 numbers rounded to a mantissa of some bits: to nearest, ties to even. NaN stays NaN.

    Half of the last bit that stays is added, or a little less where that bit is 0, and what is cut off is set to 0. A
    carry out of the mantissa goes into the exponent, as it should; past the largest number comes infinity.

    References
    ----------
    IEEE 754-2019, section 4.3.1.
    """
    cut = 23 - bits
    whole = x.view(np.uint32)
    rounded = whole >> np.uint32(cut)
    rounded &= np.uint32(1)
    rounded += np.uint32((1 << (cut - 1)) - 1)
    rounded += whole
    rounded &= np.uint32(2**32 - (1 << cut))
    return np.where(np.isnan(x), x, rounded.view(np.float32))
