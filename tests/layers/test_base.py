"""What all layers have in common: plain data, no arrays, a text that builds them again."""

import dataclasses
import json

import pytest
from cases import LAYER_CASES
from networks import unregistered

import bpx
from bpx.layers import LAYERS, Layer, layer_from_config

every_layer = pytest.mark.parametrize("layer", [case.layer for case in LAYER_CASES], ids=[c.name for c in LAYER_CASES])


@every_layer
def test_survives_as_plain_data(layer):
    again = layer_from_config(json.loads(json.dumps(layer.config())))
    assert again == layer
    assert again.config() == layer.config()


@every_layer
def test_its_text_builds_it_again(layer):
    assert eval(repr(layer), vars(bpx) | {kind: getattr(bpx, kind) for kind in map(_kind, LAYER_CASES)}) == layer


def _kind(case):
    return type(case.layer).__name__


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (bpx.Linear(4, 3), "Linear(4, 3)"),
        (bpx.Linear(4, 3, bias=False, frozen="weight"), "Linear(4, 3, bias=False, frozen=('weight',))"),
        (bpx.LeakyReLU(0.3), "LeakyReLU(slope=0.3)"),
        (bpx.ReLU(), "ReLU()"),
        (bpx.Residual([bpx.Linear(2, 2), bpx.Tanh()]), "Residual([Linear(2, 2), Tanh()])"),
    ],
)
def test_its_text_names_what_is_not_as_usual(layer, text):
    assert repr(layer) == text


@every_layer
def test_cannot_be_changed_and_serves_as_a_key(layer):
    assert len({layer, layer_from_config(layer.config())}) == 1
    for field in dataclasses.fields(layer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, field.name, None)


@every_layer
def test_names_its_parameters_in_the_order_of_init(layer, generator):
    assert tuple(layer.init(generator)) == layer.param_names


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "expected a layer with a 'kind', got None"),
        ([], "expected a layer with a 'kind'"),
        ({"kind": 3}, "expected a layer with a 'kind'"),
        ({"kind": "Linera", "n_in": 1, "n_out": 2}, "unknown layer 'Linera'; did you mean 'Linear'?"),
        ({"kind": "Linear", "n_in": 1}, "layer Linear: .*n_out"),
        ({"kind": "Linear", "n_in": 1, "n_out": 2, "depth": 3}, "layer Linear: .*depth"),
        ({"kind": "Linear", "n_in": -1, "n_out": 2}, "layer Linear: n_in must be at least 1, got -1"),
    ],
)
def test_data_that_describes_no_layer_is_refused(config, message):
    with pytest.raises(bpx.FileFormatError, match=message):
        layer_from_config(config)


def test_a_layer_without_passes_says_so():
    layer = unregistered(type("Nothing", (Layer,), {}))()
    with pytest.raises(TypeError, match="Nothing defines no forward pass"):
        layer.forward(None, {}, None)
    with pytest.raises(TypeError, match="Nothing defines no backward pass"):
        layer.backward(None, {}, None, None)


def test_a_new_layer_is_known_by_its_name():
    new = type("Doubling", (Layer,), {})
    try:
        assert LAYERS["Doubling"] is new
    finally:
        del LAYERS["Doubling"]
