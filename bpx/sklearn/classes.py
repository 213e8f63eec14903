"""What the classifier learns of its targets: which classes there are, and what they weigh."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

from bpx.backend.base import Array, Backend
from bpx.backend.transfer import to_numpy
from bpx.network import Network
from bpx.sklearn.estimator import MultilayerPerceptron
from bpx.sklearn.labels import class_weights, encode
from bpx.sklearn.samples import Samples


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

    def _known_targets(self, y: Any) -> Any:
        unseen = np.setdiff1d(to_numpy(unique_labels(y)), to_numpy(self.classes_))
        if unseen.size:
            raise ValueError(f"validation_data holds classes that are not among those to be learned: {unseen}")
        return y

    def _encoded(self, backend: Backend, y: Any, dtype: str) -> Array:
        return encode(backend, self._label_binarizer, y, dtype)

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _class_weights(self, backend: Backend, y: Array, dtype: str) -> Array | None:
        if self.class_weight is None:
            return None
        return class_weights(self.class_weight, y, self._label_binarizer, backend, dtype)

    def _output_score(self, net: Network, z: Array, samples: Samples) -> float:
        """Return the accuracy: the share of samples with the right class, or with all labels right."""
        xp, y, weight = net.backend.xp, samples.y, samples.score_weight
        if self.out_activation_ == "softmax":
            right = xp.argmax(z, axis=1) == (y if y.ndim == 1 else xp.argmax(y, axis=1))
        else:
            right = xp.all((z > 0.0) == (y > 0.5), axis=1)
        if weight is None:
            return float(xp.sum(xp.astype(right, xp.int32))) / float(y.shape[0])
        return float(xp.sum(xp.astype(right, weight.dtype) * weight)) / float(xp.sum(weight))
