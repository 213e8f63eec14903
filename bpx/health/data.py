"""Data that make learning hard: inputs on a bad scale, classes of very different sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpx.health.evidence import Evidence
from bpx.health.report import Finding
from bpx.layers.stack import find_code_columns

LARGE_INPUT, SMALL_INPUT = 5.0, 0.01
"""Root mean squares of a feature that are too large, and of the largest feature that are too small."""

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
