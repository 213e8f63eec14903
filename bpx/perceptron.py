"""The multilayer perceptron in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bpx.arguments import check_count, check_number
from bpx.backend.selection import BackendSpec
from bpx.errors import InputError
from bpx.layers import (
    GELU,
    SELU,
    Dropout,
    Identity,
    Layer,
    LeakyReLU,
    Linear,
    Mish,
    ReLU,
    SiLU,
    Softplus,
    get_activation,
)
from bpx.losses import Loss, get_loss
from bpx.network import Network

_RECTIFIERS = (ReLU, LeakyReLU, GELU, SiLU, Softplus, Mish)


def mlp(
    sizes: Sequence[int],
    activation: str | Layer | Sequence[str | Layer] = "relu",
    output: str | Layer = "identity",
    loss: str | Loss = "cross_entropy",
    dropout: float = 0.0,
    init: str | None = None,
    dtype: str = "float32",
    seed: int | None = 0,
    backend: BackendSpec = None,
    precision: str = "float32",
) -> Network:
    """Build a multilayer perceptron: linear layers with an activation after each hidden one.

    Parameters
    ----------
    sizes : sequence of int
        Features in, hidden units ..., outputs; at least two.
    activation : str or Layer, or one for each hidden layer
        "relu", "tanh", "sigmoid", "leaky_relu", "gelu", "silu", "softplus", "mish", "selu", "identity", "softmax"; all
        names are in ``bpx.layers.ACTIVATIONS``.
    output : str or Layer
        Activation of the outputs. The cross-entropies take logits, so theirs stays "identity".
    loss : str or Loss
        As for `Network`.
    dropout : float
        Share of each hidden layer's units left out at a training step, at least 0 and below 1.
    init : str or None
        Initializer of the weights, one of those that `Linear` lists; None is "he_uniform" before rectifiers,
        "lecun_normal" before SELU, as its authors have it, and "glorot_uniform" elsewhere. Biases start at zero, except
        with "uniform", which draws them too, as the notebook does.
    dtype : str
        "float32" or "float64".
    seed : int or None
        As for `Network`.
    backend : str, Backend or None
        As for `get_backend`.
    precision : {"float32", "tf32", "bfloat16"}
        How the operands of matrix products are rounded, as for `Network`.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If an argument has a value that it cannot have.

    See Also
    --------
    Network : Layers, a loss and their parameters.
    Linear : Multiply by a matrix and add a bias.
    bpx.sklearn.MLPClassifier : Classes, from arrays.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([784, 128, 10])
    >>> net.n_params
    101770
    """
    if not hasattr(sizes, "__len__") or len(sizes) < 2:
        raise InputError(f"sizes must hold at least the inputs and the outputs, as in [784, 128, 10], got {sizes!r}")
    sizes = [check_count("a size", size) for size in sizes]
    check_number("dropout", dropout, minimum=0.0, below=1.0)
    chosen, last, loss = _activations(activation, len(sizes) - 2), get_activation(output), get_loss(loss)
    if loss.targets in ("classes", "probabilities") and not isinstance(last, Identity):
        raise InputError(f"{loss.name} takes logits and applies {output!r} or its like itself; use output='identity'")
    layers: list[Layer] = []
    pairs = zip(sizes[:-1], sizes[1:], [*chosen, last], strict=True)
    for i, (n_in, n_out, function) in enumerate(pairs):
        scheme = init or _choose_initializer(function)
        layers.append(Linear(n_in, n_out, weight_init=scheme, bias_init="uniform" if init == "uniform" else "zeros"))
        if not isinstance(function, Identity):
            layers.append(function)
        if dropout and i < len(sizes) - 2:
            layers.append(Dropout(dropout))
    return Network(layers, loss=loss, dtype=dtype, seed=seed, backend=backend, precision=precision)


def _choose_initializer(function: Layer) -> str:
    """Return the initializer of weights before an activation."""
    if isinstance(function, SELU):
        return "lecun_normal"
    return "he_uniform" if isinstance(function, _RECTIFIERS) else "glorot_uniform"


def _activations(activation: str | Layer | Sequence[str | Layer], hidden: int) -> list[Layer]:
    """Return one activation for each hidden layer."""
    if isinstance(activation, (str, Layer)):
        return [get_activation(activation)] * hidden
    if isinstance(activation, type) or not isinstance(activation, Iterable):
        raise InputError(
            f"activation must be a name, a layer, or one of these for each hidden layer, got {activation!r}"
        )
    chosen = [get_activation(a) for a in activation]
    if len(chosen) != hidden:
        raise InputError(f"activation must be one, or one for each of the {hidden} hidden layers, got {len(chosen)}")
    return chosen
