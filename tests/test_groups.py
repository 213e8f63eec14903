"""Groups of parameters: factors on the learning rate and the weight decay."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.backend import replayed

GROUPS = (
    bpx.ParameterGroup("0.*", learning_rate_factor=3.0),
    bpx.ParameterGroup(("*.bias", "1.nothing"), learning_rate_factor=0.5),
    bpx.ParameterGroup("*.0.weight", learning_rate_factor=0.0),
)
OPTIMIZERS = [
    bpx.SGD(0.1, groups=GROUPS), bpx.SGD(0.1, 0.9, groups=GROUPS), bpx.Adam(0.01, groups=GROUPS),
    bpx.RMSprop(0.01, groups=GROUPS), bpx.AdamW(0.01, weight_decay=0.1, groups=GROUPS),
    bpx.Adam(bpx.CosineDecay(0.01, 10), groups=GROUPS),
]  # fmt: skip
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: repr(optimizer)[:40])


def make(spec="numpy", dtype="float64"):
    block = bpx.Residual([bpx.Linear(6, 6), bpx.Tanh(), bpx.Linear(6, 6)])
    layers = [bpx.Scale(4), bpx.Linear(4, 6), bpx.ReLU(), block, bpx.Dropout(0.1), bpx.Linear(6, 3)]
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, backend=spec, seed=1)


def train(net, optimizer, epochs=4, **options):
    x, y = networks.classes()
    net.fit(x, y, epochs=epochs, batch_size=8, optimizer=optimizer, **options)
    return networks.left_by_training(net)


def find_factor(key):
    return next((group.learning_rate_factor for group in GROUPS if group.includes(key)), 1.0)


@every_optimizer
def test_a_step_is_that_of_an_optimizer_with_the_groups_rate(optimizer, backend):
    x, y = networks.classes()
    net, spec = make(backend.spec, backend.dtype), {"epochs": 1, "batch_size": None}
    start = networks.on_host(net, net.params)
    net.fit(x, y, optimizer=optimizer, **spec)
    moved = networks.on_host(net, net.params)
    for factor in {find_factor(f"{i}.{name}") for i, part in enumerate(start) for name in part} - {0.0}:
        schedule = optimizer.learning_rate
        rate = bpx.CosineDecay(0.01 * factor, 10) if isinstance(schedule, bpx.Schedule) else schedule * factor
        whole = make(backend.spec, backend.dtype)
        whole.fit(x, y, optimizer=type(optimizer)(**{**vars(optimizer), "learning_rate": rate, "groups": ()}), **spec)
        for i, part in enumerate(networks.on_host(whole, whole.params)):
            for name, array in part.items():
                if find_factor(f"{i}.{name}") == factor:
                    np.testing.assert_allclose(moved[i][name], array, rtol=backend.either(1e-12, 1e-5), atol=1e-7)
    np.testing.assert_array_equal(moved[3]["0.weight"], start[3]["0.weight"])
    assert np.abs(moved[0]["weight"] - start[0]["weight"]).max() > 0.0


def test_the_weight_decay_of_a_group_is_a_share(backend):
    groups = (
        bpx.ParameterGroup("*.bias", 2.0, weight_decay_factor=0.5),
        bpx.ParameterGroup("0.*", weight_decay_factor=0),
    )
    net = bpx.Network([bpx.Linear(2, 2), bpx.Linear(2, 2)], "squared_error", backend.dtype, 0, backend.spec)
    ones = [{"weight": np.ones((2, 2)), "bias": np.ones(2)}] * 2
    net.params = ones
    x = np.zeros((4, 2))
    target = bpx.to_numpy(net.predict(x))  # no gradient: all that moves is what decays
    net.fit(x, target, epochs=1, batch_size=None, optimizer=bpx.AdamW(0.1, weight_decay=0.2, groups=groups))
    left = networks.on_host(net, net.params)
    for i, name, kept in ((0, "weight", 1.0), (0, "bias", 0.98), (1, "weight", 0.98), (1, "bias", 0.98)):
        np.testing.assert_allclose(left[i][name], kept, rtol=1e-6)


def test_factors_of_1_change_no_bit(backend):
    ones = (bpx.ParameterGroup("0.*"), bpx.ParameterGroup("*.bias", 1.0, 1.0))
    for plain, grouped in ((bpx.AdamW(0.01), bpx.AdamW(0.01, groups=ones)), (bpx.SGD(0.1), bpx.SGD(0.1, groups=ones))):
        expected = train(make(backend.spec, backend.dtype), plain)
        got = train(make(backend.spec, backend.dtype), grouped)
        if backend.name == "jax":  # compiled another way
            for mine, theirs in zip(got, expected, strict=True):
                for name, array in theirs.items():
                    np.testing.assert_allclose(mine[name], array, rtol=1e-5, atol=1e-7)
        else:
            assert_same_bits(got, expected)


@every_optimizer
def test_training_that_is_continued_gives_the_same_bits(optimizer, backend, tmp_path):
    def new():
        return make(backend.spec, backend.dtype)

    whole, parts, resumed = train(new(), optimizer), new(), new()
    train(parts, optimizer, 2)
    assert_same_bits(train(parts, optimizer, 2), whole)
    train(new(), optimizer, 2, checkpoint=tmp_path)
    assert_same_bits(train(resumed, optimizer, 4, resume=tmp_path), whole)


def test_a_training_is_not_resumed_with_other_groups(tmp_path):
    train(make(), bpx.Adam(groups=GROUPS), 1, checkpoint=tmp_path / "with")
    train(make(), bpx.Adam(), 1, checkpoint=tmp_path / "without")
    for folder, optimizer in (("with", bpx.Adam()), ("with", bpx.Adam(groups=GROUPS[:1])), ("without", OPTIMIZERS[2])):
        with pytest.raises(bpx.InputError, match="optimizer"):
            train(make(), optimizer, 2, resume=tmp_path / folder)


@every_optimizer
def test_from_a_tape_the_bits_are_the_same(optimizer, monkeypatch):
    x, y = networks.classes(60)
    losses = []
    for plain in (10**9, 5):
        monkeypatch.setattr(replayed, "PLAIN_STEPS", plain)
        losses.append(make().fit(x, y, epochs=12, batch_size=10, optimizer=optimizer).loss)
    assert losses[0] == losses[1]


def test_explanations_say_each_parameters_rate():
    x, y = networks.classes(6)
    groups = (bpx.ParameterGroup("1.bias", 0.5, 0.0),)
    step = bpx.explain(make(), x, y, optimizer=bpx.AdamW(0.5, weight_decay=0.25, groups=groups)).steps[0]
    assert step.layers[1]["update w"].formula.text.startswith("ΔW⁽¹⁾ = −0.5 · 0.25 · W⁽¹⁾ − 0.5 · m̂")
    assert step.layers[1]["update b"].formula.text.startswith("Δb⁽¹⁾ = −0.25 · 0.0 · b⁽¹⁾ − 0.25 · m̂")
    step = bpx.explain(make(), x, y, optimizer=bpx.SGD(0.5, groups=bpx.ParameterGroup("*.bias", 0.1)))
    quantities = step.steps[0].layers[1]
    np.testing.assert_allclose(quantities["update b"].values, -0.05 * quantities["dL/db"].values, rtol=1e-12)
    np.testing.assert_allclose(quantities["update w"].values, -0.5 * quantities["dL/dw"].values, rtol=1e-12)


def test_a_training_step_in_an_onnx_file_has_them(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("ndonnx")
    x, y = networks.numbers(8)
    optimizer = bpx.Adam(0.1, groups=bpx.ParameterGroup("*.bias", 0.25))
    net = bpx.Network([bpx.Linear(4, 2)], loss="squared_error")
    net.export_training_onnx(tmp_path / "step.onnx", batch_size=8, optimizer=optimizer)
    session = runtime.InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    given = {i.name: np.zeros(i.shape, {"tensor(float)": "f4", "tensor(int32)": "i4", "tensor(bool)": "?"}[i.type])
             for i in session.get_inputs()}  # fmt: skip
    given |= {"x": x.astype("f4"), "y": y.astype("f4")}
    made = dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))
    net.fit(x, y, epochs=1, batch_size=None, optimizer=optimizer)
    for name in ("weight", "bias"):
        (found,) = (array for key, array in made.items() if key.endswith(f"0.{name}"))
        np.testing.assert_allclose(found, net.params[0][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make_it", "said"),
    [
        (lambda: bpx.ParameterGroup(()), "names must be a text"),
        (lambda: bpx.ParameterGroup(3), "names must be a text such as '.*', or several, got 3"),
        (lambda: bpx.ParameterGroup("*", -1.0), "learning_rate_factor must be at least 0"),
        (lambda: bpx.ParameterGroup("*", 1.0, float("nan")), "weight_decay_factor must be finite"),
        (lambda: bpx.SGD(groups="*.bias"), "groups must be a bpx.ParameterGroup or a sequence of them"),
        (lambda: bpx.SGD(groups=3), "groups must be a bpx.ParameterGroup or a sequence of them"),
        (lambda: bpx.SGD(groups=bpx.ParameterGroup("*", 1.0, 0.0)), "SGD has no weight decay .*; AdamW has"),
        (lambda: bpx.LBFGS(groups=GROUPS), "L-BFGS has one line search for all parameters"),
        (
            lambda: train(make(), bpx.SGD(groups=bpx.ParameterGroup("9.*"))),
            "names no parameter .* it has 0.weight, 1.w",
        ),
    ],
)
def test_what_cannot_be_is_refused(make_it, said):
    with pytest.raises(bpx.InputError, match=said):
        make_it()


def test_other_groups_are_other_programs(backend):
    groups = bpx.ParameterGroup("1.*", 0.0), bpx.ParameterGroup("0.*", 0.0)
    net = bpx.Network([bpx.Linear(4, 3), bpx.Linear(3, 3)], "cross_entropy", backend.dtype, 0, backend.spec)
    for group, moves in zip(groups, (0, 1), strict=True):
        before = networks.on_host(net, net.params)
        train(net, bpx.SGD(0.1, groups=group), 1)
        pairs = zip(before, networks.on_host(net, net.params), strict=True)
        changed = [not np.array_equal(a["weight"], b["weight"]) for a, b in pairs]
        assert changed == [moves == 0, moves == 1]
