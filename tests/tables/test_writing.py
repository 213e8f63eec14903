"""Predictions are written beside the columns that they belong to."""

import datetime

import numpy as np
import pytest

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, read_table, write_predictions  # noqa: E402

FRAME = pl.DataFrame({"n": [1.0, 2.5], "t": ['a "b"', None], "extra": [7, 8]})
CLASSES = Preprocessor.fit(pl.DataFrame({"n": [1, 2], "y": ["no", "yes"]}), "y")
NUMBERS = Preprocessor.fit(pl.DataFrame({"n": [1, 2], "y": [1.0, 3.0]}), "y")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".CSV"])
def test_classes_come_with_the_probability_of_each(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write_predictions(path, FRAME, np.array([[0.25, 0.75], [0.9, 0.1]]), CLASSES)
    expected = {"prediction": ["yes", "no"], "probability_no": [0.25, 0.9], "probability_yes": [0.75, 0.1]}
    assert read_table(path).to_dict(as_series=False) == FRAME.to_dict(as_series=False) | expected
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_one_sigmoid_output_gives_both_probabilities(tmp_path):
    write_predictions(tmp_path / "out.parquet", FRAME, [[0.75], [0.25]], CLASSES)
    written = read_table(tmp_path / "out.parquet")
    assert written.select("prediction", "probability_no").rows() == [("yes", 0.25), ("no", 0.75)]


def test_numbers_are_in_their_own_units(tmp_path):
    write_predictions(str(tmp_path / "out.csv"), FRAME, [[-1.0], [0.25]], NUMBERS)
    written = read_table(tmp_path / "out.csv")
    assert written.columns == ["n", "t", "extra", "prediction"]
    assert written.get_column("prediction").to_list() == [1.0, 2.25]


def test_dates_and_what_else_a_table_holds_go_through_parquet(tmp_path):
    frame = FRAME.with_columns(
        when=pl.lit(datetime.date(2020, 1, 2)), many=pl.lit([[1], [2, 3]], dtype=pl.List(pl.List(pl.Int64)))
    )
    write_predictions(tmp_path / "out.parquet", frame, [0.0, 1.0], NUMBERS)
    assert read_table(tmp_path / "out.parquet").drop("prediction").equals(frame)


@pytest.mark.parametrize(
    ("name", "frame", "outputs", "message"),
    [
        ("out.txt", FRAME, [0.0, 1.0], "expected a file that ends in .csv, .tsv, .parquet, got '.txt'"),
        ("out", FRAME, [0.0, 1.0], "expected a file that ends in .csv, .tsv, .parquet, got 'no ending'"),
        ("nowhere/out.csv", FRAME, [0.0, 1.0], "cannot write {path}: No such file or directory"),
        ("out.csv", FRAME.with_columns(many=pl.Series([[1], [2]])), [0.0, 1.0], "cannot be written as CSV: "),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, frame, outputs, message):
    with pytest.raises(InputError) as caught:
        write_predictions(tmp_path / name, frame, outputs, NUMBERS)
    path = tmp_path / name
    assert str(caught.value).startswith(message.format(path=path) if "{path}" in message else f"{path}: {message}")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frame", "outputs", "message"),
    [
        (FRAME.with_columns(prediction=1), [0.5, 0.5], "the table has columns named 'prediction' already"),
        (FRAME.with_columns(probability_yes=1), [0.5, 0.5], "the table has columns named 'probability_yes' already"),
        (FRAME, [0.5, 0.5, 0.5], "expected predictions for 2 rows, got 3"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(tmp_path, frame, outputs, message):
    with pytest.raises(InputError, match=message):
        write_predictions(tmp_path / "out.csv", frame, outputs, CLASSES)
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("older")

    def full(self, *args, **kwargs):
        args[0].write(b"n,t\n1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(InputError, match=r"cannot write .*out\.csv: No space left on device"):
        write_predictions(path, FRAME, [0.0, 1.0], NUMBERS)
    assert path.read_text() == "older"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
