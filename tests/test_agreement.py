"""The promise: the same code gives the same numbers on every backend, after 500 steps of every optimizer."""

from functools import lru_cache

import numpy as np
import pytest
from closeness import relative_difference
from networks import classes, left_by_training

import bpx

OPTIMIZERS = {
    "sgd": bpx.SGD(0.05),
    "nesterov": bpx.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": bpx.Adam(0.003),
    "adamw": bpx.AdamW(0.003),
    "rmsprop": bpx.RMSprop(0.001),
    "averaged": bpx.Averaged(bpx.Adam(0.003), decay=0.99),
}
STEPS_PER_EPOCH, EPOCHS = 5, 100


def _trained(name: str, spec, dtype: str) -> tuple[list[float], list[dict[str, np.ndarray]]]:
    """Take 500 steps with a three-layer network with dropout; return losses and parameters."""
    x, y = classes(40)
    layers = [bpx.Linear(4, 12), bpx.Tanh(), bpx.Dropout(0.2), bpx.Linear(12, 8), bpx.Tanh(), bpx.Linear(8, 3)]
    net = bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=11, backend=spec)
    losses = net.fit(x, y, epochs=EPOCHS, batch_size=len(x) // STEPS_PER_EPOCH, optimizer=OPTIMIZERS[name]).loss
    return losses, left_by_training(net)


@lru_cache
def _on_numpy(name: str, dtype: str) -> tuple[list[float], list[dict[str, np.ndarray]]]:
    return _trained(name, "numpy", dtype)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_in_double_precision_all_parameters_agree_to_1e_10(name, backend):
    if not backend.has_float64:
        with pytest.raises(bpx.BackendError, match="has no float64"):
            _trained(name, backend.backend, "float64")
        return
    losses, params = _trained(name, backend.backend, "float64")
    expected, reference = _on_numpy(name, "float64")
    assert relative_difference(losses, expected) < 1e-10
    for mine, theirs in zip(params, reference, strict=True):
        for part in theirs:
            assert relative_difference(mine[part], theirs[part]) < 1e-10
    assert losses[-1] < 0.7 * losses[0]  # it did learn


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_in_single_precision_all_losses_agree_to_1e_4(name, backend):
    losses, params = _trained(name, backend.backend, "float32")
    expected, _ = _on_numpy(name, "float32")
    assert relative_difference(losses, expected) < 1e-4
    assert relative_difference(losses, _on_numpy(name, "float64")[0]) < 1e-3
    assert all(array.dtype == np.float32 for part in params for array in part.values())


def test_the_batches_are_the_same(backend):
    """Six weights, one for each sample: those in the batch of two move twice as far as those in the batch of four."""

    def losses(spec, dtype, seed=0):
        layer = bpx.Linear(6, 1, bias=False, weight_init="zeros")
        net = bpx.Network([layer], dtype=dtype, seed=seed, backend=spec)
        return net.fit(np.eye(6), 2.0 ** np.arange(6), epochs=3, batch_size=4, optimizer=bpx.SGD(0.5)).loss

    expected = losses("numpy", "float64")
    assert losses(backend.backend, backend.dtype) == expected  # powers of two: exact in every precision
    assert losses("numpy", "float64", seed=1) != expected


def test_the_masks_are_the_same_to_the_bit(backend):
    """A network of ones and dropout: its gradients show which units each step kept."""
    layers = [bpx.Linear(1, 64, bias=False), bpx.Dropout(0.5), bpx.Linear(64, 2, bias=False)]

    def masks(spec, dtype):
        net = bpx.Network(layers, dtype=dtype, seed=5, backend=spec)
        net.params = [{"weight": np.ones((1, 64))}, {}, {"weight": np.ones((64, 2))}]
        seen = []
        for _ in range(4):
            gradients = net.gradients(np.ones((3, 1)), np.zeros((3, 2)), training=True)[1]
            seen.append(bpx.to_numpy(gradients[2]["weight"])[:, 0] != 0.0)
            net.fit(np.ones((3, 1)), np.zeros((3, 2)), epochs=1, optimizer=bpx.SGD(1e-30))
        return np.array(seen)

    got = masks(backend.backend, backend.dtype)
    np.testing.assert_array_equal(got, masks("numpy", "float64"))
    assert 0.6 < got.mean() < 1.0  # a unit that three samples left out is seen: 1/8 of them
    assert (got[0] != got[1]).any()
