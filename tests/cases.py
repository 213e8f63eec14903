"""The table of every layer, activation and loss: its inputs, and the same function in PyTorch.

A class that is not in here fails ``tests/layers/test_gradients.py``. Inputs stay off the kinks, where no derivative is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import bpx
from bpx.backend.numpy_backend import numpy_namespace
from bpx.layers import Layer
from bpx.layers.members import OWN
from bpx.losses import Loss
from bpx.rng import keep_mask

ROWS, WIDTH = 5, 4
KEYS = (123456789, -987654321)
"""Keys of the dropout masks; a layer inside a Residual takes these too."""


def _draw_normal(generator: np.random.Generator, start: np.ndarray) -> np.ndarray:
    return generator.normal(size=start.shape) + 0.3


def _draw_edges(generator: np.random.Generator, start: np.ndarray) -> np.ndarray:
    return start + 0.1 * generator.random(start.shape)


@dataclass(frozen=True)
class LayerCase:
    """A layer, where to evaluate it, and what it computes in PyTorch.

    Attributes
    ----------
    name : str
        The test's identifier.
    layer : Layer
    reference : callable
        ``reference(torch, params, x, state) -> y``, differentiable by PyTorch's autograd.
    shape : tuple of int
        Shape of x.
    mode : str or None
        "training" or "prediction": the context that the layer is given; None for none.
    away : float
        Smallest absolute value of an input.
    whole : tuple of int
        Columns of x that hold whole numbers from -1 to 5.
    draw : mapping of str to callable
        ``draw(generator, start) -> array`` for the parameters that are no normal numbers.
    """

    name: str
    layer: Layer
    reference: Callable[[Any, dict[str, Any], Any, dict[str, Any]], Any]
    shape: tuple[int, ...] = (ROWS, WIDTH)
    mode: str | None = None
    away: float = 0.0
    whole: tuple[int, ...] = ()
    draw: Mapping[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = field(default_factory=dict)

    def x(self, generator: np.random.Generator, rows: int | None = None) -> np.ndarray:
        """Return the input, in float64."""
        rows = self.shape[0] if rows is None else rows
        x = generator.normal(size=(rows, *self.shape[1:])) * 1.5
        x = np.where(x < 0, -1.0, 1.0) * (np.abs(x) + self.away)
        for column in self.whole:
            x[:, column] = (np.arange(rows) + column) % 7 - 1.0
        return x

    @property
    def loss(self) -> Loss:
        """What a network that ends with it learns by."""
        members = isinstance(self.layer, (bpx.Members, bpx.MemberColumns, bpx.MemberLinear))
        return bpx.MeanOverMembers(loss=bpx.SquaredError()) if members else bpx.SquaredError()

    @property
    def has_slopes(self) -> bool:
        """Whether the output changes with the input; an embedding's does not."""
        return len(self.whole) < self.shape[1]

    def params(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return parameters of the right shapes, none of them at its start."""
        start = self.layer.init(np.random.default_rng(0))
        draw = {name: self.draw.get(name, _draw_normal) for name in start}
        return {name: draw[name](generator, array) for name, array in start.items()}

    def state(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return running statistics, none of them at its start."""
        start = self.layer.init_state()
        return {name: generator.uniform(0.5, 2.0, size=array.shape) for name, array in start.items()}

    def context(self, state: dict[str, Any], layer: Layer | None = None) -> Any:
        """Return what the forward pass is told, for a state on the device."""
        if self.mode is None:
            return None
        return (layer or self.layer).context(self.mode == "training", iter(KEYS * 3), state)


def _dropped(rate: float) -> Callable[..., Any]:
    def reference(torch: Any, params: Any, x: Any, state: Any) -> Any:
        mask = keep_mask(numpy_namespace(), np.empty(tuple(x.shape)), KEYS, 1.0 - rate)
        return x * torch.tensor(mask) / (1.0 - rate)

    return reference


def _linear(torch: Any, p: Any, x: Any, state: Any, part: str = "") -> Any:
    return torch.nn.functional.linear(x, p[f"{part}weight"].T, p.get(f"{part}bias"))


def _layer_norm(torch: Any, p: Any, x: Any, state: Any, part: str = "", eps: float = 1e-5) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[1:], p[f"{part}weight"], p[f"{part}bias"], eps)


def _batch_norm(training: bool, part: str = "", eps: float = 1e-5) -> Callable[..., Any]:
    def reference(torch: Any, p: Any, x: Any, state: Any) -> Any:
        mean, var = (state[f"{part}running_{name}"].clone() for name in ("mean", "var"))
        return torch.nn.functional.batch_norm(x, mean, var, p[f"{part}weight"], p[f"{part}bias"], training, 0.1, eps)

    return reference


def _block(torch: Any, p: Any, x: Any, state: Any) -> Any:
    h = _layer_norm(torch, p, x, state, "0.")
    h = torch.tanh(_linear(torch, p, h, state, "1."))
    return x + _linear(torch, p, h, state, "3.")


def _random_block(torch: Any, p: Any, x: Any, state: Any) -> Any:
    h = _batch_norm(True, "0.")(torch, p, x, state)
    return x + _linear(torch, p, _dropped(0.4)(torch, p, h, state), state, "2.")


def _nested_block(torch: Any, p: Any, x: Any, state: Any) -> Any:
    h = torch.sigmoid(_linear(torch, p, x, state, "0."))
    return x + h + torch.tanh(_linear(torch, p, h, state, "2.0."))


def _embedding(torch: Any, p: Any, x: Any, state: Any, part: str = "", column: int = 0) -> Any:
    weight, ids = p[f"{part}weight"], x.detach()[:, column].long()
    known = (ids >= 0) & (ids < weight.shape[0])
    vectors = torch.nn.functional.embedding(torch.where(known, ids, 0), weight)
    return vectors * known[:, None] + 0.0 * x[:, column, None]


def _columns(torch: Any, p: Any, x: Any, state: Any) -> Any:
    parts = [_embedding(torch, p, x, state, "0."), x[:, 1:2], _linear(torch, p, x[:, 2:4], state, "2.")]
    parts += [_batch_norm(True, "3.")(torch, p, x[:, 4:6], state), _dropped(0.4)(torch, p, x[:, 6:], state)]
    return torch.cat(parts, dim=1)


def _piecewise_linear(torch: Any, p: Any, x: Any, state: Any, height: float = 1.0) -> Any:
    bins = []
    for j, edges in enumerate(p["edges"]):
        u = (x[:, j, None] - edges[:-1]) / (edges[1:] - edges[:-1])
        filled = torch.clamp(u, 0.0, 1.0)
        bins.append(torch.cat([torch.clamp(u[:, :1], max=1.0), filled[:, 1:-1], torch.clamp(u[:, -1:], min=0.0)], 1))
    return height * torch.cat(bins, dim=1)


def _dense_bins(torch: Any, p: Any, x: Any, state: Any) -> Any:
    bins = _piecewise_linear(torch, p, x, state, 0.5).reshape(x.shape[0], x.shape[1], -1)
    return torch.cat([bins, x[:, :, None]], dim=2).reshape(x.shape[0], -1)


def _member_linear(torch: Any, p: Any, x: Any, state: Any) -> Any:
    made = []
    for m in range(x.shape[1]):
        q = {name: p[name][m] if p[name].ndim == axes else p[name] for name, axes in AXES.items() if name in p}
        z = (x[:, m] * q.get("scale_in", 1.0)) @ q["weight"]
        made.append(z * q.get("scale_out", 1.0) + q["bias"])
    return torch.stack(made, dim=1)


def _flat_member_linear(torch: Any, p: Any, x: Any, state: Any) -> Any:
    return _member_linear(torch, p, x[:, None, :].expand(-1, 3, -1), state)


def _member_columns(torch: Any, p: Any, x: Any, state: Any) -> Any:
    return torch.stack([torch.cat([x[:, m : m + 1], x[:, 3:5], x[:, 5 + 2 * m : 7 + 2 * m]], 1) for m in range(3)], 1)


def _one_own_column(torch: Any, p: Any, x: Any, state: Any) -> Any:
    return torch.stack([x[:, (0, 1 + m, 3)] for m in range(2)], 1)


AXES = {"weight": 3, "bias": 2, "scale_in": 2, "scale_out": 2}
"""Axes of a parameter that each member has of its own."""


def _parametric(name: str) -> Callable[..., Any]:
    def reference(torch: Any, p: Any, x: Any, state: Any) -> Any:
        return (1.0 - p["weight"]) * x + p["weight"] * getattr(torch.nn.functional, name)(x)

    return reference


def _periodic(torch: Any, p: Any, x: Any, state: Any) -> Any:
    v = 2.0 * np.pi * x[:, :, None] * p["frequency"]
    vectors = torch.einsum("nfk,fkd->nfd", torch.sin(v), p["sine"]) + p["bias"]
    return (vectors + torch.einsum("nfk,fkd->nfd", torch.cos(v), p["cosine"])).flatten(1)


def _pbld(torch: Any, p: Any, x: Any, state: Any) -> Any:
    c = torch.cos(2.0 * np.pi * x[:, :, None] * p["frequency"] + p["phase"])
    vectors = torch.einsum("nfk,fkd->nfd", c, p["weight"]) + p["bias"]
    return torch.cat([vectors, x[:, :, None]], dim=2).flatten(1)


RESIDUAL = bpx.Residual([bpx.LayerNorm(4), bpx.Linear(4, 3), bpx.Tanh(), bpx.Linear(3, 4)])
RANDOM_RESIDUAL = bpx.Residual([bpx.BatchNorm(4), bpx.Dropout(0.4), bpx.Linear(4, 4)])
NESTED_RESIDUAL = bpx.Residual([bpx.Linear(4, 4), bpx.Sigmoid(), bpx.Residual([bpx.Linear(4, 4), bpx.Tanh()])])
COLUMNS = bpx.Columns(
    [1, 1, 2, 2, 3], [bpx.Embedding(5, 3), bpx.Identity(), bpx.Linear(2, 3), bpx.BatchNorm(2), bpx.Dropout(0.4)]
)
BINS = bpx.PiecewiseLinear([[-2.0, -0.5, 0.0, 1.0], [-1.0, 1.0], [0.0, 2.0, 3.0], [-4.0, -3.0, -1.0, 0.5]], frozen=())
FLAT = bpx.MemberLinear(4, 2, 3, shared_input=True)
FLAT_HEADS = bpx.MemberLinear(4, 2, 3, ("weight", "bias"), shared_input=True)
FLAT_OUT = bpx.MemberLinear(4, 2, 3, ("scale_out", "bias"), shared_input=True)
DENSE_BINS = dataclasses.replace(BINS, dense=True, height=0.5)

LAYER_CASES = (
    LayerCase("Linear", bpx.Linear(4, 3), _linear),
    LayerCase("Linear-without-bias", bpx.Linear(4, 3, bias=False), _linear),
    LayerCase("Linear-to-one", bpx.Linear(4, 1), _linear),
    LayerCase("Identity", bpx.Identity(), lambda torch, p, x, s: x * 1.0),
    LayerCase("Sigmoid", bpx.Sigmoid(), lambda torch, p, x, s: torch.sigmoid(x)),
    LayerCase("Tanh", bpx.Tanh(), lambda torch, p, x, s: torch.tanh(x)),
    LayerCase("ReLU", bpx.ReLU(), lambda torch, p, x, s: torch.relu(x), away=0.1),
    LayerCase("LeakyReLU", bpx.LeakyReLU(), lambda t, p, x, s: t.nn.functional.leaky_relu(x, 0.01), away=0.1),
    LayerCase("LeakyReLU-0.3", bpx.LeakyReLU(0.3), lambda t, p, x, s: t.nn.functional.leaky_relu(x, 0.3), away=0.1),
    LayerCase("LeakyReLU-2", bpx.LeakyReLU(2.0), lambda t, p, x, s: t.nn.functional.leaky_relu(x, 2.0), away=0.1),
    LayerCase("GELU", bpx.GELU(), lambda t, p, x, s: t.nn.functional.gelu(x)),
    LayerCase("GELU-tanh", bpx.GELU("tanh"), lambda t, p, x, s: t.nn.functional.gelu(x, approximate="tanh")),
    LayerCase("SiLU", bpx.SiLU(), lambda t, p, x, s: t.nn.functional.silu(x)),
    LayerCase("Mish", bpx.Mish(), lambda t, p, x, s: t.nn.functional.mish(x)),
    LayerCase("SELU", bpx.SELU(), lambda t, p, x, s: t.nn.functional.selu(x), away=0.1),
    LayerCase("Softplus", bpx.Softplus(), lambda t, p, x, s: t.nn.functional.softplus(x)),
    LayerCase("Softmax", bpx.Softmax(), lambda torch, p, x, s: torch.softmax(x, dim=-1)),
    LayerCase("Dropout", bpx.Dropout(0.4), _dropped(0.4), mode="training"),
    LayerCase("Dropout-of-nothing", bpx.Dropout(0.0), lambda torch, p, x, s: x * 1.0, mode="training"),
    LayerCase("Dropout-prediction", bpx.Dropout(0.4), lambda torch, p, x, s: x * 1.0, mode="prediction"),
    LayerCase("Dropout-by-hand", bpx.Dropout(0.4), lambda torch, p, x, s: x * 1.0),
    LayerCase("LayerNorm", bpx.LayerNorm(4), _layer_norm),
    LayerCase("LayerNorm-eps", bpx.LayerNorm(4, eps=0.5), lambda t, p, x, s: _layer_norm(t, p, x, s, eps=0.5)),
    LayerCase("BatchNorm", bpx.BatchNorm(4), _batch_norm(True), mode="training"),
    LayerCase("BatchNorm-eps", bpx.BatchNorm(4, eps=0.5), _batch_norm(True, eps=0.5), mode="training"),
    LayerCase("BatchNorm-prediction", bpx.BatchNorm(4), _batch_norm(False), mode="prediction"),
    LayerCase("BatchNorm-by-hand", bpx.BatchNorm(4), _batch_norm(True)),
    LayerCase("Flatten", bpx.Flatten(), lambda torch, p, x, s: x.reshape(x.shape[0], -1), shape=(ROWS, 2, 3)),
    LayerCase("Columns", COLUMNS, _columns, shape=(ROWS, 9), mode="training", whole=(0,)),
    LayerCase("Embedding", bpx.Embedding(4, 3), _embedding, shape=(ROWS + 3, 1), whole=(0,)),
    LayerCase("NTKLinear", bpx.NTKLinear(4, 3), lambda t, p, x, s: x @ p["weight"] / 2.0 + p["bias"]),
    LayerCase("NTKLinear-without-bias", bpx.NTKLinear(4, 3, bias=False), lambda t, p, x, s: x @ p["weight"] / 2.0),
    LayerCase("Scale", bpx.Scale(4), lambda t, p, x, s: x * p["weight"]),
    LayerCase("Parametric", bpx.Parametric("mish", 4), _parametric("mish")),
    LayerCase("Parametric-relu", bpx.Parametric("relu", 4), _parametric("relu"), away=0.1),
    LayerCase("PiecewiseLinear", BINS, _piecewise_linear, draw={"edges": _draw_edges}),
    LayerCase("PiecewiseLinear-dense", DENSE_BINS, _dense_bins, draw={"edges": _draw_edges}),
    LayerCase("Periodic", bpx.Periodic(4, 3, 2, 0.3), _periodic),
    LayerCase("PBLD", bpx.PBLD(4, 3, 3, 0.3), _pbld),
    LayerCase("PBLD-one-feature", bpx.PBLD(1, 2, 2), _pbld, shape=(ROWS, 1)),
    LayerCase("Members", bpx.Members(4, 3), lambda t, p, x, s: x[:, None, :] * p["weight"]),
    LayerCase("MemberColumns", bpx.MemberColumns([1, 2, 2], [1, 0, 1], 3), _member_columns, shape=(ROWS, 11)),
    LayerCase("MemberColumns-one-own", bpx.MemberColumns([1, 1, 1], [0, 1, 0], 2), _one_own_column),
    LayerCase("MemberLinear", bpx.MemberLinear(4, 2, 3), _member_linear, shape=(ROWS, 3, 4)),
    LayerCase("MemberLinear-shared", bpx.MemberLinear(4, 2, 3, ()), _member_linear, shape=(ROWS, 3, 4)),
    LayerCase("MemberLinear-heads", bpx.MemberLinear(4, 2, 3, ("weight", "bias")), _member_linear, shape=(ROWS, 3, 4)),
    LayerCase("MemberLinear-all", bpx.MemberLinear(4, 2, 3, OWN), _member_linear, shape=(ROWS, 3, 4)),
    LayerCase("MemberLinear-flat", FLAT, _flat_member_linear),
    LayerCase("MemberLinear-flat-shared", bpx.MemberLinear(4, 2, 3, (), shared_input=True), _flat_member_linear),
    LayerCase("MemberLinear-flat-heads", FLAT_HEADS, _flat_member_linear),
    LayerCase("MemberLinear-flat-all", bpx.MemberLinear(4, 2, 3, OWN, shared_input=True), _flat_member_linear),
    LayerCase("MemberLinear-flat-out", FLAT_OUT, _flat_member_linear),
    LayerCase("Residual", RESIDUAL, _block),
    LayerCase("Residual-random", RANDOM_RESIDUAL, _random_block, mode="training"),
    LayerCase("Residual-nested", NESTED_RESIDUAL, _nested_block),
)


@dataclass(frozen=True)
class LossCase:
    """A loss, where to evaluate it, and the same loss of each sample in PyTorch.

    Attributes
    ----------
    name : str
        The test's identifier.
    loss : Loss
        With ``reduction="mean"``; tests replace it by "sum" too.
    targets : callable
        ``targets(generator, z) -> y``.
    reference : callable
        ``reference(torch, z, y) -> losses``, one for each sample or each output.
    width : int
        Outputs.
    """

    name: str
    loss: Loss
    targets: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    reference: Callable[[Any, Any, Any], Any]
    width: int = WIDTH

    def z(self, generator: np.random.Generator) -> np.ndarray:
        """Return outputs of a network, in float64."""
        return generator.normal(size=(ROWS, self.width)) * 2.0


def _near(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Return targets whose distance from z is off the kinks at 0 and at 1."""
    distance = np.where(generator.random(z.shape) < 0.5, 0.2, 1.3) + 0.5 * generator.random(z.shape)
    return z + distance * np.where(generator.random(z.shape) < 0.5, -1.0, 1.0)


def _one(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Return one target for all outputs of a sample, in the middle of the widest gap between two of them."""
    ordered = np.sort(z, axis=1)
    widest = np.argmax(np.diff(ordered, axis=1), axis=1)[:, None]
    return (np.take_along_axis(ordered, widest, 1) + np.take_along_axis(ordered, widest + 1, 1)) / 2.0


def _ids(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    return generator.integers(0, z.shape[1], size=z.shape[0])


def _one_hot(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    return np.eye(z.shape[1])[_ids(generator, z)]


def _shares(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    return generator.dirichlet(np.ones(z.shape[1]), size=z.shape[0])


def _probabilities(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    return generator.random(z.shape)


def _counts(generator: np.random.Generator, z: np.ndarray) -> np.ndarray:
    return generator.poisson(1.5, size=z.shape).astype(np.float64)


def _cross_entropy(smoothing: float = 0.0) -> Callable[..., Any]:
    def reference(torch: Any, z: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(z, y, reduction="none", label_smoothing=smoothing)

    return reference


def _binary(torch: Any, z: Any, y: Any) -> Any:
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")


def _poisson(torch: Any, z: Any, y: Any) -> Any:
    return torch.nn.functional.poisson_nll_loss(z, y, log_input=True, reduction="none") + torch.xlogy(y, y) - y


def _pinball(q: Any) -> Callable[..., Any]:
    def reference(torch: Any, z: Any, y: Any) -> Any:
        levels = torch.tensor(q, dtype=z.dtype)
        return torch.where(y > z, levels * (y - z), (1.0 - levels) * (z - y))

    return reference


def _huber(delta: float) -> Callable[..., Any]:
    return lambda torch, z, y: torch.nn.functional.huber_loss(z, y, reduction="none", delta=delta)


SMOOTH = bpx.CrossEntropy(label_smoothing=0.1)

LOSS_CASES = (
    LossCase("squared_error", bpx.SquaredError(), _near, lambda torch, z, y: (z - y) ** 2 / 2),
    LossCase("absolute_error", bpx.AbsoluteError(), _near, lambda torch, z, y: (z - y).abs()),
    LossCase("huber", bpx.Huber(), _near, _huber(1.0)),
    LossCase("huber-0.1", bpx.Huber(delta=0.1), _near, _huber(0.1)),
    LossCase("quantile", bpx.Quantile(), _near, _pinball(0.5)),
    LossCase("quantile-0.9", bpx.Quantile(0.9), _near, _pinball(0.9)),
    LossCase("quantile-several", bpx.Quantile((0.05, 0.5, 0.8, 0.95)), _one, _pinball([0.05, 0.5, 0.8, 0.95])),
    LossCase("cross_entropy-classes", bpx.CrossEntropy(), _ids, _cross_entropy()),
    LossCase("cross_entropy-one-hot", bpx.CrossEntropy(), _one_hot, _cross_entropy()),
    LossCase("cross_entropy-probabilities", bpx.CrossEntropy(), _shares, _cross_entropy()),
    LossCase("cross_entropy-smooth-classes", SMOOTH, _ids, _cross_entropy(0.1)),
    LossCase("cross_entropy-smooth-one-hot", SMOOTH, _one_hot, _cross_entropy(0.1)),
    LossCase("cross_entropy-two", bpx.CrossEntropy(), _ids, _cross_entropy(), width=2),
    LossCase("binary_cross_entropy", bpx.BinaryCrossEntropy(), _probabilities, _binary),
    LossCase("binary_cross_entropy-one", bpx.BinaryCrossEntropy(), _probabilities, _binary, width=1),
    LossCase("poisson", bpx.Poisson(), _counts, _poisson),
)
