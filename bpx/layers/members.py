"""Many networks in one: members that share most of their weights, side by side on an axis of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpx.arguments import check_choice, check_count
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.layers.base import Layer, LayerFormulas, OnnxGraph, Params, Shape, check_frozen, check_width
from bpx.layers.initializers import get_initializer
from bpx.layers.structure import cut_columns, find_ends

STARTS = ("signs", "normal", "ones")
"""How the factors of members may start."""

OWN = ("scale_in", "scale_out", "bias", "weight")
"""What a member may have of its own."""


@dataclass(frozen=True, repr=False)
class Members(Layer):
    """Show each of k members the sample through factors of its own: ``y_m = x * weight_m``.

    Backward: ``dweight_m = sum(dy_m * x, over the batch)``, ``dx = sum(dy_m * weight_m, over the members)``.

    Parameters
    ----------
    n_features, k : int
        Features and members; samples (batch, n_features) become (batch, k, n_features), ``weight`` is (k, n_features).
    start : str
        How the factors start: "signs", 1 or -1 with equal chances, so that members differ from the first step on;
        "normal", N(0, 1); or "ones".
    frozen : tuple of str
        Names of parameters that training leaves as they are ("weight").

    Raises
    ------
    InputError
        If a size is no positive whole number, ``start`` is no such name, or a frozen name is no parameter.

    See Also
    --------
    MemberLinear : A matrix for each member of an ensemble.
    MeanOverMembers : The mean loss of an ensemble's members.

    Notes
    -----
    `MemberLinear`, activations and `Dropout` go on from there, and the loss is `MeanOverMembers`.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
    ensembling", 2025, section 3 (the one adapter of TabM-mini).

    Examples
    --------
    TabM-mini: members differ in these factors and in their last layers; what lies between is shared.

    >>> import bpx
    >>> shared = [bpx.MemberLinear(5, 16, k=8, own=()), bpx.ReLU()]
    >>> heads = bpx.MemberLinear(16, 3, k=8, own=("weight", "bias"))
    >>> net = bpx.Network([bpx.Members(5, k=8), *shared, heads], loss=bpx.MeanOverMembers(loss=bpx.CrossEntropy()))
    >>> net.output_shape
    (8, 3)
    """

    n_features: int
    k: int
    start: str = "signs"
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula("γₖ · $x, for each member k", r"\gamma_k \odot $x"),
        gradients={"weight": Formula("Σₙ $dyₖ · $x", r"\sum_n {$dy}_k \odot $x")},
    )

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        check_count("k", self.k)
        check_choice("start", self.start, STARTS)
        object.__setattr__(self, "frozen", check_frozen("Members", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight",)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return {"weight": (self.k, self.n_features)}

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ()  # factors, not a matrix

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        shape = self.param_shapes["weight"]
        if self.start == "ones":
            return {"weight": np.ones(shape)}
        drawn = generator.normal(size=shape)
        return {"weight": np.where(drawn < 0.0, -1.0, 1.0) if self.start == "signs" else drawn}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        return x[:, None, :] * params["weight"], x

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x = cache
        grads = {} if self.frozen else {"weight": xp.sum(dy * x[:, None, :], axis=0)}
        return (xp.sum(dy * params["weight"], axis=1) if input_gradient else None), grads

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"Members({self.n_features}, {self.k})", self.n_features, shape)
        return (self.k, self.n_features)


@dataclass(frozen=True, repr=False)
class MemberColumns(Layer):
    """Deal columns to k members: some to all of them, others to one each.

    Forward: ``x = [x_1, x_2, ...]``; member m gets ``y_m = [y_1m, y_2m, ...]``, where ``y_im`` is ``x_i`` itself if all
    share it, and else the m-th of k equal parts of ``x_i``.
    Backward: ``dx_i`` is the sum of ``dy_im`` over the members if all share it, and else all ``dy_im`` side by side.

    Parameters
    ----------
    widths : sequence of int
        How many columns of each kind a member gets.
    own : sequence of bool
        For each width whether these columns are the member's own, k times as many in x.
    k : int
        Members; samples (batch, features) become (batch, k, sum(widths)).

    Raises
    ------
    InputError
        If there are no widths, a size is no positive whole number, or there are not as many ``own`` as widths.

    See Also
    --------
    Columns : Give layers columns of their own.
    Members : Show each member the whole sample.
    MemberLinear : A matrix for each member of an ensemble.
    Embedding : Give each category a vector.

    Notes
    -----
    It is what `Members` is, with factors of 1, for columns that members do not all see alike, such as vectors that each
    has learned for itself: ``Embedding(n, k * n_out)`` holds those of k members.

    Examples
    --------
    Two columns that both members see, and a third or a fourth:

    >>> import numpy as np, bpx
    >>> layer = bpx.MemberColumns([2, 1], [False, True], k=2)
    >>> layer.forward(np, {}, np.array([[1.0, 2.0, 3.0, 4.0]]))[0]
    array([[[1., 2., 3.],
            [1., 2., 4.]]])
    """

    widths: Sequence[int]
    own: Sequence[bool]
    k: int

    formulas = LayerFormulas(
        Formula(
            "the columns of $x that are those of member k, for each k",
            r"[\,{${x}_1}_{(k)}, {${x}_2}_{(k)}, \text{...}\,]",
        )
    )

    def __post_init__(self) -> None:
        for name in ("widths", "own"):
            if isinstance(getattr(self, name), str) or not isinstance(getattr(self, name), Iterable):
                raise InputError(f"MemberColumns takes a sequence of {name}, got {getattr(self, name)!r}")
        widths = tuple(check_count("a width of MemberColumns", width) for width in self.widths)
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "own", tuple(bool(own) for own in self.own))
        check_count("k", self.k)
        if not self.widths or len(self.own) != len(self.widths):
            raise InputError(
                f"MemberColumns takes one width or more, and as many of own, got {len(self.widths)} and {len(self.own)}"
            )

    @property
    def n_in(self) -> int:
        """How many columns it takes."""
        return sum(self._taken)

    @property
    def _taken(self) -> list[int]:
        """How many columns of x each part takes."""
        return [self.k * width if own else width for width, own in zip(self.widths, self.own, strict=True)]

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        parts = zip(cut_columns(x, self._taken), self.widths, self.own, strict=True)
        dealt = [
            xp.reshape(part, (-1, self.k, width)) if own else xp.concat([part[:, None, :]] * self.k, axis=1)
            for part, width, own in parts
        ]
        return xp.concat(dealt, axis=2), None

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        if not input_gradient:
            return None, {}
        parts = zip(cut_columns(dy, self.widths), self._taken, self.own, strict=True)
        return xp.concat([xp.reshape(d, (-1, n)) if own else xp.sum(d, axis=1) for d, n, own in parts], axis=1), {}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"MemberColumns({self.n_in}, k={self.k})", self.n_in, shape)
        return (self.k, sum(self.widths))

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        dealt = []
        for (start, stop), width, own in zip(find_ends(self._taken), self.widths, self.own, strict=True):
            part = graph.node("Slice", [x, *(graph.integers([n], place) for n in (start, stop, 1))], place)
            shape = graph.integers([0, self.k if own else 1, width], place)  # 0: that of the input, the batch
            part = graph.node("Reshape", [part, shape], place)
            each = graph.integers([1, self.k, width], place)
            dealt.append(part if own else graph.node("Expand", [part, each], place))
        return graph.node("Concat", dealt, place, axis=2)


@dataclass(frozen=True, repr=False)
class MemberLinear(Layer):
    """Multiply each member's features by a matrix that all share, with factors and biases of its own.

    Forward, for member m: ``h_m = x_m * scale_in_m``, ``z_m = h_m @ weight``, ``y_m = z_m * scale_out_m + bias_m``:
    the rank-1 ensemble, whose members have the weights ``weight * outer(scale_in_m, scale_out_m)``.
    Backward: ``dz_m = dy_m * scale_out_m``, ``dscale_out_m = sum(dy_m * z_m)``, ``dbias_m = sum(dy_m)``,
    ``dweight = sum of h_m.T @ dz_m``, ``dh_m = dz_m @ weight.T``, ``dscale_in_m = sum(dh_m * x_m)``,
    ``dx_m = dh_m * scale_in_m``; sums over the batch, those of shared parameters over the members too.
    Where all members are given one sample, ``x_m = x`` and ``dx = sum of dx_m``.

    Parameters
    ----------
    n_in, n_out, k : int
        Features in and out, and members; samples are (batch, k, n_in) and become (batch, k, n_out).
    own : tuple of str
        What each member has of its own. Of "scale_in" (k, n_in) and "scale_out" (k, n_out), which start at 1, there is
        none otherwise; "bias" (k, n_out) and "weight" (k, n_in, n_out) are shared otherwise.
    weight_init : str
        Initializer of the weight, of each member's where they have their own; one of those that `Linear` lists. Biases
        start at 0.
    frozen : tuple of str
        Names of parameters that training leaves as they are.
    shared_input : bool
        Whether all members are given one sample, of shape (batch, n_in), as the first of several such layers may be. It
        is not copied for each of them.

    Raises
    ------
    InputError
        If a size is no positive whole number, ``own`` or ``frozen`` names what there is not, or the initializer is
        unknown.

    See Also
    --------
    Members : Make an ensemble in one network.
    MemberColumns : Deal columns to the members.
    Linear : Multiply by a matrix and add a bias.
    MeanOverMembers : The mean loss of an ensemble's members.

    References
    ----------
    Y. Wen, D. Tran, J. Ba, "BatchEnsemble: an alternative approach to efficient ensemble and lifelong learning", 2020.
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
    ensembling", 2025, section 3.

    Examples
    --------
    >>> import bpx
    >>> bpx.MemberLinear(4, 3, k=8).param_shapes["scale_in"]
    (8, 4)
    """

    n_in: int
    n_out: int
    k: int
    own: tuple[str, ...] = ("scale_in", "scale_out", "bias")
    weight_init: str = "lecun_uniform"
    frozen: tuple[str, ...] = ()
    shared_input: bool = field(default=False, kw_only=True)

    formulas = LayerFormulas(
        Formula("(($xₖ · r) W) · s + b, for each member k", r"((${x}_k \odot r_k) W) \odot s_k + b_k"),
    )

    def __post_init__(self) -> None:
        for name in ("n_in", "n_out", "k"):
            check_count(name, getattr(self, name))
        if isinstance(self.own, str) or not isinstance(self.own, Iterable):
            raise InputError(f"own must be a tuple of what each member has of its own, got {self.own!r}")
        chosen = [check_choice("parameter of a member", name, OWN) for name in self.own]
        object.__setattr__(self, "own", tuple(name for name in OWN if name in chosen))
        get_initializer(self.weight_init)
        object.__setattr__(self, "frozen", check_frozen("MemberLinear", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return tuple(self.param_shapes)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        k, n_in, n_out = self.k, self.n_in, self.n_out
        shapes: dict[str, Shape] = {
            "weight": (k, n_in, n_out) if "weight" in self.own else (n_in, n_out),
            "bias": (k, n_out) if "bias" in self.own else (n_out,),
        }
        scales: dict[str, Shape] = {"scale_in": (k, n_in), "scale_out": (k, n_out)}
        return {**shapes, **{name: shape for name, shape in scales.items() if name in self.own}}

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("weight",)

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        draw, shapes = get_initializer(self.weight_init), self.param_shapes
        drawn = [draw(generator, self.n_in, self.n_out) for _ in range(math.prod(shapes["weight"][:-2]))]
        scales = {name: np.ones(shape) for name, shape in shapes.items() if name.startswith("scale")}
        return {"weight": np.reshape(drawn, shapes["weight"]), "bias": np.zeros(shapes["bias"]), **scales}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        x = x[:, None, :] if self.shared_input else x  # an axis of one member, which stands for all
        h = x * params["scale_in"] if "scale_in" in self.own else x
        z = self._multiply(xp, h, params["weight"])
        y = z * params["scale_out"] if "scale_out" in self.own else z
        return self._show_each(xp, y) + params["bias"], (x, h, z)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, h, z = cache
        grads = {"bias": xp.sum(dy, axis=0 if "bias" in self.own else (0, 1))}
        dz = dy
        if "scale_out" in self.own:
            grads["scale_out"] = xp.sum(dy * z, axis=0)
            dz = dy * params["scale_out"]
        if "weight" in self.own:
            grads["weight"] = xp.matmul(xp.permute_dims(h, (1, 2, 0)), xp.permute_dims(dz, (1, 0, 2)))
        else:
            dz = xp.sum(dz, axis=1, keepdims=True) if h.shape[1] == 1 else dz  # one row of h for all members
            grads["weight"] = xp.matmul(_join(xp, h).T, _join(xp, dz))
        dx = None
        if input_gradient or "scale_in" in self.own:
            turned = (0, 2, 1) if "weight" in self.own else (1, 0)
            dx = self._multiply(xp, dz, xp.permute_dims(params["weight"], turned))
        if "scale_in" in self.own:
            grads["scale_in"] = xp.sum(dx * x, axis=0)
            dx = dx * params["scale_in"]
        if input_gradient and self.shared_input:
            dx = xp.sum(dx, axis=1)
        return dx if input_gradient else None, {name: g for name, g in grads.items() if name not in self.frozen}

    def _multiply(self, xp: Any, h: Array, weight: Array) -> Array:
        """Return each member's rows (batch, k, n) times the matrix of all, or its own; h may be one for all members."""
        if "weight" in self.own:
            return xp.permute_dims(xp.matmul(xp.permute_dims(h, (1, 0, 2)), weight), (1, 0, 2))
        return xp.reshape(xp.matmul(_join(xp, h), weight), (-1, h.shape[1], weight.shape[1]))

    def _show_each(self, xp: Any, y: Array) -> Array:
        """Return outputs of each member, (batch, k, n), where there is one for all."""
        return y if y.shape[1] == self.k else xp.concat([y] * self.k, axis=1)

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if self.shared_input:
            check_width(f"MemberLinear({self.n_in}, {self.n_out}, k={self.k}, shared_input=True)", self.n_in, shape)
        elif shape is not None and shape != (self.k, self.n_in):
            raise InputError(
                f"MemberLinear({self.n_in}, {self.n_out}, k={self.k}) expects samples of shape {(self.k, self.n_in)}, "
                f"but the layer before it gives {shape}; Members({self.n_in}, k={self.k}) makes members, and "
                "shared_input=True gives all of them one sample"
            )
        return (self.k, self.n_out)


def _join(xp: Any, h: Array) -> Array:
    """Return (batch, k, n) as (batch * k, n)."""
    return xp.reshape(h, (-1, h.shape[2]))
