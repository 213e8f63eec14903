"""Gradients and steps of a wrong size: vanishing, exploding, frozen where they are needed, learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bpx.files.pytorch import list_entries
from bpx.health.evidence import Evidence, compute_norm, compute_rms
from bpx.health.report import Finding

FADING = 1e-3
"""Ratio of the first layer's gradient to the last one's below which gradients vanish; above its inverse they
explode."""

FROZEN_SHARE = 0.1
"""A frozen parameter is missed where its gradient is more than this share of the trained ones'."""

TOO_SMALL_STEP, TOO_LARGE_STEP = 1e-5, 1.0
"""Update-to-weight ratios: about 1e-3 is usual."""


def find_fading_gradients(evidence: Evidence, explained: set[int]) -> Iterator[Finding]:
    """Find gradients that shrink or grow by orders of magnitude on their way to the first layers.

    Layers whose missing gradient has a cause of its own (``explained``: dead, saturated or identical units there) end
    the comparison: what is below them says nothing new.
    """
    wild = [i for i in evidence.linear if not math.isfinite(compute_rms(evidence.values(i, "delta")))]
    if wild or not math.isfinite(evidence.step.loss):
        yield Finding(
            "exploding_gradients", "severe", max(wild, default=None),
            f"numbers grew beyond what {evidence.net.dtype} holds: the loss is {evidence.step.loss:g}, and the "
            f"gradient is not finite at {len(wild)} of {len(evidence.linear)} linear layers.",
            {"loss": _finite(evidence.step.loss), "layers_not_finite": wild},
            "starting over with smaller weights or a lower learning rate, and inputs of zero mean and unit variance.",
        )  # fmt: skip
        return
    layers = [i for i in evidence.linear if i > max(explained, default=-1)]
    if len(layers) < 2:
        return
    sizes = {i: compute_rms(evidence.values(i, "delta")) for i in layers}
    first, last = layers[0], layers[-1]
    if not sizes[last]:
        return
    ratio = sizes[first] / sizes[last]
    listed = ", ".join(f"layer {i} {size:.1e}" for i, size in sizes.items())
    numbers = {"ratio": ratio, "rms_delta": {str(i): sizes[i] for i in layers}}
    if ratio < FADING:
        yield Finding(
            "vanishing_gradients", "severe" if ratio < FADING**2 else "warning", first,
            f"the gradient of layer {first} is {ratio:.1e} of that of layer {last}: it fades on the way back (root "
            f"mean square of delta: {listed}).",
            numbers,
            "ReLU or GELU in place of sigmoid, bpx.Residual blocks, a LayerNorm between layers, or fewer layers.",
        )  # fmt: skip
    elif ratio > 1.0 / FADING:
        yield Finding(
            "exploding_gradients", "severe" if ratio > FADING**-2 else "warning", first,
            f"the gradient of layer {first} is {ratio:.1e} times that of layer {last}: it grows on the way back (root "
            f"mean square of delta: {listed}).",
            numbers,
            "smaller first weights (he_uniform, glorot_uniform), clip=bpx.ClipNorm(1.0), or a LayerNorm between "
            "layers.",
        )  # fmt: skip


def find_frozen_parameters(evidence: Evidence) -> Iterator[Finding]:
    """Find frozen parameters whose gradient says that they should move, as the biases of the notebook's XOR network."""
    found, meant = evidence.parameters(), _list_constants(evidence)
    trained = max((compute_rms(gradient) for _, _, frozen, _, gradient, _ in found if not frozen), default=0.0)
    for i, name, frozen, _, gradient, _ in found:
        size = compute_rms(gradient)
        if frozen and (i, name) not in meant and size > FROZEN_SHARE * trained and size > 0.0:
            times = f"{size / trained:,.2f} times" if trained else "more than"
            yield Finding(
                "frozen_parameters", "warning", i,
                f"{name} of layer {i} is frozen, but the loss's gradient with respect to it has a root mean square of "
                f"{size:.1e}, {times} the largest of the trained parameters ({trained:.1e}): the loss would fall if "
                "it moved.",
                {"parameter": name, "rms_gradient": size, "rms_gradient_trained": trained},
                f"training it too: leave {name!r} out of frozen=. The published XOR network fails for no other reason. "
                "If it is frozen on purpose, all is well.",
            )  # fmt: skip


def _list_constants(evidence: Evidence) -> set[tuple[int, str]]:
    """Return the parameters that are frozen unless somebody asks otherwise, such as the edges of bins."""
    entries = [entry for entry in list_entries(evidence.net.layers) if isinstance(type(entry.owner).frozen, tuple)]
    return {(entry.layer, entry.name) for entry in entries if entry.key.rpartition(".")[2] in type(entry.owner).frozen}


def judge_learning_rate(evidence: Evidence) -> Iterator[Finding]:
    """Find steps that overshoot, and steps so small that training would take for ever."""
    ratios = {
        i: compute_norm([update]) / compute_norm([value])
        for i, name, frozen, value, _, update in evidence.parameters()
        if name in evidence.net.layers[i].weight_names and not frozen and compute_norm([value]) > 0.0
    }
    if not ratios or not math.isfinite(evidence.step.loss):
        return
    rounded = evidence.net.precision != "float32"
    now = evidence.compute_loss_along(0.0) if rounded else evidence.step.loss
    after = evidence.compute_loss_along(1.0)
    largest, middle = max(ratios.values()), float(np.median(list(ratios.values())))
    numbers = {
        "learning_rate": evidence.step.learning_rate, "loss": now, "loss_after_a_step": _finite(after),
        "update_to_weight": {str(i): _finite(ratio) for i, ratio in ratios.items()},
    }  # fmt: skip
    listed = ", ".join(f"layer {i} {ratio:.1e}" for i, ratio in ratios.items())
    first_loss, first_norm = evidence.measure_start()
    rises = not after - now <= 0.01 * first_loss
    if rises or not middle <= TOO_LARGE_STEP:
        tenth = evidence.compute_loss_along(0.1)
        result = "and the loss rises" if rises else "though the loss falls"
        yield Finding(
            "learning_rate_too_high", "severe" if rises else "warning", None,
            f"a step changes the weights by a large share (update-to-weight ratio: {listed}; about 1e-3 is usual) "
            f"{result} from {now:.4g} to {after:.4g}; a tenth of the step leads to {tenth:.4g}.",
            numbers | {"loss_after_a_tenth": _finite(tenth)},
            f"a learning rate of {evidence.step.learning_rate / 10:.2g} or less in place of "
            f"{evidence.step.learning_rate:.2g}, or clip=bpx.ClipNorm(1.0).",
        )  # fmt: skip
        return
    size = compute_norm(g for _, _, frozen, _, g, _ in evidence.parameters() if not frozen)
    if 0.0 < largest < TOO_SMALL_STEP and size > 0.1 * first_norm:
        far = evidence.compute_loss_along(100.0)
        if now - far > 10.0 * (now - after):
            yield Finding(
                "learning_rate_too_low", "warning", None,
                f"a step hardly moves the weights (update-to-weight ratio: {listed}; about 1e-3 is usual): the loss "
                f"goes from {now:.6g} to {after:.6g}, and a step a hundred times as large would lead to {far:.6g}.",
                numbers | {"loss_after_a_hundredfold_step": _finite(far)},
                f"a learning rate of {evidence.step.learning_rate * 100:.2g} in place of "
                f"{evidence.step.learning_rate:.2g}.",
            )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
