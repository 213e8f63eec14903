"""Files as people have them, by ``bpx train``, ``predict`` and ``evaluate``: read, told about, and given back."""

import csv
import gzip

import numpy as np
import pytest
from workbooks import write_workbook

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

from bpx.tables import parts  # noqa: E402

GENERATOR = np.random.default_rng(0)
ROWS = [
    (("käfer", "biene")[i % 2], round(float(GENERATOR.normal() + 3 * (i % 2)), 2), "xyz"[i % 3], i % 5)
    for i in range(60)
]
NAMES = ["art", "größe", "ort", "n"]


def text(separator=",", *, header=True, decimal="."):
    lines = [*([NAMES] if header else []), *([*map(str, row)] for row in ROWS)]
    return "".join(separator.join(line).replace(".", decimal) + "\r\n" for line in lines)


@pytest.fixture
def trained(tmp_path, as_json):
    """Write a file, train on it, and give its path, the model's and the notes."""

    def write_and_train(name, content, *options, target="art"):
        path, model = tmp_path / name, tmp_path / "net.safetensors"
        path.write_bytes(content)
        data = as_json("train", path, "--target", target, *options, "--epochs", 40, "-o", model)
        assert data["accuracy"] > 0.6
        return path, model, data["notes"]

    return write_and_train


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("cp1252", "read as cp1252 text"), ("latin-1", "read as")],
)
def test_a_text_comes_back_in_its_own_encoding(as_json, trained, tmp_path, encoding, note):
    path, model, notes = trained("data.csv", text().encode(encoding))
    assert [one[: len(note)] for one in notes if note] == [note] * bool(note)
    found = as_json("predict", model, path, "-o", tmp_path / "out.csv")
    assert [one[: len(note)] for one in found["notes"] if note] == [note] * bool(note)
    written = (tmp_path / "out.csv").read_bytes()
    assert written[:2] == path.read_bytes()[:2]
    lines, given = written.decode(encoding).split("\r\n"), text().split("\r\n")
    assert all(line.startswith(before) for line, before in zip(lines, given, strict=True))
    assert lines[0] == f"{given[0]},prediction,probability_biene,probability_käfer"
    assert [line.split(",")[4] for line in lines[1:-1]] == found["predictions"]
    assert as_json("evaluate", model, path)["accuracy"] > 0.6


def test_a_label_that_the_encoding_lacks_is_refused(as_json, mistake, trained, tmp_path):
    path, model, _ = trained("data.csv", text().replace("biene", "пчела").encode())
    path.write_bytes(text().replace("biene", "пчела").replace("пчела", "b").encode("cp1252"))
    line = mistake("predict", model, path, "-o", tmp_path / "out.csv")
    assert "is cp1252 text, which has no 'п'; write a Parquet file, or save it as UTF-8" in line
    assert not (tmp_path / "out.csv").exists()
    assert as_json("predict", model, path, "-o", tmp_path / "out.parquet")["rows"] == 60


def test_an_encoding_is_told_to_every_command(as_json, command, mistake, trained, tmp_path):
    content = text().replace("größe", "имя").replace("käfer", "жиль").encode("cp1251")
    path, model, notes = trained("data.csv", content, "--encoding", "cp1251")
    assert notes == []
    out = tmp_path / "out.csv"
    assert as_json("predict", model, path, "--encoding", "cp1251", "-o", out)["notes"] == []
    assert out.read_bytes().startswith(content.partition(b"\r\n")[0])
    assert "probability_жиль" in out.read_bytes().decode("cp1251")
    notes = as_json("evaluate", model, path, "--encoding", "cp1251")["notes"]
    assert not any("read as" in note for note in notes)
    assert command("explain", model, path, "--encoding", "cp1251").exit_code == 0
    assert "unknown encoding 'x'" in mistake("predict", model, path, "--encoding", "x")
    assert "unknown encoding 'x'" in mistake("train", path, "--target", "art", "--encoding", "x")
    assert "lacks 1 of the" in mistake("predict", model, path)


@pytest.mark.parametrize("name", ["data.csv.gz", "data.csv", "data.csv.zst"])
def test_a_compressed_text_comes_back_unpacked_with_a_note(as_json, trained, tmp_path, name):
    zstandard = pytest.importorskip("zstandard", reason="zstd needs zstandard: the extra table")
    pack = zstandard.compress if name.endswith("zst") else gzip.compress
    path, model, notes = trained(name, pack(text().encode()))
    assert notes == []
    out = tmp_path / "out.csv"
    (note,) = as_json("predict", model, path, "-o", out)["notes"]
    assert f"out.csv is written as it is, and not compressed by {'zstd' if pack != gzip.compress else 'gzip'}" in note
    given = text().encode().split(b"\r\n")
    assert all(line.startswith(before) for line, before in zip(out.read_bytes().split(b"\r\n"), given, strict=True))
    assert as_json("predict", model, path, "-o", tmp_path / "out.parquet")["notes"] == []


def test_decimal_commas_are_found_kept_and_written(as_json, trained, tmp_path):
    path, model, (note,) = trained("data.csv", text(";", decimal=",").encode())
    assert "commas were taken for decimal marks" in note
    assert note.endswith("if that is wrong, pass --decimal .")
    found = as_json("predict", model, path, "-o", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines(), delimiter=";"))
    assert "," in rows[0]["größe"]
    shown = [float(row["probability_biene"].replace(",", ".")) for row in rows]
    np.testing.assert_allclose(shown, np.array(found["probabilities"])[:, 0], rtol=1e-6)
    assert as_json("predict", model, tmp_path / "out.csv")["predictions"] == found["predictions"]
    points = tmp_path / "points.csv"
    points.write_bytes(text(",").encode())
    assert as_json("predict", model, points)["predictions"] == found["predictions"]
    as_json("predict", model, path, "-o", tmp_path / "out.tsv")
    assert "\t0," in (tmp_path / "out.tsv").read_text()


def test_a_decimal_mark_that_was_told_goes_with_the_model(as_json, mistake, trained, tmp_path):
    content = text(";", decimal=",").replace(";", "\t").encode()
    path, model, notes = trained("data.csv", content, "--decimal", ",")
    assert notes == []
    one = tmp_path / "one.csv"
    one.write_text("größe\tort\tn\n1,250\tx\t1\n")
    (low,) = as_json("predict", model, one)["probabilities"]
    one.write_text("größe\tort\tn\n1.250\tx\t1\n")
    (same,) = as_json("predict", model, one, "--decimal", ".")["probabilities"]
    (other,) = as_json("predict", model, one)["probabilities"]
    assert low == same != other
    assert "unknown decimal mark ';'" in mistake("predict", model, one, "--decimal", ";")
    assert "unknown decimal mark ';'" in mistake("train", path, "--target", "art", "--decimal", ";")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("rows", "decimal", "told"),
    [
        ("größe,ort,n\n1.500,x,1\n2.500,y,2\n", ".", "'1.500' in 'größe'"),
        ("größe\tort\tn\n1.500\tx\t1\n0.085\ty\t2\n", ".", "'0.085' in 'größe'"),
        ('größe,ort,n\n1.5,x,"1,500"\n2.500,y,2\n', ".", "'1.5' in 'größe'"),
        ('{"größe": "1.500", "ort": "x", "n": 1}\n{"größe": "1.5", "ort": "y", "n": 2}\n', ".", "'1.5' in 'größe'"),
        ('größe,ort,n\n"1,5",x,1\n1.500,y,2\n', ",", ""),
        ("größe;ort;n\n1,5;1.5;1\n2,5;0.1;2\n", ",", ""),
        ("größe;ort;n\n1.500;x;1\n2;y;2\n", ",", "stand between thousands ('1.500' in 'größe'), because"),
    ],
)
def test_points_after_a_training_with_decimal_commas_are_told(
    as_json, trained, tmp_path, monkeypatch, rows, decimal, told, whole
):
    monkeypatch.setattr(parts, "LARGEST_WHOLE", 2**26 if whole else 0)
    monkeypatch.setattr(parts, "BYTES_A_PART", 30)
    _, model, _ = trained("data.csv", text("\t", decimal=",").encode(), "--decimal", ",")
    new = tmp_path / ("new.jsonl" if rows.startswith("{") else "new.csv")
    new.write_text(rows, encoding="utf-8")
    found = as_json("predict", model, new)
    assert [note for note in found["notes"] if told and told in note] == found["notes"][: bool(told)]
    assert any("points were taken" in note for note in found["notes"]) == bool(told)
    said = as_json("predict", model, new, "--decimal", decimal)
    assert found["probabilities"] == said["probabilities"]
    assert not any("points were taken" in note for note in said["notes"])


def test_a_workbook_has_decimal_points_whatever_the_training_had(as_json, trained, tmp_path):
    pytest.importorskip("fastexcel", reason="Excel needs fastexcel: the extra table")
    _, model, _ = trained("data.csv", text(";", decimal=",").encode(), "--decimal", ",")
    book = write_workbook(tmp_path / "new.xlsx", {"new": [("größe", "ort", "n"), (1.234, "x", 1)]})
    found = as_json("predict", model, book)
    assert "points were taken for decimal marks ('1.234' in 'größe')" in found["notes"][0]
    assert found["probabilities"] == as_json("predict", model, book, "--decimal", ".")["probabilities"]


def test_what_a_gap_is_goes_with_the_model(as_json, trained, tmp_path):
    rows = text().replace(",x,", ",-999,").encode()
    _, model, notes = trained("data.csv", rows, "--missing-values=-999,?", "--missing", "impute")
    assert not any("could be categories" in note for note in notes)
    one = tmp_path / "one.csv"
    one.write_text("größe,ort,n\n1.5,-999,1\n1.5,,1\n-999.0,y,-999\n,y,\n")
    found = as_json("predict", model, one)["probabilities"]
    assert found[0] == found[1]
    assert found[2] == found[3]


@pytest.mark.parametrize("name", ["new.csv", "new.jsonl", "large.csv", "large.jsonl"])
def test_a_category_of_a_table_with_types_is_one_in_a_file_of_text_too(as_json, monkeypatch, tmp_path, name):
    rows = pl.DataFrame(
        {
            "g": [("NA", "EU", "AS", None)[i % 4] for i in range(120)],
            "r": [("?", "a", "b", "c", "d")[i % 5] if i % 7 else ("NULL", "null")[i % 2] for i in range(120)],
            "n": [None if i % 9 == 0 else i / 7 for i in range(120)],
            "y": [("None", "some", "?")[i % 3] for i in range(120)],
        }
    )
    typed, model, new = tmp_path / "na.parquet", tmp_path / "model", tmp_path / name
    rows.write_parquet(typed)
    as_json("train", typed, "--target", "y", "--epochs", 2, "--preset", "fast", "--categories-max", 3, "-o", model)
    if new.suffix == ".csv":
        rows.write_csv(new)
        new.write_text(new.read_text() + "N/A,a,NA,NA\n")  # gaps, as none of these is a category
    else:
        rows.write_ndjson(new)
        new.write_text(new.read_text() + '{"g": "N/A", "r": "a", "n": null, "y": "NA"}\n')
    if name.startswith("large"):
        monkeypatch.setattr(parts, "LARGEST_WHOLE", 0)
        monkeypatch.setattr(parts, "BYTES_A_PART", 400)
    more = pl.concat([rows, pl.DataFrame({"g": [None], "r": ["a"], "n": [None], "y": [None]}, schema=rows.schema)])
    more.write_parquet(typed)
    expected, found = as_json("predict", model, typed), as_json("predict", model, new)
    assert (found["probabilities"], found.get("notes")) == (expected["probabilities"], expected.get("notes"))
    assert len({tuple(one) for one in found["probabilities"]}) > 100
    expected, found = as_json("evaluate", model, typed), as_json("evaluate", model, new)
    assert found["rows"] == expected["rows"] == 120
    assert found["loss"] == expected["loss"]


def test_what_may_be_a_category_is_said(as_json, command, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(
        "continent,x,y\n" + "".join(f"{('NA', 'EU', 'AS')[i % 3]},{i % 7},{'ab'[i % 4 == 0]}\n" for i in range(90))
    )
    data = as_json("train", path, "--target", "y", "--missing", "impute", "--epochs", 1)
    (note,) = [note for note in data["notes"] if "could be categories" in note]
    assert note.startswith("taken for gaps, though they could be categories: 'NA' (30 rows) in 'continent'; ")
    assert note.endswith("--missing-values says what a gap is, and --category that a column is one of categories")
    for options in (("--category", "continent"), ("--missing-values", "")):
        data = as_json("train", path, "--target", "y", *options, "--epochs", 1)
        assert data["features"] == 4
        assert not any("gaps" in note for note in data["notes"])


@pytest.mark.parametrize("options", [(), ("--no-header",)])
def test_a_file_without_a_header_is_trained_on_by_places(as_json, mistake, trained, tmp_path, options):
    path, model, notes = trained("data.csv", text(header=False).encode(), *options, target="1")
    assert notes == ([] if options else ["the first line is data, so the columns are called 1 to 4 by their places"])
    line = mistake("train", path, "--target", "art")
    assert "expected column names, got data" in line
    assert "or pass --no-header, or the target's place, as in --target 1: columns are then called 1 to 4" in line
    found = as_json("predict", model, path, "-o", tmp_path / "out.csv")
    given, written = path.read_text().splitlines(), (tmp_path / "out.csv").read_text().splitlines()
    assert len(written) == found["rows"] == 60
    assert all(line.startswith(f"{before},") for before, line in zip(given, written, strict=True))
    features = tmp_path / "features.csv"
    features.write_text("".join(line.partition(",")[2] + "\n" for line in given))
    without = as_json("predict", model, features)
    assert without["predictions"] == found["predictions"]
    note = "one column fewer than in training, and no header: taken for all but the target, column 1"
    assert (found["notes"], without["notes"]) == ([], [note])
    assert as_json("evaluate", model, path)["rows"] == 60


def test_a_place_is_a_name_only_where_there_is_no_header(mistake, tmp_path):
    (tmp_path / "data.csv").write_bytes(text().encode())
    line = mistake("train", tmp_path / "data.csv", "--target", "1")
    assert "'n'; if it is data, pass --no-header" in line


def test_how_a_file_is_read_goes_on_with_a_resumed_training(as_json, tmp_path):
    path, run = tmp_path / "data.csv", tmp_path / "run"
    path.write_bytes(text(header=False, decimal=",", separator="\t").encode("cp1252"))
    options = ("--target", 1, "--no-header", "--decimal", ",", "--encoding", "cp1252", "--missing-values", "?")
    options += ("--preset", "fast", "--schedule", "constant")
    as_json("train", path, *options, "--epochs", 3, "-o", tmp_path / "whole.safetensors")
    as_json("train", path, *options, "--epochs", 2, "--checkpoint", run)
    as_json("train", "--resume", run, "--epochs", 3, "-o", tmp_path / "resumed.safetensors")
    losses = [as_json("evaluate", tmp_path / f"{name}.safetensors", path)["loss"] for name in ("whole", "resumed")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", ["xlsx", "arrow", "jsonl", "parquet"])
def test_other_formats_are_predicted_and_written_as_csv_or_parquet(as_json, trained, tmp_path, kind):
    pytest.importorskip("fastexcel", reason="workbooks need fastexcel: the extra table")
    frame, path = pl.DataFrame(ROWS, schema=NAMES, orient="row"), tmp_path / f"rows.{kind}"
    if kind == "xlsx":
        write_workbook(path, {"rows": [NAMES, *ROWS], "more": [["x"]]})
    else:
        {"arrow": frame.write_ipc, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](path)
    _, model, notes = trained(f"data.{kind}", path.read_bytes())
    note = "read the sheet 'rows' of 'rows', 'more'; choose another by --sheet ..."
    assert notes == ([note] if kind == "xlsx" else [])
    found = as_json("predict", model, path, "-o", tmp_path / "out.csv")
    as_json("predict", model, path, "-o", tmp_path / "out.parquet")
    for table in (pl.read_csv(tmp_path / "out.csv"), pl.read_parquet(tmp_path / "out.parquet")):
        assert table.columns == [*NAMES, "prediction", "probability_biene", "probability_käfer"]
        assert table.get_column("prediction").to_list() == found["predictions"]
        assert table.select(NAMES).equals(frame)
    csv_file = tmp_path / "rows.csv"
    frame.write_csv(csv_file)
    assert as_json("predict", model, csv_file)["predictions"] == found["predictions"]


def test_a_sheet_is_chosen(as_json, mistake, tmp_path):
    pytest.importorskip("fastexcel", reason="workbooks need fastexcel: the extra table")
    path, model = tmp_path / "data.xlsx", tmp_path / "net.safetensors"
    write_workbook(path, {"read me": [["hello"]], "rows": [NAMES, *ROWS]})
    data = as_json("train", path, "--target", "art", "--sheet", "rows", "--epochs", 1, "-o", model)
    assert data["notes"] == []
    assert as_json("predict", model, path, "--sheet", "rows")["rows"] == 60
    assert "the table has no rows" in mistake("predict", model, path)
    assert "no sheet 'row' (did you mean 'rows'?)" in mistake("evaluate", model, path, "--sheet", "row")
    (tmp_path / "data.csv").write_bytes(text().encode())
    line = mistake("train", tmp_path / "data.csv", "--target", "art", "--sheet", "rows")
    assert "a sheet is one of an Excel workbook; leave it out" in line


def test_the_line_for_excel_comes_back_too(as_json, trained, tmp_path):
    path, model, _ = trained("data.csv", b"sep=;\r\n" + text(";").encode())
    as_json("predict", model, path, "-o", tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "sep=;"
    assert lines[1] == ";".join([*NAMES, "prediction", "probability_biene", "probability_käfer"])
    as_json("predict", model, path, "-o", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().splitlines()[0].split("\t")[:4] == NAMES


def test_an_index_of_pandas_is_read_and_given_back(as_json, trained, tmp_path):
    lines = text().splitlines(True)
    content = "".join([f",{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:]))])
    path, model, notes = trained("data.csv", content.encode())
    assert any("1 column without a name in the header (pandas writes its index so)" in note for note in notes)
    as_json("predict", model, path, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().startswith(b",art")


@pytest.mark.parametrize(
    "option", ["--missing-values=?", "--decimal=,", "--no-header", "--encoding=utf-8", "--sheet=x"]
)
def test_options_of_files_are_for_files(mistake, option):
    assert f"{option.partition('=')[0]} is for files" in mistake("train", "moons", option)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv.gz", gzip.compress(text().encode(), mtime=0)[:-9], "it ends too early"),
        ("a.csv", b"PK\3\4" + bytes(30), "got a zip archive"),
        ("a.xlsx", b"PK\3\4" + bytes(30), "not an Excel workbook that can be read"),
        ("a.csv", text().replace("größe", "art").encode(), "columns 1 and 2 are both named 'art'"),
        ("a.csv", b"a,b\n(cm),(kg)\n1,2\n3,4\n", "looks like a second one, of names or units"),
        ("a.csv", b"art,b\n1,2\n1,2,3\n", "line 3: expected 2 values, as in the header, got 3"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(mistake, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    assert words in mistake("train", tmp_path / name, "--target", "art")
