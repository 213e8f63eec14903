"""What the checks look at: a watched training step, the data, and the network's own first weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.explanation.explaining import explain
from bpx.explanation.step_trace import StepTrace
from bpx.explanation.symbols import is_linear
from bpx.network import Network
from bpx.optimizers import Optimizer

MAX_SAMPLES = 1024
"""Samples of the watched step; more are taken evenly from the whole set."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a network and its data.

    Attributes
    ----------
    net : Network
    x, y : numpy.ndarray
        All samples, and their targets as the loss takes them.
    weight : numpy.ndarray
        The samples' weights, ones if there are none.
    step : StepTrace
        A training step on at most `MAX_SAMPLES` samples, as training would make it.
    optimizer : Optimizer or None
        Whose steps are to be judged.
    batch : tuple of arrays
        The samples, targets and weights of the step.
    """

    net: Network
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    step: StepTrace
    optimizer: Optimizer | None
    batch: tuple[Any, Any, Any]

    @property
    def linear(self) -> list[int]:
        """Numbers of the linear layers; a subclass of `bpx.Linear` that computes otherwise is none."""
        return [i for i, layer in enumerate(self.net.layers) if is_linear(layer)]

    @property
    def distinct_samples(self) -> int:
        """How many different samples the step was made on."""
        return len(np.unique(self.batch[0].reshape(len(self.batch[0]), -1), axis=0))

    def values(self, layer: int, key: str) -> np.ndarray:
        """Return one quantity of a layer in the step."""
        return np.asarray(self.step.layers[layer][key])

    def parameters(self) -> list[tuple[int, str, bool, np.ndarray, np.ndarray, np.ndarray]]:
        """Return layer, name, whether it is frozen, value, gradient and update of each parameter."""
        short = {"weight": "w", "bias": "b"}
        found = []
        for i, layer in enumerate(self.net.layers):
            for name in layer.param_names:
                key = short.get(name, name)
                value, gradient, update = (self.values(i, k) for k in (key, f"dL/d{key}", f"update {key}"))
                found.append((i, name, name in layer.frozen, value, gradient, update))
        return found

    def compute_loss_along(self, factor: float) -> float:
        """Return the loss where the step's update is made ``factor`` times as large.

        Its products are in float32 whatever the network's precision: a small step moves what is rounded by nothing, or
        by more than the loss changes.
        """
        moved = self.net.copy(precision="float32")
        params = [
            {name: self.net.backend.to_numpy(a).astype(np.float64) for name, a in p.items()} for p in moved.params
        ]
        for i, name, _, value, _, update in self.parameters():
            params[i][name] = value + factor * update
        moved.params = params
        return moved.gradients(*self.batch, training=True)[0]

    def measure_start(self) -> tuple[float, float]:
        """Return the loss and the norm of the trained parameters' gradient at the network's first weights."""
        first = self.net.copy(precision="float32").reset()
        loss, grads = first.gradients(*self.batch, training=True)
        return loss, compute_norm(
            g for i, part in enumerate(grads) for name, g in part.items() if name not in self.net.layers[i].frozen
        )


def compute_norm(arrays: Any) -> float:
    """Return the norm of several arrays taken together; infinity where one holds what is not finite."""
    flat = np.concatenate([np.zeros(1), *(np.asarray(to_numpy(a), dtype=np.float64).reshape(-1) for a in arrays)])
    scale = float(np.abs(flat).max())  # so that no square overflows
    if not math.isfinite(scale):
        return math.inf
    return scale * float(np.linalg.norm(flat / scale)) if scale else 0.0


def compute_rms(array: np.ndarray) -> float:
    """Return the root of the mean square; infinity where something is not finite."""
    return compute_norm([array]) / math.sqrt(array.size) if array.size else 0.0


def gather(net: Network, x: Any, y: Any, sample_weight: Any, optimizer: Optimizer | None) -> Evidence:
    """Check the data, make one watched step on a copy of the network, and return what was seen."""
    xs, ys, ws = net.place(x, y, sample_weight)
    host = net.backend.to_numpy
    all_x, all_y = host(xs).astype(np.float64), host(ys)
    weight = np.ones(len(all_x)) if ws is None else host(ws).astype(np.float64)
    rows = np.unique(np.linspace(0, len(all_x) - 1, min(MAX_SAMPLES, len(all_x))).round().astype(int))
    batch = (all_x[rows], all_y[rows], weight[rows])
    step = explain(
        net, batch[0], batch[1], optimizer=optimizer, sample_weight=batch[2], training=True, detail="full"
    ).steps[0]
    return Evidence(net, all_x, all_y, weight, step, optimizer, batch)
