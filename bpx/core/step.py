"""One training step: forward, backward, update. Pure of any loop, so that it runs in one and compiles into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bpx.backend.base import Array
from bpx.core.backpropagation import Gradients, make_gradients
from bpx.core.fusion import is_bpxs
from bpx.core.regularization import Clip, Penalty, make_penalize
from bpx.core.state import Slots, TrainingState
from bpx.errors import InputError
from bpx.layers.base import Params
from bpx.optimizers import Optimizer

if TYPE_CHECKING:
    from bpx.core.sharing import SharedStep


class Trainable(Protocol):
    """What a step needs of a network: `bpx.core.model.Model` has it, and so has what `bpx.explain` watches."""

    @property
    def backend(self) -> Any: ...
    @property
    def xp(self) -> Any: ...
    @property
    def layers(self) -> Sequence[Any]: ...
    @property
    def loss(self) -> Any: ...
    @property
    def params(self) -> list[Params]: ...
    @property
    def first_trained(self) -> int: ...
    @property
    def n_keys(self) -> int: ...
    @property
    def stateful(self) -> bool: ...

    def make_contexts(self, training: bool, keys: Any, state: Sequence[Params]) -> list[Any]:
        """Return what each layer's forward pass is told."""


def list_trained(net: Trainable) -> list[tuple[int, str]]:
    """Return layer number and name of each parameter that is not frozen."""
    return [(i, name) for i, layer in enumerate(net.layers) for name in layer.param_names if name not in layer.frozen]


def start_training_state(net: Trainable, optimizer: Optimizer, old: TrainingState | None) -> TrainingState:
    """Return the training state to continue from: the old one, or for another optimizer a new one.

    Steps and epochs are counted on, so that no shuffle and no dropout mask is met twice.
    """
    _check_groups(net, optimizer)
    if old is not None and old.optimizer == optimizer:
        return old
    trained = (net.params[i][name] for i, name in list_trained(net))
    state = TrainingState(optimizer, [[net.backend.zeros_like(w) for _ in range(optimizer.n_slots)] for w in trained])
    keep_moving_weights(net, state)
    if old is not None:
        state.step, state.epoch = old.step, old.epoch
    return state


def keep_moving_weights(net: Trainable, training: TrainingState) -> None:
    """Have a training continue from the network's parameters, where these are averages of the weights that move."""
    if training.optimizer.averages:
        for slots, (i, name) in zip(training.slots, list_trained(net), strict=True):
            slots[-1] = net.backend.copy(net.params[i][name])


def exchange_averages(
    trained: Sequence[tuple[int, str]], params: Sequence[Params], slots: Slots
) -> tuple[list[Params], Slots]:
    """Return parameters and slots with each trained parameter and its last slot in each other's place.

    Between steps the network's parameters are averages, and the weights that move are in the last slots; a step has
    them the other way round.
    """
    exchanged, others = [dict(part) for part in params], [list(arrays) for arrays in slots]
    for arrays, (i, name) in zip(others, trained, strict=True):
        exchanged[i][name], arrays[-1] = arrays[-1], exchanged[i][name]
    return exchanged, others


def _check_groups(net: Trainable, optimizer: Optimizer) -> None:
    """Raise if a group of parameters is none of the network's."""
    keys = [f"{i}.{name}" for i, layer in enumerate(net.layers) for name in layer.param_names]
    for group in optimizer.groups:
        if not any(map(group.includes, keys)):
            raise InputError(f"{group!r} names no parameter of the network; it has {', '.join(keys)}")


def make_updates(net: Trainable, optimizer: Optimizer) -> Callable[..., None]:
    """Return ``apply(params, grads, slots, numbers)``, which updates every trained parameter.

    Where the optimizer has groups, ``numbers`` are one after the other those of no group and of each one.
    The lists and dicts are changed, and the arrays where the library can.
    """
    trained = list_trained(net)
    update_together = None if optimizer.groups else net.backend.fused_update(optimizer.update, optimizer.n_slots)
    updates = [
        (k, i, name, net.backend.elementwise(optimizer.update, net.params[i][name], optimizer.n_slots))
        for k, (i, name) in enumerate(trained)
    ]

    def apply(params: list[Params], grads: Sequence[Params], slots: Slots, numbers: Any) -> None:
        if update_together is not None:
            weights, their_gradients = ([part[i][name] for i, name in trained] for part in (params, grads))
            if update_together(weights, their_gradients, slots, numbers):
                return
        for k, i, name, update in updates:
            p = params[i]
            if slots[k]:
                p[name], *slots[k] = update(p[name], grads[i][name], *slots[k], *numbers)
            else:
                (p[name],) = update(p[name], grads[i][name], *numbers)

    if not optimizer.groups:
        return apply
    groups = [optimizer.find_group(f"{i}.{name}") for i, name in trained]

    def apply_in_groups(params: list[Params], grads: Sequence[Params], slots: Slots, numbers: Any) -> None:
        size = len(numbers) // (1 + len(optimizer.groups))
        for (k, i, name, update), group in zip(updates, groups, strict=True):
            own = numbers[group * size : (group + 1) * size]
            params[i][name], *slots[k] = update(params[i][name], grads[i][name], *slots[k], *own)

    return apply_in_groups


def make_accumulation(
    net: Trainable, gradients: Gradients, batch: int, shared: SharedStep | None = None
) -> Callable[..., tuple[Array, Any, Any]]:
    """Return ``accumulate(params, state, keys, x, y, weight) -> (loss, gradients, state)``, taking rows batch by batch.

    Loss and gradients are those of all rows at once: the sums over the batches, each times its share of the rows, or of
    the sum of their weights (of a loss that is a sum, times 1). Only one batch's activations are held at a time. Batch
    ``i`` has the keys from ``i * n_keys`` on, and running statistics go from batch to batch. Of a step that is
    ``shared`` each batch has the rows that are here, and the loss is a sum.
    """
    xp, layers, n_keys = net.xp, net.layers, net.n_keys
    mean = shared is None and net.loss.reduction == "mean"

    def accumulate(
        params: list[Params], state: Any, keys: Any, x: Array, y: Array, weight: Array | None
    ) -> tuple[Array, Any, Any]:
        rows, value = x.shape[0], None
        grads: list[Params] = []
        if mean and weight is not None:
            total = xp.sum(weight)
            mass = xp.where(total > 0.0, total, 1.0)
        parts = [slice(start, min(start + batch, rows)) for start in range(0, rows, batch)]
        for i, part in enumerate(parts if shared is None else shared.slices):
            w = None if weight is None else weight[part]
            contexts = net.make_contexts(True, keys[i * n_keys : (i + 1) * n_keys] if n_keys else (), state)
            if shared is not None:
                contexts = shared.tell(contexts, i)
            loss, found, caches = gradients(params, contexts, x[part, ...], y[part, ...], w)
            if net.stateful:
                state = [la.next_state(xp, c, k) for la, c, k in zip(layers, contexts, caches, strict=True)]
            if mean:
                share = (part.stop - part.start) / rows if w is None else xp.sum(w) / mass
                loss = loss * share
                for dw in found:
                    for name in dw:
                        dw[name] *= share
            if value is None:
                value, grads = loss, found
                continue
            value = value + loss
            for total, dw in zip(grads, found, strict=True):
                for name in dw:
                    total[name] += dw[name]
        return value, grads, state

    return accumulate


def make_step(
    net: Trainable,
    optimizer: Optimizer,
    penalties: Sequence[Penalty],
    clip: Clip | None,
    gather: bool,
    batch: int | None = None,
    shared: SharedStep | None = None,
) -> Callable[[Any, Any, Any], tuple[Any, Array]]:
    """Return ``step(carry, data, inputs) -> (carry, loss)``, one step of training.

    ``carry`` is (params, slots, state), whose arrays a step may overwrite; ``data`` is (x, y, weight), the whole set on
    the device; ``inputs`` is (rows, numbers, keys): which samples, the optimizer's numbers and the masks' keys of this
    step. Without ``gather`` a step takes the whole set; ``step.on_batch`` is the step that does so. With ``batch`` the
    rows are taken by so many at a time, and their gradients accumulated. Where the rows are ``shared`` out among
    processes, a step is given those that are here, and sums up over all before penalties, limit and update.
    """
    xp, layers = net.xp, net.layers
    loss = net.loss if shared is None else shared.loss
    gradients = make_gradients(xp, layers, loss, net.first_trained, net.backend)
    update = make_updates(net, optimizer)
    stateful, averages, trained = net.stateful, optimizer.averages, list_trained(net)
    fixed = None if stateful or net.n_keys else net.make_contexts(True, (), ())
    accumulate = None if batch is None else make_accumulation(net, gradients, batch, shared)
    penalize = make_penalize(xp, penalties, layers) if penalties else None

    def step(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
        params, slots, state = carry
        if averages:
            params, slots = exchange_averages(trained, params, slots)
        x, y, weight = data
        rows, numbers, keys = inputs
        if gather:
            x, y = xp.take(x, rows, axis=0), xp.take(y, rows, axis=0)
            weight = None if weight is None else xp.take(weight, rows, axis=0)
        if accumulate is None:
            contexts = net.make_contexts(True, keys, state) if fixed is None else fixed
            if shared is not None:
                contexts = shared.tell(contexts)
            value, grads, caches = gradients(params, contexts, x, y, weight)
            if stateful:
                state = [la.next_state(xp, c, k) for la, c, k in zip(layers, contexts, caches, strict=True)]
        else:
            value, grads, state = accumulate(params, state, keys, x, y, weight)
        if shared is not None:
            value, grads, mass = shared.add_up(xp, value, grads, weight)
        elif penalize is not None:
            mass = x.shape[0] if weight is None else xp.sum(weight)
        if penalize is not None:
            value = value + penalize(params, grads, mass)
        if clip is not None:
            clip.apply(xp, grads)
        update(params, grads, slots, numbers)
        if averages:
            params, slots = exchange_averages(trained, params, slots)
        return (params, slots, state), value

    if shared is not None:
        step.agree = shared.agree  # type: ignore[attr-defined]
    elif net.backend.repeats:  # nobody else asks for it, and a second step takes time to make
        step.on_batch = make_step(net, optimizer, penalties, clip, False, batch) if gather else step  # type: ignore[attr-defined]
    return step


def is_own(net: Trainable, optimizer: Optimizer, penalties: Sequence[Penalty], clip: Clip | None) -> bool:
    """Tell whether all that a step is made of is bpx's own: then it does the same whatever is in its arrays."""
    parts: list[Any] = [net.loss, getattr(net.loss, "loss", None), optimizer, getattr(optimizer, "optimizer", None)]
    return all(part is None or is_bpxs(part) for part in (*parts, *penalties, clip, *net.layers))
