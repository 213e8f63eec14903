"""A network: layers, a loss, and the arrays that training changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from bpx import inputs
from bpx.backend.base import Array, check_float_dtype
from bpx.backend.selection import BackendSpec, get_backend
from bpx.backend.transfer import like
from bpx.checks import count
from bpx.errors import InputError
from bpx.interchange import load_state_dict, state_dict
from bpx.layers.base import Layer, Params
from bpx.layers.stack import check_sample, first_trained, sample_shapes, unfrozen
from bpx.losses import Loss, get_loss
from bpx.onnx_export import export_onnx
from bpx.passes import forward_pass, make_gradients
from bpx.rng import step_keys
from bpx.training import fit
from bpx.variables import Variables

PREDICT_ROWS = 8192
"""Samples that go through the network at a time where no gradient is wanted."""


class Network(Variables):
    """Layers in a row, trained by backpropagation.

    Parameters
    ----------
    layers : sequence of Layer
        From input to output.
    loss : str or Loss
        "squared_error", "absolute_error", "huber", "cross_entropy", "binary_cross_entropy", "poisson", or a Loss with
        settings such as ``SquaredError(reduction="sum")``. The cross-entropies take logits: the last layer is linear.
    dtype : str
        "float32" or "float64".
    seed : int or None
        Seed of weights, shuffles and dropout masks: the same seed gives the same numbers on every backend. None takes
        one from the operating system, kept in ``net.seed``.
    backend : str, Backend or None
        As for `get_backend`.

    Raises
    ------
    InputError
        If the layers do not fit each other, or an argument is none of the values it may have.
    BackendError
        If the backend cannot be used here, or has no such dtype.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.Network([bpx.Linear(2, 2), bpx.Sigmoid(), bpx.Linear(2, 1)], loss="squared_error", dtype="float64")
    >>> x, y = bpx.datasets.xor()
    >>> history = net.fit(x, y, epochs=3)
    >>> len(history.loss)
    3
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss = "squared_error",
        dtype: str = "float32",
        seed: int | None = 0,
        backend: BackendSpec = None,
    ) -> None:
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise InputError(f"layers must be a sequence of layers, got {layers!r}")
        self.layers = tuple(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                hint = " (an instance, with parentheses)" if isinstance(layer, type) else ""
                raise InputError(f"layers must hold layers{hint}, got {layer!r}")
        if not self.layers:
            raise InputError("a network needs at least one layer")
        check_float_dtype(dtype)
        self.loss = get_loss(loss)
        self.dtype = dtype
        self.seed = int.from_bytes(os.urandom(4), "little") if seed is None else count("seed", seed, 0)
        self.input_shape, self.output_shape = sample_shapes(self.layers)
        self.backend = get_backend(backend)
        self.backend.require_dtype(dtype)
        self.first_trained = first_trained(self.layers)
        self.n_keys = sum(layer.n_keys for layer in self.layers)
        self.stateful = any(layer.stateful for layer in self.layers)
        self._programs = {}
        self.reset()

    # -- learning -----------------------------------------------------------------------------------------

    fit = fit

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, *, training: bool = False
    ) -> tuple[float, list[Params]]:
        """Return the loss of a batch and its gradient with respect to every parameter, frozen ones too.

        Parameters
        ----------
        x : array_like (samples, n_in)
        y : array_like
            Targets, as for `fit`.
        sample_weight : array_like (samples,) or None
        training : bool
            Whether layers behave as in training (dropout's mask of the next step, the batch's own statistics).

        Returns
        -------
        loss : float
            As the loss reduces it: mean over the batch or sum.
        gradients : list of dict
            Shaped like ``net.params``; arrays of x's library.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 2, 1], loss="squared_error", dtype="float64")
        >>> loss, gradients = net.gradients(*bpx.datasets.xor())
        >>> gradients[0]["weight"].shape
        (2, 2)
        """
        xs, ys, weight = self._inputs(x, y, sample_weight)
        value, grads = self.raw_gradients(xs, ys, weight, training=training)
        return float(value), [{n: like(x, g, self.backend) for n, g in part.items()} for part in grads]

    def raw_gradients(
        self, x: Array, y: Array, weight: Array | None, *, training: bool = False
    ) -> tuple[Array, list[Params]]:
        """Return loss and gradients as arrays of the device, for inputs that are checked and there already."""

        def make() -> Any:
            layers = tuple(unfrozen(layer) for layer in self.layers)
            gradients = make_gradients(self.backend.xp, layers, self.loss)

            def of_batch(params: Any, state: Any, keys: Any, x: Array, y: Array, weight: Array | None) -> Any:
                return gradients(params, self.contexts(training, keys, state), x, y, weight)[:2]

            return of_batch

        step = self.training.step if self.training else 0
        keys = tuple(step_keys(self.seed, step, 1, self.n_keys)[0].tolist())
        with self.backend.computing():
            program = self.program(("gradients", training), make)
            return program(self._params, self._state, keys, x, y, weight)  # type: ignore[no-any-return]

    def evaluate(self, x: Any, y: Any, sample_weight: Any = None, metrics: Iterable[Any] = ()) -> dict[str, float]:
        """Return the loss, where the targets are classes the accuracy, and further metrics.

        Parameters
        ----------
        x : array_like (samples, n_in)
        y : array_like
            Targets, as for `fit`.
        sample_weight : array_like (samples,) or None
        metrics : iterable of str, callable or pair (str, callable)
            As for `fit`.

        Returns
        -------
        dict
            ``"loss"``: mean over the samples (or sum, as the loss reduces); ``"accuracy"``: share of samples in [0, 1]
            whose class is right, for the cross-entropies, and for outputs of a sigmoid or softmax layer.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 2, 1], loss="binary_cross_entropy")
        >>> sorted(net.evaluate(*bpx.datasets.xor()))
        ['accuracy', 'loss']
        """
        from bpx.evaluation import check_metrics, evaluate
        from bpx.metrics import as_metrics

        data, chosen = self._inputs(x, y, sample_weight), as_metrics(metrics)
        check_metrics(self, chosen, data[1])
        return evaluate(self, *data, chosen)

    def predict(self, x: Any) -> Array:
        """Return what the network makes of samples: probabilities for the cross-entropies, outputs otherwise.

        Parameters
        ----------
        x : array_like (samples, n_in)

        Returns
        -------
        array (samples, n_out)
            Of x's library and device, in the network's dtype.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 3], loss="cross_entropy")
        >>> float(net.predict([[0.0, 0.0]]).sum())
        1.0
        """
        xp = self.backend.xp
        with self.backend.computing():
            xs = self._features(x)
            parts = [self.loss.probabilities(xp, z) for z in self.outputs(xs)]
            return like(x, parts[0] if len(parts) == 1 else xp.concat(parts), self.backend)

    def outputs(self, x: Array) -> Iterable[Array]:
        """Return the last layer's outputs for samples on the device, some thousands of rows at a time."""

        def make() -> Any:
            def outputs(params: Any, state: Any, x: Array) -> Array:
                return forward_pass(self.backend.xp, self.layers, params, x, self.contexts(False, (), state))

            return outputs

        program = self.program("outputs", make)
        for start in range(0, x.shape[0], PREDICT_ROWS):
            rows = x if x.shape[0] <= PREDICT_ROWS else x[start : min(start + PREDICT_ROWS, x.shape[0]), ...]
            yield program(self._params, self._state, rows)

    # -- helpers of training ------------------------------------------------------------------------------

    def _features(self, x: Any) -> Array:
        """Return samples, checked, on the device."""
        xs = inputs.features(self.backend, x, self.input_shape, self.dtype)
        if self.input_shape is None:
            check_sample(self.layers, tuple(xs.shape[1:]))
        return xs

    def _inputs(self, x: Any, y: Any, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        """Return samples, targets and weights, checked, on the device."""
        inputs.check_together(x=x, y=y, sample_weight=sample_weight)
        with self.backend.computing():
            xs = self._features(x)
            n_out = self.output_shape[0] if self.output_shape else None
            ys = inputs.targets(self.backend, y, self.loss, xs.shape[0], n_out, self.dtype, xs.shape[1])
            return xs, ys, inputs.weights(self.backend, sample_weight, xs.shape[0], self.dtype)

    def contexts(self, training: bool, keys: Iterable[Any] | None, state: Sequence[Params]) -> list[Any]:
        """Return what each layer's forward pass is told, given one step's keys and the running statistics."""
        if not self.stateful and not (training and self.n_keys):
            return [None] * len(self.layers)
        each = iter(() if keys is None else keys)
        return [layer.context(training, each, s) for layer, s in zip(self.layers, state, strict=True)]

    def program(self, key: Any, make: Any) -> Any:
        """Return a compiled function of this network, made on first use."""
        if key not in self._programs:
            self._programs[key] = self.backend.compile(make())
        return self._programs[key]

    # -- showing, keeping ---------------------------------------------------------------------------------

    def summary(self) -> str:
        """Return a table of the layers, their output shapes and their parameters."""
        from bpx.summary import summary

        return summary(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture and weights to a safetensors file; see `bpx.load`."""
        from bpx.files import save

        save(self, path)

    state_dict = state_dict
    load_state_dict = load_state_dict
    export_onnx = export_onnx

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return (
            f"Network([{layers}], loss={self.loss.name!r}, dtype={self.dtype!r}, seed={self.seed}, "
            f"backend={self.backend.spec!r})"
        )

    def _repr_html_(self) -> str:
        from bpx.explanation.html import network_html

        return network_html(self)
