"""Units that do not learn: dead ReLUs, saturated sigmoids, units that are copies of each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpx.health.evidence import Evidence
from bpx.health.report import Finding
from bpx.layers import Linear, ReLU, Sigmoid, Tanh

DEAD_SHARE = 1 / 3
"""Share of a layer's ReLUs, dead on every sample, from which it is a finding."""

FEW_SAMPLES = 10
"""Different samples below which a ReLU may be off on all of them by chance: then all of a layer's have to be."""

SATURATED_SLOPE = 0.01
"""A unit is saturated on a sample where its slope is below this share of its largest."""

SATURATED_SHARE = 0.5
"""Share of a hidden layer's values, saturated, from which it is a finding."""


def find_dead_relus(evidence: Evidence, explained: set[int]) -> Iterator[Finding]:
    """Find layers of ReLUs many of which are 0 on every sample: no gradient passes them.

    Those after a linear layer of identical units (``explained``) have their cause there.
    """
    for i, layer in enumerate(evidence.net.layers):
        before = max((k for k in evidence.linear if k < i), default=-1)
        if not isinstance(layer, ReLU) or before in explained:
            continue
        output = evidence.values(i, "a")
        dead = np.all(output <= 0.0, axis=0)
        share = float(dead.mean())
        if share >= (DEAD_SHARE if evidence.distinct_samples >= FEW_SAMPLES else 1.0):
            yield Finding(
                "dead_relus", "severe" if share >= 0.5 else "warning", i,
                f"{int(dead.sum())} of {dead.size} ReLUs ({share:.0%}) are 0 on all {len(output)} samples looked at: "
                "their slope is 0 there, so no gradient passes and they stay dead.",
                {"dead": int(dead.sum()), "units": int(dead.size), "share": share, "samples": len(output)},
                "a lower learning rate, the initializer he_uniform or he_normal, biases that start at 0 or a little "
                "above it, or bpx.LeakyReLU or bpx.GELU, which pass a gradient everywhere.",
            )  # fmt: skip


def find_saturated_units(evidence: Evidence) -> Iterator[Finding]:
    """Find sigmoids and tanhs on their flat ends: in hidden layers most of them, at the output those that are wrong."""
    last = len(evidence.net.layers) - 1
    for i, layer in enumerate(evidence.net.layers):
        if not isinstance(layer, (Sigmoid, Tanh)):
            continue
        slope = evidence.values(i, "da/dz") / (0.25 if isinstance(layer, Sigmoid) else 1.0)
        flat = slope < SATURATED_SLOPE
        what = "hidden"
        if i == last:
            what = "output"
            target = evidence.batch[1]
            flat &= np.abs(evidence.values(i, "a") - target) > 0.5 * max(float(np.ptp(target)), 1e-12)
        share = float(flat.mean())
        if share < (SATURATED_SHARE if what == "hidden" else 0.1):
            continue
        kind = type(layer).__name__.lower()
        wrong = " and far from their targets" if what == "output" else ""
        yield Finding(
            "saturated_units", "severe" if share >= 0.9 else "warning", i,
            f"{share:.0%} of the {what} {kind} values are on a flat end{wrong}: their slope is below "
            f"{SATURATED_SLOPE:.0%} of its largest (the median is {float(np.median(slope)):.1e} of it), so hardly any "
            "gradient passes.",
            {"share": share, "median_slope": float(np.median(slope)), "samples": len(slope)},
            "smaller first weights (glorot_uniform), inputs of zero mean and unit variance, a LayerNorm before it, "
            "ReLU in hidden layers, or at the output the loss binary_cross_entropy on logits, whose gradient does not "
            "fade.",
        )  # fmt: skip


def find_identical_units(evidence: Evidence) -> Iterator[Finding]:
    """Find hidden units that compute the same and get the same gradient: they will be the same for ever."""
    for i in evidence.linear[:-1]:
        layer = evidence.net.layers[i]
        assert isinstance(layer, Linear)
        columns = np.concatenate([evidence.values(i, key) for key in ("w", "z", "delta")])
        different = len(np.unique(columns, axis=1).T)
        copies = layer.n_out - different
        if copies:
            yield Finding(
                "identical_units", "severe" if different == 1 else "warning", i,
                f"the {layer.n_out} units have only {different} different set{'s' if different > 1 else ''} of "
                "weights, outputs and gradients: units that are equal now get equal updates and stay equal.",
                {"units": layer.n_out, "different": different, "copies": copies},
                "weights drawn at random (init='glorot_uniform' or 'he_uniform', not 'zeros'); biases may start at 0.",
            )  # fmt: skip
