"""Multilayer perceptrons with the interface of scikit-learn's, trained by bpx on any of its backends.

The estimators take the place of ``sklearn.neural_network.MLPClassifier`` and ``MLPRegressor`` without another change:
the same parameters, defaults, fitted attributes, messages and random draws. ``NetworkClassifier`` and
``NetworkRegressor`` train a network that a function of yours builds, in pipelines and searches. ``TableClassifier`` and
``TableRegressor`` take tables as people have them, and train what ``bpx train`` trains; they need the extra ``table``
too. All are loaded when they are first used, and need the extra ``sklearn``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.optional import advise_install

if TYPE_CHECKING:
    from bpx.sklearn.classifier import MLPClassifier as MLPClassifier
    from bpx.sklearn.network import NetworkClassifier as NetworkClassifier
    from bpx.sklearn.network import NetworkRegressor as NetworkRegressor
    from bpx.sklearn.regressor import MLPRegressor as MLPRegressor
    from bpx.sklearn.table import TableClassifier as TableClassifier
    from bpx.sklearn.table import TableRegressor as TableRegressor

_HOME_OF = {
    "MLPClassifier": "bpx.sklearn.classifier",
    "MLPRegressor": "bpx.sklearn.regressor",
    "NetworkClassifier": "bpx.sklearn.network",
    "NetworkRegressor": "bpx.sklearn.network",
    "TableClassifier": "bpx.sklearn.table",
    "TableRegressor": "bpx.sklearn.table",
}

__all__ = [
    "MLPClassifier", "MLPRegressor", "NetworkClassifier", "NetworkRegressor", "TableClassifier", "TableRegressor",
]  # fmt: skip

MINIMUM = (1, 9)
"""The first release of scikit-learn whose interface these estimators have."""


class MissingSklearnError(InputError, ImportError):
    """scikit-learn is missing or too old; the message has the line that installs it."""


def require_sklearn() -> None:
    """Check that a scikit-learn of a known interface can be imported.

    Raises
    ------
    MissingSklearnError
        If scikit-learn is not installed, or older than 1.9. One that is installed and broken raises what it raises.
    """
    try:
        import sklearn
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise MissingSklearnError(
            f"the estimators of bpx.sklearn need scikit-learn, which is not installed: {advise_install('sklearn')}"
        ) from None
    found = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    if found < MINIMUM:
        raise MissingSklearnError(
            f"the estimators of bpx.sklearn need scikit-learn {MINIMUM[0]}.{MINIMUM[1]} or newer, found "
            f"{sklearn.__version__}: {advise_install('sklearn')}"
        )


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
