"""A step whose rows are shared out among processes: the sums that make of it the step of the whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bpx.backend.base import Array
from bpx.backend.trees import list_leaves, rebuild
from bpx.errors import InputError
from bpx.layers.base import Context, Layer, Params, Part
from bpx.losses import Loss

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


class SummedLoss:
    """A loss as the sum over its rows, whatever its own reduction; of no rows it is 0.

    Attributes
    ----------
    reduction : str
        "sum".

    Parameters
    ----------
    loss : Loss
    """

    reduction = "sum"

    def __init__(self, loss: Loss) -> None:
        self._loss = loss

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        """Return the sum of the rows' losses, and what the backward pass needs."""
        rows = z.shape[0]
        if rows == 0:
            return xp.sum(z), (xp.zeros_like(z), None)
        value, cache = self._loss.forward(xp, z, y, weight)
        if self._loss.reduction == "sum":
            return value, (None, cache)
        mass = rows if weight is None else xp.sum(weight)
        return value * mass, (mass, cache)

    def backward(self, xp: Any, cache: Any) -> Array:
        """Return the gradient of the sum with respect to z."""
        factor, inner = cache
        if inner is None:
            return factor
        dz = self._loss.backward(xp, inner)
        return dz if factor is None else dz * factor


class SharedStep:
    """What a step asks the other processes, each of which has a part of the rows of each of its batches.

    Loss, gradients and the sum of the weights go into one contiguous buffer, which is summed up over the processes and
    divided then: a mean of means would weigh the rows of small parts more, and of no rows there is none.

    Parameters
    ----------
    loss : Loss
    communicator : Communicator
    sizes : sequence of int
        Rows of each batch of the step.

    Attributes
    ----------
    rows : int
        Of the whole step.
    loss : SummedLoss
        What is computed of the rows that are here.
    slices : list of slice
        Where each batch's part lies in the rows that are here.
    agree : callable
        ``agree(number)`` returns the least number of all processes.
    """

    def __init__(self, loss: Loss, communicator: Communicator, sizes: Sequence[int]) -> None:
        self._mean = loss.reduction == "mean"
        self._sum, self.agree = communicator.sum, communicator.agree
        self.loss: Any = SummedLoss(loss)
        self.rows = sum(sizes)
        spans = [communicator.find_part(rows) for rows in sizes]
        self._parts = [
            Part(start, stop, rows, communicator.sum) for (start, stop), rows in zip(spans, sizes, strict=True)
        ]
        self.slices, end = [], 0
        for part in self._parts:
            self.slices.append(slice(end, end + part.stop - part.first))
            end += part.stop - part.first
        self._buffer: Array | None = None
        self._views: list[Array] = []

    def tell(self, contexts: Sequence[Any], batch: int = 0) -> list[Any]:
        """Return the contexts of layers that know which part of a batch they see."""
        return [_add_part(context, self._parts[batch]) for context in contexts]

    def add_up(self, xp: Any, value: Array, grads: list[Params], weight: Array | None) -> tuple[Array, Any, Any]:
        """Return loss and gradients of all rows, reduced as the loss says, and the sum of their weights.

        The gradients lie in the buffer: the next step overwrites them.
        """
        arrays = list_leaves(grads)
        if self._buffer is None:
            self._make_buffer(xp, arrays, value)
        assert self._buffer is not None
        for view, array in zip(self._views, arrays, strict=True):
            view[...] = array
        self._buffer[-2] = value
        if weight is not None:
            self._buffer[-1] = xp.sum(weight)
        self._sum(self._buffer)
        mass: Any = self.rows if weight is None else xp.sum(self._buffer[-1:])
        if self._mean:
            numbers = self._buffer[:-1]
            if weight is None:
                numbers *= 1.0 / self.rows
            else:
                numbers /= xp.where(mass > 0.0, mass, xp.ones_like(mass))
        return xp.sum(self._buffer[-2:-1]), rebuild(grads, iter(self._views)), mass

    def _make_buffer(self, xp: Any, arrays: Sequence[Array], value: Array) -> None:
        """Make the buffer: the gradients, the loss, the sum of the weights."""
        ends = [0]
        for array in arrays:
            ends.append(ends[-1] + math.prod(array.shape))
        one = xp.reshape(value, (1,))
        self._buffer = xp.zeros_like(xp.concat([*(xp.reshape(array, (-1,)) for array in arrays), one, one]))
        self._views = [
            xp.reshape(self._buffer[start:stop], array.shape)
            for start, stop, array in zip(ends[:-1], ends[1:], arrays, strict=True)
        ]


def _add_part(context: Any, part: Part) -> Any:
    """Return a layer's context with the part of the batch that it sees; that of a block is a list."""
    if isinstance(context, Context):
        return context._replace(part=part)
    return [_add_part(inner, part) for inner in context] if isinstance(context, list) else context


def check_shareable(layers: Sequence[Layer]) -> None:
    """Raise unless what each layer does with a part of a batch can be made what it does with all of it.

    Raises
    ------
    InputError
        If a layer of the user's own looks at the batch, or at places in it, by code of its own.
    """
    for layer in _walk(layers):
        if layer.n_keys or layer.stateful:
            for name in ("forward", "backward", "context", "next_state"):
                method: Callable[..., Any] = getattr(type(layer), name)
                if not method.__module__.startswith("bpx."):
                    raise InputError(
                        f"{layer!r} cannot be trained by several processes: its {name} is not bpx's, and sees only a "
                        "part of each batch there, but running statistics and random masks are those of the whole"
                    )


def _walk(layers: Sequence[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        yield from _walk(getattr(layer, "layers", ()))
