"""What docs/what-backpropagation-is.md promises: its ten lines, and its table of XOR."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import bpx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "what-backpropagation-is.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="needs the checkout, for the page")


def _ten_lines():
    spec = importlib.util.spec_from_file_location("readme_blocks", ROOT / "scripts" / "readme_blocks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    section = "The ten lines of backpropagation"
    blocks = module.blocks(PAGE.read_text("utf-8"))
    return next(block.text for block in blocks if (block.section, block.language) == (section, "python"))


def test_the_ten_lines_give_the_gradients_of_bpx():
    source = _ten_lines()
    assert len(source.splitlines()) == 10
    x, y = bpx.datasets.xor()
    net = bpx.mlp(
        [2, 3, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64", backend="numpy"
    )
    hidden, _, output, _ = net.params
    names = {"np": np, "x": x, "y": y, "lr": 0.5}
    names |= {"w1": hidden["weight"], "b1": hidden["bias"], "w2": output["weight"], "b2": output["bias"]}
    loss, (d_hidden, _, d_output, _) = net.gradients(x, y)
    exec(source, names)
    # The ten lines sum over the batch of four, and bpx takes the mean.
    assert names["loss"] == pytest.approx(4 * loss, rel=1e-14)
    np.testing.assert_allclose(names["dw1"], 4 * d_hidden["weight"], rtol=1e-12)
    np.testing.assert_allclose(names["db1"], 4 * d_hidden["bias"], rtol=1e-12)
    np.testing.assert_allclose(names["dw2"], 4 * d_output["weight"], rtol=1e-12)
    np.testing.assert_allclose(names["db2"], 4 * d_output["bias"], rtol=1e-12)


def _start(seed, n_hidden=2):
    """Draw what the notebook draws, in its order, with its generator."""
    generator = np.random.RandomState(seed)
    shapes = {"w1": (2, n_hidden), "w2": (n_hidden, 1), "b1": (1, n_hidden), "b2": (1, 1)}
    return {name: generator.uniform(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("biases", ["frozen", "trained too"])
def test_the_table_of_xor_is_what_the_ten_lines_give(biases):
    step = compile(_ten_lines(), PAGE.name, "exec")
    x, y = bpx.datasets.xor()
    names = _start(seed=0) | {"np": np, "x": x, "y": y, "lr": 0.5}
    born = {name: names[name] for name in ("b1", "b2")}
    for _ in range(10_000):
        exec(step, names)
        if biases == "frozen":
            names |= born
    (row,) = re.findall(rf"biases {biases} \|(.+)\|", PAGE.read_text("utf-8"))
    np.testing.assert_allclose(names["p"].ravel(), [float(cell) for cell in row.split("|")], rtol=0, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_hidden", "trained", "solved"), [(2, True, 25), (2, False, 7), (3, True, 28), (4, True, 30)]
)
def test_so_many_of_thirty_seeds_solve_xor(n_hidden, trained, solved):
    starts = [_start(seed, n_hidden) for seed in range(30)]
    w1, w2, b1, b2 = (np.stack([start[name] for start in starts]) for name in ("w1", "w2", "b1", "b2"))
    x, y = bpx.datasets.xor()
    for _ in range(10_000):  # the ten lines, for all seeds at once
        h = 1 / (1 + np.exp(-(x @ w1 + b1)))
        p = 1 / (1 + np.exp(-(h @ w2 + b2)))
        dz2 = (p - y) * (p * (1 - p))
        dz1 = (dz2 @ w2.transpose(0, 2, 1)) * (h * (1 - h))
        w2 -= 0.5 * (h.transpose(0, 2, 1) @ dz2)
        w1 -= 0.5 * (x.T @ dz1)
        if trained:
            b2 -= 0.5 * dz2.sum(axis=1, keepdims=True)
            b1 -= 0.5 * dz1.sum(axis=1, keepdims=True)
    right = ((p > 0.5) == (y > 0.5)).all(axis=(1, 2))
    assert right.sum() == solved
    if (n_hidden, trained) == (2, True):
        assert np.flatnonzero(~right).tolist() == [10, 11, 13, 21, 29]
