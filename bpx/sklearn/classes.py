"""Classes on their way into the network and out of it: which there are, their labels, and what they weigh."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from bpx.backend.base import Array, Backend
from bpx.backend.transfer import backend_of, to_numpy
from bpx.network import Network
from bpx.sklearn.estimator import MultilayerPerceptron
from bpx.sklearn.samples import Samples, is_sparse


class ClassTargets(MultilayerPerceptron):
    """An estimator whose targets are classes."""

    def _learn_classes(self, classes: Any, y: Any) -> None:
        """Take the classes that a first `partial_fit` names, or check that they are the known ones."""
        named = unique_labels(classes)
        if not hasattr(self, "classes_"):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer, self.classes_ = LabelBinarizer().fit(y if multilabel else classes), named
        elif not np.array_equal(to_numpy(self.classes_), to_numpy(named)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )

    def _learn_targets(self, y: Any, incremental: bool) -> Any:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return y
        classes = to_numpy(unique_labels(y))
        known = to_numpy(self.classes_)
        if self.warm_start and set(classes) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {known}, `y` has {classes}"
            )
        if np.setdiff1d(classes, known, assume_unique=True).size:
            raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {classes}.")
        return y

    def _check_targets(self, y: Any) -> Any:
        unseen = np.setdiff1d(to_numpy(unique_labels(y)), to_numpy(self.classes_))
        if unseen.size:
            raise ValueError(f"validation_data holds classes that are not among those to be learned: {unseen}")
        return y

    def _encode(self, backend: Backend, y: Any, dtype: str) -> Array:
        return encode(backend, self._label_binarizer, y, dtype)

    def _name_out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _weigh_classes(self, backend: Backend, y: Array, dtype: str) -> Array | None:
        if self.class_weight is None:
            return None
        return weigh_samples(self.class_weight, y, self._label_binarizer, backend, dtype)

    def score_outputs(self, net: Network, z: Array, samples: Samples) -> float:
        """Return the accuracy: the share of samples with the right class, or with all labels right."""
        xp, y, weight = net.backend.xp, samples.y, samples.score_weight
        if self.out_activation_ == "softmax":
            right = xp.argmax(z, axis=1) == (y if y.ndim == 1 else xp.argmax(y, axis=1))
        else:
            right = xp.all((z > 0.0) == (y > 0.5), axis=1)
        if weight is None:
            return float(xp.sum(xp.astype(right, xp.int32))) / float(y.shape[0])
        return float(xp.sum(xp.astype(right, weight.dtype) * weight)) / float(xp.sum(weight))


def encode(backend: Backend, binarizer: LabelBinarizer, y: Any, dtype: str) -> Array:
    """Return labels as a network's targets on the device.

    Parameters
    ----------
    backend : Backend
        The network's backend.
    binarizer : LabelBinarizer
        Fitted: knows the classes and which kind of target y is.
    y : array
        Labels, all of them among the classes; they stay on their device.
    dtype : str
        The network's dtype.

    Returns
    -------
    array
        Integer classes (samples,) where there are three or more; a column (samples, 1) of 0 and 1 for two; for several
        labels a sample (samples, labels) of 0 and 1.
    """
    if binarizer.y_type_.startswith("multilabel"):
        return backend.asarray(y.toarray() if is_sparse(y) else y, dtype)
    ids = _find_class_ids(binarizer.classes_, y)
    if binarizer.y_type_ == "multiclass":
        return backend.asarray(ids, "int64")
    return backend.xp.reshape(backend.asarray(ids, dtype), (-1, 1))


def _find_class_ids(classes: Any, y: Any) -> Any:
    """Return the number of each label's class."""
    source = backend_of(y)
    if source is None or source.name == "numpy":
        return np.searchsorted(to_numpy(classes), y)
    xp = source.xp
    equal = y[:, None] == source.asarray(classes)[None, :]
    return xp.argmax(xp.astype(equal, xp.int8), axis=1)


def decode(binarizer: LabelBinarizer, probabilities: Any) -> Any:
    """Return the label of each sample: its most probable class, or those above one half.

    Labels that are no numbers live on the host, and so does the result then.
    """
    known = binarizer.classes_
    if isinstance(known, np.ndarray) and known.dtype.kind in "OUS":
        probabilities = to_numpy(probabilities)
    elif isinstance(probabilities, np.ndarray) and not isinstance(known, np.ndarray):
        binarizer = copy.copy(binarizer)
        binarizer.classes_ = to_numpy(known)
    if len(probabilities.shape) == 2 and probabilities.shape[1] == 1:
        probabilities = probabilities[:, 0]
    return binarizer.inverse_transform(probabilities)


def check_weights_of_batches(class_weight: Any) -> None:
    """Raise if classes are to be balanced where an estimator sees one batch, whose classes are not those of all."""
    each = class_weight if isinstance(class_weight, (list, tuple)) else [class_weight]
    if any(isinstance(weight, str) for weight in each):
        raise ValueError(
            "class_weight 'balanced' is not supported for partial_fit: the classes of one batch are not those of "
            "all samples. Give the weights as a dict, for example those of "
            "sklearn.utils.class_weight.compute_class_weight('balanced', classes=classes, y=y) with all of y."
        )


def weigh_samples(class_weight: Any, targets: Array, binarizer: LabelBinarizer, backend: Backend, dtype: str) -> Array:
    """Return the weight that its class gives each sample; with several labels a sample, the product of theirs.

    Parameters
    ----------
    class_weight : dict, "balanced", or a list of dicts with one for each label
        As for `sklearn.utils.class_weight.compute_sample_weight`.
    targets : array
        As `encode` returns them.
    binarizer : LabelBinarizer
    backend : Backend
    dtype : str

    Raises
    ------
    ValueError
        If the weights do not fit the classes.
    """
    xp = backend.xp
    if not binarizer.y_type_.startswith("multilabel"):
        ids = targets if targets.ndim == 1 else targets[:, 0]
        return _weigh_column(class_weight, ids, to_numpy(binarizer.classes_), backend, dtype)
    labels = targets.shape[1]
    if class_weight != "balanced":
        if isinstance(class_weight, dict):
            raise ValueError("For multi-output, class_weight should be a list of dicts, or the string 'balanced'.")
        if len(class_weight) != labels:
            raise ValueError(
                f"For multi-output, number of elements in class_weight should match number of outputs: got "
                f"{len(class_weight)} for {labels}."
            )
    product = xp.ones_like(targets[:, 0])
    for j in range(labels):
        column = class_weight if class_weight == "balanced" else class_weight[j]
        product = product * _weigh_column(column, targets[:, j], np.array([0, 1]), backend, dtype)
    return product


def _weigh_column(class_weight: Any, ids: Array, classes: np.ndarray, backend: Backend, dtype: str) -> Array:
    """Return the weight of each sample from its class's number; only the counts of the classes leave the device."""
    xp = backend.xp
    counts = [int(xp.sum(xp.astype(ids == k, xp.int64))) for k in range(len(classes))]
    present = np.flatnonzero(counts)
    table = np.ones(len(classes))
    y = np.repeat(classes, counts)
    table[present] = compute_class_weight(class_weight, classes=classes[present], y=y)
    with np.errstate(over="ignore"):  # what the dtype does not hold is refused by the sum
        weights = backend.asarray(table, dtype)
    return xp.take(weights, xp.astype(ids, xp.int64), axis=0)
