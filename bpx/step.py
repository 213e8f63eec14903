"""One training step: forward, backward, update. Pure of any loop, so that it runs in one and compiles into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bpx.backend.base import Array, Backend
from bpx.layers.base import Params
from bpx.optimizers import Update
from bpx.passes import loss_and_gradients
from bpx.regularization import Clip, Penalty, penalize

if TYPE_CHECKING:
    from bpx.network import Network

Slots = list[dict[str, tuple[Array, ...]]]
"""The optimizer's arrays of each parameter, in dicts like the parameters."""


def initial_slots(net: Network, n_slots: int) -> Slots:
    """Return zeros for each parameter that is trained."""
    return [
        {
            name: tuple(net.backend.zeros_like(array) for _ in range(n_slots))
            for name, array in part.items()
            if name not in layer.frozen
        }
        for layer, part in zip(net.layers, net.params, strict=True)
    ]


def apply_updates(
    backend: Backend, update: Update, params: list[Params], grads: Sequence[Params], slots: Slots, numbers: Any
) -> None:
    """Update every parameter that has a gradient; the dicts are changed, and the arrays where they can be."""
    for p, g, s in zip(params, grads, slots, strict=True):
        for name, dw in g.items():
            p[name], *rest = backend.elementwise(update, (p[name], dw, *s[name]), *numbers)
            s[name] = tuple(rest)


def make_step(
    net: Network, update: Update, penalties: Sequence[Penalty], clip: Clip | None, gather: bool
) -> Callable[[Any, Any, Any], tuple[Any, Array]]:
    """Return ``step(carry, data, inputs) -> (carry, loss)``, one step of training.

    ``carry`` is (params, slots, state) and donated to the step; ``data`` is (x, y, weight), the whole set on the device;
    ``inputs`` is (rows, numbers, keys): which samples, the optimizer's numbers and the masks' keys of this step. Without
    ``gather`` a step takes the whole set.
    """
    backend, xp, layers, loss, first = net.backend, net.backend.xp, net.layers, net.loss, net.first_trained
    fixed = None if net.stateful or net.n_keys else net.contexts(True, (), ())

    def step(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
        params, slots, state = carry
        x, y, weight = data
        rows, numbers, keys = inputs
        if gather:
            x, y = xp.take(x, rows, axis=0), xp.take(y, rows, axis=0)
            weight = None if weight is None else xp.take(weight, rows, axis=0)
        contexts = net.contexts(True, keys, state) if fixed is None else fixed
        value, grads, caches = loss_and_gradients(xp, layers, loss, params, x, y, weight, contexts, first)
        if penalties:
            value = value + penalize(xp, penalties, params, grads, x.shape[0])
        if clip is not None:
            clip.apply(xp, grads)
        apply_updates(backend, update, params, grads, slots, numbers)
        if net.stateful:
            state = [la.next_state(xp, c, k) for la, c, k in zip(layers, contexts, caches, strict=True)]
        return (params, slots, state), value

    return step
