"""Weights go to PyTorch and come back: names, layout, both directions, and what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from closeness import assert_same_bits
from networks import classes, everything, left_by_training, on_host

import bpx

OUTPUTS = {"float32": 1e-6, "float64": 1e-12}
"""How far outputs may be from PyTorch's."""


def perceptron(dtype: str = "float64", seed: int = 3) -> bpx.Network:
    return bpx.mlp([4, 6, 5, 3], activation=["gelu", "tanh"], dropout=0.2, dtype=dtype, seed=seed)


def nested(dtype: str = "float64", seed: int = 3) -> bpx.Network:
    """Return a network with every kind of layer that has arrays, at the top, in a block, and in a block of a block."""
    inner = bpx.Residual([bpx.BatchNorm(5, eps=0.01, momentum=0.3), bpx.Linear(5, 5), bpx.SiLU()])
    layers = [
        bpx.Flatten(),
        bpx.Linear(4, 5, bias_init="uniform"),
        bpx.BatchNorm(5),
        bpx.LeakyReLU(0.2),
        bpx.Residual([bpx.LayerNorm(5, eps=0.1), bpx.Dropout(0.1), bpx.Linear(5, 5, bias=False), inner]),
        bpx.LayerNorm(5),
        bpx.Softplus(),
        bpx.Linear(5, 3),
    ]
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=seed)


NETWORKS = pytest.mark.parametrize("make", [perceptron, nested], ids=["perceptron", "nested"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def trained(make: Any, dtype: str, seed: int = 3) -> bpx.Network:
    """Return a network whose weights and running statistics are none of those that it starts with."""
    net = make(dtype, seed)
    x, y = classes()
    net.fit(x, y, epochs=3, batch_size=8, optimizer=bpx.SGD(0.1))
    return net


def module(torch: Any, layer: bpx.Layer) -> Any:
    """Return PyTorch's module for a layer."""
    nn = torch.nn

    class Residual(nn.Sequential):
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    if isinstance(layer, bpx.Residual):
        return Residual(*(module(torch, part) for part in layer.layers))
    kinds = {
        bpx.Linear: lambda: nn.Linear(layer.n_in, layer.n_out, bias=layer.bias),
        bpx.LayerNorm: lambda: nn.LayerNorm(layer.n_features, eps=layer.eps),
        bpx.BatchNorm: lambda: nn.BatchNorm1d(layer.n_features, eps=layer.eps, momentum=layer.momentum),
        bpx.Dropout: lambda: nn.Dropout(layer.rate),
        bpx.LeakyReLU: lambda: nn.LeakyReLU(layer.slope),
        bpx.Flatten: nn.Flatten,
        bpx.GELU: nn.GELU,
        bpx.SiLU: nn.SiLU,
        bpx.Softplus: nn.Softplus,
        bpx.Tanh: nn.Tanh,
    }
    return kinds[type(layer)]()


def in_torch(torch: Any, net: bpx.Network) -> Any:
    """Return the same architecture as a ``torch.nn.Sequential`` with weights of its own."""
    torch.manual_seed(8)
    return torch.nn.Sequential(*(module(torch, layer) for layer in net.layers)).to(getattr(torch, net.dtype))


def torch_probabilities(torch: Any, model: Any, x: np.ndarray) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        return torch.softmax(model(torch.from_numpy(x)), dim=1).numpy()


@NETWORKS
@DTYPES
def test_names_shapes_and_dtypes_are_those_of_torch(make, dtype, torch):
    net = make(dtype)
    ours = {key: (array.shape, str(array.dtype)) for key, array in net.state_dict().items()}
    theirs = {k: (tuple(t.shape), str(t.dtype).split(".")[1]) for k, t in in_torch(torch, net).state_dict().items()}
    assert list(ours.items()) == list(theirs.items())


@NETWORKS
@DTYPES
def test_to_torch_through_a_file(make, dtype, torch, tmp_path):
    net = trained(make, dtype)
    x = classes(seed=9)[0].astype(dtype)
    safetensors.numpy.save_file(net.state_dict(), tmp_path / "net.safetensors")
    model = in_torch(torch, net)
    assert np.abs(torch_probabilities(torch, model, x) - net.predict(x)).max() > 1e-2
    from safetensors.torch import load_file

    model.load_state_dict(load_file(tmp_path / "net.safetensors"))
    np.testing.assert_allclose(torch_probabilities(torch, model, x), net.predict(x), rtol=0, atol=OUTPUTS[dtype])


@NETWORKS
@DTYPES
def test_from_torch_through_a_file(make, dtype, torch, tmp_path):
    net = make(dtype)
    x = classes(seed=9)[0].astype(dtype)
    model = trained_in_torch(torch, net)
    from safetensors.torch import save_file

    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert np.abs(torch_probabilities(torch, model, x) - net.predict(x)).max() > 1e-2
    net.load_state_dict(safetensors.numpy.load_file(tmp_path / "model.safetensors"))
    np.testing.assert_allclose(net.predict(x), torch_probabilities(torch, model, x), rtol=0, atol=OUTPUTS[dtype])


def trained_in_torch(torch: Any, net: bpx.Network, steps: int = 3) -> Any:
    """Return the network's architecture after some steps of PyTorch's own training."""
    model = in_torch(torch, net)
    x, y = classes()
    x, y = torch.from_numpy(x.astype(net.dtype)), torch.from_numpy(y)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def test_from_a_module_without_a_file(torch):
    net = nested("float32")
    model = trained_in_torch(torch, net).double()  # another precision, too
    net.load_state_dict(model.state_dict(keep_vars=True))  # with what autograd needs
    x = classes(seed=9)[0]
    np.testing.assert_allclose(net.predict(x), torch_probabilities(torch, model, x), rtol=0, atol=1e-6)


def test_counts_the_batches_as_torch_does(torch):
    net = nested()
    x, y = classes()
    assert int(net.state_dict()["2.num_batches_tracked"]) == 0
    net.fit(x, y, epochs=5)
    model = trained_in_torch(torch, net, steps=5)
    for key in ("2.num_batches_tracked", "4.3.0.num_batches_tracked"):
        ours = net.state_dict()[key]
        assert (ours.dtype, ours.shape) == (np.int64, ())
        assert int(ours) == int(model.state_dict()[key]) == 5


def test_the_count_of_batches_may_be_missing():
    net, other = trained(nested, "float64"), nested(seed=4)
    arrays = {key: array for key, array in net.state_dict().items() if "num_batches" not in key}
    assert len(arrays) == len(net.state_dict()) - 2
    other.load_state_dict(arrays)
    assert_same_bits(left_by_training(other), left_by_training(net))


def test_round_trip_on_every_backend(backend):
    net = everything(backend)
    x, y = classes()
    net.fit(x.astype(net.dtype), y, epochs=2)
    arrays = net.state_dict()
    assert all(type(array) is np.ndarray and array.flags.c_contiguous for array in arrays.values())
    assert arrays["0.weight"].shape == (6, 4)
    np.testing.assert_array_equal(arrays["0.weight"], on_host(net, net.params)[0]["weight"].T)
    other = everything(backend, seed=4)
    other.load_state_dict(arrays)
    assert_same_bits(left_by_training(other), left_by_training(net))
    for array in other.params[0].values():
        assert type(array) is type(net.params[0]["weight"])


def test_training_goes_on_to_the_same_bits():
    x, y = classes(rows=64, features=300)
    net = bpx.mlp([300, 200, 3], dtype="float32")  # large enough to be updated in pieces
    net.fit(x, y, epochs=2, optimizer=bpx.SGD(0.1))
    other = bpx.mlp([300, 200, 3], dtype="float32", seed=1)
    other.load_state_dict(net.state_dict())
    assert other.params[0]["weight"].flags.c_contiguous
    for each in (net, other):
        each.fit(x, y, epochs=3, optimizer=bpx.SGD(0.05))
    assert_same_bits(left_by_training(other), left_by_training(net))


def test_shares_no_memory_with_anyone():
    net = perceptron()
    arrays = net.state_dict()
    before = left_by_training(net)
    for array in arrays.values():
        array[...] = 0.0
    assert_same_bits(left_by_training(net), before)
    net.load_state_dict(arrays)
    for array in arrays.values():
        array[...] = 1.0
    assert all(not array.any() for part in left_by_training(net) for array in part.values())


def test_a_layer_of_ones_own_keeps_its_layout():
    from dataclasses import dataclass

    from networks import unregistered

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Sixth(bpx.Layer):
        @property
        def param_names(self):
            return ("weight",)

        def init(self, generator):
            return {"weight": np.arange(6.0).reshape(2, 3)}

    arrays = bpx.Network([Sixth()], dtype="float64").state_dict()
    np.testing.assert_array_equal(arrays["0.weight"], np.arange(6.0).reshape(2, 3))


# -- what does not fit ------------------------------------------------------------------------------------


def changed(**changes: Any) -> dict[str, Any]:
    """Return a state dict of `perceptron` with entries replaced; None removes one."""
    arrays = {**perceptron().state_dict(), **{key.replace("_", "."): value for key, value in changes.items()}}
    return {key: array for key, array in arrays.items() if array is not None}


@pytest.mark.parametrize(
    "arrays, said",
    [
        (changed(**{"0_bias": None, "6_weight": None}), "missing: 0.bias, 6.weight. Names are the layer's position"),
        (changed(fc1_weight=np.zeros(2)), "unexpected: fc1.weight. Names"),
        (changed(**{"0_bias": np.zeros(7)}), r"of another shape: 0.bias must have shape \(6,\), got \(7,\)"),
        (changed(**{"0_weight": np.zeros((4, 6))}), r"0.weight must have shape \(6, 4\), got \(4, 6\), the transpose"),
        (changed(**{"0_bias": None, "9_x": 1.0, "3_bias": 0.0}),
         r"missing: 0.bias; unexpected: 9.x; of another shape: 3.bias must have shape \(5,\), got \(\)"),
        ({f"model.{i}": np.zeros(1) for i in range(9)}, "unexpected: model.0, .*model.5 and 3 more"),
        (changed(**{"0_bias": np.array(["a"] * 6)}), "0.bias must hold real numbers, got dtype <U1"),
        (changed(**{"0_bias": np.zeros(6, dtype=complex)}), "0.bias must hold real numbers, got dtype complex128"),
        (changed(**{"0_bias": [[1.0], [1.0, 2.0]]}), "0.bias cannot be read as numbers"),
        ([np.zeros(2)], "a state dict maps names to arrays, got list"),
    ],
    ids=["missing", "unexpected", "shape", "transposed", "all", "many", "text", "complex", "ragged", "list"],
)  # fmt: skip
def test_says_what_does_not_fit_and_changes_nothing(arrays, said):
    net = perceptron()
    before = left_by_training(net)
    with pytest.raises(bpx.InputError, match=said):
        net.load_state_dict(arrays)
    assert_same_bits(left_by_training(net), before)


def test_bfloat16_weights_are_read_as_the_numbers_they_are(torch):
    net = perceptron()
    arrays = {key: torch.from_numpy(array).to(torch.bfloat16) for key, array in net.state_dict().items()}
    net.load_state_dict(arrays)
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, arrays[key].float().numpy())


def test_weights_that_are_complex_sparse_or_masked_are_refused(torch):
    net = perceptron()
    before, weight = left_by_training(net), net.state_dict()["0.weight"]
    for bad, says in (
        (torch.tensor(weight + 1j), "real numbers, got dtype torch.complex"),
        (torch.tensor(weight).to_sparse(), r"0.weight is sparse .*x.to_dense\(\)"),
        (np.ma.masked_greater(weight, 0.0), "0.weight has masked values"),
    ):
        with pytest.raises(bpx.InputError, match=says):
            net.load_state_dict({**net.state_dict(), "0.weight": bad})
        params = [dict(part) for part in net.params]
        params[0]["weight"] = bad
        with pytest.raises(bpx.InputError, match=says.replace("0.weight", "weight of params")):
            net.params = params
    assert_same_bits(left_by_training(net), before)
