"""A training step that is watched: the step of `bpx.core.step` itself, on layers that note what goes in and comes out.

Nothing is computed here a second way. `Watch` stands in for a network in `make_step`: it has the network's layers, loss
and backend, each behind a thin wrapper that hands every call on and keeps what was given and returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy as copy_object
from dataclasses import dataclass, field
from typing import Any

from bpx.backend.base import Array, Backend
from bpx.backend.portable import hold, release
from bpx.core.model import Model
from bpx.explanation.opening import take_arrays
from bpx.layers import Residual
from bpx.layers.base import Layer, Params
from bpx.layers.stack import unfreeze
from bpx.losses import Loss


@dataclass
class LayerRecord:
    """One layer's part in a step, in the order of events.

    Attributes
    ----------
    layer : Layer
        The layer, as the network has it.
    free : Layer
        The same with no parameter frozen: what did the computing.
    params, state : dict of arrays
        The parameters and the running statistics before the step.
    x, y : array
        What went in and came out, one row a sample.
    cache : object
        What the forward pass left for the backward pass.
    dy, dx : array
        The loss's gradient with respect to y and to x.
    grads : dict of arrays
        The loss's gradient with respect to every parameter, frozen ones too.
    inner : list of LayerRecord
        The parts of the layers of a residual block.
    """

    layer: Layer
    free: Layer
    params: Params = field(default_factory=dict)
    state: Params = field(default_factory=dict)
    x: Array = None
    y: Array = None
    cache: Any = None
    dy: Array = None
    dx: Array = None
    grads: Params = field(default_factory=dict)
    inner: list[LayerRecord] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        return {name: hold(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: release(value) for name, value in state.items()})

    def pull_back(self, xp: Any, dy: Array) -> tuple[Array, Params]:
        """Return what the layer's own backward pass makes of any other dy."""
        return self.free.backward(xp, self.params, self.cache, dy)


@dataclass
class UpdateRecord:
    """What the optimizer did to one parameter.

    Attributes
    ----------
    gradient : array
        The gradient that it was given, after penalties and clipping.
    alone : array
        What its update makes of zeros: the change itself, unless it depends on the parameter (weight decay).
    new : array
        The parameter after the step.
    """

    gradient: Array
    alone: Array
    new: Array


class WatchedLayer:
    """A layer that notes what goes in and comes out; a residual block makes its passes on layers that do so too."""

    def __init__(self, layer: Layer, copy: Callable[[Array], Array]) -> None:
        self.layer, self.free, self.copy = layer, unfreeze(layer), copy
        self.frozen, self.param_names, self.next_state = layer.frozen, layer.param_names, layer.next_state
        self.weight_names = layer.weight_names
        self.inner = [WatchedLayer(each, copy) for each in layer.layers] if isinstance(layer, Residual) else []
        self.passing = self.free
        for each in self.inner:
            each.frozen = ()  # the block itself keeps back what is frozen in it
        if self.inner:
            self.passing = copy_object(self.free)
            object.__setattr__(self.passing, "layers", tuple(self.inner))
        self.record = LayerRecord(self.layer, self.free)

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y, cache = self.passing.forward(xp, params, x, context)
        inner = [watched.record for watched in self.inner]
        self.record = LayerRecord(self.layer, self.free, x=x, y=y, cache=cache, inner=inner)
        return y, cache

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        dx, grads = self.passing.backward(xp, params, cache, dy)
        record = self.record
        record.dy, record.dx = dy, dx
        record.grads = {name: self.copy(dw) for name, dw in grads.items()}  # the update will overwrite the others
        return dx, {name: self.copy(dw) for name, dw in grads.items() if name not in self.frozen}


def _place_arrays(record: LayerRecord, params: Params, state: Params) -> None:
    """Give a record, and those within it, the arrays that the layer had before the step."""
    record.params, record.state = params, state
    for number, inner in enumerate(record.inner):
        _place_arrays(inner, take_arrays(params, number), take_arrays(state, number))


class WatchedLoss:
    """A loss that notes its value and the gradient it starts the backward pass with."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.value: Array = None
        self.dz: Array = None

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        self.value, cache = self.loss.forward(xp, z, y, weight)
        return self.value, cache

    def backward(self, xp: Any, cache: Any) -> Array:
        self.dz = self.loss.backward(xp, cache)
        return self.dz


class WatchedBackend:
    """A backend that notes each parameter's update and fuses nothing, and is the given one in everything else."""

    fuses = False

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.updates: list[UpdateRecord] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def fused_update(self, kernel: Callable[..., Any], slots: int) -> None:
        return None

    def fused_loss(self, loss: Any) -> None:
        return None

    def elementwise(self, kernel: Callable[..., Any], like: Array, slots: int) -> Callable[..., tuple[Array, ...]]:
        apply, copy = self.backend.elementwise(kernel, like, slots), self.backend.copy

        def watched(w: Array, dw: Array, *rest: Any) -> tuple[Array, ...]:
            kept, numbers = rest[:slots], rest[slots:]
            gradient = copy(dw)
            alone = apply(self.backend.zeros_like(w), copy(dw), *map(copy, kept), *numbers)[0]
            result = apply(w, dw, *rest)
            self.updates.append(UpdateRecord(gradient, alone, copy(result[0])))
            return result

        return watched


class Watch:
    """Stands in for a network in `make_step`.

    Parameters
    ----------
    net : Model
    training : bool
        Whether layers behave as in training; otherwise as in prediction, and running statistics stay.
    """

    def __init__(self, net: Model, training: bool) -> None:
        self.net = net
        self.backend = WatchedBackend(net.backend)
        self.xp = net.xp
        self.layers = [WatchedLayer(layer, net.backend.copy) for layer in net.layers]
        self.loss = WatchedLoss(net.loss)
        self.first_trained = 0  # a frozen layer's gradients are part of the explanation
        self.training = training
        self.stateful = net.stateful and training
        self.n_keys = net.n_keys if training else 0
        self.used_contexts: list[Any] = []

    @property
    def params(self) -> list[Params]:
        """The network's parameters."""
        return self.net.params

    def make_contexts(self, training: bool, keys: Any, state: Sequence[Params]) -> list[Any]:
        """Return the network's contexts, of a training pass or of prediction as the watch was told."""
        self.used_contexts = (
            self.net.make_contexts(True, keys, state)
            if self.training
            else self.net.make_contexts(False, (), self.net.state)
        )
        return self.used_contexts

    def collect_records(
        self, before: Sequence[Params], state: Sequence[Params]
    ) -> tuple[list[LayerRecord], list[dict[str, UpdateRecord]]]:
        """Return what each layer and each trained parameter went through in the step just made.

        Parameters
        ----------
        before, state : list of dict of arrays
            The parameters and the running statistics before the step.
        """
        records = [watched.record for watched in self.layers]
        updates: list[dict[str, UpdateRecord]] = [{} for _ in records]
        made = iter(self.backend.updates)
        for record, params, kept, mine in zip(records, before, state, updates, strict=True):
            _place_arrays(record, params, kept)
            for name in record.layer.param_names:
                if name not in record.layer.frozen:
                    mine[name] = next(made)
        self.backend.updates = []
        return records, updates
