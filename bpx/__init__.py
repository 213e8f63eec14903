"""bpx: feed-forward networks trained by backpropagation that one can read.

The chain rule is written by hand, once, against the Python array API standard; that one source runs on NumPy, CuPy,
PyTorch and JAX. Public names are loaded when they are first used, so that ``import bpx`` costs little more than NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bpx._version import __version__

if TYPE_CHECKING:
    from bpx import datasets as datasets
    from bpx import notebook as notebook
    from bpx import plot as plot
    from bpx import sklearn as sklearn
    from bpx.annealing import CosineDecay as CosineDecay
    from bpx.annealing import OneCycle as OneCycle
    from bpx.backend import BackendStatus as BackendStatus
    from bpx.backend import backends as backends
    from bpx.backend import get_backend as get_backend
    from bpx.backend import set_backend as set_backend
    from bpx.backend import to_numpy as to_numpy
    from bpx.backend import use_backend as use_backend
    from bpx.callbacks import Callback as Callback
    from bpx.callbacks import Checkpoint as Checkpoint
    from bpx.callbacks import CSVLog as CSVLog
    from bpx.callbacks import EarlyStopping as EarlyStopping
    from bpx.callbacks import JSONLinesLog as JSONLinesLog
    from bpx.callbacks import LearningRateRecorder as LearningRateRecorder
    from bpx.callbacks import ProgressPrinter as ProgressPrinter
    from bpx.callbacks import ReduceOnPlateau as ReduceOnPlateau
    from bpx.callbacks import TensorBoard as TensorBoard
    from bpx.errors import BackendError as BackendError
    from bpx.errors import BpxError as BpxError
    from bpx.errors import CheckpointWarning as CheckpointWarning
    from bpx.errors import DivergenceError as DivergenceError
    from bpx.errors import FileFormatError as FileFormatError
    from bpx.errors import InputError as InputError
    from bpx.errors import Interrupted as Interrupted
    from bpx.explanation import Trace as Trace
    from bpx.explanation import explain as explain
    from bpx.files import load as load
    from bpx.gradient_check import check_gradients as check_gradients
    from bpx.health import diagnose as diagnose
    from bpx.history import History as History
    from bpx.layers import GELU as GELU
    from bpx.layers import BatchNorm as BatchNorm
    from bpx.layers import Dropout as Dropout
    from bpx.layers import Flatten as Flatten
    from bpx.layers import Identity as Identity
    from bpx.layers import Layer as Layer
    from bpx.layers import LayerNorm as LayerNorm
    from bpx.layers import LeakyReLU as LeakyReLU
    from bpx.layers import Linear as Linear
    from bpx.layers import ReLU as ReLU
    from bpx.layers import Residual as Residual
    from bpx.layers import Sigmoid as Sigmoid
    from bpx.layers import SiLU as SiLU
    from bpx.layers import Softmax as Softmax
    from bpx.layers import Softplus as Softplus
    from bpx.layers import Tanh as Tanh
    from bpx.losses import AbsoluteError as AbsoluteError
    from bpx.losses import BinaryCrossEntropy as BinaryCrossEntropy
    from bpx.losses import CrossEntropy as CrossEntropy
    from bpx.losses import Huber as Huber
    from bpx.losses import Loss as Loss
    from bpx.losses import Poisson as Poisson
    from bpx.losses import SquaredError as SquaredError
    from bpx.network import Network as Network
    from bpx.optimizers import SGD as SGD
    from bpx.optimizers import Adam as Adam
    from bpx.optimizers import AdamW as AdamW
    from bpx.optimizers import RMSprop as RMSprop
    from bpx.optimizers.quasi_newton import LBFGS as LBFGS
    from bpx.perceptron import mlp as mlp
    from bpx.regularization import L1 as L1
    from bpx.regularization import L2 as L2
    from bpx.regularization import ClipNorm as ClipNorm
    from bpx.regularization import ClipValue as ClipValue
    from bpx.schedules import Constant as Constant
    from bpx.schedules import ExponentialDecay as ExponentialDecay
    from bpx.schedules import InverseScaling as InverseScaling
    from bpx.schedules import Schedule as Schedule
    from bpx.schedules import StepDecay as StepDecay

_HOMES = {
    "bpx.annealing": ("CosineDecay", "OneCycle"),
    "bpx.backend": ("BackendStatus", "backends", "get_backend", "set_backend", "to_numpy", "use_backend"),
    "bpx.callbacks": (
        "CSVLog", "Callback", "Checkpoint", "EarlyStopping", "JSONLinesLog", "LearningRateRecorder", "ProgressPrinter",
        "ReduceOnPlateau", "TensorBoard",
    ),
    "bpx.errors": (
        "BackendError", "BpxError", "CheckpointWarning", "DivergenceError", "FileFormatError", "InputError",
        "Interrupted",
    ),
    "bpx.explanation": ("Trace", "explain"),
    "bpx.files": ("load",),
    "bpx.gradient_check": ("check_gradients",),
    "bpx.health": ("diagnose",),
    "bpx.history": ("History",),
    "bpx.layers": (
        "BatchNorm", "Dropout", "Flatten", "GELU", "Identity", "Layer", "LayerNorm", "LeakyReLU", "Linear", "ReLU",
        "Residual", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh",
    ),
    "bpx.losses": (
        "AbsoluteError", "BinaryCrossEntropy", "CrossEntropy", "Huber", "Loss", "Poisson", "SquaredError",
    ),
    "bpx.network": ("Network",),
    "bpx.optimizers": ("SGD", "Adam", "AdamW", "RMSprop"),
    "bpx.optimizers.quasi_newton": ("LBFGS",),
    "bpx.perceptron": ("mlp",),
    "bpx.regularization": ("ClipNorm", "ClipValue", "L1", "L2"),
    "bpx.schedules": ("Constant", "ExponentialDecay", "InverseScaling", "Schedule", "StepDecay"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = ("datasets", "notebook", "plot", "sklearn")

__all__ = ["__version__", *_MODULES, *_HOME_OF]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"bpx.{name}")
    else:
        raise AttributeError(f"module 'bpx' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
