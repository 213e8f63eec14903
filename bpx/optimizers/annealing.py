"""Learning rates that follow a curve of a given length: cosine with warm-up, and one cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpx.arguments import check_choice, check_number
from bpx.errors import InputError
from bpx.optimizers.schedules import UNITS, Schedule


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine from the learning rate down to a final one, after a warm-up along a line.

    With t the time of the step and w the warm-up: ``learning_rate * (t + one step) / w`` while t < w, then
    ``final + (learning_rate - final) * (1 + cos(pi * (t - w) / (length - w))) / 2``, then ``final``.

    Parameters
    ----------
    learning_rate : float
        The highest, above 0.
    length : float
        Epochs (or steps) of the whole schedule, warm-up included; above 0.
    warmup : float
        Epochs (or steps) of the warm-up, at least 0 and below ``length``.
    final : float
        Learning rate at the end and after it, at least 0.
    unit : str
        "epochs" or "steps": what ``length``, ``warmup`` and t count.

    See Also
    --------
    OneCycle : Rise, then fall.
    ExponentialDecay : Multiply by a factor again and again.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, eq. 5 (without restarts).
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2 (warm-up).

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> bpx.CosineDecay(1.0, length=4, warmup=2).rates(np.arange(5), steps_per_epoch=1)
    array([0.5, 1. , 1. , 0.5, 0. ])
    """

    learning_rate: float
    length: float
    warmup: float = 0.0
    final: float = 0.0
    unit: str = "epochs"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("length", self.length, above=0.0)
        check_number("warmup", self.warmup, minimum=0.0)
        check_number("final", self.final, minimum=0.0)
        check_choice("unit", self.unit, UNITS)
        if self.warmup >= self.length:
            raise InputError(f"warmup must be below the length of {self.length:g} {self.unit}, got {self.warmup:g}")

    @property
    def counts_epochs(self) -> bool:
        return self.unit == "epochs"

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        unit = steps_per_epoch if self.counts_epochs else 1
        warmup = self.warmup * unit
        share = np.clip((steps - warmup) / (self.length * unit - warmup), 0.0, 1.0)
        falling = self.final + (self.learning_rate - self.final) * (1.0 + np.cos(np.pi * share)) / 2.0
        if not warmup:
            return falling
        return np.where(steps < warmup, self.learning_rate * (np.minimum(steps + 1.0, warmup) / warmup), falling)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the highest learning rate and down far below the first, along two half cosines.

    With n the number of steps and ``p = rise * n - 1`` the peak: from ``learning_rate / start_divisor`` at step 0 to
    ``learning_rate`` at step p, then to ``learning_rate / start_divisor / final_divisor`` at step n - 1 and after it.

    Parameters
    ----------
    learning_rate : float
        The highest, above 0.
    length : float
        Epochs (or steps) of the cycle; above 0.
    rise : float
        Share of the cycle on the way up, above 0 and below 1.
    start_divisor : float
        At least 1.
    final_divisor : float
        At least 1.
    unit : str
        "epochs" or "steps": what ``length`` counts.

    See Also
    --------
    CosineDecay : Follow half a wave down.
    Constant : The same rate at every step.

    Notes
    -----
    The momentum stays as the optimizer has it. The curve is that of PyTorch's ``OneCycleLR`` with its defaults.

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2019,
    section 3.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> cycle = bpx.OneCycle(1.0, length=10, rise=0.3, start_divisor=5, final_divisor=2, unit="steps")
    >>> cycle.rates(np.array([0, 1, 2, 9, 20]), steps_per_epoch=1)
    array([0.2, 0.6, 1. , 0.1, 0.1])
    """

    learning_rate: float
    length: float
    rise: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4
    unit: str = "epochs"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("length", self.length, above=0.0)
        check_number("rise", self.rise, above=0.0, below=1.0)
        check_number("start_divisor", self.start_divisor, minimum=1.0)
        check_number("final_divisor", self.final_divisor, minimum=1.0)
        check_choice("unit", self.unit, UNITS)

    @property
    def counts_epochs(self) -> bool:
        return self.unit == "epochs"

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        n = self.length * (steps_per_epoch if self.counts_epochs else 1)
        start, peak, end = 0.0, max(self.rise * n - 1.0, 0.0), max(n - 1.0, 0.0)
        low = self.learning_rate / self.start_divisor
        rising = _between(low, self.learning_rate, steps, start, peak)
        falling = _between(self.learning_rate, low / self.final_divisor, steps, peak, end)
        return np.where(steps <= peak, rising, falling)


def _between(first: float, last: float, steps: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Return half a cosine from ``first`` at step ``begin`` to ``last`` at step ``end``."""
    share = np.clip((steps - begin) / (end - begin), 0.0, 1.0) if end > begin else np.ones(steps.shape)
    return last + (first - last) * (1.0 + np.cos(np.pi * share)) / 2.0
