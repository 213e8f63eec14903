"""A training whose data is read, whose settings are decided and whose network is built."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.backend import Backend
from bpx.backend.precision import check_precision
from bpx.callbacks.early_stopping import EarlyStopping
from bpx.cli.measures import learn_baseline, measure_baseline, measure_model
from bpx.cli.model_files import Model
from bpx.cli.printing import plain
from bpx.cli.sources import TrainingData, identify, load_training
from bpx.cli.train_options import Settings, TrainOptions
from bpx.core.regularization import ClipNorm
from bpx.errors import InputError
from bpx.perceptron import mlp
from bpx.tables import Preprocessor, split
from bpx.training.history import History

__all__ = ["PreparedTraining"]

Array = np.ndarray[Any, Any]

_LEAST_SET_ASIDE = 20
_SET_ASIDE = 0.1
"""Share of the training rows that early stopping looks at."""


@dataclass
class PreparedTraining:
    """A training: its data, settings and model, and, once `train` has run, its history.

    Attributes
    ----------
    options : TrainOptions
    data : TrainingData
    settings : Settings
    model : Model
    history : History
    """

    options: TrainOptions
    data: TrainingData
    settings: Settings
    model: Model
    history: History

    @classmethod
    def prepare(cls, options: TrainOptions, backend: Backend) -> PreparedTraining:
        """Read the data and build the network.

        Raises
        ------
        InputError
            If the data or an option is not as it has to be.
        BackendError
            If the backend does not have the dtype.
        """
        backend.require_dtype(options.dtype or "float32")
        check_precision(options.precision or "float32", options.dtype or "float32")
        data = load_training(options)
        settings = Settings.decide(options, data.recipe)
        name, rows = data.preprocessor.target.name, len(data.x_train)
        if settings.class_weight is not None and data.preprocessor.task == "regression":
            raise InputError(f"--class-weight is for classes, and target {name!r} holds numbers")
        if settings.class_weight is not None and settings.loss not in ("cross_entropy", "binary_cross_entropy"):
            raise InputError(
                f"--class-weight goes with the losses cross_entropy and binary_cross_entropy, got {settings.loss}"
            )
        if settings.patience is not None and rows < _LEAST_SET_ASIDE:
            raise InputError(f"--early-stopping sets a tenth of the training rows aside: {rows} are too few for that")
        n_out, output = choose_head(data.preprocessor, settings.loss)
        network = mlp(
            [data.preprocessor.n_features, *settings.hidden, n_out],
            activation=settings.activation,
            output=output,
            loss=settings.loss,
            dropout=settings.dropout,
            dtype=settings.dtype,
            precision=settings.precision,
            seed=settings.seed,
            backend=backend,
        )
        return cls(options, data, settings, Model(network, data.preprocessor, {}), History())

    def train(self, *, curves: bool = False, **how: Any) -> None:
        """Train the network.

        Parameters
        ----------
        curves : bool
            Whether the held-out rows, and the accuracy, are looked at after each epoch.
        **how
            Further arguments of ``fit``.

        Raises
        ------
        DivergenceError
            If the loss turns NaN or infinite.
        Interrupted
            If Ctrl-C was pressed.
        """
        network, data, settings = self.model.network, self.data, self.settings
        x, y = data.x_train, data.y_train
        if settings.class_weight is not None:
            how["class_weight"] = settings.class_weight
        if settings.patience is not None:
            rest, aside = self.set_aside()
            how["validation_data"] = (x[aside], self.model.encode_targets(y[aside]))
            how["callbacks"] = [EarlyStopping(patience=settings.patience)]
            x, y = x[rest], y[rest]
        elif curves and data.x_held_out is not None and data.y_held_out is not None:
            how["validation_data"] = (data.x_held_out, self.model.encode_targets(data.y_held_out))
        if curves and data.preprocessor.task == "classification":
            how["metrics"] = ("accuracy",)
        self.history = network.fit(
            x,
            self.model.encode_targets(y),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer=settings.optimizer,
            clip=None if settings.clip is None else ClipNorm(settings.clip),
            **how,
        )
        self.model.training.update(self.describe())

    def set_aside(self) -> tuple[Array, Array]:
        """Return which training rows are trained on, and the tenth by which a training is stopped early."""
        data = self.data
        classes = data.y_train if data.preprocessor.task == "classification" else None
        return split(len(data.x_train), _SET_ASIDE, self.settings.seed + 1, classes)

    def measure_scores(self) -> dict[str, dict[str, float]]:
        """Return what `measure_model` says of the training rows and, where there are any, of the held-out rows."""
        data = self.data
        scores = {"training": measure_model(self.model, data.x_train, data.y_train)}
        if data.x_held_out is not None and data.y_held_out is not None:
            scores["held_out"] = measure_model(self.model, data.x_held_out, data.y_held_out)
        return scores

    def describe(self) -> dict[str, Any]:
        """Return the training as plain data, as the model's file keeps it."""
        settings = dataclasses.asdict(self.settings)
        baseline = learn_baseline(self.model, self.data.y_train)
        parts = {"training": self.data.y_train}
        if self.data.y_held_out is not None:
            parts["held_out"] = self.data.y_held_out
        settings["optimizer"] = {"name": self.settings.optimizer.name, **settings["optimizer"]}
        held_out = 0 if self.data.x_held_out is None else len(self.data.x_held_out)
        return {
            "bpx": __version__,
            "data": Path(self.options.dataset).name,
            "origin": identify(self.options.dataset),
            "rows": {"training": len(self.data.x_train), "held_out": held_out},
            "settings": settings,
            "scores": plain(self.measure_scores()),
            "baseline": {
                "answer": baseline.answer,
                "encoded": baseline.encoded,
                **{part: plain(measure_baseline(self.model, baseline, y)) for part, y in parts.items()},
            },
            "epochs": self.model.network.training.epoch if self.model.network.training else 0,
            "final_loss": self.history.loss[-1] if self.history.loss else None,
            "seconds": self.history.seconds,
        }


def choose_head(preprocessor: Preprocessor, loss: str) -> tuple[int, str]:
    """Return how many outputs a network has and their activation.

    Classes have logits for the cross-entropies; for the other losses probabilities, by a softmax layer or, with two
    classes, by one sigmoid unit. Numbers have one linear output.

    Raises
    ------
    InputError
        If the loss does not go with the task.
    """
    n, of = preprocessor.n_outputs, f"target {preprocessor.target.name!r}"
    if preprocessor.task == "regression":
        if loss not in ("squared_error", "absolute_error", "huber"):
            raise InputError(
                f"--loss {loss} does not go with {of}, which holds numbers (standardized ones in training); "
                "use squared_error, absolute_error or huber"
            )
        return 1, "identity"
    if loss == "poisson":
        raise InputError(f"--loss poisson is for counts, and {of} holds {n} classes; use cross_entropy")
    if loss == "cross_entropy":
        return n, "identity"
    if loss == "binary_cross_entropy" and n > 2:
        raise InputError(f"--loss binary_cross_entropy is for two classes, and {of} holds {n}; use cross_entropy")
    if n == 2:
        return 1, "identity" if loss == "binary_cross_entropy" else "sigmoid"
    return n, "softmax"
