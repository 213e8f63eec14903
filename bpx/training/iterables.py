"""Iterables of batches: lists, PyTorch's DataLoader, functions that return generators; gone through once an epoch."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from bpx.backend.transfer import library_of
from bpx.errors import InputError
from bpx.evaluation import Data

if TYPE_CHECKING:
    from bpx.network import Network


class Iterables:
    """Batches ``(x, y)`` or ``(x, y, sample_weight)`` from something that can be gone through anew for each epoch.

    Parameters
    ----------
    net : Network
    batches : iterable or callable
        A callable returns an iterable, and is given the epoch's number, from 1, if it takes an argument.
    name : str
        What it is called in errors.

    Raises
    ------
    InputError
        If it is neither.
    """

    def __init__(self, net: Network, batches: Any, name: str) -> None:
        if library_of(batches) is not None or hasattr(batches, "__array__") or isinstance(batches, (str, bytes, dict)):
            raise InputError(f"{name} is a {type(batches).__name__} without targets: give (x, y), or batches (x, y)")
        if not (callable(batches) or isinstance(batches, Iterable)):
            raise InputError(f"{name} must be arrays, or an iterable of batches (x, y), got {type(batches).__name__}")
        self.net, self.batches, self.name = net, batches, name
        self._takes_epoch = callable(batches) and _takes_an_argument(batches)

    @property
    def once(self) -> bool:
        """Whether it can be gone through once only, as a generator."""
        return isinstance(self.batches, Iterator)

    def length(self) -> int | None:
        """Return the number of batches, where it says one."""
        try:
            return len(self.batches)
        except TypeError:
            return None

    def pieces(self, epoch: int) -> Iterator[Data]:
        """Return the batches of an epoch, numbered from 0, checked, on the device."""
        batches = self.batches
        if callable(batches):
            batches = batches(epoch + 1) if self._takes_epoch else batches()
            if not isinstance(batches, Iterable):
                raise InputError(f"{self.name} must return an iterable of batches, got {type(batches).__name__}")
        iterator = iter(batches)
        weighted: bool | None = None
        try:
            for number, item in enumerate(iterator, 1):
                x, y, weight = self._parts(item, number)
                if weighted is None:
                    weighted = weight is not None
                elif weighted != (weight is not None):
                    raise InputError(f"batch {number} of {self.name}: either all batches have weights or none has")
                try:
                    yield self.net._inputs(x, y, weight)
                except InputError as error:
                    raise InputError(f"batch {number} of {self.name}: {error}") from None
        finally:
            close = getattr(iterator, "close", None)
            if close is not None and iterator is not self.batches:
                close()

    def _parts(self, item: Any, number: int) -> tuple[Any, Any, Any]:
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
            got = f"{len(item)} entries" if isinstance(item, (tuple, list)) else type(item).__name__
            raise InputError(f"batch {number} of {self.name} must be (x, y) or (x, y, sample_weight), got {got}")
        return (*item, None) if len(item) == 2 else tuple(item)


def _takes_an_argument(function: Any) -> bool:
    """Tell whether a function needs a positional argument."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)
