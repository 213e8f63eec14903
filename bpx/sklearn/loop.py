"""The training loop of a perceptron's estimator, which ends by scikit-learn's rules."""

from __future__ import annotations

import numpy as np

from bpx.optimizers import LBFGS
from bpx.sklearn.architecture import NOT_FINITE, is_finite
from bpx.training.batches import Batches
from bpx.training.lbfgs import Outcome, minimize
from bpx.training.loop import Loop

__all__ = ["EstimatorBatches", "EstimatorLoop"]


class EstimatorBatches(Batches):
    """Batches of an estimator's samples."""

    share_weight = None  # scikit-learn's loss of an epoch: a mean over samples, whatever they weigh


class EstimatorLoop(Loop):
    """The training loop of an estimator, which ends by scikit-learn's rules.

    Attributes
    ----------
    tolerant : bool
        Whether to continue with weights that are not finite, because the best ones are kept.
    outcome : Outcome
        How L-BFGS ended.
    """

    tolerant = False
    outcome: Outcome

    def _check_losses(self, losses: np.ndarray) -> None:
        """Continue while the weights are finite: the loss of one outlier may overflow alone."""
        if not (self.tolerant or is_finite(self.net)):
            raise ValueError(NOT_FINITE)

    def _report_large_gradients(self) -> None:
        raise ValueError(
            f"The squares of the gradients are beyond {self.net.dtype}, and no weight would move. The input data may "
            "contain large values and need to be preprocessed."
        )

    def _run_lbfgs(self, optimizer: LBFGS) -> None:
        run = self.run
        assert run.source.whole is not None
        self.outcome = minimize(
            self.net, run.source.whole, optimizer, run.epochs, run.settings.penalties, self.record_iteration,
            tolerant=True,
        )  # fmt: skip
