"""What the tests of the estimators share: real data, and a look at what a fit left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the module beside this one, under --import-mode=importlib

collect_ignore = ["weights.py"]
"""A module that tests import; it holds no tests and no doctests."""


@pytest.fixture(autouse=True)
def _version_of_the_standard() -> Any:
    """Put array-api-strict back to its version of the standard: scikit-learn sets the one that it wants itself."""
    library = sys.modules.get("array_api_strict")
    before = library and library.get_array_api_strict_flags()
    yield
    if before:
        library.set_array_api_strict_flags(**before)


@pytest.fixture(scope="session")
def iris() -> Any:
    """Return 150 flowers of three classes."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    return _standard(*datasets.load_iris(return_X_y=True))


@pytest.fixture(scope="session")
def cancer() -> Any:
    """Return 569 tumors of two classes."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    return _standard(*datasets.load_breast_cancer(return_X_y=True))


@pytest.fixture(scope="session")
def digits() -> Any:
    """Return 600 handwritten digits."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, y = datasets.load_digits(return_X_y=True)
    return x[:600] / 16.0, y[:600]


@pytest.fixture(scope="session")
def diabetes() -> Any:
    """Return 442 patients and the course of their disease."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, y = _standard(*datasets.load_diabetes(return_X_y=True))
    return x, (y - y.mean()) / y.std()


@pytest.fixture(scope="session")
def flags() -> Any:
    """Return 120 samples with three labels each."""
    x = np.random.default_rng(4).normal(size=(120, 5))
    return x, np.stack([x[:, 0] > 0.3, x[:, 1] + x[:, 2] > 0.0, x[:, 3] * x[:, 4] > 0.0], axis=1).astype(int)


def _standard(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return samples with zero mean and unit variance."""
    return (x - x.mean(axis=0)) / x.std(axis=0), y
