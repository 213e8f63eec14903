"""`explain`: training steps, watched."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.arguments import check_choice, check_count
from bpx.backend.base import Array
from bpx.backend.precision import find_unit_roundoff
from bpx.core.backpropagation import forward_pass
from bpx.core.fitted import FittedEstimator, find_network
from bpx.core.model import Model
from bpx.core.regularization import Clip, Penalty, check_clip, check_penalties
from bpx.core.step import exchange_averages, list_trained, make_step, start_training_state
from bpx.errors import InputError
from bpx.explanation.building import Builder
from bpx.explanation.opening import open_blocks
from bpx.explanation.step_trace import StepTrace
from bpx.explanation.symbols import make_symbols, pick_symbols
from bpx.explanation.trace import Trace
from bpx.explanation.watch import Watch
from bpx.layers.base import Params
from bpx.optimizers import SGD, Optimizer, get_optimizer
from bpx.rng import step_keys

MAX_NUMBERS = 50_000
"""Numbers of a step (parameters, and values of all samples) above which a trace is a summary unless asked otherwise."""


def explain(
    net: Model | FittedEstimator,
    x: Any,
    y: Any,
    steps: int = 1,
    *,
    optimizer: str | Optimizer | None = None,
    sample_weight: Any = None,
    training: bool = False,
    penalties: Penalty | Sequence[Penalty] = (),
    clip: Clip | None = None,
    detail: str = "auto",
    in_place: bool = False,
) -> Trace:
    """Make training steps on a batch and return every quantity of them, by name, with the formula that made it.

    The steps are those of `Network.fit` on the whole of ``x``: the same forward pass, backward pass and update, with
    layers that note what goes in and comes out. They are made on a copy; the network stays as it is unless
    ``in_place``.

    Parameters
    ----------
    net : Network or fitted estimator of bpx.sklearn
        On any backend; numbers come back as NumPy arrays in float64, exactly as they were computed. Of an estimator the
        network is explained, and ``x`` and ``y`` are what its ``fit`` takes.
    x : array_like (samples, n_in)
    y : array_like
        Targets, as for `Network.fit`.
    steps : int
        How many steps to make, each on all samples.
    optimizer : str, Optimizer or None
        What makes the updates. None: the optimizer of the network's training, from where it stands; for a network that
        was not trained yet plain gradient descent, ``SGD()``.
    sample_weight : array_like (samples,) or None
        Weights of the samples in the loss.
    training : bool
        Whether layers behave as in training (dropout's mask of the next step, the batch's own statistics), as ``fit``
        has it. By default they behave as in prediction, as in `Network.gradients`.
    penalties, clip
        As for `Network.fit`.
    detail : str
        "full" keeps every number; "summary" norms and histograms; "auto" decides by how many there are.
    in_place : bool
        Whether the network makes the steps too.

    Returns
    -------
    Trace
        ``print`` shows it as a table.

    Raises
    ------
    InputError
        If an argument or an array is not as described; before any work.
    BusyError
        If the network is being trained, and the steps are to be made in place.

    See Also
    --------
    Trace : Training steps, with every quantity.
    bpx.explanation.write_page : Write the page that explains a network.
    lab : Open a network in a page that trains.
    check_gradients : Hold gradients against central differences.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> trace = bpx.explain(net, *bpx.datasets.xor(), optimizer=bpx.SGD(0.5))
    >>> step = trace.steps[0]
    >>> step.layers[0]["weighted input"].shape
    (4, 2)
    >>> step.layers[2]["dL/dw"].formula.text
    '∂L/∂W⁽²⁾ = a⁽¹⁾ᵀ δ⁽²⁾'
    >>> step.loss_after < step.loss
    True

    Of an estimator of `bpx.sklearn`:

    >>> from bpx.sklearn import MLPClassifier
    >>> x, y = bpx.datasets.moons(60, seed=0)
    >>> found = MLPClassifier(hidden_layer_sizes=4, solver="lbfgs", random_state=0).fit(x, y)
    >>> bpx.explain(found, x, y).steps[0].layers[0]["weighted input"].shape
    (60, 4)
    """
    steps = check_count("steps", steps)
    check_choice("detail", detail, ("auto", "full", "summary"))
    penalties = check_penalties(penalties)
    check_clip(clip)
    model: Model
    model, x, y = find_network(net, x, y)
    if in_place and model is not net:
        raise InputError("an estimator hands out a copy of its network; give a network to make steps in place")
    chosen = _choose_optimizer(model, optimizer)
    xs, ys, weight = model.place(x, y, sample_weight)
    copy = model.backend.copy  # the trace outlives the caller's arrays, which may change
    data = (copy(xs), copy(ys), None if weight is None else copy(weight))
    full = _count_numbers(model, data[0].shape[0]) <= MAX_NUMBERS if detail == "auto" else detail == "full"
    row = open_blocks(model.layers)
    builder = Builder(model.backend, full, row, make_symbols(row))
    with model.occupancy if in_place else contextlib.nullcontext():
        walk = _Walk(model, chosen, training)
        step = make_step(walk.watch, chosen, penalties, clip, gather=False)
        with model.backend.computing(), model.backend.threads(model.count_work(xs.shape[0]), updates=True):
            made = [walk.step(step, builder, data, number, full or number == 0) for number in range(steps)]
        if in_place:
            walk.hand_over()
    return Trace(
        made, int(data[0].shape[0]), " → ".join(map(repr, model.layers)), f"{model.loss.name} ({model.loss.reduction})",
        repr(chosen), model.backend.spec, model.dtype, "full" if full else "summary",
        _write_notes(model, chosen, training, full), pick_symbols(row, builder.symbols), model.backend, chosen,
        model.loss, model.backend.to_numpy(data[1]),
    )  # fmt: skip


class _Walk:
    """A copy of a network, and the steps made on it."""

    def __init__(self, net: Model, optimizer: Optimizer, training: bool) -> None:
        self.net, self.twin, self.watch = net, net.copy(), Watch(net, training)
        self.training = start_training_state(self.twin, optimizer, self.twin.training)

    @property
    def moving_weights(self) -> list[Params]:
        """The parameters that steps start from: the copy's own, or where these are averages, the optimizer's."""
        params, slots = self.twin.params, self.training.slots
        if not self.training.optimizer.averages:
            return params
        return exchange_averages(list_trained(self.twin), params, slots)[0]

    def step(
        self, step: Any, builder: Builder, data: tuple[Array, Array, Array | None], number: int, keep: bool
    ) -> StepTrace:
        """Make one step and return what was seen."""
        net, twin, watch, backend, training = self.net, self.twin, self.watch, self.net.backend, self.training
        before = [{name: backend.copy(array) for name, array in part.items()} for part in self.moving_weights]
        done = np.array([training.optimizer_step])
        rates = training.compute_rates(done, 1) * training.rate_scale
        numbers = tuple(training.optimizer.coefficients_of_groups(done, rates)[0].tolist())
        keys = tuple(step_keys(net.seed, training.step, 1, watch.n_keys)[0].tolist())
        statistics = [{name: backend.copy(array) for name, array in part.items()} for part in twin.state]
        carry = (twin.params, training.slots, twin.state)
        (params, training.slots, state), _ = step(carry, data, (None, numbers, keys))
        twin.adopt(params, state)
        training.step, training.epoch = training.step + 1, training.epoch + 1
        training.optimizer_step, training.optimizer_epoch = training.optimizer_step + 1, training.optimizer_epoch + 1
        records, updates = watch.collect_records(before, statistics)
        x, y, weight = data
        layers = [
            builder.make_layer(
                str(i), record, update, training.optimizer, float(rates[0]), training.optimizer_step, twin.params[i]
            )
            for i, (record, update) in enumerate(zip(records, updates, strict=True))
        ]
        ends = builder.make_ends(net.loss, x, y, weight, records[-1].y, watch.loss.dz)
        forwards = [layer.forward for layer in net.layers]
        after = forward_pass(net.xp, forwards, self.moving_weights, x, watch.used_contexts)
        loss_after, _ = net.loss.forward(backend.xp, after, y, weight)
        return StepTrace(
            number, float(watch.loss.value), float(loss_after), float(rates[0]), ends, layers, records if keep else []
        )

    def hand_over(self) -> None:
        """Let the network have made the steps."""
        self.net.adopt(self.twin.params, self.twin.state)
        self.net.training = self.training


def _choose_optimizer(net: Model, optimizer: str | Optimizer | None) -> Optimizer:
    if optimizer is None:
        past = net.training
        return past.optimizer if past is not None and steps_by_gradient(past.optimizer) else SGD()
    chosen = get_optimizer(optimizer)
    if not steps_by_gradient(chosen):
        raise InputError(
            f"explain shows optimizers that make a step of one gradient, as SGD and Adam do; {chosen!r} searches along "
            "a line. Its gradients are the same: use optimizer=bpx.SGD(...)"
        )
    return chosen


def steps_by_gradient(optimizer: Optimizer) -> bool:
    """Tell whether an optimizer updates each array from its gradient alone."""
    try:
        return callable(optimizer.update)
    except (TypeError, InputError):
        return False


def _count_numbers(net: Model, rows: int) -> int:
    """Return about how many numbers a step has: parameters, and a row of values for each sample and layer."""
    shape, values = net.input_shape, 0
    for layer in net.layers:
        shape = layer.output_shape(shape)
        values += int(np.prod(shape)) if shape is not None else 0
    return net.n_params + rows * values


def _write_notes(net: Model, optimizer: Optimizer, training: bool, full: bool) -> tuple[str, ...]:
    notes = []
    if not full:
        notes.append(
            "This network is large: each quantity is summarized by its norm, mean, extremes and a histogram. "
            "explain(..., detail='full') keeps every number."
        )
    if optimizer.averages:
        notes.append(
            "Passes and updates are those of the weights that the optimizer moves; predictions of the network are made "
            "with the averages of these."
        )
    if net.n_keys or net.stateful:
        if training:
            notes.append(
                "Layers behave as in training: dropout drops, batch normalization takes the batch's statistics."
            )
        else:
            notes.append(
                "Layers behave as in prediction: dropout drops nothing, batch normalization takes its running "
                "statistics. explain(..., training=True) shows them as in training."
            )
    if net.precision != "float32":
        notes.append(
            f"Before two matrices are multiplied, their numbers are rounded to {net.precision}: relative differences "
            f"up to {find_unit_roundoff(net.precision):.1g} between a product by hand and the one shown are of that."
        )
    return tuple(notes)
