"""Files of every usual format become the same table, and what is none says what it is."""

import datetime
import gzip
import io
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from workbooks import DATE, write_sheet, write_workbook

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")
zstandard = pytest.importorskip("zstandard", reason="zstd needs zstandard (extra table)")
pytest.importorskip("fastexcel", reason="workbooks need fastexcel (extra table)")

from bpx.tables import predictions_table, prepare, read_table, reading, write_predictions  # noqa: E402

FRAME = pl.DataFrame({"n": [1, None, 3], "f": [0.5, 1.25, -2.0], "t": ["a", "é", None], "b": [True, False, None]})
CSV = FRAME.write_csv().encode()


@pytest.fixture
def refused(tmp_path):
    """Write a file, unless it is there, read it, and give the one-line message without its path."""

    def read(name, content=None, **options):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_table(path, **options)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(str(path))
        return message.removeprefix(str(path))

    return read


def compress_gzip(data):
    """Return data compressed by gzip, without the time of day: the names of tests would change with it."""
    return gzip.compress(data, mtime=0)


def write(frame, kind):
    stream = io.BytesIO()
    if kind == "ipc":
        frame.write_ipc(stream)
    elif kind == "zstd":
        frame.write_ipc(stream, compression="zstd")
    elif kind == "ndjson":
        frame.write_ndjson(stream)
    else:
        frame.write_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", CSV),
        ("data.txt", CSV),
        ("data.csv.gz", compress_gzip(CSV)),
        ("data.csv", compress_gzip(CSV[:9]) + compress_gzip(CSV[9:]) + bytes(10)),  # members, and what fills a block
        ("data.csv.zst", zstandard.compress(CSV)),
        ("data", zstandard.compress(CSV[:9]) + zstandard.compress(CSV[9:])),
        ("data.tsv.gz", compress_gzip(CSV.replace(b",", b"\t"))),
        ("data.parquet", write(FRAME, "parquet")),
        ("data.csv", write(FRAME, "parquet")),
        ("data.arrow", write(FRAME, "ipc")),
        ("data.feather", write(FRAME, "zstd")),
        ("data.npz", write(FRAME, "ipc")),
        ("data.jsonl", write(FRAME, "ndjson")),
        ("data.ndjson.gz", compress_gzip(write(FRAME, "ndjson"))),
        ("data.json", write(FRAME, "ndjson")),
        ("data.csv", write(FRAME, "ndjson")),
    ],
)
def test_every_format_gives_the_same_table_whatever_the_file_is_called(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_table(tmp_path / name).equals(FRAME)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("data.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), "got an old Excel workbook (.xls) or a protected"),
        ("data.csv", b"%PDF-1.7\n", "got a PDF document"),
        ("data.csv", b"SQLite format 3\0", "got an SQLite database"),
        ("data.csv", b"\x89HDF\r\n\x1a\n", "got an HDF5 file"),
        ("data.csv", b"\x89PNG\r\n\x1a\n", "got a picture"),
        ("data.csv", b"\n<!DOCTYPE HTML>\n<html>", "got a page of the web"),
        ("data.csv", b"BZh91AY&SY", "got a bzip2 archive; unpack it first"),
        ("data.csv", b"\xfd7zXZ\0", "got an xz archive; unpack it first"),
        ("data.pkl", b"\x80\x04\x95", "got a pickle, which is never opened"),
        ("data.npy", b"\x93NUMPY\1\0", "got a NumPy array (.npy); save it by numpy.savez"),
        ("data.json", b'[{"a": 1}]', "expected JSON lines, one object in each line, got other JSON"),
        ("data.csv.gz", compress_gzip(write(FRAME, "parquet")), "a Parquet file compressed by gzip; unpack it first"),
        ("data.gz", compress_gzip(b"PK\3\4"), "a zip archive compressed by gzip; unpack it first"),
        ("data.parquet", CSV, "not a Parquet file that can be read (it does not begin as one; it holds text"),
        ("data.arrow", CSV, "not an Arrow file that can be read (it does not begin as one; it holds text"),
        ("data.xlsx", CSV, "not an Excel workbook that can be read (it does not begin as one; it holds text"),
        ("data.arrow", b"ARROW1\0\0" + bytes(50), "not an Arrow file that can be read"),
        ("data.arrow", write(FRAME, "ipc")[:300], "not an Arrow file that can be read"),
    ],
)
def test_what_is_no_table_says_what_it_is(refused, name, content, what):
    assert what in refused(name, content)


def test_archives_say_what_is_in_them(tmp_path, refused):
    for first, what in (("a.csv", "a zip archive that begins with 'a.csv'"), ("mimetype", "an OpenDocument file")):
        with zipfile.ZipFile(tmp_path / "data.xlsx", "w") as archive:
            archive.writestr(first, "a,b\n1,2\n")
        assert f"Parquet, Arrow or NPZ, got {what}" in refused("data.xlsx")
    np.savez(tmp_path / "data.csv.npz", a=np.arange(3))
    (tmp_path / "data.xlsx").write_bytes((tmp_path / "data.csv.npz").read_bytes())
    assert read_table(tmp_path / "data.xlsx").height == 3


# -- compressed files -----------------------------------------------------------------------------------------

LONG = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i % 1009) for i in range(5000))


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_a_compressed_file_that_ends_too_early_is_refused(refused, name, pack):
    packed = pack(LONG)
    for end in (len(packed) // 2, len(packed) - 1):
        message = refused("data.csv", packed[:end])
        assert f"not a {name} file that can be read: it ends too early" in message


def test_a_compressed_file_that_is_damaged_is_refused(refused):
    packed = bytearray(compress_gzip(LONG))
    packed[-6] ^= 1
    assert "not a gzip file that can be read: it is damaged (CRC check failed" in refused("data.csv", bytes(packed))
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(LONG))
    packed[-1] ^= 1
    assert "not a zstd file that can be read: it is damaged (" in refused("data.csv", bytes(packed))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_is_refused_before_it_is_unpacked_whole(tmp_path, refused, monkeypatch, pack):
    (tmp_path / "data.csv").write_bytes(pack(b"a,b\n" + b"1,2\n" * 2**24))
    monkeypatch.setattr("bpx.tables.unpacking.MAX_UNPACKED", 2**22)
    tracemalloc.start()
    assert "bytes unpack to more than 100 times as many" in refused("data.csv")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_what_unpacks_to_no_text_is_refused_at_its_beginning(refused):
    packed = zstandard.compress(bytes(2**27))
    tracemalloc.start()
    assert "not a text file: the header holds NUL bytes" in refused("data.csv", packed)
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


# -- workbooks ------------------------------------------------------------------------------------------------


def test_a_workbook_is_read_as_csv_would_be(tmp_path):
    rows = [
        ["n", "f", "t", "b", "when", "zip", None],
        [1, 0.5, "a", True, DATE, "01", None],
        [None] * 7,
        ["n/a", 1.25, "NA", False, DATE, "02", None],
        [3, -2, "#N/A", None, DATE, None, None],
    ]
    path, notes = write_workbook(tmp_path / "data.xlsx", {"first": rows, "second": [["x"], [1]]}), []
    expected = {
        "n": [1, None, 3],
        "f": [0.5, 1.25, -2.0],
        "t": ["a", None, None],
        "b": [True, False, None],
        "when": ["2020-01-02 00:00:00"] * 3,
        "zip": ["01", "02", None],
    }
    assert read_table(path, notes=notes).to_dict(as_series=False) == expected
    assert notes[0] == "read the sheet 'first' of 'first', 'second'; choose another by sheet='...' (--sheet ...)"
    assert read_table(path, types={"t": "category"}).get_column("t").to_list() == ["a", "NA", None]
    assert read_table(path, sheet="second").rows() == [(1,)]
    assert read_table(path, sheet="second", header=False).to_dict(as_series=False) == {"1": ["x", "1"]}


def test_a_bad_workbook_says_what_is_wrong(tmp_path, refused):
    write_workbook(tmp_path / "a.xlsx", {"empty": [], "full": [["x"], [1]]})
    assert refused("a.xlsx") == ": the sheet 'empty' is empty; choose another by sheet='...' (--sheet ...): 'full'"
    assert refused("a.xlsx", sheet="ful") == ": no sheet 'ful' (did you mean 'full'?); it has 'empty', 'full'"
    whole = (tmp_path / "a.xlsx").read_bytes()
    for end in (60, len(whole) // 2, len(whole) - 30):
        assert "not an Excel workbook that can be read" in refused("b.xlsx", whole[:end])
    write_workbook(tmp_path / "a.xlsx", {"s": [["x", "x"], [1, 2]]})
    assert refused("a.xlsx") == ", sheet 's': columns 1 and 2 are both named 'x'; give each a name of its own"
    write_workbook(tmp_path / "a.xlsx", {"s": [["x", "y"]]})
    assert refused("a.xlsx") == ": the table has no rows"
    write_workbook(tmp_path / "a.xlsx", {})
    assert refused("a.xlsx") == ": the workbook has no sheets"
    write_workbook(tmp_path / "a.xlsx", {"s": []}, {"xl/workbook.xml": "<nothing/>"})
    assert "not an Excel workbook that can be read (" in refused("a.xlsx")


def test_a_workbook_that_would_take_much_more_memory_is_refused(tmp_path, refused, monkeypatch):
    far = write_sheet([[1]]).replace(
        "</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    write_workbook(tmp_path / "a.xlsx", {"s": []}, {"xl/worksheets/sheet1.xml": far})
    if sys.platform == "linux":
        assert "it is damaged, or larger than the memory" in refused("a.xlsx")
    write_workbook(tmp_path / "a.xlsx", {"s": [[1]] * 5000})
    monkeypatch.setattr("bpx.tables.archives.MAX_UNPACKED", 0)
    monkeypatch.setattr("bpx.tables.archives.MAX_RATIO", 2)
    tracemalloc.start()
    assert "more than 2 times as many; where right, save it as CSV" in refused("a.xlsx")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the system limits no memory")
def test_a_process_that_tries_a_file_is_held_to_its_memory():
    code = "from bpx.tables.trying import limit_memory; limit_memory(2**25); bytearray({})"
    for size, code_of_exit in ((2**24, 0), (2**27, 1)):
        ended = subprocess.run([sys.executable, "-c", code.format(size)], check=False, capture_output=True, text=True)
        assert ended.returncode == code_of_exit
    assert "MemoryError" in ended.stderr


@pytest.mark.parametrize(
    ("library", "name", "what"),
    [("fastexcel", "a.xlsx", "Excel workbooks"), ("zstandard", "a.zst", "files compressed")],
)
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, library, name, what):
    write_workbook(tmp_path / "a.xlsx", {"s": [["x"], [1]]})
    (tmp_path / "a.zst").write_bytes(zstandard.compress(CSV))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf'{what}.* need {library}, .*pip install "bpx-backprop\[table\]"'):
        read_table(tmp_path / name)


# -- JSON lines -----------------------------------------------------------------------------------------------


def test_json_lines_may_lack_keys_and_mix_numbers_with_gaps(tmp_path):
    lines = ['{"a": 1, "b": "x", "z": "01"}', "", '{"c": true, "a": 2.5}', '{"a": "n/a", "b": 3, "d": null}']
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    expected = {"a": [1.0, 2.5, None], "b": ["x", None, "3"], "z": ["01", None, None], "c": [None, True, None]}
    frame = read_table(tmp_path / "data.jsonl")
    assert frame.to_dict(as_series=False) == expected | {"d": [None] * 3}
    (tmp_path / "data.jsonl").write_text('{"a": -999, "b": 18446744073709551615}\n{"a": 5, "b": 1}\n')
    frame = read_table(tmp_path / "data.jsonl", missing_values=["-999.0"], types={"x": "text"})
    assert frame.to_dict(as_series=False) == {"a": [None, 5], "b": ["18446744073709551615", "1"]}


def test_nested_values_of_json_lines_are_left_out_with_a_note(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"x": {i % 7}, "tags": {[1, i] if i > 5 else 3}, "y": {i % 2}}}\n' for i in range(40)))
    frame = read_table(path)
    assert frame.get_column("tags").to_list()[4:7] == [["3"], ["3"], ["[1, 6]"]]
    from bpx.tables import Preprocessor

    fitted = Preprocessor.fit(frame, "y")
    assert (fitted.column_names, fitted.left_out) == (("x",), ("tags",))
    assert "left out: 'tags' (holds List(String))" in fitted.notes[0]
    assert Preprocessor.fit(frame, "y", drop=["tags"], strict=True).left_out == ("tags",)
    with pytest.raises(InputError, match=r"target 'tags': expected text, booleans or numbers, got List\(String\)"):
        Preprocessor.fit(frame, "tags")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a":\n', ", line 2: not JSON (Expecting value); expected one whole object in each line"),
        ('{"a": 1}\n[2]\n', ", line 2: expected a JSON object"),
        ('{"a": ' + "[" * 100_000, ", line 1: not JSON"),
        ('{"a": ' + "1" * 5000 + "}", ", line 1: not JSON"),
        ('{"a": "\\ud800"}', ": an escaped character is half of one"),
        ("\n\n", ": the table has no columns"),
    ],
)
def test_bad_json_names_the_line(refused, content, message):
    assert refused("data.jsonl", content.encode()).startswith(message)


def test_json_lines_that_are_no_table_are_refused_early(refused, monkeypatch):
    monkeypatch.setattr("bpx.tables.json_lines_reading._LEAST_CELLS", 10)
    monkeypatch.setattr("bpx.tables.json_lines_reading.MAX_RATIO", 1)
    lines = "".join(f'{{"key{i}": 1}}\n' for i in range(1000)).encode()
    assert "different keys so far, most of them in few lines: no table" in refused("data.jsonl", lines)


# -- data frames of other libraries ---------------------------------------------------------------------------


def test_pandas_is_taken(monkeypatch):
    pd = pytest.importorskip("pandas", reason="the frame is pandas' own")
    frame = pd.DataFrame(
        {
            "f": [1.5, np.nan],
            "i": [1, 2],
            "s": ["a", None],
            "c": pd.Categorical(["x", None]),
            "b": [True, False],
            "I": pd.array([1, None], dtype="Int64"),
            "d": pd.to_datetime(["2020-01-02", None]),
            "o": np.array(["a", np.nan], dtype=object),
            3: [1, 2],
        },
        index=[7, 8],
    )
    taken = read_table(frame)
    assert [str(dtype) for dtype in taken.dtypes[:6]] == [
        "Float64", "Int64", "String", "Categorical", "Boolean", "Int64",
    ]  # fmt: skip
    when = datetime.datetime(2020, 1, 2)
    assert taken.rows() == [
        (1.5, 1, "a", "x", True, 1, when, "a", 1),
        (None, 2, None, None, False, None, None, None, 2),
    ]
    assert taken.columns[-1] == "3"
    monkeypatch.setattr(reading, "take_frame", lambda table: pl.DataFrame({"n": [-999, 1]}))
    assert read_table(frame, missing_values=[-999]).rows() == [(None,), (1,)]


def test_categories_of_other_libraries_are_text_of_any_kind():
    pd = pytest.importorskip("pandas", reason="the frame is pandas' own")
    pa = pytest.importorskip("pyarrow", reason="the table is pyarrow's own")
    frame = pd.DataFrame(
        {
            "i": pd.Categorical([7, None, 10, 7]),
            "o": pd.Categorical([7, None, 10, 7], ordered=True),
            "f": pd.Categorical([1.5, 2.0, None, 2.0]),
            "b": pd.Categorical([True, None, False, True]),
            "t": pd.Categorical(["01", "?", None, "01"]),
            "c": pd.cut([1.0, 9.0, 1.0, 5.0], [0, 5, 10]),
            "n": pd.Categorical([None] * 4),
        }
    )
    taken = read_table(frame)
    assert {str(dtype) for dtype in taken.dtypes} == {"Categorical"}
    assert taken.cast(pl.String).to_dict(as_series=False) == {
        "i": ["7", None, "10", "7"],
        "o": ["7", None, "10", "7"],
        "f": ["1.5", "2.0", None, "2.0"],
        "b": ["true", None, "false", "true"],
        "t": ["01", "?", None, "01"],
        "c": ["(0, 5]", "(5, 10]", "(0, 5]", "(0, 5]"],
        "n": [None] * 4,
    }
    assert read_table(frame, missing_values=["?"])["t"].to_list() == ["01", None, None, "01"]
    arrow = pa.table({"i": pa.array([7, None, 10, 7]).dictionary_encode()})
    assert read_table(arrow)["i"].cast(pl.String).to_list() == ["7", None, "10", "7"]
    preprocessor = prepare(pl.concat([taken[:, :2]] * 10), "o", validation=0).preprocessor
    assert (preprocessor.class_names, preprocessor.feature_names) == (("10", "7"), ("i=10", "i=7"))
    assert preprocessor.transform(pl.DataFrame({"i": [7.0, 10.0]})).tolist() == [[0, 1], [1, 0]]


def test_a_table_of_pandas_is_prepared_and_predicted_as_one_of_polars(tmp_path):
    pd = pytest.importorskip("pandas", reason="the frame is pandas' own")
    values = {"n": [1.5, 2.0, None, 4.0] * 5, "k": ["a", "b", "a", "c"] * 5, "y": ["u", "v", "u", "v"] * 5}
    results = []
    for make in (pd.DataFrame, pl.DataFrame):
        frame = make(values)
        prepared = prepare(frame, "y", missing="impute")
        x = prepared.preprocessor.transform(frame)
        outputs = np.full((20, 2), 0.5)
        write_predictions(tmp_path / "out.csv", frame, outputs, prepared.preprocessor)
        table = predictions_table(frame, outputs, prepared.preprocessor)
        content = (tmp_path / "out.csv").read_bytes()
        results.append((x.tolist(), prepared.preprocessor.encode_target(frame).tolist(), content, table.rows()))
    assert results[0] == results[1]


def test_polars_comes_back_as_it_is_and_what_is_lazy_is_collected():
    assert read_table(FRAME) is FRAME
    assert read_table(FRAME.lazy()).equals(FRAME)
    blanked = read_table(pl.DataFrame({"t": ["x", "?"], "k": ["?", "y"]}), missing_values=["?"], types={"k": "text"})
    assert blanked.rows() == [("x", "?"), (None, "y")]


def test_pyarrow_is_taken():
    pa = pytest.importorskip("pyarrow", reason="the table is pyarrow's own")
    table = pa.table({"a": [1, None], "s": ["x", "y"], "c": pa.array(["u", "v"]).dictionary_encode()})
    assert read_table(table).rows() == [(1, "x", "u"), (None, "y", "v")]


@pytest.mark.parametrize("table", [3, [1], {"a": [1]}, np.zeros((2, 2)), pl.Series([1]), None])
def test_what_is_no_frame_is_refused(table):
    with pytest.raises(InputError, match="expected a data frame, such as one of polars, pandas or pyarrow, got "):
        read_table(table)


def test_a_frame_without_a_table_in_it_is_refused():
    pd = pytest.importorskip("pandas", reason="the frames are pandas' own")
    for frame, message in (
        (pd.DataFrame({"a": [1, "x"]}), "column 'a': expected values of one type"),
        (pd.DataFrame(), "the table: the table has no columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "expected columns that are each named once"),
    ):
        with pytest.raises(InputError, match=message):
            read_table(frame)
