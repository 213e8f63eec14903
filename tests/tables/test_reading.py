"""Files become tables, and what is wrong with a file is said in one line."""

import contextlib
import csv
import datetime
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import csv_reading, read_table, trying  # noqa: E402
from bpx.tables.inferring import MISSING_MARKERS  # noqa: E402


@pytest.fixture
def written(tmp_path):
    """Write a file and give its path."""

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def refused(written):
    """Write a file, read it, and give the one-line message that refuses it, without the folder."""

    def read(content, name="data.csv"):
        path = written(content, name)
        with pytest.raises(InputError) as caught:
            read_table(path)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(str(path))
        return message.removeprefix(str(path.parent) + "/")

    return read


def test_each_column_gets_the_narrowest_type(written):
    frame = read_table(written("i,f,b,t,e\n1,1.5,true,x,\n-2,2,False,2,\n"))
    assert dict(frame.schema) == {"i": pl.Int64, "f": pl.Float64, "b": pl.Boolean, "t": pl.String, "e": pl.String}
    assert frame.rows() == [(1, 1.5, True, "x", None), (-2, 2.0, False, "2", None)]


def test_missing_markers_are_null_and_do_not_decide_the_type(written):
    frame = read_table(written('i,t\n1,a\nNA,?\n" nan",n/a\n,"b"\nnull,NULL\nN/A,""\n-,None\n.,--\n'))
    assert frame.get_column("i").to_list() == [1, None, None, None, None, None, None, None]
    assert frame.get_column("t").to_list() == ["a", None, None, "b", None, None, None, None]


def test_spaces_around_names_and_values_do_not_count(written):
    frame = read_table(written("a , kind\n 1, x\n2 , y \n"))
    assert frame.columns == ["a", "kind"]
    assert frame.rows() == [(1, "x"), (2, "y")]


def test_columns_asked_for_as_text_stay_text(written):
    path = written("zip,n\n01234,01\n99999,02\n")
    assert read_table(path, text=["zip", "absent"]).rows() == [("01234", "01"), ("99999", "02")]
    path = written("zip,n\n12345,1\n99999,2\n")
    assert read_table(path, text=["zip", "absent"]).rows() == [("12345", 1), ("99999", 2)]
    assert read_table(path).rows() == [(12345, 1), (99999, 2)]


def test_texts_that_are_known_as_values_are_no_gaps(written):
    content = "a,b,c,n\nNA,NA,1,NA\n?, null ,NA,2\n,x,,3\n"
    known = {"a": ["NA"], "b": ["null"], "c": ["NA"], "absent": ["NA"]}
    expected = [("NA", None, "1", None), (None, "null", "NA", 2), (None, "x", None, 3)]
    assert read_table(written(content), known_texts=known).rows() == expected
    assert read_table(written(content.replace("x,", '"x",')), known_texts=known).rows() == expected
    frame = pl.DataFrame({"a": ["NA", "?", None], "b": ["NA", "?", "x"]})
    taken = read_table(frame, missing_values=["NA", "?"], known_texts=known)
    assert taken.rows() == [("NA", None), (None, None), (None, "x")]


def test_text_and_categories_that_are_declared_stay_as_they_stand(written):
    path = written("a,b,c,d\nNA,01, null ,1\n?,02,x,01\n,03,,2\n")
    types = {"a": "category", "b": "text", "c": "text", "d": "number", "absent": "text"}
    expected = [("NA", "01", "null", "1"), ("?", "02", "x", "01"), (None, "03", None, "2")]
    assert read_table(path, types=types).rows() == expected


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\r\n1,x\r\n2,y\r\n", "data.csv"),
        ("a,b\r1,x\r2,y", "data.csv"),
        ("\ufeffa,b\n1,x\n2,y", "data.csv"),
        ("\n\na,b\n\n1,x\n  \n2,y\n\n", "data.csv"),
        ("a;b\n1;x\n2;y\n", "data.csv"),
        ('a;"b"\n1;x\n2;y\n', "DATA.CSV"),
        ("a\tb\n1\tx\n2\ty\n", "data.csv"),
        ("a|b\n1|x\n2|y\n", "data.csv"),
        ("a\tb\n1\tx\n2\ty\n", "data.tsv"),
        ('"a","b"\n"1","x"\n"2","y"\n', "data[1].csv"),
    ],
)
def test_line_ends_separators_and_blank_lines_make_no_difference(written, content, name):
    frame = read_table(written(content, name))
    assert frame.columns == ["a", "b"]
    assert frame.rows() == [(1, "x"), (2, "y")]


def test_a_quoted_separator_does_not_choose_the_separator(written):
    assert read_table(written('"a,b";c\n1;2\n')).rows(named=True) == [{"a,b": 1, "c": 2}]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["01", "1"], ["01", "1"]),
        (["+01", "2"], ["+01", "2"]),
        (["00", "5", "NA"], ["00", "5", None]),
        (["0", "-0", "+7", "10"], [0, 0, 7, 10]),
        (["0.5", "-0.25", "00.5"], [0.5, -0.25, 0.5]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["9007199254740993", "9007199254740992"], [2**53 + 1, 2**53]),
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["9007199254740992", "0.5"], [2.0**53, 0.5]),
        (["18446744073709551615", "18446744073709551614"], ["18446744073709551615", "18446744073709551614"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["100000000000000000000", "1"], [1e20, 1.0]),
        (["1" * 5000, "1"], ["1" * 5000, "1"]),
        (["9" * 309, "1"], ["9" * 309, "1"]),
        (["1e400", "1"], [float("inf"), 1.0]),
        (["89314404000000000003", "1e3"], ["89314404000000000003", "1e3"]),
    ],
)
def test_no_type_makes_one_value_of_two(written, values, expected):
    content = "a,b\n" + "".join(f"{value},x\n" for value in values)
    assert read_table(written(content)).get_column("a").to_list() == expected


@pytest.mark.parametrize("rest", ["", '3,"a ""b"" c"\n', '3,a"b\n'])
def test_a_text_of_any_length_is_read(written, rest):
    limit = csv.field_size_limit()
    frame = read_table(written("a,b\n1," + "x" * 200_000 + "\n" + rest))
    assert len(frame.get_column("b")[0]) == 200_000
    assert csv.field_size_limit() == limit


def test_columns_that_pandas_numbered_are_a_header(written):
    assert read_table(written("0,1,2\n5.0,6.0,7.0\n")).columns == ["0", "1", "2"]


def test_more_rows_than_one_block_keep_their_order(written):
    n = 45_001
    frame = read_table(written("i,t\n" + "".join(f"{i},t{i}\n" for i in range(n))))
    assert frame.get_column("i").to_list() == list(range(n))
    assert frame.get_column("t")[n - 1] == f"t{n - 1}"


_cells = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=' ,;"\n'), max_size=8)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[_cells] * n), min_size=1, max_size=6)))
def test_text_comes_back_as_it_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("text") / "data.csv"
    names = [f"c{index}" for index in range(len(rows[0]))]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    markers = MISSING_MARKERS
    expected = [tuple(None if cell.strip() in markers else cell.strip() for cell in row) for row in rows]
    kept = [row for row, cells in zip(expected, rows, strict=True) if len(cells) > 1 or not cells[0].isspace()]
    assume(kept)
    assert read_table(path, text=names).rows() == kept


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_come_back_to_the_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("floats") / "data.csv"
    path.write_text("a,b\n" + "".join(f"{number!r},x\n" for number in [0.5, *numbers]))
    read = read_table(path).get_column("a").to_numpy()
    assert read.tobytes() == np.array([0.5, *numbers]).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3: expected 2 values, as in the header, got 1"),
        ("a,b\n1\n2\n3,4\n", "line 2: expected 2 values, as in the header, got 1"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: expected 2 values, as in the header, got 3"),
        ('a,b\n1,"x\ny\nz"\n3,4,5\n', "line 5: expected 2 values, as in the header, got 3"),
        ("a\n1\n2,3\n", "line 3: expected 1 value, as in the header, got 2"),
        ("5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n", "line 1: expected column names, got data"),
        ("1,2.5\n3,4\n", "line 1: expected column names, got data ('1', '2.5')"),
        ("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both named 'a'"),
        ("a, a\n1,2\n", "line 1: columns 1 and 2 are both named 'a'"),
        ("\n \n\n", "line 1: expected a header, a line of column names, got an empty file"),
        ("a\0,b\n0,2\n", "line 1: not a text file"),
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: not CSV: a quotation mark is not closed"),
        ('a,b\n1,2\n3,"4"5\n', "line 3: not CSV: "),
        ("é,ü\n1,ä\n2,".encode() + b"\xff\n", "line 3: not UTF-8 text"),
        (b"a,b\n\x00\x01\x02\x03\x04", "line 1: not a text file"),
    ],
)
def test_a_bad_csv_names_the_line_and_the_fault(refused, content, message):
    assert refused(content).startswith(f"data.csv, {message}")


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\n\n\n"])
def test_a_header_without_rows_is_refused(refused, content):
    assert refused(content) == "data.csv: the table has no rows"


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.parquet", "data.npz"])
def test_an_empty_file_is_refused(refused, name):
    assert refused(b"", name) == f"{name}: the file is empty"


@pytest.mark.parametrize("name", ["data.txt", "data", "data.csv.gz", "data.dat"])
def test_a_text_is_read_whatever_it_is_called(written, name):
    assert read_table(written("a,b\n1,2\n", name)).rows() == [(1, 2)]


def test_a_missing_file_names_the_nearest(written):
    path = written("a,b\n1,2\n", "iris.csv")
    with pytest.raises(InputError, match=r"iri\.csv: no such file \(did you mean 'iris\.csv'\?\)$"):
        read_table(path.parent / "iri.csv")
    with pytest.raises(InputError, match=r"no such file$"):
        read_table(path.parent / "nowhere" / "iris.csv")


def test_a_folder_is_refused(tmp_path):
    folder = tmp_path / "data.csv"
    folder.mkdir()
    with pytest.raises(InputError, match="expected a file, got a folder"):
        read_table(folder)


@pytest.mark.parametrize("name", ["data.csv", "data.npz"])
def test_a_file_that_cannot_be_opened_is_refused(written, monkeypatch, name):
    path = written("a,b\n1,2\n", name)

    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", deny)
    with pytest.raises(InputError, match=f"{name}: cannot be read: Permission denied"):
        read_table(path)


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"i": [1, None], "f": [0.1, float("nan")], "d": [datetime.date(2020, 1, 2)] * 2})
    path = tmp_path / "a=1[x].parquet"
    frame.write_parquet(path)
    assert read_table(path).equals(frame)
    assert read_table(str(path)).schema == frame.schema


@pytest.mark.parametrize("content", [b"PAR1 this is none", b"a,b\n1,2\n"])
def test_a_bad_parquet_file_is_refused(refused, content):
    assert refused(content, "data.parquet").startswith("data.parquet: not a Parquet file that can be read")


def test_a_parquet_file_that_ends_the_process_of_who_reads_it_is_refused(tmp_path, refused):
    # 30 values, as the header of the data page says in its zigzag numbers (60), become -30 (59).
    path = tmp_path / "whole.parquet"
    pl.DataFrame({"a": [float(i) for i in range(30)]}).write_parquet(path, compression="uncompressed", statistics=False)
    content = path.read_bytes()
    assert content.count(b"\x2c\x15\x3c") == 1
    assert "not a Parquet file" in refused(content.replace(b"\x2c\x15\x3c", b"\x2c\x15\x3b"), "data.parquet")


def test_a_parquet_file_is_tried_in_another_process_first(tmp_path, monkeypatch):
    path = tmp_path / "data.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    monkeypatch.setattr(trying, "_TRIAL", "import os; os.write(2, b'\x1b[31mno memory'); os.abort()")
    with pytest.raises(InputError, match=r"a process that tried it was ended: '?\\x1b\[31mno memory"):
        read_table(path)
    monkeypatch.setattr(trying, "_TRIAL", "this is not Python")  # a trial that could not begin refuses nothing
    assert read_table(path).shape == (1, 1)
    monkeypatch.setattr(trying.sys, "executable", "")
    monkeypatch.setattr(trying, "_TRIAL", "import os; os.abort()")
    assert read_table(path).shape == (1, 1)


def test_a_truncated_parquet_file_is_refused(tmp_path, refused):
    pl.DataFrame({"a": range(1000)}).write_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    assert "not a Parquet file" in refused(content[: len(content) // 2], "data.parquet")


@pytest.mark.parametrize(("frame", "what"), [({"a": []}, "rows"), ({}, "columns")])
def test_a_parquet_file_without_rows_or_columns_is_refused(tmp_path, frame, what):
    pl.DataFrame(frame).write_parquet(tmp_path / "data.parquet")
    with pytest.raises(InputError, match=f"the table has no {what}$"):
        read_table(tmp_path / "data.parquet")


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("X", "Y")])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_npz_with_x_and_y_becomes_numbered_columns(tmp_path, names, shape):
    x = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "data.npz", **{names[0]: x, names[1]: np.array([0, 1, 0]).reshape(shape)})
    frame = read_table(tmp_path / "data.npz")
    assert frame.columns == ["x0", "x1", "y"]
    np.testing.assert_array_equal(frame.select("x0", "x1").to_numpy(), x)
    assert frame.get_column("y").to_list() == [0, 1, 0]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1.5, 2.5], dtype=">f8"), [1.5, 2.5]),
        (np.array([1, 2], dtype=">i4"), [1, 2]),
        (np.array([1.5, 2.5], dtype=np.float16), [1.5, 2.5]),
        (np.array([1.5, 2.5], dtype=np.longdouble), [1.5, 2.5]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "bc"]), ["a", "bc"]),
        (np.array([b"a", "é".encode()]), ["a", "é"]),
        (np.array(["2020-01-02T03", "2021-01-02T03"], dtype="datetime64[h]")[:1], [datetime.datetime(2020, 1, 2, 3)]),
    ],
)
def test_npz_columns_of_every_useful_dtype(tmp_path, array, expected):
    np.savez(tmp_path / "data.npz", named=array, other=array)
    assert read_table(tmp_path / "data.npz").to_dict(as_series=False) == {"named": expected, "other": expected}


def test_npz_with_x_alone_serves_prediction(tmp_path):
    np.savez_compressed(tmp_path / "data.npz", x=np.arange(3.0))
    assert read_table(tmp_path / "data.npz").to_dict(as_series=False) == {"x0": [0.0, 1.0, 2.0]}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 2, 2)), "y": np.zeros(3)}, "expected x of shape (rows, features), got (3, 2, 2)"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 2))}, "expected y of shape (rows,) or (rows, 1), got (3, 2)"),
        ({"x": np.zeros((3, 2)), "X": np.zeros((3, 2))}, "expected one array x and one array y, got 'x', 'X'"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, "expected columns of one length, got 3 rows in 'x0' and 4 in 'y'"),
        (
            {"a": np.zeros((3, 2)), "b": np.zeros(3)},
            "expected arrays x and y, or arrays of shape (rows,), one a column",
        ),
        ({"a": np.zeros(3), "b": np.zeros(3, complex)}, "array 'b' has dtype complex128; expected numbers"),
        ({"a": np.zeros(3), "b": np.array([b"\xff"] * 3)}, "array 'b' holds bytes that are not UTF-8 text"),
        ({"a": np.array([None, {}])}, "an array holds Python objects, which are never unpickled"),
        ({"a": np.float64(3.0)}, "expected arrays x and y, or arrays of shape (rows,), one a column"),
        ({}, "expected a NumPy archive of arrays"),
        ({"x": np.zeros((0, 2))}, "the table has no rows"),
    ],
)
def test_a_bad_npz_says_what_is_wrong(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "data.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'data.npz'}: {message}")


def test_other_bytes_named_npz_are_refused(tmp_path, refused):
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "expected a NumPy archive of arrays" in refused((tmp_path / "one.npy").read_bytes(), "data.npz")
    np.savez(tmp_path / "whole.npz", x=np.zeros((100, 3)))
    whole = (tmp_path / "whole.npz").read_bytes()
    assert "not a NumPy archive that can be read" in refused(whole[: len(whole) // 2], "data.npz")
    assert "not a NumPy archive that can be read" in refused("a,b\n1,2\n", "data.npz")
    np.savez_compressed(tmp_path / "packed.npz", x=np.random.default_rng(0).normal(size=(100, 3)))
    for content in (whole, (tmp_path / "packed.npz").read_bytes()):
        for place in (100, 120, 200, len(content) // 2):
            broken = bytearray(content)
            broken[place : place + 8] = bytes(byte ^ 0xFF for byte in broken[place : place + 8])
            assert "not a NumPy archive that can be read" in refused(bytes(broken), "data.npz")


# -- files that are made to harm, or came to harm --------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    """Write an archive of entries as they are, and give its path."""

    def write(entries, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "data.npz"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, content in entries.items():
                file.writestr(name, content)
        return path

    return write


def npy(shape, descr="<f8", content=b""):
    """Give the bytes of an array, with whatever its header says."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def test_an_archive_that_would_unpack_to_much_more_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "data.npz", x=np.zeros((2**22, 10)))
    assert (tmp_path / "data.npz").stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(InputError, match="would unpack to 335,544,.*save the arrays with numpy.savez, which does not"):
        read_table(tmp_path / "data.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    np.savez(tmp_path / "data.npz", x=np.zeros((2**16, 2)))
    monkeypatch.setattr("bpx.tables.archives.MAX_UNPACKED", 0)
    assert read_table(tmp_path / "data.npz").height == 2**16  # not compressed, it is as large as it says


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"x.npy": npy((10**12,))}, "array 'x' is not of the size that it says"),
        ({"x.npy": npy((10**30,))}, "array 'x' is not of the size that it says"),
        ({"x.npy": npy((-1, -1), content=bytes(8))}, "array 'x' is not of the size that it says"),
        ({"x.npy": npy((1,), content=bytes(16))}, "array 'x' is not of the size that it says"),
        ({"x.npy": npy((10**9,), "|V0")}, "array 'x' has dtype |V0, which holds nothing"),
        ({"x.npy": npy((1, 100_001), "|b1", bytes(100_001))}, "array 'x' of shape (1, 100001) is more than a table of"),
        ({"x.npy": npy((1,), "|O", b"cos\nsystem\n(S'true'\ntR.")}, "an array holds Python objects, which are never"),
        ({"x.npy": npy("(" * 9000)}, "not a NumPy archive that can be read"),
        ({"x.npy": npy((1,), [("a", "<f8")], bytes(8))}, "array 'x0' has dtype [('a', '<f8')]; expected numbers"),
        ({"x.npy": npy((1,), "<m8[Y]", bytes(8))}, None),
        ({"x.npy": b"\x93NUMPY\x09\x00"}, "not a NumPy archive that can be read"),
        ({"x.npy": b""}, "not a NumPy archive that can be read"),
        ({"x.txt": b"1"}, "expected a NumPy archive of arrays"),
        ({}, "expected a NumPy archive of arrays"),
    ],
)
def test_an_archive_with_a_broken_array_is_refused(archive, entries, message):
    path = archive(entries)
    if message is None:
        assert read_table(path).shape == (1, 1)
        return
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_an_archive_of_more_arrays_than_columns_is_refused(archive, monkeypatch):
    path = archive({f"c{i}.npy": npy((1,), content=bytes(8)) for i in range(300)}, zipfile.ZIP_STORED)
    monkeypatch.setattr("bpx.tables.npz_reading.MAX_COLUMNS", 299)
    with pytest.raises(InputError, match="it holds 300 arrays, more than a table of 299 columns"):
        read_table(path)
    monkeypatch.setattr("bpx.tables.npz_reading.MAX_COLUMNS", 10)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", pytest.fail)  # which would make an object of each
    with pytest.raises(InputError, match="its list of arrays takes .* bytes, more than a table of 10 columns"):
        read_table(path)


@pytest.mark.parametrize(("place", "value"), [(8, 99), (6, 1)])
def test_an_unknown_compression_and_encryption_are_refused(archive, place, value):
    path = archive({"x.npy": npy((1,), content=bytes(8))})
    content = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        content[content.index(signature) + place + shift] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a NumPy archive that can be read"):
        read_table(path)


def test_any_flipped_byte_of_an_archive_is_refused_or_read(tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", x=np.arange(6.0).reshape(3, 2), y=np.array(["a", "b", "a"]))
    whole, path = (tmp_path / "whole.npz").read_bytes(), tmp_path / "data.npz"
    generator = np.random.default_rng(0)
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= int(generator.integers(1, 256))
        path.write_bytes(broken)
        with contextlib.suppress(InputError):
            read_table(path)


def test_a_panic_of_polars_is_an_error_like_others(tmp_path, monkeypatch):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "data.parquet")

    def panic(*args, **kwargs):
        raise pl.exceptions.PanicException("range end index 9 out of range\nmore")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(InputError, match=r"not a Parquet file that can be read \(range end index 9 out of range\)$"):
        read_table(tmp_path / "data.parquet")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz"])
def test_pipes_and_devices_are_refused_at_once(tmp_path, suffix):
    pipe, device = tmp_path / f"pipe{suffix}", tmp_path / f"zero{suffix}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        with pytest.raises(InputError, match="expected a file, got a pipe or a device; write its content to a file"):
            read_table(path)


@pytest.mark.parametrize("name", ["a\0b.csv", "a" * 5000 + ".csv", "loop.csv", "file.csv/data.csv", ""])
def test_a_name_that_leads_nowhere_is_refused(tmp_path, name):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "file.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError):
        read_table(tmp_path / name if name else "")


def test_a_file_that_memory_does_not_hold_is_refused(written, monkeypatch):
    def fill(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("bpx.tables.reading.read_npz", fill)
    with pytest.raises(InputError, match="it takes more memory than there is"):
        read_table(written("x", "data.npz"))


# -- what polars parses, and what Python's csv module does ------------------------------------------------

_VALUES = (
    *(
        "1",
        "-0",
        "+5",
        "01",
        "+05",
        "00.5",
        "2.5",
        ".5",
        "1.",
        "1e5",
        "1e400",
        "inf",
        "NAN",
        "1_000",
        "0x1F",
        "1e",
        "--1",
    ),
    *(
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        "99999999999999999999",
        "9223372036854775808",
    ),
    *("NA", "", "?", "NaN", " 3", "4 ", "\t", "null", "x", "é", "true", "True", "fAlse", "2020-01-02", '5" pipe'),
    *('"q"', '"a,b"', '"a""b"', '"l\nm"', '""', '"01"', '" 7"', '"NA"', '"x\r\ny"', '"a"b', "a\rb"),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(), width=st.integers(1, 4), separator=st.sampled_from(",;\t"), line_end=st.sampled_from(["\n", "\r\n"])
)
def test_polars_and_the_csv_module_read_the_same(tmp_path, data, width, separator, line_end):
    columns = [data.draw(st.lists(st.sampled_from(_VALUES), min_size=1, max_size=3)) for _ in range(width)]
    rows = data.draw(st.lists(st.tuples(*map(st.sampled_from, columns)), min_size=1, max_size=6))
    names = [f"c{i}" for i in range(width)]
    end = data.draw(st.sampled_from(["", line_end, 2 * line_end]))
    path = tmp_path / "data.csv"
    path.write_bytes((line_end.join(separator.join(row) for row in [names, *rows]) + end).encode())
    asked = {"text": names[:1], "types": {"c1": "text"}} if data.draw(st.booleans()) else {}
    results = []
    for parse in (csv_reading.parse_regular, lambda *args, **options: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reading, "parse_regular", parse)
            patch.setattr("bpx.tables.csv_parsing._ROWS_TO_INFER_FROM", 2)
            patch.setattr("bpx.tables.csv_parsing._BYTES_A_BLOCK", 5)
            try:
                frame = read_table(path, **asked)
                results.append((frame.schema, frame.rows()))
            except InputError as error:
                results.append(str(error))
    assert repr(results[0]) == repr(results[1])  # repr, for NaN is not itself


@pytest.mark.parametrize(
    "content",
    [
        "i,f,t,b\n1,0.5,x,true\n-2,-1e-5,NA,false\n",
        "\ufeffi;f\r\n1;\r\n;2\r\n\r\n\r\n",
        '"i","t"\n"1","a ""b"", c"\n"2","d\ne"\n',
        "i,t\n01,x\n1,18446744073709551615\n",
    ],
)
def test_a_regular_file_is_left_to_polars(written, monkeypatch, content):
    monkeypatch.setattr(csv_reading, "take_block", pytest.fail)
    assert read_table(written(content)).height == 2
    monkeypatch.undo()
    monkeypatch.setattr(csv_reading, "parse_regular", lambda *args, **options: None)
    assert read_table(written(content)).height == 2


def test_a_value_below_the_rows_that_types_are_inferred_from_decides_the_type_too(written):
    rows = ["1,2,3"] * 10_001
    frame = read_table(written("a,b,c\n" + "\n".join([*rows, "x,0.5,03", "4,9007199254740993,4"]) + "\n"))
    assert frame.dtypes == [pl.String, pl.String, pl.String]
    frame = read_table(written("a,b,c\n" + "\n".join([*rows, "5,0.5,", "4,1,NA"]) + "\n"))
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.Int64]
    assert frame.rows()[-2:] == [(5, 0.5, None), (4, 1.0, None)]


def test_a_large_file_of_no_text_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "data.csv"
    with path.open("wb") as file:
        file.truncate(2**26)
    tracemalloc.start()
    with pytest.raises(InputError, match="line 1: not a text file: the header holds NUL bytes"):
        read_table(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.skipif(not hasattr(pl, "Float16"), reason="this polars has no half precision")
def test_half_precision_of_an_archive_stays_what_it_is(tmp_path):
    np.savez(tmp_path / "data.npz", a=np.array([1.5, 2.5], dtype=np.float16), b=np.array([1.5, 2.5]))
    assert read_table(tmp_path / "data.npz").dtypes == [pl.Float16, pl.Float64]
