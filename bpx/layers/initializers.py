"""How weights start.

Each initializer draws from a NumPy generator in float64, so that device and dtype change no draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bpx.arguments import check_choice

Initializer = Callable[["np.random.Generator", int, int], np.ndarray]
"""``draw(generator, n_in, n_out) -> float64 array of shape (n_in, n_out)``."""


def glorot_uniform(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from U(-r, r), r = sqrt(6 / (n_in + n_out)): keeps the variance of signals and of gradients alike.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 16.
    """
    r = math.sqrt(6.0 / (n_in + n_out))
    return generator.uniform(-r, r, (n_in, n_out))


def glorot_normal(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from N(0, 2 / (n_in + n_out)).

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 12.
    """
    return generator.normal(0.0, math.sqrt(2.0 / (n_in + n_out)), (n_in, n_out))


def he_uniform(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from U(-r, r), r = sqrt(6 / n_in): keeps the variance of signals through ReLUs.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", 2015, eq. 10.
    """
    r = math.sqrt(6.0 / n_in)
    return generator.uniform(-r, r, (n_in, n_out))


def he_normal(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from N(0, 2 / n_in).

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", 2015, eq. 10.
    """
    return generator.normal(0.0, math.sqrt(2.0 / n_in), (n_in, n_out))


def lecun_uniform(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from U(-r, r), r = sqrt(3 / n_in): keeps the variance of signals through linear units.

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998, eq. 16.
    """
    r = math.sqrt(3.0 / n_in)
    return generator.uniform(-r, r, (n_in, n_out))


def lecun_normal(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from N(0, 1 / n_in).

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998, eq. 16.
    """
    return generator.normal(0.0, math.sqrt(1.0 / n_in), (n_in, n_out))


def normal(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from N(0, 1): for `bpx.NTKLinear`, which divides by sqrt(n_in) itself."""
    return generator.normal(0.0, 1.0, (n_in, n_out))


def zeros(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Return zeros: right for biases; weights of a hidden layer that all start alike stay alike."""
    return np.zeros((n_in, n_out))


def uniform(generator: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Draw from U[0, 1), as the notebook does for weights and biases."""
    return generator.random((n_in, n_out))


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, normal, zeros, uniform)
}
"""The initializers by name."""


def get_initializer(name: str) -> Initializer:
    """Return the initializer of a name; the error lists the names and the nearest spelling."""
    return INITIALIZERS[check_choice("initializer", name, INITIALIZERS)]
