"""What the estimators' parameters may be, in the form that scikit-learn checks before a fit."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from bpx.backend.precision import MANTISSA_BITS
from bpx.layers import Layer
from bpx.optimizers import Optimizer
from bpx.optimizers.schedules import Schedule
from bpx.sklearn.architecture import ACTIVATIONS, NORMALIZATIONS
from bpx.sklearn.internals import Interval, Options, StrOptions
from bpx.sklearn.solvers import STOCHASTIC
from bpx.training.callback import Callback

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), Layer, list, tuple],
    "solver": [StrOptions({"lbfgs", *STOCHASTIC}), Optimizer],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "normalization": [StrOptions(set(NORMALIZATIONS)), list, tuple, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "backend": [str, None],
    "device": [str, None],
    "precision": [StrOptions(set(MANTISSA_BITS))],
    "callbacks": [list, tuple, Callback, callable, None],
    "progress": ["boolean", None],
    "distributed": ["boolean"],
}
"""The parameters that both estimators have: scikit-learn's first, then what it lacks."""
