"""The training of a perceptron's estimator on several processes: each takes a part of every batch.

The steps are those of `bpx.training.sharing`. What an estimator does after an epoch is done on every rank, with rank
0's numbers of the validation set: all keep the same curves, and end at the same epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.core.model import Model
from bpx.sklearn.loop import EstimatorBatches, EstimatorLoop
from bpx.sklearn.samples import is_sparse
from bpx.training.callback import Callback
from bpx.training.fingerprint import fingerprint_on_host
from bpx.training.settings import Settings, describe
from bpx.training.sharing import SharedLoop, SharedRun, check_possible

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator
    from bpx.sklearn.monitor import Estimator

__all__ = ["SharedBatches", "SharedEstimatorLoop", "SharedEstimatorRun"]

HASHED_NUMBERS = 2_000_000
"""Sparse samples of more numbers are hashed by some of their rows."""

HASHED_ROWS = 256

DECIDING = ("max_iter", "tol", "n_iter_no_change", "early_stopping", "validation_fraction", "learning_rate")
"""The parameters that decide when a training ends, and at which rate it goes on."""


class SharedBatches(EstimatorBatches):
    """Batches of an estimator's samples, which may be sparse, that can be told from others."""

    def describe(self) -> dict[str, Any]:
        assert self.whole is not None
        x, y, weight = self.whole
        if not is_sparse(x):
            return super().describe()
        named = {"y": y, "sample_weight": weight}
        return {"x": _fingerprint_sparse(x), **{name: fingerprint_on_host(array) for name, array in named.items()}}


class SharedEstimatorRun(SharedRun):
    """A call of an estimator's ``fit`` on one of several ranks.

    Parameters
    ----------
    estimator : MultilayerPerceptron
    net : Model
    source : SharedBatches
    settings : Settings
        The callbacks are those that rank 0 calls: the user's.
    communicator : Communicator
    monitors : sequence of Callback
        The estimator's own, which every rank calls, before the others.

    Raises
    ------
    InputError
        For what several processes cannot do.
    """

    def __init__(
        self, estimator: Estimator, net: Model, source: SharedBatches, settings: Settings, communicator: Communicator,
        monitors: Sequence[Callback],
    ) -> None:  # fmt: skip
        check_possible(net, settings, source)
        super().__init__(net, source, None, settings, communicator)
        self._monitors = monitors
        self._estimator = {
            **{name: describe(getattr(estimator, name)) for name in DECIDING},
            "fitted": {"hash": _hash_fitted(estimator)},
        }

    @property
    def listened(self) -> bool:
        return True

    def _call_callbacks(self) -> None:
        for monitor in self._monitors:
            monitor.on_epoch_end(self)
        super()._call_callbacks()

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "estimator": self._estimator}


class SharedEstimatorLoop(EstimatorLoop, SharedLoop):
    """The training loop of an estimator on one of several ranks."""


def _hash_fitted(e: Any) -> str:
    """Return a hash of all that a training continues from: weights, counters, and the stream of random draws."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (*e.coefs_, *e.intercepts_, *(a for part in e.normalizations_ for _, a in sorted(part.items()))):
        digest.update(np.ascontiguousarray(to_numpy(array)).tobytes())
    counts = [
        getattr(e, name, None) for name in ("t_", "_no_improvement_count", "best_loss_", "best_validation_score_")
    ]
    digest.update(repr(counts).encode())
    digest.update(e._session.describe_draws())
    return digest.hexdigest()


def _fingerprint_sparse(x: Any) -> dict[str, Any]:
    """Return the shape of sparse samples, and a hash of their numbers, or of those of some rows."""
    shape = list(x.shape)
    if x.nnz > HASHED_NUMBERS and x.shape[0] > HASHED_ROWS:
        x = x[np.linspace(0, x.shape[0] - 1, HASHED_ROWS).astype(np.int64)]
    digest = hashlib.blake2b(digest_size=8)
    for array, dtype in ((x.data, np.float64), (x.indices, np.int64), (x.indptr, np.int64)):
        digest.update(np.ascontiguousarray(array, dtype).tobytes())
    return {"shape": shape, "hash": digest.hexdigest()}
