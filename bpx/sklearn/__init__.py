"""Multilayer perceptrons with the interface of scikit-learn's, trained by bpx on any of its backends.

The estimators take the place of ``sklearn.neural_network.MLPClassifier`` and ``MLPRegressor`` without another change:
the same parameters, defaults, fitted attributes, messages and random draws. They are loaded when they are first used,
and need the extra ``sklearn``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bpx.sklearn.requirement import require_sklearn

if TYPE_CHECKING:
    from bpx.sklearn.classifier import MLPClassifier as MLPClassifier
    from bpx.sklearn.regressor import MLPRegressor as MLPRegressor

_HOME_OF = {"MLPClassifier": "bpx.sklearn.classifier", "MLPRegressor": "bpx.sklearn.regressor"}

__all__ = ["MLPClassifier", "MLPRegressor"]


def __getattr__(name: str) -> Any:
    """Load an estimator on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'bpx.sklearn' has no attribute {name!r}")
    require_sklearn()
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
