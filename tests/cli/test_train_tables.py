"""``bpx train``, ``evaluate`` and ``predict`` on real tables in files, and on what is wrong with them."""

import csv

import numpy as np
import pytest

import bpx

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")


NUMBERS = "a,b\n1,0.5\n2,1.5\n3,2.5\n4,3.5\n5,4.5\n6,5.5\n"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return ``table(name)``: a CSV file of scikit-learn's own data, with the target in the column ``target``."""
    data = pytest.importorskip("sklearn.datasets", reason="the tables are scikit-learn's")
    folder = tmp_path_factory.mktemp("tables")

    def write(name):
        path = folder / f"{name}.csv"
        if not path.exists():
            found = getattr(data, f"load_{name}")()
            names = [str(feature) for feature in found.feature_names]
            y = [str(found.target_names[i]) for i in found.target] if "target_names" in found else found.target.tolist()
            with open(path, "w", newline="") as file:
                csv.writer(file).writerows([[*names, "target"], *([*x, t] for x, t in zip(found.data, y, strict=True))])
        return path

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes", "accuracy"), [("iris", 3, 0.85), ("wine", 3, 0.85), ("breast_cancer", 2, 0.9)]
)
def test_classes_of_real_tables(as_json, table, tmp_path, name, classes, accuracy):
    path, model, out = table(name), tmp_path / "net.safetensors", tmp_path / "out.csv"
    data = as_json("train", path, "--target", "target", "--output", model)
    assert data["task"] == "classification"
    assert len(data["classes"]) == classes
    assert data["accuracy"] >= accuracy
    scores = as_json("evaluate", model, path)
    assert scores["accuracy"] >= accuracy
    assert np.sum(scores["confusion_matrix"]) == scores["rows"] == sum(data["rows"].values())
    assert np.trace(scores["confusion_matrix"]) / scores["rows"] == pytest.approx(scores["accuracy"])
    assert "so this is no test of it" in scores["notes"][0]
    found = as_json("predict", model, path, "-o", out)
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == found["predictions"]
    right = np.mean([row["prediction"] == row["target"] for row in rows])
    assert right == pytest.approx(scores["accuracy"])
    assert set(found["classes"]) == {row["target"] for row in rows}


@pytest.mark.slow
def test_numbers_of_a_real_table(as_json, command, table, tmp_path):
    path, model, out = table("diabetes"), tmp_path / "net.safetensors", tmp_path / "out.parquet"
    data = as_json("train", path, "--target", "target", "--output", model)
    assert data["task"] == "regression"
    assert data["r2"] > 0.25
    assert "accuracy" not in data
    scores = as_json("evaluate", model, path)
    found = as_json("predict", model, path, "-o", out)
    frame = pl.read_parquet(out)
    y, p = frame["target"].to_numpy(), frame["prediction"].to_numpy()
    assert p.tolist() == found["predictions"]
    assert scores["r2"] == pytest.approx(1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert scores["mae"] == pytest.approx(np.abs(y - p).mean())
    assert scores["rmse"] == pytest.approx(np.sqrt(((y - p) ** 2).mean()))
    assert 20 < scores["mae"] < 60  # in the units of the target, not standardized
    text = command("evaluate", model, path).stdout
    for words in ("R2", "mean absolute error", "root mean square error"):
        assert words in text
    assert "confusion" not in text


@pytest.fixture
def people(tmp_path):
    """Return the path of a table with numbers, categories, booleans, missing values and a useless column."""
    generator = np.random.default_rng(0)
    size, kind = generator.normal(size=90), generator.integers(0, 3, 90)
    path = tmp_path / "people.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "size", "kind", "here", "planet", "big"])
        for i in range(90):
            shown = "" if i % 13 == 5 else f"{size[i]:.6f}"
            big = "yes" if size[i] + kind[i] > 1 else "no"
            rows.writerow([f"person {i}", shown, "abc"[kind[i]], ["true", "false"][i % 2], "Earth", big])
    return path


def test_missing_values_dropped_columns_and_notes(as_json, command, people, tmp_path):
    model = tmp_path / "net.safetensors"
    arguments = ("train", people, "--target", "big", "--missing", "impute", "--drop", "name", "--epochs", 60)
    data = as_json(*arguments, "--strict", "-o", model)
    assert data["features"] == 1 + 3 + 1
    assert data["accuracy"] > 0.7
    assert data["classes"] == ["no", "yes"]
    assert any("'planet' is left out" in note for note in data["notes"])
    result = command(*arguments, "--strict")
    assert "note: column 'planet' is left out" in " ".join(result.stdout.split())
    assert as_json("evaluate", model, people)["rows"] == 90


def test_the_task_is_found_or_told(as_json, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("x,score\n" + "".join(f"{i},{i % 4}\n" for i in range(60)))
    assert as_json("train", path, "--target", "score", "--epochs", 1)["task"] == "classification"
    told = as_json("train", path, "--target", "score", "--epochs", 1, "--task", "regression")
    assert told["task"] == "regression"
    path.write_text("x,score\n" + "".join(f"{i},{i % 4}.0\n" for i in range(60)))
    assert as_json("train", path, "--target", "score", "--epochs", 1)["task"] == "regression"
    assert as_json("train", path, "--target", "score", "--epochs", 1, "--task", "classes")["task"] == "classification"
    assert as_json("train", path, "--target", "score", "--epochs", 1, "--task", "classification")["features"] == 1


def test_the_same_table_in_every_format(as_json, tmp_path):
    x, y = bpx.datasets.moons(100)
    frame = pl.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "y": y})
    frame.write_csv(tmp_path / "data.csv")
    frame.write_csv(tmp_path / "data.tsv", separator="\t")
    frame.write_parquet(tmp_path / "data.parquet")
    np.savez(tmp_path / "data.npz", x=x, y=y)
    losses = {
        suffix: as_json("train", tmp_path / f"data.{suffix}", "--target", "y", "--epochs", 2)["loss"]
        for suffix in ("csv", "tsv", "parquet", "npz")
    }
    assert len(set(losses.values())) == 1, losses
    # An archive with an array y says itself what is to be predicted.
    assert as_json("train", tmp_path / "data.npz", "--epochs", 2)["loss"] == losses["npz"]


def test_a_constant_column_of_an_array_is_left_out_and_found_again(as_json, mistake, tmp_path):
    x, y = bpx.datasets.moons(60)
    x = np.column_stack([x[:, 0], np.zeros(60), x[:, 1]])
    np.savez(tmp_path / "data.npz", x=x, y=y)
    model = tmp_path / "net.safetensors"
    assert as_json("train", tmp_path / "data.npz", "--epochs", 30, "-o", model)["features"] == 2
    assert as_json("evaluate", model, tmp_path / "data.npz")["rows"] == 60
    np.savez(tmp_path / "new.npz", x=x[:, [0, 2]])
    # Two columns cannot be told from the first two of three.
    assert "the array x has 2 columns, and the training had 3" in mistake("predict", model, tmp_path / "new.npz")


def test_codes_with_leading_zeros_stay_text_at_prediction(as_json, tmp_path):
    path, model = tmp_path / "codes.csv", tmp_path / "net.safetensors"
    path.write_text("code,y\n" + "".join(f"{'007' if i % 2 else 'B2'},{'ab'[i % 2]}\n" for i in range(40)))
    as_json("train", path, "--target", "y", "--epochs", 100, "-o", model)
    path.write_text("code\n007\n007\n")
    assert as_json("predict", model, path)["predictions"] == ["b", "b"]


def test_unseen_categories(as_json, mistake, tmp_path):
    path, model = tmp_path / "kinds.csv", tmp_path / "net.safetensors"
    path.write_text("kind,y\n" + "".join(f"{'uv'[i % 2]},{'ab'[i % 2]}\n" for i in range(40)))
    as_json("train", path, "--target", "y", "--strict", "-o", model)
    path.write_text("kind,y\nu,a\nw,b\nv,b\n")
    for name in ("predict", "evaluate"):
        assert "expected one of 'u', 'v', got 'w' in row 2" in mistake(name, model, path)
        (note,) = as_json(name, model, path, "--unseen", "ignore")["notes"]
        assert "a category that training never saw: 'w'" in note


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a,b\n1,2\n", (), "--target is missing: which column of"),
        ("a,b\n1,2\n", ("--target", "c"), "target 'c' is not in the table"),
        ("species,b\n1,2\n", ("--target", "specis"), "did you mean 'species'?"),
        ("a,b\n1,x\n2\n", ("--target", "b"), "line 3: expected 2 values, as in the header, got 1"),
        ("a,b\n", ("--target", "b"), "the table has no rows"),
        ("", ("--target", "b"), "the file is empty"),
        ("a,b\n1,x\n2,x\n", ("--target", "b"), "expected two or more classes, got 'x' in every row"),
        ("a,b\n1,x\n2,\n", ("--target", "b", "--strict"), "1 value missing, in row 2"),
        ("a,b\n1,x\n,y\n1,x\n", ("--target", "b", "--strict"), "--missing impute"),
        ("a,b\n3,x\n3,y\n3,x\n3,y\n", ("--target", "b"), "expected one or more columns to learn from"),
        ("a,b\n1,x\n2,y\n3,x\n", ("--target", "b", "--strict"), "class 'y' has one row only"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--drop", "c"), "dropped column 'c' is not in the table"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--drop", "b"), "is the target and cannot be dropped"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--text", "c"), "text column 'c' is not in the table"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--text", "a", "--number", "a"), "--text and --number both name"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--category", "a", "--drop", "a"), "declared category and dropped too"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--number", "b"), "expected numbers, got 'x' in row 1"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--category", "b", "--task", "regression"), "choose one"),
        ("a,b\n1,x\n2,y\n", ("--target", "b", "--task", "regression"), "target 'b'"),
        ("a,b\n1,x\n2,y\n1,x\n2,y\n", ("--target", "b", "--loss", "poisson"), "--loss poisson is for counts"),
        (NUMBERS, ("--target", "b", "--loss", "cross_entropy"), "which holds numbers"),
        (NUMBERS, ("--target", "b", "--loss", "poisson"), "which holds numbers"),
        ("a,b\n1,x\n2,y\n1,x\n2,y\n", ("--target", "b", "--missing", "guess"), "way to treat missing values 'guess'"),
    ],
)
def test_a_table_that_cannot_be_trained_on(mistake, monkeypatch, tmp_path, content, options, words):
    def refused(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.setattr(bpx.Network, "fit", refused)
    path = tmp_path / "data.csv"
    path.write_text(content)
    assert words in mistake("train", path, *options, "--validation", "0.5")


def test_files_that_are_none(mistake, tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert "expected a file, got a folder" in mistake("train", folder, "--target", "y")
    for name, content in (("data.parquet", b"a,b\n1,2\n"), ("data.npz", b"a,b\n1,2\n")):
        (tmp_path / name).write_bytes(content)
        assert str(tmp_path / name) in mistake("train", tmp_path / name, "--target", "b")
    (tmp_path / "data.txt").write_bytes(b"%PDF-1.7\n")
    assert "got a PDF document" in mistake("train", tmp_path / "data.txt", "--target", "b")
    assert "ends in .csv, .tsv, .jsonl" in mistake("train", "nothing.txt", "--target", "b")


# -- what comes back from predict -------------------------------------------------------------------------


@pytest.fixture
def ids(tmp_path, command):
    """Return the paths of a table with ids and of a model that was trained without them."""
    path, model = tmp_path / "ids.csv", tmp_path / "net.safetensors"
    rows = [
        f"{i:05d};8931440400000000{i:04d};{'NA' if i % 7 == 0 else '=A1'};{i % 10}.50;{i % 2}\r\n" for i in range(40)
    ]
    path.write_bytes(("\ufeffid;iccid;flag;x;y\r\n" + "".join(rows)).encode())
    options = ["--drop", "id", "--drop", "iccid", "--drop", "flag", "--epochs", 1, "-o", model]
    assert command("train", path, "--target", "y", *options).exit_code == 0
    return path, model


def test_a_predicted_csv_file_holds_the_given_one_to_the_byte(as_json, ids, tmp_path):
    path, model = ids
    found = as_json("predict", model, path, "-o", tmp_path / "out.csv")
    given, written = path.read_bytes().splitlines(True), (tmp_path / "out.csv").read_bytes().splitlines(True)
    assert len(given) == len(written) == 41
    for before, after in zip(given, written, strict=True):
        assert after.startswith(before.removesuffix(b"\r\n") + b";")
        assert after.endswith(b"\r\n")
    assert [int(line.split(b";")[5]) for line in written[1:]] == found["predictions"]


@pytest.mark.parametrize("how", ["as it is", "relative", "link", "hard link"])
def test_an_output_that_is_the_input_is_refused_unless_it_may_be_overwritten(
    mistake, command, ids, tmp_path, monkeypatch, how
):
    path, model = ids
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    out = {"as it is": path, "relative": "folder/../ids.csv"}.get(how, tmp_path / "other.csv")
    if how == "link":
        out.symlink_to("ids.csv")
    if how == "hard link":
        out.hardlink_to(path)
    assert "which this command reads; name another file, or pass --overwrite" in mistake(
        "predict", model, path, "-o", out
    )
    assert path.read_bytes() == before
    assert command("predict", model, path, "-o", out, "--overwrite").exit_code == 0
    written = path if how != "hard link" else out
    assert written.read_bytes().splitlines()[1].startswith(before.splitlines()[1])
    assert written.read_bytes() != before
    assert out == "folder/../ids.csv" or out.is_symlink() == (how == "link")


def test_no_command_writes_over_the_model_or_the_table_it_reads(mistake, ids, tmp_path):
    path, model = ids
    (tmp_path / "model.csv").symlink_to(model)
    assert "which this command reads" in mistake("predict", model, path, "-o", tmp_path / "model.csv", "--overwrite")
    assert "which this command reads" in mistake("train", path, "--target", "y", "-o", path)
    assert "which this command reads" in mistake("explain", model, path, "--html", model)


def test_declared_types_go_with_the_model(as_json, tmp_path):
    path, model = tmp_path / "codes.csv", tmp_path / "net.safetensors"
    rows = [f"{('NA', '01', '1')[i % 3]},{i % 4},{i % 5 + 1:02d},{('01', '1')[i % 3 == 0]}" for i in range(60)]
    path.write_text("code,level,month,y\n" + "\n".join(rows) + "\n")
    options = ("--category", "code", "--category", "level", "--number", "month", "--text", "y", "--epochs", 30)
    data = as_json("train", path, "--target", "y", *options, "-o", model)
    assert data["classes"] == ["01", "1"]
    assert data["features"] == 3 + 4 + 1
    assert data["notes"] == as_json("train", path, "--target", "y", *options)["notes"]
    assert as_json("train", path, "--target", "y", *options, "--strict")["notes"] == []
    (tmp_path / "new.csv").write_text("code,level,month,y\nNA,0,1,1\n01,1,02,01\n1,2,3,01\n")
    assert as_json("predict", model, tmp_path / "new.csv")["predictions"] == ["1", "01", "01"]
    assert as_json("evaluate", model, tmp_path / "new.csv")["accuracy"] == 1.0


def test_declared_types_go_on_with_a_resumed_training(as_json, tmp_path):
    path, run = tmp_path / "codes.csv", tmp_path / "run"
    path.write_text("code,y\n" + "".join(f"{i % 3},{i % 2}\n" for i in range(60)))
    options = ("--target", "y", "--category", "code", "--preset", "fast", "--schedule", "constant")
    as_json("train", path, *options, "--epochs", 3, "-o", tmp_path / "whole.safetensors")
    as_json("train", path, *options, "--epochs", 2, "--checkpoint", run)
    as_json("train", "--resume", run, "--epochs", 3, "-o", tmp_path / "resumed.safetensors")
    whole, resumed = (as_json("evaluate", tmp_path / f"{name}.safetensors", path) for name in ("whole", "resumed"))
    assert whole["loss"] == resumed["loss"]


def test_the_best_preset_is_resumed_and_says_how_many_networks_it_keeps(as_json, command, tmp_path, monkeypatch):
    path, run = tmp_path / "numbers.csv", tmp_path / "run"
    rng = np.random.default_rng(0)
    path.write_text("a,b,y\n" + "".join(f"{a:.3f},{b:.3f},{a * b:.3f}\n" for a, b in rng.normal(size=(150, 2))))
    options = ("--target", "y", "--preset", "best", "--epochs", 2)
    monkeypatch.setattr("bpx.recipes.training.select_groups", lambda *_: (1, 2))
    said = command("train", path, *options, "--checkpoint", run).stdout
    assert "24 networks of 2-64-64-1, numbers in 24 bins (6 without), silu" in said
    assert "silu, dropout 0 (18 of them), 0.1 (6 of them); " in said
    assert "squared_error (6 of them), huber (18 of them), adamw at" in said
    assert "2 epochs, batches of 64" in said
    assert "12 of the 24 networks: they fit rows they set aside best" in said
    (run / "network-12" / "trained.safetensors").unlink()
    data = as_json("train", "--resume", run, "-o", tmp_path / "resumed.safetensors")
    assert data["members"] == 12
    as_json("train", path, *options, "-o", tmp_path / "whole.safetensors")
    whole, resumed = (as_json("evaluate", tmp_path / f"{name}.safetensors", path) for name in ("whole", "resumed"))
    assert whole["loss"] == resumed["loss"]


@pytest.mark.parametrize("option", ["--text", "--number", "--category"])
def test_types_are_for_files(mistake, option):
    assert f"{option} is for files" in mistake("train", "moons", option, "x1")


@pytest.mark.parametrize(
    ("no", "yes"), [("FALSE", "TRUE"), ("False", "True"), ("false", "true"), ("false", "TRUE")], ids="-".join
)
def test_labels_that_are_booleans_are_predicted_as_they_are_spelled(as_json, tmp_path, no, yes):
    table = tmp_path / "data.csv"
    table.write_text("a,y\n" + "".join(f"{i},{yes if i > 20 else no}\n" for i in range(40)))
    as_json("train", table, "--target", "y", "--epochs", 60, "-o", tmp_path / "m")
    as_json("predict", tmp_path / "m", table, "-o", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["a", "y", "prediction", *(f"probability_{label}" for label in sorted((no, yes)))]
    assert sum(row["y"] == row["prediction"] for row in rows) > 30
    assert as_json("evaluate", tmp_path / "m", table)["accuracy"] > 0.75


def test_booleans_spelled_in_several_ways_stay_booleans(as_json, tmp_path):
    table = tmp_path / "data.csv"
    table.write_text("a,y\n" + "".join(f"{i},{('TRUE', 'true')[i % 2] if i > 20 else 'false'}\n" for i in range(40)))
    assert as_json("train", table, "--target", "y", "--epochs", 2)["classes"] == [False, True]
