"""Formulas: every layer, loss and optimizer has them, and their LaTeX is whole."""

import re

import numpy as np
import pytest
from networks import unregistered

import bpx
from bpx.explanation.formulas import write_forward
from bpx.explanation.opening import open_blocks
from bpx.explanation.symbols import Symbol, make_symbols, mark_element, parse_weight
from bpx.formulas import Formula
from bpx.layers import LAYERS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS

SETTINGS = {
    "Linear": (3, 3), "LayerNorm": (3,), "BatchNorm": (3,), "LeakyReLU": (0.25,), "Dropout": (0.5,),
    "Residual": ([bpx.Linear(3, 3), bpx.Tanh()],), "Embedding": (4, 3),
    "NTKLinear": (3, 3), "Members": (3, 2), "MemberColumns": ([1, 1], [False, True], 2),
    "MemberLinear": (3, 2, 2), "Scale": (3,), "Parametric": ("mish", 3),
    "PiecewiseLinear": ([[-1.0, 0.0, 2.0]] * 3,), "Periodic": (3, 2, 2), "PBLD": (3, 2, 2),
    "Columns": ([1, 2], [bpx.Embedding(4, 1), bpx.Linear(2, 2)]),
}  # fmt: skip
X = np.random.default_rng(0).normal(size=(2, 3))


def formulas_of(trace):
    for step in trace.steps:
        for quantity in [*step, *(q for layer in step.layers for q in layer)]:
            yield quantity.symbol
            yield quantity.formula


def assert_whole(formula):
    """Nothing is left unfilled, and LaTeX's braces and pairs match."""
    assert isinstance(formula, Formula)
    assert formula.text
    assert "$" not in formula.text + formula.latex
    latex = formula.latex.replace(r"\{", "").replace(r"\}", "")
    depth = 0
    for character in latex:
        depth += (character == "{") - (character == "}")
        assert depth >= 0, formula.latex
    assert depth == 0, formula.latex
    assert formula.latex.count(r"\begin{") == formula.latex.count(r"\end{")
    assert not re.search(r"[^\x00-\x7f]", formula.latex), "LaTeX is plain ASCII"
    for command in re.findall(r"\\([a-zA-Z]+)", formula.latex):
        assert command in KNOWN, command


KNOWN = {
    "sigma", "frac", "tanh", "max", "begin", "end", "cases", "text", "odot", "Phi", "ln", "sum", "mathrm", "gamma",
    "beta", "sqrt", "mu", "partial", "delta", "top", "cdot", "hat", "quad", "leftarrow", "Delta", "tfrac", "varphi",
    "sin", "cos", "min", "pi", "bigl", "bigr",
}  # fmt: skip
"""Commands of LaTeX that KaTeX and MathJax know."""


@pytest.mark.parametrize("kind", sorted(kind for kind, cls in LAYERS.items() if cls.__module__.startswith("bpx.")))
def test_every_layer_has_its_formulas(kind):
    layer = LAYERS[kind](*SETTINGS.get(kind, ()))
    inputs = [bpx.Flatten()] if kind == "Flatten" else []
    if kind in ("Members", "MemberColumns", "MemberLinear"):
        first = [bpx.Linear(3, 3), *([bpx.Members(3, 2)] if kind == "MemberLinear" else []), layer]
        heads = bpx.MemberLinear(layer.output_shape(None)[1], 2, 2, own=("weight", "bias"))
        net = bpx.Network([*first, heads], loss=bpx.MeanOverMembers(loss=bpx.SquaredError()), dtype="float64")
        trace = bpx.explain(net, X, np.zeros((2, 2)))
        for formula in formulas_of(trace):
            assert_whole(formula)
        assert f"{kind}(" not in trace.steps[0].layers[len(first) - 1]["a"].formula.text
        return
    width = getattr(layer, "n_in", 3)
    made = layer.output_shape((width,))[0]
    net = bpx.Network([*inputs, bpx.Linear(3, width), layer, bpx.Linear(made, 2)], dtype="float64")
    trace = bpx.explain(net, X, np.zeros((2, 2)))
    for formula in formulas_of(trace):
        assert_whole(formula)
    told = trace.steps[0].layers[len(inputs) + 1]
    if kind != "Linear":
        number = "²" if kind == "Residual" else "¹"  # the Linear within the block is counted
        assert told["a"].formula.text.startswith(f"a⁽{number}⁾ = ")
        assert f"{kind}(" not in told["a"].formula.text  # a formula of its own, not the general one


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_has_its_formulas(name, reduction):
    net = bpx.Network([bpx.Linear(3, 2)], loss=LOSSES[name](reduction=reduction), dtype="float64")
    y = np.array([[1.0, 0.0], [0.0, 1.0]])
    for weight in (None, np.array([1.0, 2.0])):
        trace = bpx.explain(net, X, y, sample_weight=weight)
        for formula in formulas_of(trace):
            assert_whole(formula)
        assert type(net.loss).__name__ not in trace.steps[0]["losses"].formula.text
        assert type(net.loss).__name__ not in trace.steps[0]["error"].formula.text


@pytest.mark.parametrize(
    "optimizer",
    [*(cls() for cls in OPTIMIZERS.values()), bpx.SGD(0.1, 0.9), bpx.SGD(0.1, 0.9, nesterov=True)],
    ids=repr,
)
def test_every_optimizer_has_its_formulas(optimizer):
    net, y = bpx.Network([bpx.Linear(3, 1)]), [[0.0], [1.0]]
    if optimizer.name == "lbfgs":
        with pytest.raises(bpx.InputError, match="searches along a line"):
            bpx.explain(net, X, y, optimizer=optimizer)
        return
    trace = bpx.explain(net, X, y, optimizer=optimizer)
    for formula in formulas_of(trace):
        assert_whole(formula)
    assert "makes it of" not in trace.steps[0].layers[0]["update w"].formula.text


def test_momentum_is_told_as_it_is_taken():
    net = bpx.Network([bpx.Linear(3, 1)])
    told = {}
    for nesterov in (False, True):
        trace = bpx.explain(net, X, [[0.0], [1.0]], optimizer=bpx.SGD(0.1, 0.9, nesterov))
        told[nesterov] = trace.steps[0].layers[0]["update w"].formula.text
    assert told[False] == "ΔW⁽¹⁾ = v,  v ← 0.9 v − 0.1 · ∂L/∂W⁽¹⁾"
    assert told[True] == "ΔW⁽¹⁾ = 0.9 v − 0.1 · ∂L/∂W⁽¹⁾,  v ← 0.9 v − 0.1 · ∂L/∂W⁽¹⁾"


def test_a_class_of_ones_own_is_explained_in_general_terms():
    @unregistered
    class Cube(bpx.Layer):
        def forward(self, xp, params, x, context=None):
            return x * x * x, x

        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return 3.0 * cache * cache * dy, {}

    class Quartic(bpx.Loss):
        name = "quartic"

        def forward(self, xp, z, y, weight=None):
            d = z - y
            return xp.sum(d * d * d * d), d

        def backward(self, xp, cache):
            return 4.0 * cache * cache * cache

    class Sign(bpx.SGD):
        @property
        def update(self):
            return lambda xp, w, dw, rate: (w - rate * xp.sign(dw),)

    net = bpx.Network([bpx.Linear(3, 3), Cube(), bpx.Linear(3, 1)], loss=Quartic(), dtype="float64")
    trace = bpx.explain(net, X, [[0.0], [1.0]], optimizer=Sign(0.1))
    for formula in formulas_of(trace):
        assert_whole(formula)
    layer = trace.steps[0].layers[1]
    assert layer["a"].formula.text == "a⁽¹⁾ = Cube(z⁽¹⁾)"
    assert layer["da/dz"].formula.text == "∂a⁽¹⁾/∂z⁽¹⁾: Cube's backward pass, fed unit vectors"
    np.testing.assert_allclose(layer["da/dz"], 3.0 * layer["inputs"].values ** 2, rtol=1e-12)
    assert trace.steps[0]["losses"].formula.text == "Lₙ = Quartic(z⁽²⁾, y)"
    assert trace.steps[0].layers[0]["update w"].formula.text == "ΔW⁽¹⁾: as Sign makes it of ∂L/∂W⁽¹⁾"


def test_settings_are_in_the_formula():
    z, a = Symbol("z", "1"), Symbol("a", "1")
    assert write_forward(bpx.LeakyReLU(0.25), z, a).text == "a⁽¹⁾ = z⁽¹⁾ where z⁽¹⁾ > 0, else 0.25 · z⁽¹⁾"


def test_values_are_numbered_by_their_linear_layer():
    layers = [bpx.Flatten(), bpx.Linear(2, 2), bpx.ReLU(), bpx.Dropout(0.5), bpx.Linear(2, 1)]
    symbols = make_symbols(open_blocks(layers))
    assert [symbol.of().text for symbol in symbols] == ["x", "a⁽⁰⁾", "z⁽¹⁾", "a⁽¹˒¹⁾", "a⁽¹⁾", "z⁽²⁾"]


def test_the_symbol_of_one_weight_counts_from_one():
    assert mark_element(Symbol("W", "2"), (0, 1)).text == "w⁽²⁾₁₂"
    assert mark_element(Symbol("W", "2"), (0, 1)).latex == "w^{(2)}_{12}"
    assert mark_element(Symbol("W", "2"), (9, 1)).text == "w⁽²⁾₁₀,₂"


def test_keys_are_read_with_and_without_spaces():
    shapes = [{"weight": (2, 3)}, {"1.weight": (4,)}]
    assert str(parse_weight(" 0.weight[1, 2] ", shapes)) == "0.weight[1,2]"
    assert str(parse_weight("1.1.weight[3]", shapes)) == "1.1.weight[3]"
