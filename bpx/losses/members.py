"""The loss of a network whose outputs are those of many members."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.losses.base import KINDS, Loss, LossFormulas
from bpx.losses.classes import CrossEntropy


@dataclass(frozen=True)
class MeanOverMembers(Loss):
    """Mean over the members of what another loss says of each: all learn the same targets, each for itself.

    ``l = sum over m of loss(z_m, y) / k``, ``dz_m = (loss's dz for z_m) / k``. Predictions are the mean over the
    members of what the loss makes of their outputs: of probabilities for the cross-entropies, of the outputs otherwise.

    Parameters
    ----------
    reduction : str
        "mean" over the batch or "sum".
    loss : Loss
        Of one member; its reduction is this one's.

    Raises
    ------
    InputError
        If ``loss`` is no loss of one member.

    See Also
    --------
    Members : Make an ensemble in one network.
    MemberLinear : A matrix for each member of an ensemble.

    Notes
    -----
    Outputs are (batch, k, n_out), as `bpx.MemberLinear` makes them; targets and weights are those of the samples.
    A mean of the members' losses is no loss of their mean: it leaves each member as good as it can be alone, and their
    errors apart, which their mean averages out.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
    ensembling", 2025, section 3.

    Examples
    --------
    >>> import bpx
    >>> heads = bpx.MemberLinear(3, 2, k=4, own=("weight", "bias"))
    >>> net = bpx.Network([bpx.Members(3, k=4), heads], loss=bpx.MeanOverMembers(loss=bpx.CrossEntropy()))
    >>> net.predict([[0.1, 0.2, 0.3]]).shape
    (1, 2)
    """

    loss: Loss = field(default_factory=CrossEntropy)

    name: ClassVar[str] = "mean_over_members"
    formulas = LossFormulas(
        Formula("(1/K) Σₖ loss($zₖ, y)", r"\tfrac{1}{K} \sum_k \mathrm{loss}(${z}_k, y)"),
        Formula(
            "(1/K) ∂loss($zₖ, y)/∂$zₖ", r"\tfrac{1}{K} \frac{\partial\, \mathrm{loss}(${z}_k, y)}{\partial ${z}_k}"
        ),
        Formula("(1/K) Σₖ p($zₖ)", r"\tfrac{1}{K} \sum_k p(${z}_k)"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.loss, Loss) or isinstance(self.loss, MeanOverMembers):
            raise InputError(f"MeanOverMembers takes the loss of one member, as bpx.CrossEntropy(), got {self.loss!r}")
        object.__setattr__(self, "loss", replace(self.loss, reduction=self.reduction))

    @property
    def targets(self) -> str:  # type: ignore[override] # those of the members' loss
        return self.loss.targets

    def count_targets(self, n_out: int) -> int:
        return self.loss.count_targets(n_out)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        _, k, n_out = z.shape
        each = None if weight is None else _repeat(xp, weight, k)
        value, cache = self.loss.forward(xp, xp.reshape(z, (-1, n_out)), _repeat(xp, y, k), each)
        return (value / k if self.reduction == "sum" else value), (z.shape, cache)

    def backward(self, xp: Any, cache: Any) -> Array:
        shape, inner = cache
        dz = xp.reshape(self.loss.backward(xp, inner), shape)
        return dz / shape[1] if self.reduction == "sum" else dz

    def probabilities(self, xp: Any, z: Array) -> Array:
        _, k, n_out = z.shape
        p = self.loss.probabilities(xp, xp.reshape(z, (-1, n_out)))
        return xp.mean(xp.reshape(p, (-1, k, n_out)), axis=1)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "reduction": self.reduction, "loss": self.loss.config()}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Loss:
        inner = dict(settings["loss"])
        found = KINDS.find("loss", inner.pop("kind"))
        return cls(settings["reduction"], found.from_config(inner))


def _repeat(xp: Any, a: Array, k: int) -> Array:
    """Return each row k times."""
    rows, *rest = a.shape
    return xp.reshape(xp.concat([xp.reshape(a, (rows, 1, *rest))] * k, axis=1), (-1, *rest))
