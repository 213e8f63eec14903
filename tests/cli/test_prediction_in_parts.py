"""``bpx predict`` on files that are read in parts: the same output, notes and errors as in one go, to the byte."""

import gzip
import io
import json
import sys
import tracemalloc

import numpy as np
import pytest

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

from bpx.backend import get_backend  # noqa: E402
from bpx.cli import encoded_rows, measures, prediction  # noqa: E402
from bpx.tables import parts, writing  # noqa: E402

ROWS = 12_000
"""More than a piece that the network predicts at a time."""


def make_rows():
    """Return rows of which some that are far behind decide how the others are read."""
    size = np.random.default_rng(0).normal(size=ROWS).round(3)
    at = np.arange(ROWS)
    dates = [f"{1 + i % 12}/{1 + i % 11}/2011" if i < 11_000 else f"{13 + i % 15}/{1 + i % 12}/2012" for i in at]
    return pl.DataFrame(
        {
            "size": [("oops" if i % 777 == 5 else str(v)) for i, v in enumerate(size)],
            "kind": ["Ü." if i == ROWS - 5 else "new" if i % 5000 == 4007 else ("ü", "v", "w, x")[i % 3] for i in at],
            "when": dates,
            "n": ["" if i % 4000 == 409 else str(i % 50) for i in at],
            "mixed": [str(i) if i < 9000 else "1.5" for i in at],
            "late": ["" if i < 11_500 else "x" for i in at],
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a model of such rows, whose dates have the month first."""
    testing = pytest.importorskip("typer.testing", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    folder, rows = tmp_path_factory.mktemp("parts"), make_rows()[:400]
    rows = rows.with_columns(
        size=pl.col("size").replace("oops", "0.5"),
        when=pl.Series([f"{1 + i % 12}/{1 + i % 28}/2010" for i in range(400)]),
        y=pl.Series([str(v != "oops" and float(v) > 0) for v in rows["size"]]),
    )
    rows.write_csv(folder / "t.csv")
    arguments = ["train", folder / "t.csv", "--target", "y", "--epochs", 2, "--output", folder / "m", "--drop", "late"]
    arguments += ["--preset", "fast"]
    assert testing.CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    return folder / "m"


def as_json_lines(rows):
    lines = []
    for i, row in enumerate(rows.iter_rows(named=True)):
        row["mixed"] = float(row["mixed"]) if i >= 9000 else int(row["mixed"])
        row |= {} if i < 100 else {"cells": [1, i] if i > 6000 else i}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines).encode()


def write(path, rows):
    """Write rows in a form that the name of the file says."""
    text = rows.write_csv(separator=";" if path.name.startswith("semicolons") else ",").encode()
    if path.suffix == ".parquet":
        rows.write_parquet(path, row_group_size=5000)
    elif path.suffix == ".arrow":
        rows.write_ipc(path)
    else:
        content = {
            "rows.jsonl": lambda: as_json_lines(rows),
            "cp1252.csv": lambda: text.decode().encode("cp1252"),
            "utf-16.csv": lambda: text.decode().encode("utf-16"),
            "packed.csv.gz": lambda: gzip.compress(text, mtime=0),
            "blanks.csv": lambda: text.replace(b"\n9", b"\n\n9", 1) + b"\n\n",
            "quoted.csv": lambda: text.replace(b"v,", b'"v\n""v""",').replace(b"\n", b"\r\n"),
            "stray.csv": lambda: text.replace(b",v,", b',5" pipe,', 1),
        }.get(path.name, lambda: text)()
        path.write_bytes(content)
    return path


@pytest.fixture
def in_parts(monkeypatch):
    """Have files read in small parts, or whole."""

    def choose(small):
        monkeypatch.setattr(parts, "LARGEST_WHOLE", 0 if small else 2**40)
        monkeypatch.setattr(parts, "BYTES_A_PART", 50_001 if small else 2**40)
        monkeypatch.setattr(parts, "CELLS_A_PART", 9001 if small else 2**30)
        monkeypatch.setattr(encoded_rows, "_VALUES_ENCODED", 20_003 if small else 2**40)
        monkeypatch.setattr(writing, "ROWS_A_GROUP", 1000)

    return choose


FORMS = ("rows.csv", "semicolons.csv", "cp1252.csv", "utf-16.csv", "packed.csv.gz", "blanks.csv", "quoted.csv",
         "stray.csv", "rows.parquet", "rows.arrow", "rows.jsonl")  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_parts_give_what_the_whole_gives(command, in_parts, model, tmp_path, name):
    data = write(tmp_path / name, make_rows())
    for suffix in ("csv", "parquet") if name in ("rows.csv", "rows.arrow", "rows.jsonl") else ("csv",):
        out, found = tmp_path / f"out.{suffix}", []
        for small in (False, True):
            in_parts(small)
            result = command("predict", model, data, "-o", out, "--json")
            assert result.exit_code == 0, result.stderr
            found.append((out.read_bytes(), result.stdout))
        assert found[0][1] == found[1][1]
        if suffix == "csv":
            assert found[0][0] == found[1][0]
        else:  # how rows are grouped in Parquet is up to the version of polars
            testing = pytest.importorskip("polars.testing", reason="tables need polars: the extra table")
            testing.assert_frame_equal(*(pl.read_parquet(io.BytesIO(content)) for content, _ in found))
        assert not list(tmp_path.glob(".bpx*"))
    data = json.loads(found[1][1])
    assert data["rows"] == ROWS
    notes = "\n".join(data["notes"])
    assert "'size' (16 values, such as 'oops')" in notes
    assert "rows with a category that training never saw: '" in notes
    assert "'kind' (1 value, such as 'Ü.' as 'ü')" in notes
    assert "with day and month in another order than in training, read so: 'when'" in notes
    assert notes.count("'n' (3 values)") == 1


def test_dates_that_turn_out_to_have_the_day_first_are_all_read_so(as_json, in_parts, model, tmp_path):
    rows = make_rows()
    turned = rows.with_columns(
        pl.col("when").str.split("/").list.eval(pl.element().str.zfill(2)).list.reverse().list.join("-")
    )
    found = []
    for name, frame in (("rows.csv", rows), ("turned.csv", turned)):
        in_parts(True)
        found.append(as_json("predict", model, write(tmp_path / name, frame))["probabilities"])
    assert found[0] == found[1]


def test_a_fault_far_behind_leaves_no_file_and_names_its_row(command, in_parts, model, tmp_path):
    in_parts(True)
    out = tmp_path / "out.csv"
    out.write_text("older")
    last = pl.Series([*["1"] * (ROWS - 1), "seven"])
    data = write(
        tmp_path / "rows.csv", make_rows().with_columns(size=last, kind=pl.lit("v"), when=pl.lit("2011-02-03"))
    )
    result = command("predict", model, data, "-o", out, "--strict")
    assert result.exit_code == 2
    assert f"column 'size': expected numbers, got 'seven' in row {ROWS:,}" in result.stderr
    assert result.stdout == ""
    for bad, words in ((b"1,2\n", "expected 6 values, as in the header, got 2"), (b'"1', "a quotation mark is not")):
        write(data, make_rows())
        with data.open("ab") as file:
            file.write(bad)
        for suffix in ("csv", "parquet"):
            result = command("predict", model, data, "-o", tmp_path / f"out.{suffix}")
            assert result.exit_code == 2
            assert words in result.stderr
            assert f"line {ROWS + 2}" in result.stderr
    assert out.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv"]


def test_memory_does_not_grow_with_the_rows(command, model, monkeypatch, tmp_path):
    """Python's own memory, of a file of four times as many rows; polars' is that of one part."""
    monkeypatch.setattr(parts, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(parts, "BYTES_A_PART", 100_000)
    monkeypatch.setattr(encoded_rows, "_VALUES_ENCODED", 50_000)
    peaks = []
    for times in (1, 1, 4):
        data = write(tmp_path / "rows.csv", pl.concat([make_rows()] * times))
        tracemalloc.start()
        assert command("predict", model, data, "-o", tmp_path / "out.csv").exit_code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1], peaks


def make_labelled(rows):
    """Give rows a target: gaps, another spelling and a class that training never saw far behind among them."""
    size = rows["size"].cast(pl.Float64, strict=False).fill_null(0.0)
    y = (
        (size + pl.Series(np.random.default_rng(1).normal(size=rows.height)) > 0)
        .cast(pl.String)
        .replace("true", "True")
    )
    y = y.replace("false", "False")
    at = pl.Series(range(rows.height))
    y = y.set(at % 997 == 3, "").set(at % 4999 == 4998, "perhaps").set(at == rows.height - 3, "TRUE")
    return rows.with_columns(y=y)


@pytest.mark.parametrize("name", FORMS)
def test_an_evaluation_in_parts_is_that_of_the_whole(command, in_parts, model, tmp_path, monkeypatch, name):
    monkeypatch.setattr(measures, "_VALUES_A_PART", 1)  # as many rows as the network takes at a time
    data, found = write(tmp_path / name, make_labelled(make_rows())), []
    for small in (False, True):
        in_parts(small)
        for options in ((), ("--json",)):
            result = command("evaluate", model, data, *options)
            assert result.exit_code == 0, result.stderr
            found.append((result.stdout, result.stderr))
    assert found[:2] == found[2:]
    data = json.loads(found[-1][0])
    assert data["rows"] == ROWS - len(range(3, ROWS, 997))
    assert data["unseen_classes"] == {"perhaps": 2}
    notes = "\n".join(data["notes"])
    assert "13 rows without the target 'y' left out" in notes
    assert "target 'y': classes in another spelling than in training, taken as those: 'TRUE' as 'True'" in notes
    assert "2 rows of classes that the training never saw, counted as wrong" in notes
    assert "with day and month in another order than in training, read so: 'when'" in notes


def test_numbers_are_evaluated_in_parts_too(command, in_parts, tmp_path):
    rows = make_rows().select("kind", "n", size=pl.col("size").replace("oops", ""))
    rows[:500].write_csv(tmp_path / "t.csv")
    model = tmp_path / "m"
    train = ["train", tmp_path / "t.csv", "--target", "size", "--epochs", 2, "-o", model, "--preset", "fast"]
    assert command(*train).exit_code == 0
    data, found = write(tmp_path / "rows.csv", rows), []
    for small in (False, True):
        in_parts(small)
        found += [command("evaluate", model, data, *options).stdout for options in ((), ("--json",))]
    assert found[:2] == found[2:]
    assert json.loads(found[1])["rows"] == ROWS - 16


def test_a_fault_far_behind_is_named_by_its_row(command, in_parts, model, tmp_path):
    in_parts(True)
    rows = make_labelled(make_rows()).with_columns(y=pl.Series(["True"] * (ROWS - 1) + ["maybe"]))
    result = command("evaluate", model, write(tmp_path / "rows.csv", rows), "--strict", "--unseen", "ignore")
    assert result.exit_code == 2
    rows = rows.with_columns(size=pl.lit("1"), kind=pl.lit("v"), when=pl.lit("2011-02-03"))
    result = command("evaluate", model, write(tmp_path / "rows.csv", rows), "--strict")
    assert result.exit_code == 2
    assert f"got 'maybe' in row {ROWS:,}" in result.stderr
    for y, said in (("", "no row has the target 'y'"), ("maybe", "no row has a class that the training saw")):
        result = command("evaluate", model, write(tmp_path / "rows.csv", rows.with_columns(y=pl.lit(y))))
        assert result.exit_code == 2
        assert said in result.stderr


def test_the_memory_of_an_evaluation_does_not_grow_with_the_columns_of_its_rows(command, model, monkeypatch, tmp_path):
    """What is kept of a row is its target; Python's own memory, as above."""
    monkeypatch.setattr(parts, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(parts, "BYTES_A_PART", 100_000)
    monkeypatch.setattr(encoded_rows, "_VALUES_ENCODED", 50_000)
    monkeypatch.setattr(measures, "_VALUES_A_PART", 1)
    peaks = []
    for times in (1, 1, 4):
        data = write(tmp_path / "rows.csv", pl.concat([make_labelled(make_rows())] * times))
        tracemalloc.start()
        assert command("evaluate", model, data).exit_code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 40 * 3 * ROWS, peaks  # targets, some copies of them; a row is more


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_terminal_shows_a_bar_unless_json_is_asked_for(in_parts, model, monkeypatch, tmp_path, stream):
    from bpx.cli.sources import FileOptions
    from bpx.recipes.model_file import load_model

    in_parts(True)
    monkeypatch.setattr(encoded_rows, "_PATIENCE_SECONDS", 0.0)
    data = write(tmp_path / "rows.csv", make_rows())
    shown = []
    for bar in (True, False):
        monkeypatch.setattr("sys.stderr", stream())
        rows = prediction.Prediction(
            load_model(str(model), get_backend("numpy")), str(data), FileOptions(), typed=False
        )
        rows.run(lambda parts: [None for _ in parts] and None, bar=bar)
        shown.append("predicting" in sys.stderr.getvalue())
    assert shown == [stream is Terminal, False]
