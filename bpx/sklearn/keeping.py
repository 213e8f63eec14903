"""A fitted estimator as a network and a file: what all estimators of bpx have beside scikit-learn's interface."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from sklearn.utils.validation import check_is_fitted

from bpx._version import __version__
from bpx.errors import InputError
from bpx.network import Network
from bpx.recipes.model_file import Model, save_model
from bpx.tables import ClassTarget, Preprocessor
from bpx.tables.columns import NumberColumn
from bpx.tables.target import LabelType, NumberTarget, Target
from bpx.training.history import History

TARGET = "target"
"""What the target is called where the samples do not say it."""


def name_labels(classes: Any) -> tuple[LabelType, tuple[Any, ...]]:
    """Return the type of labels, and labels, as files have them: others than text and plain numbers become text."""
    labels = classes.tolist()
    kinds = {type(label).__name__ for label in labels}
    for kind in get_args(LabelType):
        if kinds == {kind}:
            return kind, tuple(labels)
    return "str", tuple(str(label) for label in labels)


def describe_arrays(names: Sequence[str], classes: Any) -> Preprocessor:
    """Return the preprocessing of samples that are arrays: every number as it is.

    Parameters
    ----------
    names : sequence of str
        Of the features.
    classes : array or None
        The sorted classes; None where the target is a number.
    """
    columns = tuple(NumberColumn(name, mean=0.0, std=1.0, median=0.0) for name in names)
    target: Target = NumberTarget(TARGET, 0.0, 1.0)
    if classes is not None:
        kind, labels = name_labels(classes)
        target = ClassTarget(TARGET, kind, labels)
    return Preprocessor(columns, target, (), "refuse", ())


def name_features(estimator: Any) -> list[str]:
    """Return the names of a fitted estimator's features: those of the table, or x0, x1, ... of an array."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(estimator.n_features_in_)] if names is None else [str(name) for name in names]


class Kept(ABC):
    """An estimator whose fitted network can be looked at, explained, kept and exported."""

    network_: Network
    history_: History
    n_iter_: int

    @abstractmethod
    def _describe_preprocessing(self) -> Preprocessor | None:
        """Return what makes the network's inputs of samples; None where a sample has several targets."""

    def _list_array(self) -> list[str] | None:
        """Return the names of the features where samples are arrays; None where they are tables."""
        return name_features(self)

    def save(self, path: str | os.PathLike[str], *, card: str | None = None) -> None:
        """Write the fitted network to a safetensors file, with what ``bpx predict`` needs.

        ``bpx predict``, ``bpx evaluate``, ``bpx export`` and ``bpx show`` take the file, `bpx.load` reads the network
        of it. Where a sample has several targets, it holds the network alone. The estimator with its parameters is kept
        by ``pickle``.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that an older file stays whole until the new one is.
        card : str or None
            Text for people, as for `bpx.Network.save`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If the file cannot be written there.
        """
        check_is_fitted(self)
        network, preprocessor = self.network_, self._describe_preprocessing()
        if preprocessor is None:
            network.save(path, card=card)
            return
        labels = list(getattr(preprocessor.target, "labels", ()))
        if labels != sorted(set(labels)):
            raise InputError(
                f"a file keeps classes that are text, numbers or booleans, sorted; these are not: {labels[:5]}; "
                "network_.save(path) writes the network alone"
            )
        training = {
            "bpx": __version__,
            "estimator": type(self).__name__,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "epochs": int(self.n_iter_),
            "final_loss": float(self.history_.loss[-1]) if self.history_.loss else None,
            "seconds": float(self.history_.seconds),
        }
        residuals = getattr(self, "residuals_", None)
        if residuals is not None:
            training["residuals"] = residuals.to_dict()
        save_model(path, Model(network, preprocessor, training), card)

    def export_onnx(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Write the fitted network as an ONNX file, for prediction in other runtimes; as ``bpx export`` does.

        Of samples that are arrays the graph takes one input, ``x`` of shape (batch, features); of tables each column as
        an input of its name. It gives ``label`` of shape (batch,) and ``probabilities`` of shape (batch, classes), or
        ``prediction`` of shape (batch,). Where a sample has several targets, the graph is that of
        `bpx.Network.export_onnx`, from ``x`` to ``y``.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that an older file stays whole until the new one is.

        Returns
        -------
        dict
            The inputs, outputs and metadata of the file, as plain data; empty for several targets.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If the extra ``onnx`` is not installed, or the file cannot be written.
        """
        check_is_fitted(self)
        network, preprocessor = self.network_, self._describe_preprocessing()
        if preprocessor is None:
            network.export_onnx(path)
            return {}
        from bpx.files.onnx_table import export_table_onnx

        return export_table_onnx([network], preprocessor, path, array=self._list_array())
