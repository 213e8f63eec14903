"""scikit-learn, imported on first use: without the extra ``sklearn`` the error says how to install it."""

from __future__ import annotations

from bpx.errors import InputError

MINIMUM = (1, 9)
"""The first release of scikit-learn whose interface these estimators have."""

_INSTALL = 'pip install "bpx-backprop[sklearn]"'


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
            f"the estimators of bpx.sklearn need scikit-learn, which is not installed: {_INSTALL}"
        ) from None
    found = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    if found < MINIMUM:
        raise MissingSklearnError(
            f"the estimators of bpx.sklearn need scikit-learn {MINIMUM[0]}.{MINIMUM[1]} or newer, found "
            f"{sklearn.__version__}: {_INSTALL}"
        )
