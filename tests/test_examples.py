"""The examples with other libraries, run where these are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import bpx

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "integrations"

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the checkout, where the examples are"),
    pytest.mark.slow,
]


def load(name):
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_optuna_searches_and_prunes():
    optuna = pytest.importorskip("optuna", reason="optuna is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = load("optuna_search").search(trials=12, epochs=12)
    states = [trial.state for trial in study.trials]
    assert len(states) == 12
    assert optuna.trial.TrialState.PRUNED in states
    assert study.best_value < 0.3
    pruned = next(trial for trial in study.trials if trial.state is optuna.trial.TrialState.PRUNED)
    assert len(pruned.intermediate_values) < 12


@pytest.mark.filterwarnings("ignore")  # MLflow's own, and those of the data base that it makes
def test_mlflow_has_every_epoch_and_the_model(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: the extra plot")
    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    run_id = load("mlflow_tracking").train(store, epochs=6)
    client = mlflow.MlflowClient(store)
    losses = client.get_metric_history(run_id, "validation_loss")
    assert [metric.step for metric in losses] == [1, 2, 3, 4, 5, 6]
    assert losses[-1].value < losses[0].value
    assert client.get_run(run_id).data.params["activation"] == "tanh"
    assert {entry.path for entry in client.list_artifacts(run_id)} == {"moons.safetensors", "training.png"}
    path = client.download_artifacts(run_id, "moons.safetensors", str(tmp_path))
    from bpx.files import read_card

    assert read_card(path).startswith("# Two moons")
    assert bpx.load(path).evaluate(*bpx.datasets.moons(600, seed=0))["loss"] < 0.6
