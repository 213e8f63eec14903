"""``bpx train`` on tables as people have them: the target alone is named, and what was decided is told."""

import json
from pathlib import Path

import numpy as np
import pytest

import bpx

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

EARLIER = Path(__file__).parent.parent / "earlier_files"
ROWS = 120


def write(path, **columns):
    """Write a table of 120 rows, each column repeated."""
    pl.DataFrame({name: (list(values) * ROWS)[:ROWS] for name, values in columns.items()}).write_csv(path)
    return path


@pytest.fixture
def everything(tmp_path):
    """Return the path of a table with all that used to be refused in it."""
    generator = np.random.default_rng(0)
    size = generator.normal(size=ROWS)
    days = (np.datetime64("2020-01-06") + generator.integers(0, 900, ROWS)).astype(str).tolist()
    return write(
        tmp_path / "people.csv",
        id=range(1000, 1000 + ROWS),
        name=[f"person {i}" for i in range(ROWS)],
        size=[None if i % 13 == 5 else round(v, 4) for i, v in enumerate(size)],
        cost=[f"${1000 + 300 * v:,.2f}" for v in size],
        share=[f"{i}%" for i in generator.integers(0, 99, ROWS)],
        since=days,
        kind=["u", "v", None, "w"],
        planet=["Earth"],
        big=[None if i % 40 == 7 else "rare" if i == 3 else "yes" if v > 0 else "no" for i, v in enumerate(size)],
    )


def test_all_of_it_trains_and_is_told_once(as_json, command, mistake, everything, tmp_path):
    model = tmp_path / "m"
    data = as_json("train", everything, "--target", "big", "-o", model)
    assert data["task"] == "classification"
    assert data["classes"] == ["no", "rare", "yes"]
    assert data["rows"] == {"training": 94, "held_out": 23}
    assert data["left_out"] == ["id", "name", "planet"]
    assert data["accuracy"] > 0.8
    assert len(set(data["notes"])) == len(data["notes"]) <= 9
    for words in (
        "3 rows without the target 'big' left out",
        "3 columns left out: 'planet' ('Earth' in every training row), 'id' (all different), 'name' (all different)",
        "2 columns with gaps, which are filled and flagged: 'size'",
        "2 columns of text read as numbers: 'cost' ('$",
        "1 column read as dates or times: 'since' ('20",
        "1 class has one row, which is trained on and not tested: 'rare'",
    ):
        assert sum(words in note for note in data["notes"]) == 1, words
    told = " ".join(command("train", everything, "--target", "big", "--epochs", 1).stdout.split())
    assert "--category name" in told
    assert "types=" not in told
    again = as_json("predict", model, everything, "-o", tmp_path / "out.csv")
    assert len(again["predictions"]) == ROWS
    scores = as_json("evaluate", model, everything)
    assert scores["rows"] == ROWS - 3
    assert any("3 rows without the target 'big' left out" in note for note in scores["notes"])
    refused = mistake("train", everything, "--target", "big", "--strict")
    assert "target 'big': 3 values missing" in refused


def test_strict_names_every_column_at_once(mistake, tmp_path):
    path = write(
        tmp_path / "t.csv", when=["2020-01-01", "2020-01-02"], name=[f"n{i}" for i in range(ROWS)], x=[1, 2, 3], y="ab"
    )
    line = mistake("train", path, "--target", "y", "--strict")
    assert "2 columns are refused: column 'when'" in line
    assert "column 'name': 120 different texts are too many" in line
    assert "--strict is for files" in mistake("train", "moons", "--strict")


def test_options_about_columns(as_json, tmp_path):
    path = write(
        tmp_path / "t.csv", code=["a", "a", "b", "c", "d"], n=range(ROWS), x=[0.5, 1.5, 1.0], y=["p", "q", "q"]
    )

    def trained(*options):
        return as_json("train", path, "--target", "y", "--epochs", 1, *options)["features"]

    assert trained() == 4 + 1
    assert trained("--categories-max", 4) == 4 + 1
    assert trained("--categories-max", 2) == 1 + 1
    assert trained("--categories-max", 2, "--category", "code") == 1 + 1
    assert trained("--number", "n") == 4 + 1 + 1
    assert trained("--missing", "refuse") == 5


# -- how good it is ---------------------------------------------------------------------------------------


@pytest.fixture
def unequal(tmp_path):
    """Return the path of a table with a rare class that cannot be told from the other."""
    generator = np.random.default_rng(1)
    columns = {name: generator.normal(size=1000).round(3) for name in "ab"}
    path = tmp_path / "unequal.csv"
    pl.DataFrame(columns | {"y": [int(i % 100 == 0) for i in range(1000)]}).write_csv(path)
    return path


def test_a_network_that_says_what_the_baseline_says_is_no_better(as_json, command, unequal, tmp_path):
    model = tmp_path / "m"
    data = as_json("train", unequal, "--target", "y", "--epochs", 5, "-o", model)
    assert data["accuracy"] == 0.99
    assert data["baseline"] == {"answer": 0, "accuracy": 0.99, "balanced_accuracy": 0.5}
    assert data["better_than_baseline"] is False
    assert data["balanced_accuracy"] == 0.5
    assert data["recall"] == {"0": 1.0, "1": 0.0}
    (note,) = data["notes"]
    assert note == (
        "1 class is never predicted: '1' (2 of 200 rows); --class-weight balanced gives rare classes more weight"
    )
    text = " ".join(command("train", unequal, "--target", "y", "--epochs", 5).stdout.split())
    assert "baseline always 0 has an accuracy of 0.9900: the network is no better" in text
    assert "balanced accuracy 0.5000, where one answer for all rows has 0.5000" in text
    assert "right of each class '0' 1.00 of 198, '1' 0.00 of 2" in text
    assert text.count("never predicted") == 1
    scores = as_json("evaluate", model, unequal)
    assert scores["baseline"]["accuracy"] == 0.99
    assert scores["better_than_baseline"] is False
    assert any("never predicted" in note for note in scores["notes"])
    text = " ".join(command("evaluate", model, unequal).stdout.split())
    assert "always 0 has an accuracy of 0.9900: the network is no better" in text


def test_balanced_weights_give_the_rare_class_a_chance(as_json, unequal):
    data = as_json("train", unequal, "--target", "y", "--epochs", 5, "--class-weight", "balanced")
    assert data["class_weight"] == "balanced"
    assert not any("never predicted" in note for note in data["notes"])
    assert data["accuracy"] < 0.99


def test_a_better_network_is_called_better(as_json, command):
    data = as_json("train", "moons")
    assert data["better_than_baseline"] is True
    assert data["baseline"]["accuracy"] == 0.5
    assert "the network is better" in " ".join(command("train", "moons", "--epochs", 30).stdout.split())


def test_numbers_have_their_unit_everywhere(as_json, command, tmp_path):
    generator = np.random.default_rng(2)
    x = generator.normal(size=ROWS)
    path, model = tmp_path / "t.csv", tmp_path / "m"
    pl.DataFrame({"x": x, "price": [f"${1000 + 200 * v:,.2f}" for v in x + generator.normal(size=ROWS) / 9]}).write_csv(
        path
    )
    arguments = ("train", path, "--target", "price", "--epochs", 200, "-o", model)
    data = as_json(*arguments)
    assert data["target_unit"] == "$"
    assert data["baseline"]["answer"] == pytest.approx(1000, abs=100)
    assert data["mae"] < data["baseline"]["mae"] < 400
    assert data["better_than_baseline"] is True
    text = " ".join(command(*arguments).stdout.split())
    assert f"off by {data['mae']:.4g} $ on average" in text
    assert f"is off by {data['baseline']['mae']:.4g} $ on average: the network is better" in text
    assert "price ($)" in command("predict", model, path).stdout
    text = " ".join(command("evaluate", model, path).stdout.split())
    assert " $ root mean square error" in text
    plain = tmp_path / "plain.csv"
    pl.DataFrame({"x": x, "price": x}).write_csv(plain)
    text = " ".join(command("train", plain, "--target", "price", "--epochs", 1).stdout.split())
    assert "(in the units of 'price') on average" in text


def test_plots_are_in_the_units_of_the_target(as_json, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="plots need matplotlib: the extra plot")
    from bpx import plot

    drawn = []
    monkeypatch.setattr(plot, "save", lambda figure, path: drawn.append(figure))
    path = tmp_path / "t.csv"
    pl.DataFrame({"x": np.arange(ROWS) / 7, "cost": [f"${900 + i}" for i in range(ROWS)]}).write_csv(path)
    as_json("train", path, "--target", "cost", "--epochs", 2, "--plot", tmp_path / "t.svg", "-o", tmp_path / "m")
    as_json("evaluate", tmp_path / "m", path, "--plot", tmp_path / "e.svg")
    assert len(drawn) == 2
    for figure in drawn:
        axes = figure.axes[-1] if isinstance(figure.axes, list) else figure
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("true cost ($)", "predicted cost ($)")
        assert axes.get_xlim()[1] > 900


# -- how it is trained ------------------------------------------------------------------------------------


def test_early_stopping_stops_on_rows_set_aside(as_json, command):
    data = as_json("train", "moons", "--epochs", 500, "--early-stopping", "--patience", 5)
    assert data["epochs"] < 500
    assert data["early_stopping"] == {"patience": 5}
    assert data["rows"] == {"training": 240, "held_out": 60}
    text = " ".join(command("train", "moons", "--epochs", 500, "--early-stopping", "--patience", 5).stdout.split())
    assert "240 to train on (24 of them to stop by), 60 held out" in text
    assert f"stopped after {data['epochs']} epochs, with the weights of the best" in text


def test_rows_that_are_set_aside_are_not_trained_on(as_json, monkeypatch):
    fit, seen = bpx.Network.fit, []

    def fit_seen(net, x, y, **options):
        seen.append((x[options["rows"]], options["validation_data"][0]))
        return fit(net, x, y, **options)

    monkeypatch.setattr(bpx.Network, "fit", fit_seen)
    as_json("train", "moons", "--epochs", 2, "--early-stopping")
    ((x, aside),) = seen
    assert (len(x), len(aside)) == (216, 24)
    assert not {row.tobytes() for row in x} & {row.tobytes() for row in aside}


@pytest.mark.parametrize("preset", ["fast", "default"])
def test_patience_is_that_of_the_presets_too(as_json, tmp_path, preset):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i % 13},{i * 7 % 11}.5\n" for i in range(60)))
    options = ("train", path, "--target", "y", "--preset", preset)
    assert as_json(*options, "--epochs", 24)["early_stopping"] == {"patience": 6}
    assert as_json(*options, "--epochs", 24, "--early-stopping")["early_stopping"] == {"patience": 6}
    data = as_json(*options, "--epochs", 24, "--patience", 1)
    assert data["early_stopping"] == {"patience": 1}
    assert data["epochs"] < 24


def test_early_stopping_goes_on_with_a_resumed_training(as_json, tmp_path):
    options = ("moons", "--early-stopping", "--patience", 4, "--schedule", "cosine", "--weight-decay", 0.1)
    whole = as_json("train", *options, "--epochs", 60, "-o", tmp_path / "whole")
    as_json("train", *options, "--epochs", 60, "--checkpoint", tmp_path / "run", "--checkpoint-every", "3")
    resumed = as_json("train", "--resume", tmp_path / "run", "-o", tmp_path / "resumed")
    assert resumed["epochs"] == whole["epochs"]
    assert (
        as_json("evaluate", tmp_path / "whole", "moons")["loss"]
        == as_json("evaluate", tmp_path / "resumed", "moons")["loss"]
    )


def test_schedules_and_weight_decay_are_those_of_fit(as_json):
    plain = as_json("train", "moons", "--epochs", 5)
    assert as_json("train", "moons", "--epochs", 5, "--schedule", "constant")["loss"] == plain["loss"]
    losses = {plain["loss"]}
    for options in (("--schedule", "cosine"), ("--schedule", "one_cycle"), ("--weight-decay", 0.5)):
        data = as_json("train", "moons", "--epochs", 5, *options)
        losses.add(data["loss"])
        assert data["optimizer"] == ("adamw" if options[0] == "--weight-decay" else "adam")
        assert data[options[0][2:].replace("-", "_")] == options[1]
    assert len(losses) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--class-weight", "balance"), "did you mean 'balanced'?"),
        (("--schedule", "cosin"), "did you mean 'cosine'?"),
        (("--weight-decay", "-1"), "--weight-decay must be at least 0"),
        (("--weight-decay", "0.1", "--optimizer", "sgd"), "--weight-decay goes with --optimizer adamw"),
        (
            ("--class-weight", "balanced", "--loss", "squared_error"),
            "--class-weight goes with the losses cross_entropy",
        ),
        (("--patience", "5"), "--patience goes with --early-stopping"),
        (("--early-stopping", "--patience", "0"), "--patience must be at least 1"),
    ],
)
def test_bad_options(mistake, arguments, words):
    assert words in mistake("train", "moons", *arguments)


def test_options_that_do_not_fit_the_data(mistake, tmp_path):
    path = write(tmp_path / "t.csv", x=[0.5, 1.5, 2.0], y=[1.25, 2.5, 0.5])
    assert "--class-weight is for classes" in mistake("train", path, "--target", "y", "--class-weight", "balanced")
    assert "4 are too few for that" in mistake("train", "xor", "--early-stopping")


# -- what an earlier bpx wrote ----------------------------------------------------------------------------


def test_a_model_of_an_earlier_bpx_predicts_as_it_did(as_json, mistake, tmp_path):
    expected = json.loads((EARLIER / "table_predictions.json").read_text())
    data = as_json("predict", EARLIER / "table.safetensors", EARLIER / "table.csv")
    assert data["predictions"] == expected["predictions"]
    np.testing.assert_allclose(data["probabilities"], expected["probabilities"], rtol=0, atol=1e-6)
    assert data["notes"] == expected["notes"] == []
    assert "baseline" not in as_json("evaluate", EARLIER / "table.safetensors", EARLIER / "table.csv")
    new = tmp_path / "new.csv"
    new.write_text("size,kind,here,price,n\n1,z,true,$1,3\n")
    assert "column 'kind': expected one of 'u', 'v', 'w', got 'z'" in mistake(
        "predict", EARLIER / "table.safetensors", new
    )
    new.write_text("size,kind,here,price,n\nbig,u,true,$1,3\n")
    assert "column 'size': expected numbers, got 'big'" in mistake("predict", EARLIER / "table.safetensors", new)


def test_a_training_that_an_earlier_bpx_began_is_not_gone_on_with(as_json, mistake, tmp_path):
    path = write(tmp_path / "t.csv", n=range(ROWS), x=np.random.default_rng(0).normal(size=ROWS), y=["a", "b", "b"])
    as_json("train", path, "--target", "y", "--epochs", 2, "--checkpoint", tmp_path / "run")
    plan = tmp_path / "run" / "command.json"
    content = json.loads(plan.read_text())
    del content["options"]["preset"]  # which it did not know
    plan.write_text(json.dumps(content))
    assert "was begun by an earlier bpx" in mistake("train", "--resume", tmp_path / "run")


def test_a_baseline_that_does_not_fit_the_model_is_refused(as_json, mistake, tmp_path):
    model = tmp_path / "m"
    as_json("train", "moons", "--epochs", 1, "-o", model)
    for change, words in (
        ({"answer": 7}, "does not fit the target"),
        ({"encoded": 9}, "cannot be read"),
        ({"encoded": None}, "cannot be read"),
    ):
        extra = bpx.files.load_extra(model)
        extra["training"]["baseline"] |= change
        bpx.files.save(bpx.load(model), tmp_path / "edited", extra=extra)
        assert words in mistake("evaluate", tmp_path / "edited", "moons")
