"""Data that make learning hard: inputs or targets on a bad scale, classes of very different sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bpx.health.evidence import Evidence
from bpx.health.report import Finding
from bpx.layers.activations import ReLU, Sigmoid, Softmax, Softplus, Tanh
from bpx.layers.stack import find_code_columns

LARGE_INPUT, SMALL_INPUT = 5.0, 0.01
"""Root mean squares of a feature that are too large, and of the largest feature that are too small."""

LARGE_TARGET, SMALL_TARGET = 5.0, 0.01
"""The same of a target, beside first outputs of about 1."""

REACH = {
    Sigmoid: (0.0, 1.0), Softmax: (0.0, 1.0), Tanh: (-1.0, 1.0), ReLU: (0.0, math.inf), Softplus: (0.0, math.inf),
}  # fmt: skip
"""Between what the outputs of a last layer lie."""

UNEVEN_SCALES = 100.0
"""Ratio of the features' scales, from the ninth decile to the first, from which they are too different."""

_ROUNDING = {"float32": 1e-6, "float64": 1e-13}
"""Share of a feature's size up to which its spread is rounding, and says nothing of its scale."""

IMBALANCE = 10.0
"""How many times the largest class may be the smallest."""


def find_unscaled_inputs(evidence: Evidence) -> Iterator[Finding]:
    """Find features far from zero mean and unit variance, or on scales that differ by orders of magnitude.

    Codes of categories have no scale.
    """
    x = evidence.x.reshape(len(evidence.x), -1)
    codes = find_code_columns(evidence.net.layers)
    measured = np.delete(np.arange(x.shape[1]), codes)
    x = x[:, measured] if codes else x
    sizes, spreads = np.sqrt(np.mean(x * x, axis=0)), x.std(axis=0)
    rounding = _ROUNDING[evidence.net.dtype] * np.abs(x).max(axis=0)
    varying = spreads[spreads > rounding]
    low, high = (np.quantile(varying, q) for q in (0.1, 0.9)) if varying.size else (1.0, 1.0)
    large = measured[sizes > LARGE_INPUT]
    reasons = []
    if large.size:
        reasons.append(
            f"{large.size} of {sizes.size} features have a root mean square above {LARGE_INPUT:g}, feature "
            f"{measured[np.argmax(sizes)]} of {sizes.max():.3g}"
        )
    if sizes.size and sizes.max() < SMALL_INPUT:
        reasons.append(f"the largest root mean square of a feature is {sizes.max():.1e}")
    if high > UNEVEN_SCALES * low:
        reasons.append(f"the features' standard deviations go from {varying.min():.1e} to {varying.max():.1e}")
    if reasons:
        yield Finding(
            "unscaled_inputs", "warning", None,
            f"the inputs are not on the scale that first weights are made for: {'; '.join(reasons)}.",
            {
                "largest_rms": float(sizes.max()), "smallest_std": float(varying.min()) if varying.size else 0.0,
                "largest_std": float(spreads.max()), "large_features": large[:20].tolist(), "features": int(sizes.size),
            },
            "zero mean and unit variance for each feature (subtract the training data's mean, divide by its standard "
            "deviation), or a fixed division such as images / 255.",
        )  # fmt: skip


def find_unscaled_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find targets beyond what the last layer gives, or on another scale than first outputs, and not yet reached.

    A network has not yet reached them where their mean is nearer to them than its outputs are. Where it has several
    outputs to a target that is not looked at.
    """
    net, y = evidence.net, evidence.y.reshape(len(evidence.y), -1).astype(np.float64)
    if net.loss.targets != "values":
        return
    last = net.layers[-1]
    low, high = REACH.get(type(last), (-math.inf, math.inf))
    beyond = int(((y < low) | (y > high)).any(axis=1).sum())
    sizes = np.sqrt(np.mean(y * y, axis=0))
    numbers = {"largest_rms": float(sizes.max()), "least": float(y.min()), "largest": float(y.max())}
    if beyond:
        yield Finding(
            "unscaled_targets", "severe", len(net.layers) - 1,
            f"{type(last).__name__} gives numbers from {low:g} to {high:g}, and {beyond} of {len(y)} samples have a "
            f"target beyond, in all from {y.min():.4g} to {y.max():.4g}: these cannot be reached.",
            numbers | {"beyond": beyond},
            "a last layer that is linear (output='identity'), or targets that are brought into this range.",
        )  # fmt: skip
        return
    if sizes.max() <= LARGE_TARGET and sizes.max() >= SMALL_TARGET:
        return
    targets, outputs = np.asarray(evidence.batch[1]), np.asarray(net.backend.to_numpy(net.predict(evidence.batch[0])))
    compared = ""
    if targets.size == outputs.size:  # of quantiles there are several outputs to a target
        compared = ", and the network is further from them than their own mean is"
        missed = np.mean((outputs.reshape(targets.shape) - targets) ** 2)
        if missed < np.mean((targets - targets.mean(axis=0)) ** 2):
            return
    yield Finding(
        "unscaled_targets", "warning", None,
        f"the targets are far from the outputs of first weights, which are about 1 in size: the largest root mean "
        f"square of a target is {sizes.max():.3g}{compared}.",
        numbers,
        "zero mean and unit variance for each target (subtract the training data's mean, divide by its standard "
        "deviation), undone for the predictions.",
    )  # fmt: skip


def find_class_imbalance(evidence: Evidence) -> Iterator[Finding]:
    """Find classes that are many times larger than others, as the samples' weights count them."""
    masses = _class_masses(evidence)
    if masses is None:
        return
    ratio = float(masses.max() / masses.min()) if masses.min() > 0.0 else None
    enough = len(evidence.y) >= 5 * masses.size  # otherwise a class may be missing by chance
    if not enough or (ratio is not None and ratio < IMBALANCE):
        return
    largest, smallest = int(masses.argmax()), int(masses.argmin())
    share = masses.max() / masses.sum()
    weighted = " by weight" if np.ptp(evidence.weight) > 0.0 else ""
    yield Finding(
        "class_imbalance", "severe" if ratio is None else "warning", None,
        f"class {largest} has {share:.1%} of the samples{weighted}, class {smallest} "
        f"{masses.min() / masses.sum():.1%}: "
        f"always answering {largest} is right {share:.1%} of the time.",
        {"masses": masses.tolist(), "ratio": ratio},
        "more samples of the small classes; sample_weight in inverse proportion to the classes' sizes; and a look at "
        "the accuracy of each class, not of all samples together.",
    )  # fmt: skip


def _class_masses(evidence: Evidence) -> np.ndarray | None:
    """Return the weight of each class's samples, None where the targets are no classes."""
    y, weight = evidence.y, evidence.weight
    if y.ndim == 1:
        outputs = evidence.net.output_shape
        return np.bincount(y.astype(int), weights=weight, minlength=outputs[0] if outputs else 0)
    if not np.isin(y, (0, 1)).all():
        return None
    if y.shape[1] == 1:
        return np.array([weight[y[:, 0] == k].sum() for k in (0, 1)])
    return weight @ y if (y.sum(axis=1) == 1).all() else None
