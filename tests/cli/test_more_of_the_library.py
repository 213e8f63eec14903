"""What the library has, as options: prediction intervals, averages of the weights, and steps of several batches."""

import json

import numpy as np
import pytest

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")
pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")

import bpx  # noqa: E402
from bpx.files import save  # noqa: E402
from bpx.network import load_with_extra  # noqa: E402
from bpx.recipes.intervals import Residuals  # noqa: E402
from bpx.recipes.model_file import load_model  # noqa: E402
from bpx.recipes.presets import choose_recipe  # noqa: E402
from bpx.recipes.settings import average_weights  # noqa: E402

COVERAGE = 0.8


def make_rows(n, seed):
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=n), draw.normal(size=n)
    return pl.DataFrame({"a": a, "b": b, "y": 50.0 + 20.0 * a - 10.0 * b + 5.0 * draw.standard_t(3, size=n)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a table and a model of it."""
    testing = pytest.importorskip("typer.testing", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    folder = tmp_path_factory.mktemp("intervals")
    make_rows(600, 0).write_csv(folder / "t.csv")
    make_rows(1000, 1).write_csv(folder / "new.csv")
    arguments = ["train", folder / "t.csv", "--target", "y", "--preset", "fast", "--epochs", 30, "-o", folder / "m"]
    assert testing.CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    return folder


def test_an_interval_is_the_conformal_one_of_the_held_out_rows(as_json, folder):
    data = as_json("predict", folder / "m", folder / "new.csv", "--interval", COVERAGE)
    stored = load_model(str(folder / "m"), bpx.get_backend("numpy")).training["residuals"]
    assert len(stored["errors"]) == 120
    margin = stored["errors"][97 - 1]  # ceil(121 * 0.8) = 97
    assert data["interval"] == {"coverage": COVERAGE, "margin": margin, "held_out": True}
    predictions = np.array(data["predictions"])
    np.testing.assert_allclose(np.array(data["lower"]), predictions - margin, rtol=1e-15)
    np.testing.assert_allclose(np.array(data["upper"]), predictions + margin, rtol=1e-15)
    y = make_rows(1000, 1)["y"].to_numpy()
    hit = np.mean((data["lower"] <= y) & (y <= data["upper"]))
    assert abs(hit - COVERAGE) < 0.08  # 120 errors: two deviations of the share that they give
    assert not any("guarantee" in note for note in data["notes"])
    assert "lower" not in as_json("predict", folder / "m", folder / "new.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_it_stands_behind_the_prediction(command, as_json, folder, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    result = command("predict", folder / "m", folder / "new.csv", "-o", out, "--interval", COVERAGE)
    assert result.exit_code == 0, result.stderr
    header = next(line for line in result.stdout.splitlines() if "row" in line)
    assert header.split()[-2:] == ["lower", "upper"]
    table = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert table.columns == ["a", "b", "y", "prediction", "lower", "upper"]
    data = as_json("predict", folder / "m", folder / "new.csv", "--interval", COVERAGE)
    for name, key in (("prediction", "predictions"), ("lower", "lower"), ("upper", "upper")):
        assert table[name].to_list() == data[key]


def test_without_held_out_rows_there_is_no_guarantee_and_it_is_said(as_json, folder, tmp_path):
    train = ["train", folder / "t.csv", "--target", "y", "--epochs", 3, "--validation", 0, "-o", tmp_path / "m"]
    as_json(*train)
    data = as_json("predict", tmp_path / "m", folder / "new.csv", "--interval", 0.9)
    assert data["interval"]["held_out"] is False
    assert "they carry no guarantee" in data["notes"][-1]


@pytest.mark.parametrize("held_out", [0.0, 0.2])
def test_the_file_of_an_estimator_has_intervals_too(as_json, folder, tmp_path, held_out):
    sklearn = pytest.importorskip("bpx.sklearn", reason="the estimators need scikit-learn: the extra sklearn")
    table, new = pl.read_csv(folder / "t.csv"), pl.read_csv(folder / "new.csv")
    found = sklearn.TableRegressor("fast", max_iter=2, held_out=held_out, random_state=0)
    found.fit(table.drop("y"), table["y"])
    found.save(tmp_path / "m")
    data = as_json("predict", tmp_path / "m", folder / "new.csv", "--interval", COVERAGE)
    assert data["interval"]["held_out"] == (held_out > 0)
    lower, upper = found.predict_interval(new.drop("y"), COVERAGE).T
    np.testing.assert_allclose((data["lower"], data["upper"]), (lower, upper))


def test_where_there_is_no_interval_it_says_why(mistake, command, folder, tmp_path):
    new = folder / "new.csv"
    assert "--interval must be above 0.0 and below 1.0, got 1" in mistake("predict", folder / "m", new, "--interval", 1)
    said = mistake("predict", folder / "m", new, "--interval", 0.999, "--json")
    assert "a coverage of 0.999 needs 999 rows that were held out, and there are 120" in said
    command("train", "moons", "--epochs", 1, "-o", tmp_path / "moons")
    said = mistake("predict", tmp_path / "moons", "moons", "--interval", 0.9)
    assert "--interval is for numbers, and the target 'y' holds classes" in said
    net, extra = load_with_extra(folder / "m", bpx.get_backend("numpy"))
    for change, words in (
        ({}, "holds none; train again with this bpx, and with a --validation above 0"),
        ({"residuals": {"errors": [2.0, 1.0], "held_out": True}}, "not finite numbers in ascending order"),
    ):
        training = {name: value for name, value in extra["training"].items() if name != "residuals"} | change
        save(net, tmp_path / "older", extra=extra | {"training": training})
        assert words in mistake("predict", tmp_path / "older", new, "--interval", 0.9)
    (tmp_path / "named.csv").write_text(new.read_text().replace("a,b,y", "a,b,upper"))
    said = mistake("predict", folder / "m", tmp_path / "named.csv", "--interval", 0.9, "-o", tmp_path / "out.csv")
    assert "the table has columns named 'upper' already" in said


def test_weights_are_averaged_over_an_epoch(as_json, command, folder, tmp_path):
    train = ["train", folder / "t.csv", "--target", "y", "--epochs", 3, "--batch-size", 16]
    plain, averaged = as_json(*train), as_json(*train, "--average", "-o", tmp_path / "m")
    assert plain["average"] is None
    assert averaged["average"] == pytest.approx(1.0 - 1.0 / 30.0)  # 480 rows: 30 steps
    assert averaged["optimizer"] == plain["optimizer"] == "adamw"
    assert averaged["weight_decay"] == plain["weight_decay"] == 1e-2
    assert averaged["rmse"] != plain["rmse"]
    assert "weights averaged over about 30 steps" in command(*train, "--average").stdout
    assert as_json(*train, "--preset", "fast")["average"] == averaged["average"]
    stored = load_model(str(tmp_path / "m"), bpx.get_backend("numpy")).training["settings"]["optimizer"]
    assert stored["name"] == "averaged"


@pytest.mark.parametrize(("rows", "steps"), [(300, 10), (6400, 100), (50_000_000, 1000)])
def test_the_average_goes_over_at_least_10_and_at_most_1000_steps(rows, steps):
    settings = choose_recipe("fast", 300, classes=True).decide(batch_size=64)
    averaged = average_weights(settings, rows).optimizer
    assert isinstance(averaged, bpx.Averaged)
    assert 1.0 / (1.0 - averaged.decay) == pytest.approx(steps)
    assert averaged.optimizer == settings.optimizer


def test_steps_of_several_batches(as_json, command, mistake, folder):
    """Four batches of 16 are a batch of 64, up to rounding."""
    train = ["train", folder / "t.csv", "--target", "y", "--preset", "fast", "--epochs", 3]
    several = as_json(*train, "--batch-size", 16, "--accumulate", 4)
    together, alone = as_json(*train, "--batch-size", 64), as_json(*train, "--batch-size", 16)
    assert (several["batch_size"], several["accumulate"], alone["accumulate"]) == (16, 4, 1)
    assert several["rmse"] == pytest.approx(together["rmse"], rel=1e-3)
    assert abs(several["rmse"] - alone["rmse"]) > 1e-2
    said = command(*train, "--batch-size", 16, "--accumulate", 4).stdout
    assert "batches of 16, 4 of them a step" in " ".join(said.split())
    assert "--accumulate must be at least 1" in mistake(*train, "--accumulate", 0)


def test_a_training_with_both_resumes(as_json, folder, tmp_path):
    train = ["train", folder / "t.csv", "--target", "y", "--preset", "fast", "--schedule", "constant"]
    both = ["--average", "--accumulate", 2]
    whole = as_json(*train, *both, "--epochs", 4)
    as_json(*train, *both, "--epochs", 2, "--checkpoint", tmp_path / "run")
    resumed = as_json("train", "--resume", tmp_path / "run", "--epochs", 4)
    assert json.dumps(resumed["rmse"]) == json.dumps(whole["rmse"])


def test_errors_come_back_from_a_file():
    found = Residuals.of([0.5, -0.25], held_out=False)
    assert Residuals.from_dict(found.to_dict()) == found
    for data in (
        None, {}, {"errors": [], "held_out": True}, {"errors": [2.0, 1.0], "held_out": True},
        {"errors": [-1.0], "held_out": True}, {"errors": [1.0], "held_out": 1}, {"errors": ["a"], "held_out": True},
        {"errors": [float("inf")], "held_out": True},
    ):  # fmt: skip
        with pytest.raises(bpx.FileFormatError):
            Residuals.from_dict(data)
