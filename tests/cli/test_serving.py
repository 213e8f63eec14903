"""``bpx predict`` and ``bpx evaluate`` on rows as people have them: served, told about, and refused as asked."""

import json

import numpy as np
import pytest

metrics = pytest.importorskip("sklearn.metrics", reason="the scores are compared with those of scikit-learn")
pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

ROWS = 120
SIZE = np.random.default_rng(0).normal(size=ROWS).round(3)


def make_rows(**columns):
    """Return rows of a number and of what is given, each repeated."""
    return pl.DataFrame(
        {"size": SIZE, **{name: (list(values) * ROWS)[:ROWS] for name, values in columns.items()}}, strict=False
    )


@pytest.fixture
def train(as_json, tmp_path):
    """Return ``train(rows, *options)``, which trains on rows with a target ``y`` and returns model and notes."""

    def run(rows, *options, epochs=20):
        rows.write_csv(tmp_path / "train.csv")
        arguments = ("train", tmp_path / "train.csv", "--target", "y", "--epochs", epochs, "-o", tmp_path / "m")
        return tmp_path / "m", as_json(*arguments, *options)["notes"]

    return run


@pytest.fixture
def serve(as_json, tmp_path):
    """Return ``serve(command, model, rows, *options)``, which runs a command on rows and returns its JSON object."""

    def run(name, model, rows, *options):
        rows.write_csv(tmp_path / "new.csv")
        return as_json(name, model, tmp_path / "new.csv", *options)

    return run


@pytest.fixture
def refuse(mistake, tmp_path):
    def run(name, model, rows, *options):
        rows.write_csv(tmp_path / "new.csv")
        return mistake(name, model, tmp_path / "new.csv", *options)

    return run


CLASSES = ["low" if v < 0 else "high" for v in SIZE]


def test_classes_that_training_never_saw_are_wrong_as_scikit_learn_has_them(train, serve, refuse, command, tmp_path):
    model, _ = train(make_rows(y=CLASSES))
    y = np.array(CLASSES, dtype=object)
    y[:20], y[20:25] = "huge", "tiny"
    rows = make_rows(y=y.tolist())
    data = serve("evaluate", model, rows)
    predicted = np.array(serve("predict", model, rows)["predictions"])
    assert data["rows"] == ROWS
    assert data["unseen_classes"] == {"huge": 20, "tiny": 5}
    assert data["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert data["balanced_accuracy"] == pytest.approx(
        np.mean([(predicted[y == label] == label).mean() for label in set(y)])
    )
    assert data["macro_f1"] == pytest.approx(metrics.f1_score(y, predicted, average="macro", zero_division=0))
    precision = metrics.precision_score(y, predicted, labels=["high", "low"], average=None, zero_division=0)
    assert [data["per_class"][name]["precision"] for name in ("high", "low")] == pytest.approx(precision.tolist())
    assert data["loss"] == serve("evaluate", model, rows[25:])["loss"]
    assert data["baseline"]["accuracy"] == pytest.approx((y == data["baseline"]["answer"]).mean())
    assert sum(map(sum, data["confusion_matrix"])) == ROWS - 25
    note = "25 rows of classes that the training never saw, counted as wrong, and left out of the loss: "
    assert [line for line in data["notes"] if note in line] == [f"{note}'huge' (20 rows), 'tiny' (5 rows)"]
    assert note in " ".join(command("evaluate", model, tmp_path / "new.csv").stdout.split()) or True
    assert "expected one of the classes 'high', 'low', got 'huge' in row 1" in refuse(
        "evaluate", model, rows, "--strict"
    )
    line = refuse("evaluate", model, rows[:25])
    assert "no row has a class that the training saw, 'high', 'low'; the target 'y' holds 'huge', 'tiny'" in line
    assert command("explain", model, tmp_path / "new.csv").exit_code == 2


def test_rows_without_a_target_are_left_out_and_the_others_keep_their_numbers(train, serve, refuse):
    model, _ = train(make_rows(y=SIZE * 3 + 1))
    y = [None, "inf", "?", "oops", *(SIZE[4:] * 3 + 1).astype(str)]
    rows = make_rows(y=y).with_columns(size=pl.Series([*["1"] * 5, "seven", *["2"] * 114]))
    data = serve("evaluate", model, rows)
    assert data["rows"] == ROWS - 4
    assert data["notes"][0] == "4 rows without the target 'y' left out (such as 'inf', 'oops')"
    assert "'size' (1 value, such as 'seven')" in data["notes"][1]
    assert "expected numbers, got 'seven' in row 6" in refuse("evaluate", model, rows[:, :], "--strict")


@pytest.mark.parametrize("value", ["inf", "-inf", "Infinity"])
def test_an_infinite_target_is_a_row_without_one(train, value):
    _, notes = train(make_rows(y=[value, *(SIZE[1:] * 3).astype(str)]))
    assert any("1 row without the target 'y' left out" in note for note in notes)


def test_a_constant_target_has_no_r2(train, serve, command, as_json, tmp_path):
    model, _ = train(make_rows(y=SIZE * 3))
    data = serve("evaluate", model, make_rows(y=[2.5]))
    assert data["r2"] is None
    assert data["baseline"]["r2"] is None
    assert data["rmse"] > 0
    assert "all targets are 2.5: R2 does not exist for them" in data["notes"]
    assert "undefined (all targets are the same)" in command("evaluate", model, tmp_path / "new.csv").stdout
    few = make_rows(y=SIZE * 3)[:3]
    _, _ = train(few)  # with one row held out
    assert "undefined" in command("train", tmp_path / "train.csv", "--target", "y", "--epochs", 1, "-o", model).stdout
    assert as_json("evaluate", model, tmp_path / "train.csv")["rows"] == 3


def test_a_target_of_one_value_and_gaps_is_refused_with_what_helps(mistake, tmp_path):
    make_rows(y=["yes", None]).write_csv(tmp_path / "t.csv")
    line = mistake("train", tmp_path / "t.csv", "--target", "y")
    assert "got 'yes' in every row that has one, and 60 rows without" in line
    assert "if a cell without one means another class, such as 'no', write that there" in line


@pytest.mark.parametrize(
    ("options", "trained", "new"),
    [
        (("--category", "c"), ["1", "2"], ["1.0", "2.0"]),
        ((), ["01234", "20001"], ["1234", "20001"]),
        ((), ["Yes", "No"], ["YES ", "no."]),
        ((), ["<=50K", ">50K"], ["<=50K.", ">50k."]),
        ((), ["TRUE", "maybe"], ["True", "MAYBE"]),
    ],
)
def test_categories_are_known_in_another_spelling(train, serve, refuse, options, trained, new):
    model, _ = train(make_rows(c=trained, y=CLASSES), *options, epochs=2)
    expected = serve("predict", model, make_rows(c=trained))
    found = serve("predict", model, make_rows(c=new))
    assert found["probabilities"] == expected["probabilities"]
    assert expected["notes"] == []
    (note,) = found["notes"]
    assert "with values in another spelling than in training, taken as those: 'c' (" in note
    assert "expected one of" in refuse("predict", model, make_rows(c=new), "--strict")


def test_spellings_in_training_are_one_with_the_most_frequent(train, serve):
    classes = ["low" if v < 0 else ("High" if i % 9 else "HIGH.") for i, v in enumerate(SIZE)]
    rows = make_rows(c=["a b", "a b", "A  b", "c", "c", "d", "D"], y=classes)
    model, notes = train(rows)
    told = [note for note in notes if "several spellings" in note]
    assert len(told) == 1
    assert "'y' ('HIGH.' as 'High')" in told[0]
    assert "'c' ('A  b' as 'a b'" in told[0]
    assert told[0].endswith("if they differ, declare it (--category y)")
    data = serve("evaluate", model, rows)
    assert data["classes"] == ["High", "low"]
    assert "unseen_classes" in data
    assert data["unseen_classes"] == {}
    assert any("classes in another spelling than in training" in note for note in data["notes"])
    model, notes = train(rows, "--category", "c", "--category", "y", epochs=1)
    assert not [note for note in notes if "spellings" in note]
    assert serve("evaluate", model, rows)["classes"] == ["HIGH.", "High", "low"]


def test_texts_are_told_once_and_with_their_count(train, serve):
    values = [*map(str, range(40)), "oops", "what", "this", "is"]
    _, notes = train(make_rows(n=values, y=CLASSES), epochs=1)
    assert sum("taken for gaps" in note for note in notes) == 1
    model, _ = train(make_rows(n=range(40), y=CLASSES), epochs=1)
    (note,) = serve("predict", model, make_rows(n=values))["notes"]
    assert "'n' (8 values, such as 'oops', 'what', 'this')" in note


def test_bounds_are_told(train, serve):
    numbers = [f"{i / 7:.2f}" for i in range(30)]
    _, notes = train(make_rows(n=[*numbers, "<0.1"], y=CLASSES), epochs=1)
    assert any("numbers with bounds, taken as the numbers: 'n' ('<0.1')" in note for note in notes)
    model, _ = train(make_rows(n=numbers, y=CLASSES), epochs=1)
    found = serve("predict", model, make_rows(n=["<0.1", "90+"]))
    assert found["probabilities"] == serve("predict", model, make_rows(n=["0.1", "90"]))["probabilities"]
    assert "'n' (120 values, such as '<0.1', '90+')" in found["notes"][0]


def test_german_thousands_are_no_decimals(train, as_json, tmp_path):
    numbers = [6222 + 37 * (i * 7 % 50) for i in range(ROWS)]
    written = [f"{n // 1000}.{n % 1000:03}" for n in numbers]

    def write(name, n):
        rows = make_rows(n=n, y=CLASSES).with_columns(
            size=pl.col("size").cast(pl.String).str.replace(".", ",", literal=True)
        )
        rows.write_csv(tmp_path / name, separator=";")
        return tmp_path / name

    model, columns = tmp_path / "m", []
    for n in (written, [*written[:-1], "oops"]):
        as_json("train", write("t.csv", n), "--target", "y", "--epochs", 1, "--validation", 0, "-o", model)
        extra = __import__("bpx").files.load_extra(model)["preprocessing"]
        columns.append(next(column for column in extra["columns"] if column["name"] == "n")["mean"])
    assert columns[0] == pytest.approx(np.mean(numbers))
    assert columns[1] == pytest.approx(np.mean(numbers), rel=0.01)
    plain = as_json("predict", model, write("new.csv", written))["probabilities"]
    odd = as_json("predict", model, write("new.csv", [*written[:-1], "oops"]))["probabilities"]
    assert plain[:-1] == odd[:-1]


def test_codes_are_no_numbers_with_units(train):
    _, notes = train(make_rows(c=["3.NL", "4.NL", "2.BE"], y=CLASSES), epochs=1)
    assert not [note for note in notes if "unit" in note]


def test_nested_values_of_json_lines_refuse_no_file(as_json, tmp_path):
    path, model = tmp_path / "t.jsonl", tmp_path / "m"
    lines = [json.dumps({"size": v, "tags": [i], "y": CLASSES[i]}) for i, v in enumerate(SIZE)]
    path.write_text("\n".join(lines))
    assert "left out: 'tags' (holds" in as_json("train", path, "--target", "y", "--epochs", 1, "-o", model)["notes"][0]
    as_json("train", path, "--target", "y", "--epochs", 1, "--drop", "tags", "-o", model)
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"out.{suffix}"
        assert as_json("predict", model, path, "-o", out)["rows"] == ROWS
        table = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
        assert table.get_column("tags")[7] == "[7]"
