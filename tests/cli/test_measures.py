"""How good predictions are, measured in one pass over the rows."""

import numpy as np
import pytest

pytest.importorskip("typer")
pytest.importorskip("polars")
import polars as pl

import bpx
from bpx.cli.measures import measure_model, predict_classes
from bpx.metrics.scores import count_confusions
from bpx.recipes.model_file import Model
from bpx.tables import prepare


def make_model(y, outputs, loss, **options):
    draw = np.random.default_rng(0)
    table = pl.DataFrame({"a": draw.normal(size=len(y)), "b": draw.normal(size=len(y)), "y": y})
    prepared = prepare(table, "y", validation=0.0)
    network = bpx.mlp([2, 8, outputs], loss=loss, seed=1, backend="numpy", **options)
    return Model(network, prepared.preprocessor, {}), prepared.x_train, prepared.y_train


@pytest.mark.parametrize(
    ("outputs", "loss", "output"),
    [(2, "cross_entropy", "identity"), (1, "binary_cross_entropy", "identity"), (1, "squared_error", "sigmoid")],
)
def test_classes_are_measured_by_what_is_predicted(outputs, loss, output):
    labels = np.random.default_rng(1).choice(["no", "yes"], 500, p=[0.8, 0.2]).tolist()
    model, x, y = make_model(labels, outputs, loss, output=output)
    measured = measure_model(model, [(x, y)])
    numbers, matrix = measured.numbers, measured.matrix
    found = predict_classes(model, x)
    assert 0 < found.sum() < len(y)
    np.testing.assert_array_equal(matrix, count_confusions(y, found, 2))
    assert [matrix[i, j] for i in (0, 1) for j in (0, 1)] == [
        np.count_nonzero((y == i) & (found == j)) for i in (0, 1) for j in (0, 1)
    ]
    assert numbers["accuracy"] == (found == y).mean()
    assert numbers["balanced_accuracy"] == pytest.approx(np.mean([(found == y)[y == i].mean() for i in (0, 1)]))
    assert numbers["loss"] == model.network.evaluate(x, model.encode_targets(y))["loss"]


def test_numbers_are_measured_in_the_units_of_the_target():
    target = (50 + 10 * np.random.default_rng(1).normal(size=300)).tolist()
    model, x, y = make_model(target, 1, "squared_error")
    measured = measure_model(model, [(x, y)])
    numbers, matrix = measured.numbers, measured.matrix
    found = model.preprocessor.decode_target(model.network.predict(x))
    assert matrix is None
    assert numbers["mae"] == pytest.approx(np.abs(found - target).mean())
    assert numbers["rmse"] == pytest.approx(np.sqrt(((found - target) ** 2).mean()))
    assert numbers["loss"] == model.network.evaluate(x, y)["loss"]
