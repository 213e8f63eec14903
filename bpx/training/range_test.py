"""The learning-rate range test: one short training whose rate grows from step to step, and what its losses say."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.core.fitted import FittedEstimator, find_network
from bpx.core.model import Model
from bpx.core.regularization import Clip, Penalty
from bpx.errors import InputError
from bpx.naming import Pickled
from bpx.optimizers import LBFGS, Averaged, Optimizer, get_optimizer
from bpx.optimizers.schedules import Schedule
from bpx.training.data import open_source
from bpx.training.fit_run import FitRun
from bpx.training.loop import Loop
from bpx.training.settings import BatchSize, check_settings

_RISEN, _CAP = 1.5, 2.0
"""How many times as high as at the start a smoothed loss is that has risen, and how high one counts at most."""

_REACH = 10
"""What part of all steps, before each and after it, smooths the losses."""


@dataclass(frozen=True, repr=False, eq=False)
class RangeTest(Pickled):
    """What a learning-rate range test found; `bpx.plot.learning_rates` draws it.

    Attributes
    ----------
    rates : array of float64 (steps,)
        The learning rate of each step that was made, growing.
    losses : array of float64 (steps,)
        The loss of each step's batch, before the step.
    smoothed : array of float64 (steps,)
        Heights of straight lines through the losses around each step.
    suggested : float or None
        The rate at which the smoothed loss falls the fastest; None where it does not fall.
    diverged : bool
        Whether the loss was no finite number any more at the end, or the weights had no room to move.

    See Also
    --------
    find_learning_rate : Make a range test.
    bpx.plot.learning_rates : The losses over the rates.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> found = bpx.find_learning_rate(net, *bpx.datasets.moons(400, seed=0), steps=40)
    >>> len(found), len(found.rates), found.diverged
    (40, 40, False)
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggested: float | None
    diverged: bool

    def __len__(self) -> int:
        return len(self.rates)

    def __repr__(self) -> str:
        said = "None" if self.suggested is None else f"{self.suggested:.3g}"
        ends = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        return f"RangeTest(suggested={said}, steps={len(self)}, rates={ends}, diverged={self.diverged})"


@dataclass(frozen=True)
class _Geometric(Schedule):
    """A learning rate that grows by the same factor from step to step: ``low * (high / low)**(t / (steps - 1))``."""

    low: float
    high: float
    steps: int

    @property
    def counts_epochs(self) -> bool:
        return False

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        shares: np.ndarray = np.minimum(steps, self.steps - 1) / (self.steps - 1)
        return self.low * (self.high / self.low) ** shares


class _Ended(Exception):
    """All steps are made, or the loss is no number any more."""


class _RangeLoop(Loop):
    """A training loop that makes so many steps, and keeps the loss of each.

    Parameters
    ----------
    run : FitRun
    steps : int
    """

    def __init__(self, run: FitRun, steps: int) -> None:
        super().__init__(run)
        self.steps, self.seen, self.stuck = steps, np.zeros(0), False

    def _run_steps(self, order: np.ndarray | None, length: int) -> np.ndarray:
        losses = super()._run_steps(order, length)
        self.seen = np.concatenate([self.seen, losses])[: self.steps]
        if self.stuck or len(self.seen) == self.steps or not np.isfinite(self.seen).all():
            raise _Ended
        return losses

    def _check_losses(self, losses: np.ndarray) -> None:
        """Raise nothing for losses that are NaN or infinite: the range test looks for them."""

    def _report_large_gradients(self) -> None:
        self.stuck = True


def find_learning_rate(
    net: Model | FittedEstimator,
    x: Any,
    y: Any = None,
    *,
    optimizer: str | Optimizer = "adam",
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 120,
    batch_size: BatchSize = "auto",
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | str | None = None,
    penalties: Penalty | Sequence[Penalty] = (),
    clip: Clip | None = None,
    progress: bool | None = False,
) -> RangeTest:
    """Find a learning rate by a range test: a short training whose rate grows, until the loss no longer falls.

    Step t of n is made at the rate ``lowest * (highest / lowest)**(t / (n - 1))``, t from 0. While the rate is too
    small the loss hardly moves, then it falls, and at last it rises or is no number any more, which ends the test.
    Suggested is the rate at which the smoothed loss falls the fastest with the logarithm of the rate: as a constant
    rate, or the start of a schedule that falls. The steps are made on a copy; the network
    stays as it is.

    Parameters
    ----------
    net : Network or fitted estimator of bpx.sklearn
        With the weights to start from.
    x, y : array_like, or iterable of batches
        As for `bpx.Network.fit`, or the estimator's ``fit``.
    optimizer : str or Optimizer
        Whose rate is looked for; its own rate or schedule does not count. All but "lbfgs". Of `bpx.Averaged` the
        optimizer that it averages over.
    lowest, highest : float
        The rates of the first and the last step.
    steps : int
        At least 10. More of them smooth the noise of batches.
    batch_size, sample_weight, class_weight, penalties, clip, progress
        As for `bpx.Network.fit`: the rate depends on them.

    Returns
    -------
    RangeTest
        Rates, losses, and the rate that is suggested.

    Raises
    ------
    InputError
        If an argument or an array is not as described; before any step.

    See Also
    --------
    bpx.plot.learning_rates : The losses over the rates.
    diagnose : Look for rates that are far too high or low, and other hindrances.

    Notes
    -----
    The suggestion is where to look, not a promise: the loss of a single step of many says little of a long training.
    A third of it, and three times it, are worth a try. Smith grows the rate linearly; a geometric growth looks at every
    order of magnitude for the same number of steps. Smoothed losses, and how fast they fall, are those of straight
    lines through the losses of a tenth of all steps before each and as many after. A loss counts as twice that of the
    start at most, and the fall is looked for until three quarters of it are done, or the smoothed loss is one and a
    half times that of the start.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(400, seed=0)
    >>> net = bpx.mlp([2, 16, 1], loss="binary_cross_entropy", seed=0)
    >>> found = bpx.find_learning_rate(net, x, y)
    >>> 1e-3 < found.suggested < 1.0
    True
    >>> history = net.fit(x, y, epochs=20, optimizer=bpx.Adam(found.suggested))
    """
    check_number("lowest", lowest, above=0.0)
    check_number("highest", highest, above=lowest)
    check_count("steps", steps, 10)
    model: Model
    model, x, y = find_network(net, x, y)
    growing = _with_rate(get_optimizer(optimizer), _Geometric(float(lowest), float(highest), steps))
    settings = check_settings(
        epochs=steps, batch_size=batch_size, optimizer=growing, metrics=(), callbacks=(), shuffle=True,
        progress=progress, penalties=penalties, clip=clip, class_weight=class_weight,
    )  # fmt: skip
    twin = model.copy()
    twin.training = None
    with twin.occupancy:
        loop = _RangeLoop(FitRun(twin, open_source(twin, x, y, sample_weight, settings, None), None, settings), steps)
        with contextlib.suppress(_Ended):
            loop.train()
    finite = np.isfinite(loop.seen)
    made = len(loop.seen) if finite.all() else int(np.argmin(finite))
    if made == 0:
        raise InputError("the loss of the first batch is no finite number: look at the weights, inputs and targets")
    rates, losses = growing.learning_rate.rates(np.arange(made), 1), loop.seen[:made]  # type: ignore[union-attr]
    capped = np.minimum(losses, _CAP * np.median(losses[: max(steps // _REACH, 3)]))
    smoothed, slopes = _fit_lines(rates, capped, max(steps // _REACH, 2))
    suggested = _suggest(rates, losses, smoothed, slopes)
    return RangeTest(rates, losses, smoothed, suggested, loop.stuck or made < len(loop.seen))


def _with_rate(optimizer: Optimizer, schedule: Schedule) -> Optimizer:
    """Return an optimizer with another learning rate."""
    if isinstance(optimizer, Averaged):
        optimizer = optimizer.optimizer
    if isinstance(optimizer, LBFGS):
        raise InputError("optimizer 'lbfgs' finds the size of each step itself; there is no rate to look for")
    return dataclasses.replace(optimizer, learning_rate=schedule)


def _fit_lines(rates: np.ndarray, losses: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return height and slope, over the logarithm of the rate, of the line through the losses around each step.

    The line is that of the least squares through the losses of up to ``reach`` steps before and as many after.

    References
    ----------
    A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures", 1964.
    """
    x, heights, slopes = np.log(rates), np.empty(len(rates)), np.zeros(len(rates))
    for i in range(len(rates)):
        near = slice(max(i - reach, 0), i + reach + 1)
        dx, mean = x[near] - x[near].mean(), losses[near].mean()
        spread = float(dx @ dx)
        slopes[i] = dx @ losses[near] / spread if spread else 0.0
        heights[i] = mean + slopes[i] * (x[i] - x[near].mean())
    return heights, slopes


def _suggest(rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, slopes: np.ndarray) -> float | None:
    """Return the rate where the loss falls the fastest; None where it falls by no more than noise.

    What comes after three quarters of its fall does not count, nor what comes after it has risen: there the noise of
    large steps is steeper than any fall.
    """
    first = losses[: max(len(losses) // _REACH, 3)]
    start, noise = float(np.median(first)), float(first.std())
    risen = np.flatnonzero(smoothed > _RISEN * start)
    end = int(risen[0]) if len(risen) else len(smoothed)
    if not end or start - smoothed[:end].min() <= max(2.0 * noise, 1e-3 * start):
        return None
    goal = smoothed[:end].min() + 0.25 * (start - smoothed[:end].min())
    reached = int(np.argmax(smoothed[:end] <= goal))
    return float(rates[np.argmin(slopes[: reached + 1])])
