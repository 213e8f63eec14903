"""`diagnose`: all checks on one network."""

from __future__ import annotations

from typing import Any

from bpx.core.fitted import FittedEstimator, find_network
from bpx.explanation.explaining import steps_by_gradient
from bpx.health import data, gradients, units
from bpx.health.evidence import gather
from bpx.health.report import SEVERITIES, HealthReport
from bpx.network import Network
from bpx.optimizers import Optimizer, get_optimizer

CHECKS = (
    "dead_relus",
    "saturated_units",
    "identical_units",
    "vanishing_gradients",
    "exploding_gradients",
    "frozen_parameters",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "unscaled_inputs",
    "unscaled_targets",
    "class_imbalance",
)
"""The illnesses that `diagnose` knows."""


def diagnose(
    net: Network | FittedEstimator,
    x: Any,
    y: Any,
    *,
    optimizer: str | Optimizer | None = None,
    sample_weight: Any = None,
) -> HealthReport:
    """Look for what hinders learning: in the units, in the gradients, in the steps, in the data.

    One training step is made on a copy, as `Network.fit` would make it, and looked at layer by layer. The network stays
    as it is.

    Parameters
    ----------
    net : Network or fitted estimator of bpx.sklearn
        At its start or at any moment of its training, on any backend.
    x, y : array_like
        The training data, as for `Network.fit`, or the estimator's ``fit``. Of more than 1,024 samples the step takes
        1,024, evenly from all.
    optimizer : str, Optimizer or None
        Whose steps to judge. None: the optimizer of the network's training; without one learning rates are not judged.
    sample_weight : array_like (samples,) or None

    Returns
    -------
    HealthReport
        Its ``findings`` have name, severity, layer, numbers and advice; ``print`` shows them.

    Raises
    ------
    InputError
        If an argument or an array is not as described.

    See Also
    --------
    bpx.health.HealthReport : What was looked for and found.
    check_gradients : Hold gradients against central differences.
    bpx.plot.gradient_histograms : How large each layer's gradients are.

    Notes
    -----
    - Dead ReLUs: 0 on every sample, at least a third of a layer (all of it, on fewer than ten samples). Those inside a
      `Residual` block are not looked at.
    - Saturated units: in a hidden layer at least half of all values of a sigmoid or tanh with less than a hundredth of
      the largest slope; at the output a tenth that are also far from their targets.
    - Identical units: hidden units with equal weights, outputs and gradients.
    - Vanishing, exploding: the root mean square of delta of the first linear layer against the last one's, a factor of
      1,000. What lies below dead, saturated or identical units has its cause there and is not reported twice.
    - Frozen parameters: a gradient of more than a tenth of the trained parameters' largest.
    - Learning rate: the ratio of update to weight (norms, by layer), and the loss after the step, after a tenth of it
      and after a hundred times it. A network whose gradient has become small since its first weights is not called
      slow.
    - Unscaled inputs: a feature's root mean square above 5, all below 0.01, or standard deviations a factor of 100
      apart.
    - Unscaled targets: beyond what the last layer gives (a sigmoid: 0 to 1); or of values, a root mean square above 5,
      or all below 0.01, while the network is further from them than their mean is.
    - Class imbalance: a factor of 10 between the largest class and the smallest.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998, sections 4.3 to 4.6.

    Examples
    --------
    >>> import bpx
    >>> from bpx.notebook import notebook_xor
    >>> x, y = bpx.datasets.xor()
    >>> bpx.diagnose(notebook_xor(as_published=True, epochs=100).network, x, y).names
    ('frozen_parameters',)
    >>> bpx.diagnose(notebook_xor(epochs=100).network, x, y).healthy
    True
    """
    model: Network
    model, x, y = find_network(net, x, y)
    past = model.training.optimizer if model.training is not None else None
    chosen = get_optimizer(optimizer) if optimizer is not None else past
    skipped = {}
    if chosen is None or (optimizer is None and not steps_by_gradient(chosen)):
        reason = (
            "the network was not trained yet; give optimizer=" if chosen is None else f"{chosen.name} finds its own"
        )
        skipped, chosen = dict.fromkeys(("learning_rate_too_high", "learning_rate_too_low"), reason), None
    evidence = gather(model, x, y, sample_weight, chosen)
    findings = [*units.find_identical_units(evidence)]
    findings += units.find_dead_relus(evidence, {finding.layer for finding in findings if finding.layer is not None})
    findings += units.find_saturated_units(evidence)
    explained = {finding.layer for finding in findings if finding.layer is not None}
    findings += gradients.find_fading_gradients(evidence, explained)
    findings += gradients.find_frozen_parameters(evidence)
    if chosen is not None:
        findings += gradients.judge_learning_rate(evidence)
    for find in (data.find_unscaled_inputs, data.find_unscaled_targets, data.find_class_imbalance):
        findings += find(evidence)
    findings.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    return HealthReport(tuple(findings), tuple(name for name in CHECKS if name not in skipped), skipped)
