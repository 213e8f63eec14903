"""Polars, imported on first use: without the extra ``table`` the error says how to install it."""

from __future__ import annotations

from bpx.errors import InputError

__all__ = ["require_polars"]


def require_polars() -> None:
    """Check that polars can be imported.

    Raises
    ------
    InputError
        If polars is not installed; the message is the line that installs it.
    """
    try:
        import polars  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "polars":
            raise
        raise InputError('tables need polars, which is not installed: pip install "bpx-backprop[table]"') from None
