"""Files that an earlier bpx wrote, before its modules were put into rows: they load, and resume to the same bits."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from closeness import assert_same_bits

import bpx

FOLDER = Path(__file__).parent / "earlier_files"
EXPECTED = dict(np.load(FOLDER / "expected.npz"))
"""What the same bpx ended with where nothing interrupted it."""


def left(net, name):
    """Return a network's arrays, and those it is expected to have."""
    arrays = {
        f"{kind}.{i}.{key}": array
        for kind, parts in (("params", net.params), ("state", net.state))
        for i, part in enumerate(parts)
        for key, array in part.items()
    }
    assert arrays
    return arrays, {key: EXPECTED[f"{name}.{key}"] for key in arrays}


def rich():
    block = bpx.Residual([bpx.LayerNorm(6), bpx.Dropout(0.2), bpx.Linear(6, 6), bpx.Tanh()])
    first = bpx.Linear(4, 6, frozen=("bias",), bias_init="uniform")
    layers = [first, bpx.BatchNorm(6), bpx.ReLU(), block, bpx.Dropout(0.3), bpx.Linear(6, 3)]
    return bpx.Network(layers, loss=bpx.CrossEntropy(label_smoothing=0.1), dtype="float64", seed=3, backend="numpy")


def rich_samples():
    return np.random.default_rng(5).normal(size=(22, 4)), np.arange(22) % 3


def test_a_network_loads():
    with pytest.warns(bpx.FileWarning, match="network.safetensors was written by an earlier bpx, without a checksum"):
        net = bpx.load(FOLDER / "network.safetensors", backend="numpy")
    assert repr(net) == repr(rich())
    arrays, expected = left(net, "rich")
    assert_same_bits([arrays], [expected])
    np.testing.assert_allclose(net.predict(rich_samples()[0]), EXPECTED["predictions"], rtol=1e-12)


@pytest.mark.parametrize("name", ["exact", "rich"])
def test_a_checkpoint_is_a_network(name):
    (path,) = (FOLDER / name).iterdir()
    assert bpx.load(path, backend="numpy").dtype == "float64"


def test_a_checkpoint_resumes_to_the_same_bits(tmp_path):
    """All numbers of this training are sums of powers of two that fit a double: no machine rounds any of them."""
    shutil.copytree(FOLDER / "exact", tmp_path / "run")
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    y = np.array([[1.0], [-1.0], [0.5], [2.0]])
    net = bpx.Network([bpx.Linear(2, 1)], loss="squared_error", dtype="float64", seed=3, backend="numpy")
    history = net.fit(x, y, epochs=5, batch_size=2, optimizer=bpx.SGD(0.25, 0.5), resume=tmp_path / "run")
    arrays, expected = left(net, "exact")
    assert_same_bits([arrays], [expected])
    assert history.loss == EXPECTED["exact_loss"].tolist()


def test_a_checkpoint_of_everything_resumes_in_the_middle_of_an_epoch(tmp_path):
    """Dropout, running statistics, Adam, a schedule, penalties, clipping, weights of classes, metrics, callbacks."""
    shutil.copytree(FOLDER / "rich", tmp_path / "run")
    (path,) = (tmp_path / "run").iterdir()
    x, y = rich_samples()
    net = rich()
    history = net.fit(
        x, y, epochs=6, batch_size=5, optimizer=bpx.Adam(bpx.CosineDecay(0.01, length=6, warmup=1)),
        validation_data=(x[:7], y[:7]), metrics=["accuracy"], penalties=[bpx.L2(1e-3)], clip=bpx.ClipNorm(1.0),
        class_weight={0: 2.0}, callbacks=[bpx.EarlyStopping(patience=50), lambda run: None], resume=path.parent,
    )  # fmt: skip
    np.testing.assert_allclose(history.loss, EXPECTED["rich_loss"], rtol=1e-12)
    np.testing.assert_allclose(history.validation_loss, EXPECTED["rich_validation"], rtol=1e-12)
    for mine, expected in zip(*(arrays.values() for arrays in left(net, "rich")), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-10, atol=1e-13)


@dataclass(frozen=True)
class FourthPower(bpx.Loss):
    def forward(self, xp, z, y, weight=None):
        return xp.sum((z - y) ** 4) / z.shape[0], z - y

    def backward(self, xp, cache):
        return 4.0 * cache**3 / cache.shape[0]


@dataclass(frozen=True)
class Named(FourthPower):
    name: ClassVar[str] = "fourth power"


@dataclass(frozen=True)
class Doubled(bpx.SquaredError):
    def forward(self, xp, z, y, weight=None):
        value, cache = super().forward(xp, z, y, weight)
        return 2.0 * value, cache

    def backward(self, xp, cache):
        return 2.0 * super().backward(xp, cache)


@dataclass(frozen=True, repr=False)
class Tanh(bpx.Tanh):
    def forward(self, xp, params, x, context=None):
        y, cache = super().forward(xp, params, x, context)
        return y + 1.0, cache


def make_own(loss, *layers):
    return bpx.Network(
        [bpx.Linear(2, 2), *layers, bpx.Linear(2, 1)], loss=loss, dtype="float64", seed=1, backend="numpy"
    )


OWN = {
    "loss": lambda: make_own(FourthPower()),
    "named_loss": lambda: make_own(Named()),
    "child_of_a_loss": lambda: make_own(Doubled()),
    "layer": lambda: make_own("squared_error", Tanh()),
}


@pytest.mark.parametrize("name", OWN)
def test_a_checkpoint_with_a_class_of_the_user_s_own_resumes(name, tmp_path):
    """Such losses were called by a parent's name, or not at all, and such a layer as bpx's of that name."""
    shutil.copytree(FOLDER / f"own_{name}", tmp_path / "run")
    arguments = {"epochs": 5, "batch_size": 2, "optimizer": "adam"}
    resumed, alone = OWN[name](), OWN[name]()
    history = resumed.fit(*bpx.datasets.xor(), **arguments, resume=tmp_path / "run")
    np.testing.assert_allclose(history.loss, alone.fit(*bpx.datasets.xor(), **arguments).loss, rtol=1e-12)
    for mine, expected in zip(resumed.params, alone.params, strict=True):
        for key in mine:
            np.testing.assert_allclose(mine[key], expected[key], rtol=1e-10)


def test_a_checkpoint_of_today_is_held_to_the_class_that_wrote_it(tmp_path):
    make_own("squared_error").fit(*bpx.datasets.xor(), epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(bpx.InputError, match="loss is Doubled.* here and squared_error"):
        make_own(Doubled()).fit(*bpx.datasets.xor(), epochs=2, resume=tmp_path / "run")


def test_a_layer_that_may_be_the_user_s_own_is_read_with_a_warning():
    (path,) = (FOLDER / "own_layer").iterdir()
    with pytest.warns(UserWarning, match=r"'Tanh' is read as bpx's, not as .*test_earlier_files\.Tanh"):
        assert type(bpx.load(path, backend="numpy").layers[1]) is bpx.Tanh
