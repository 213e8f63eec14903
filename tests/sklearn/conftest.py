"""What the tests of the estimators share: real data, and a look at what a fit left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.preprocessing import scale


@pytest.fixture(scope="session")
def iris() -> Any:
    """Return 150 flowers of three classes."""
    x, y = load_iris(return_X_y=True)
    return scale(x), y


@pytest.fixture(scope="session")
def cancer() -> Any:
    """Return 569 tumors of two classes."""
    x, y = load_breast_cancer(return_X_y=True)
    return scale(x), y


@pytest.fixture(scope="session")
def digits() -> Any:
    """Return 600 handwritten digits."""
    x, y = load_digits(return_X_y=True)
    return x[:600] / 16.0, y[:600]


@pytest.fixture(scope="session")
def diabetes() -> Any:
    """Return 442 patients and the course of their disease."""
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


@pytest.fixture(scope="session")
def flags() -> Any:
    """Return 120 samples with three labels each."""
    x = np.random.default_rng(4).normal(size=(120, 5))
    return x, np.stack([x[:, 0] > 0.3, x[:, 1] + x[:, 2] > 0.0, x[:, 3] * x[:, 4] > 0.0], axis=1).astype(int)
