"""bpx.sklearn's classifier against scikit-learn's: same data, same arguments, same number of epochs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from benchmarks import peers
from benchmarks.cases.comparison import compare_blocks, disagreement
from benchmarks.measuring import Case
from benchmarks.settings import Settings
from benchmarks.tasks import Array, Task

MODULES = {peers.BPX: "bpx.sklearn", peers.SKLEARN: "sklearn.neural_network"}
SOLVERS = ("adam", "sgd")


def run(settings: Settings) -> Iterator[Case]:
    """Time ``fit`` on the handwritten digits and on a wider table, with both solvers."""
    for solver in SOLVERS:
        for data, options in (
            ("digits", {"hidden_layer_sizes": (100,)}),
            ("table", {"hidden_layer_sizes": (256, 128)}),
        ):
            epochs = 20 if data == "digits" else 4
            title = f"MLPClassifier{options['hidden_layer_sizes']}, {solver}, {epochs} epochs of the {data}"
            case = Case(f"estimator/{solver}/{data}", title, "s a fit")
            yield _compare(case, _rows(data, settings), solver, epochs, options, settings)


def _rows(data: str, settings: Settings) -> tuple[Array, Array]:
    if data == "table":
        return Task((200, 256, 128, 10), 200, max(640, settings.rows // 6), dtype="float64").data()
    try:
        from sklearn.datasets import load_digits
    except ImportError:  # the case then has no peer, and says so
        return Task((64, 100, 10), 200, 1797, dtype="float64").data()
    digits = load_digits()
    return digits.data / 16.0, digits.target


def _compare(
    case: Case, rows: tuple[Array, Array], solver: str, epochs: int, options: dict[str, Any], settings: Settings
) -> Case:
    losses: dict[str, float | None] = {}

    def fit(name: str, maker: Any) -> None:
        network = maker(solver=solver, max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1, random_state=0, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both say that they have not converged
            network.fit(*rows)
        losses[name] = float(network.loss_curve_[-1])

    blocks = {}
    for name, module in MODULES.items():
        try:
            maker = import_module(module).MLPClassifier
        except ImportError as error:
            case.missing[name] = str(error)
        else:
            blocks[name] = lambda name=name, maker=maker: fit(name, maker)
    case = compare_blocks(case, blocks, 1, max(2, settings.rounds // 2))
    for name, line in case.lines.items():
        line.loss = losses[name]
    case.disagreement = disagreement(losses, 1e-4)
    return case
