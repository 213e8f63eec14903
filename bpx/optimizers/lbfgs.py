"""The settings of L-BFGS, which `bpx.training.lbfgs` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bpx.arguments import check_count, check_number
from bpx.errors import InputError
from bpx.optimizers.base import Optimizer, Update


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Minimize the loss of the whole set by the quasi-Newton method L-BFGS, in SciPy's implementation.

    An epoch is one iteration: a line search along ``-H @ dw``, H being an estimate of the inverse Hessian from the last
    ``memory`` steps. The parameters are one vector in float64 on the host; loss and gradient are computed by the
    network on its backend in its dtype. Needs the extra ``sklearn``, which brings SciPy.

    Parameters
    ----------
    memory : int
        Pairs of steps and changes of the gradient that are kept, at least 1.
    gradient_tolerance : float
        Training ends when no element of the gradient is larger, at least 0.
    loss_tolerance : float
        Training ends when an iteration lowers the loss by less than this share of it, at least 0.
    max_evaluations : int
        Training ends when loss and gradient have been computed this often, at least 1.

    See Also
    --------
    SGD : Gradient descent, with momentum if asked for.
    Adam : Scale each weight's step by its own gradients.

    Notes
    -----
    The function to be minimized must be the same at each evaluation: there are no batches, no shuffles, no limits on
    gradients, and no layers that are random or keep running statistics. Called again, ``fit`` continues from the
    weights, but the estimate of the Hessian starts afresh: 10 and 10 iterations are not 20.

    References
    ----------
    D. C. Liu, J. Nocedal, "On the limited memory BFGS method for large scale optimization", 1989, algorithm 2.1.
    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained optimization", 1995.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 4, 1], "tanh", loss="binary_cross_entropy", dtype="float64")
    >>> history = net.fit(x, y, epochs=100, optimizer=bpx.LBFGS())
    >>> net.predict(x).round(2).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    learning_rate: ClassVar[float] = 1.0  # type: ignore[misc] # the line search finds the size of a step

    memory: int = 10
    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 2.0**-29
    max_evaluations: int = 15000

    name: ClassVar[str] = "lbfgs"

    def __post_init__(self) -> None:
        if self.groups:
            raise InputError("L-BFGS has one line search for all parameters, and no groups with rates of their own")
        check_count("memory", self.memory)
        check_number("gradient_tolerance", self.gradient_tolerance, minimum=0.0)
        check_number("loss_tolerance", self.loss_tolerance, minimum=0.0)
        check_count("max_evaluations", self.max_evaluations)

    @property
    def update(self) -> Update:
        raise InputError("L-BFGS has no update of one array: SciPy leads; use it as the optimizer of fit")
