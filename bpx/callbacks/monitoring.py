"""One number of each epoch, watched: is it better than the best so far?"""

from __future__ import annotations

import math
from typing import Any

from bpx.arguments import check_choice, check_count, check_number
from bpx.errors import InputError
from bpx.training.callback import Run

MODES = ("auto", "min", "max")


class Monitor:
    """The best value of one of a run's numbers, and how many epochs ago it last improved.

    A value counts as an improvement if it is better than the best so far by more than ``min_delta``; the best is the
    best value, whether or not it improved by that much. NaN and infinity improve nothing.

    Parameters
    ----------
    name : str
        One of ``run.log_names``.
    min_delta : float
        At least 0.
    mode : str
        "min" or "max": what is better; "auto" knows it of losses and of bpx's metrics.

    Attributes
    ----------
    best : float
        The best value; infinite before the first.
    waited : int
        Epochs since the last improvement.
    """

    def __init__(self, name: str, min_delta: float, mode: str) -> None:
        if not isinstance(name, str):
            raise InputError(f"monitor must be the name of one of the run's numbers, got {name!r}")
        self.name = name
        self.min_delta = check_number("min_delta", min_delta, minimum=0.0)
        self.mode = check_choice("mode", mode, MODES)
        self._sign = 1.0
        self.forget()

    def forget(self) -> None:
        """Start over."""
        self.best, self.waited = math.inf * self._sign, 0

    def begin(self, run: Run, who: str) -> None:
        """Check that the number will be there, find out what is better, and start over.

        Raises
        ------
        InputError
            If the run will have no number of this name, or it is not known which way is better.
        """
        if self.name not in run.log_names:
            hint = "; give validation_data" if self.name.startswith("validation_") and not run.validated else ""
            known = ", ".join(map(repr, run.log_names))
            raise InputError(f"{who} monitors {self.name!r}, but this training records only {known}{hint}")
        self._sign = 1.0 if self._smaller_is_better(run, who) else -1.0
        self.forget()

    def _smaller_is_better(self, run: Run, who: str) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.name.removeprefix("validation_")
        if name == "loss":
            return True
        greater = {metric.name: metric.greater_is_better for metric in run.metrics}[name]
        if greater is None:
            raise InputError(f"{who} cannot know which way {name!r} is better; give mode='min' or mode='max'")
        return not greater

    def see(self, value: float) -> tuple[bool, bool]:
        """Take an epoch's value; return whether it is the best so far, and whether it counts as an improvement."""
        lead = (self.best - value) * self._sign
        is_best = math.isfinite(value) and lead > 0.0
        improved = is_best and lead > self.min_delta
        if is_best:
            self.best = value
        self.waited = 0 if improved else self.waited + 1
        return is_best, improved

    @property
    def settings(self) -> dict[str, Any]:
        """What the best value and the count depend on, as plain data."""
        return {"monitor": self.name, "min_delta": self.min_delta, "mode": self.mode}

    def state_dict(self) -> dict[str, Any]:
        """Return best value and count, as plain data."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        self.best, self.waited = float(state["best"]), check_count("waited", state["waited"], 0)
