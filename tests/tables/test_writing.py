"""Predictions are written beside the columns that they belong to."""

import csv
import datetime
import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*out\.csv: No space left on device"):
        write_predictions(path, FRAME, [0.0, 1.0], NUMBERS)
    assert path.read_text() == "older"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def append(tmp_path, content, name="in.csv", out="out.csv"):
    """Predict a file and give what is written, as text."""
    source = tmp_path / name
    source.write_bytes(content.encode())
    frame = read_table(source)
    outputs = np.tile(np.float32([[0.25, 0.75]]), (frame.height, 1))
    write_predictions(tmp_path / out, frame, outputs, CLASSES, source=source)
    return (tmp_path / out).read_bytes().decode()


HEAD, BODY = "prediction,probability_no,probability_yes", "yes,0.25,0.75"
QUOTED_HEAD = '"prediction","probability_no","probability_yes"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "id,n,iccid,flag\n00123,1.50,89314404000000000001, NA\n7,2,+5,=1+1\n",
            f"id,n,iccid,flag,{HEAD}\n00123,1.50,89314404000000000001, NA,{BODY}\n7,2,+5,=1+1,{BODY}\n",
        ),
        ("n;t\r\n1;a,b\r\n2;c", f"n;t;{HEAD}\r\n1;a,b;{BODY}\r\n2;c;{BODY}"),
        ("\ufeffn|t\r1|x\r2|y\r", f"\ufeffn|t|{HEAD}\r1|x|{BODY}\r2|y|{BODY}\r"),
        (
            '"n","t"\n"1","x"\n"2","y ""z"""\n',
            f'"n","t",{QUOTED_HEAD}\n"1","x","yes","0.25","0.75"\n"2","y ""z""","yes","0.25","0.75"\n',
        ),
        ('"n","t"\n1,"x"\n2,"y"\n', f'"n","t",{QUOTED_HEAD}\n1,"x","yes",0.25,0.75\n2,"y","yes",0.25,0.75\n'),
        ('n,t\n\n1,"x\n\ny"\n  \n2,5" pipe\n\n', f'n,t,{HEAD}\n\n1,"x\n\ny",{BODY}\n  \n2,5" pipe,{BODY}\n\n'),
    ],
)
def test_a_csv_file_comes_back_to_the_byte_with_predictions_behind_each_row(tmp_path, text, expected):
    written = append(tmp_path, text)
    mark = next(mark for mark in ",;|" if mark in text.splitlines()[0])
    for part in (HEAD, BODY):
        expected = expected.replace(part, part.replace(",", mark))
    assert written == expected


def test_a_tsv_file_keeps_its_tabs_and_another_separator_keeps_the_values(tmp_path):
    given = 'n\tt\tid\n1\ta,b\t007\n2\t"c\td"\tNA\n'
    head, body = HEAD.replace(",", "\t"), BODY.replace(",", "\t")
    same = append(tmp_path, given, "in.tsv", "out.tsv")
    assert same == f'n\tt\tid\t{head}\n1\ta,b\t007\t{body}\n2\t"c\td"\tNA\t{body}\n'
    other = append(tmp_path, given, "in.tsv", "out.csv")
    assert other == f'n,t,id,{HEAD}\n1,"a,b",007,{BODY}\n2,c\td,NA,{BODY}\n'


def test_labels_are_quoted_where_they_have_to_be(tmp_path):
    (tmp_path / "in.csv").write_text("n\n1\n2\n")
    labels = ('a,"b"', "c\nd")
    model = Preprocessor.fit(pl.DataFrame({"n": [1, 2], "y": labels}), "y")
    write_predictions(tmp_path / "out.csv", FRAME.select("n"), [0.0, 1.0], model, source=tmp_path / "in.csv")
    written = read_table(tmp_path / "out.csv")
    assert written.get_column("prediction").to_list() == list(labels)
    assert written.columns[2:] == [f"probability_{label}" for label in labels]


_parts = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=' ,;"\n\r'), max_size=6
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(_parts, _parts), min_size=1, max_size=5),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(",;\t|"),
)
def test_any_text_comes_back_as_it_was(tmp_path_factory, cells, quoting, line_end, separator):
    # Some versions of csv.writer leave a line end that is not their own without quotation marks.
    assume(quoting != csv.QUOTE_MINIMAL or not any(mark in part for pair in cells for part in pair for mark in "\r\n"))
    path = tmp_path_factory.mktemp("append") / "in.csv"
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=line_end)
    writer.writerows([("n", "a", "b"), *((i, *pair) for i, pair in enumerate(cells))])
    path.write_bytes(stream.getvalue().encode())
    frame = read_table(path)
    write_predictions(path.with_name("out.csv"), frame, np.zeros(frame.height), NUMBERS, source=path)
    with path.with_name("out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=separator))
    assert [tuple(row[1:]) for row in rows[1:]] == [(*pair, "2.0") for pair in cells]
    written, given_text = path.with_name("out.csv").read_bytes().decode(), stream.getvalue()
    tail = f'{separator}"2.0"' if quoting == csv.QUOTE_ALL else f"{separator}2.0"
    assert (
        written.replace(tail + line_end, line_end)
        .replace(f'{separator}"prediction"', "")
        .replace(f"{separator}prediction", "")
        == given_text
    )


@pytest.mark.parametrize("rows", ["", "1\n", "1\n2\n3\n"])
def test_a_source_that_has_changed_meanwhile_is_refused(tmp_path, rows):
    (tmp_path / "in.csv").write_text("n\n" + rows)
    with pytest.raises(InputError, match="since it was read; predict it again"):
        write_predictions(tmp_path / "out.csv", FRAME, [0.0, 1.0], NUMBERS, source=tmp_path / "in.csv")
    (tmp_path / "in.csv").unlink()
    with pytest.raises(InputError, match=r"in\.csv: cannot be read: No such file"):
        write_predictions(tmp_path / "out.csv", FRAME, [0.0, 1.0], NUMBERS, source=tmp_path / "in.csv")
    assert list(tmp_path.iterdir()) == []
