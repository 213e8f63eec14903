"""The layers, each with its forward and its backward pass."""

from bpx.layers.activations import (
    ACTIVATIONS,
    GELU,
    SELU,
    Identity,
    LeakyReLU,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    get_activation,
)
from bpx.layers.base import COMPUTING, LAYERS, Context, Layer, LayerFormulas, Params, Part, layer_from_config
from bpx.layers.dropout import Dropout
from bpx.layers.embedding import Embedding
from bpx.layers.linear import Linear, NTKLinear
from bpx.layers.members import MemberColumns, MemberLinear, Members
from bpx.layers.normalization import BatchNorm, LayerNorm
from bpx.layers.numbers import PBLD, Periodic, PiecewiseLinear
from bpx.layers.parametric import Parametric, Scale
from bpx.layers.structure import Block, Columns, Flatten, Residual

__all__ = [
    "ACTIVATIONS",
    "COMPUTING",
    "GELU",
    "LAYERS",
    "PBLD",
    "SELU",
    "BatchNorm",
    "Block",
    "Columns",
    "Context",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "Layer",
    "LayerFormulas",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MemberColumns",
    "MemberLinear",
    "Members",
    "Mish",
    "NTKLinear",
    "Parametric",
    "Params",
    "Part",
    "Periodic",
    "PiecewiseLinear",
    "ReLU",
    "Residual",
    "Scale",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "get_activation",
    "layer_from_config",
]
