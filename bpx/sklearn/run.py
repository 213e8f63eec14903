"""The core's training loop, with the mean of the batches' losses that scikit-learn takes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from bpx.lbfgs import LBFGS, Outcome, minimize
from bpx.sklearn.architecture import NOT_FINITE, EstimatorNetwork, is_finite
from bpx.sklearn.samples import Samples
from bpx.sklearn.session import Session
from bpx.training.arrays import Arrays
from bpx.training.run import Run


class EstimatorRun(Run):
    """One training of an estimator.

    Parameters
    ----------
    net : EstimatorNetwork
    samples : Samples
    session : Session
        Gives the order of the samples.
    shuffle : bool
    validated : bool
        Whether the numbers of an epoch will hold "validation_loss".
    tolerant : bool
        Whether to go on with weights that are not finite, because the best ones are kept.
    **options
        As for ``Network.fit``.
    """

    def __init__(
        self,
        net: EstimatorNetwork,
        samples: Samples,
        session: Session,
        *,
        shuffle: bool,
        validated: bool,
        tolerant: bool,
        **options: Any,
    ) -> None:
        rows = samples.x.shape[0]
        self.tolerant = tolerant
        options |= {"shuffle": (lambda epoch: session.next_order(rows)) if shuffle else False}
        options |= {"metrics": (), "clip": None, "class_weight": None, "memory_limit": sys.maxsize}
        super().__init__(net, samples.x, samples.y, sample_weight=samples.weight, **options)
        assert isinstance(self.source, Arrays)
        self.source.share_weight = None  # scikit-learn's loss of an epoch: a mean over samples, whatever they weigh
        if validated:
            self.log_names = (*self.log_names, "validation_loss")

    def _diverged(self, losses: np.ndarray, batch: int) -> None:
        """Go on while the weights are finite: the loss of one sample that is far off may overflow alone."""
        if not (self.tolerant or is_finite(self.net)):
            raise ValueError(NOT_FINITE)


class MinimizingRun(EstimatorRun):
    """One training of an estimator by L-BFGS.

    Attributes
    ----------
    outcome : Outcome
        How it ended.
    """

    outcome: Outcome

    def _run_epochs(self) -> None:
        optimizer, data = self.settings.optimizer, self.source.whole
        assert isinstance(optimizer, LBFGS)
        assert data is not None
        self.outcome = minimize(
            self.net, data, optimizer, self.epochs, self.settings.penalties, self.iterated, tolerant=True
        )
