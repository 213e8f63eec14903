"""Text as programs write it: encodings, decimal commas, gaps, headers that lack names or are none."""

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpx.errors import FileFormatError, InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, read_table  # noqa: E402
from bpx.tables.headers import MissingHeaderError  # noqa: E402
from bpx.tables.inferring import MISSING_MARKERS  # noqa: E402
from bpx.tables.reading_options import ReadingOptions  # noqa: E402
from bpx.tables.spelling import match_spellings  # noqa: E402
from bpx.tables.stored import Fields  # noqa: E402


@pytest.fixture
def read(tmp_path):
    """Write a file, read it, and give the table and the notes."""

    def write_and_read(content, name="data.csv", **options):
        notes = []
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(tmp_path / name, notes=notes, **options), notes

    return write_and_read


@pytest.fixture
def refused(read):
    """Write a file, read it, and give the one-line message that refuses it, without the folder."""

    def refuse(content, **options):
        with pytest.raises(InputError) as caught:
            read(content, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refuse


# -- encodings ------------------------------------------------------------------------------------------------

TEXT = "stadt,größe\nKöln,1.5\nMünchen,2.5\n"
ROWS = [("Köln", 1.5), ("München", 2.5)]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_marks_and_zeros_say_needs_no_note(read, mark, encoding, line_end):
    frame, notes = read(mark + TEXT.replace("\n", line_end).encode(encoding))
    assert (frame.columns, frame.rows(), notes) == (["stadt", "größe"], ROWS, [])


@pytest.mark.parametrize(
    ("extra", "found"), [("", "cp1252"), ("€", "cp1252"), ("\x81", "latin-1")], ids=["letters", "euro", "control"]
)
def test_western_text_is_read_with_a_note(read, extra, found):
    frame, (note,) = read((TEXT + f"{extra}x,3\n").encode(found))
    assert frame.rows() == [*ROWS, (f"{extra}x", 3.0)]
    assert note.startswith(f"read as {found} text, because it is not UTF-8 (line 1: ")
    assert "encoding='...' (--encoding ...)" in note


def test_an_encoding_that_is_asked_for_is_taken(read, refused):
    frame, notes = read("имя,n\nЖиль,1\n".encode("cp1251"), encoding="cp1251")
    assert (frame.columns, frame.rows(), notes) == (["имя", "n"], [("Жиль", 1)], [])
    assert read(TEXT.encode("utf-16"), encoding="utf-16")[0].rows() == ROWS
    assert read(TEXT.encode("utf-16-le"), encoding="UTF-16")[0].rows() == ROWS
    assert read(TEXT.encode("utf-8-sig"), encoding="utf-8")[0].columns == ["stadt", "größe"]
    assert "line 1: not UTF-8 text; correct it" in refused(TEXT.encode("cp1252"), encoding="utf-8")
    assert "line 2: not ascii text" in refused("a,b\né,1\n", encoding="ascii")
    assert "begins with the mark of UTF-8 text, and cp1252 was asked for" in refused(
        TEXT.encode("utf-8-sig"), encoding="cp1252"
    )
    for name in ("base64", "rot13", "nothing", "a\0b", ""):
        assert "unknown encoding" in refused(TEXT, encoding=name)


@pytest.mark.parametrize("place", [2**18 - 1, 2**20 - 1, 2**20, 2**20 + 1])
def test_a_byte_of_damage_in_a_long_utf8_text_is_found_and_not_guessed_around(read, refused, place):
    lines = ("é" * 50 + ",x\n").encode() * 12_000
    content = bytearray(b"a,b\n" + lines)
    frame, notes = read(bytes(content))
    assert (frame.height, notes) == (12_000, [])
    content[place] = 0xFF
    line = 1 + bytes(content).count(b"\n", 0, place)
    assert f"line {line}: not UTF-8 text" in refused(bytes(content))


def test_the_line_of_damage_is_right_behind_a_character_that_two_blocks_share(refused):
    head = "a,b\né,".encode()
    content = head + b"x" * (2**20 - 3 - len(head)) + "😀".encode() + b"\xff\n" + "é,1\n".encode() * 9
    assert content[2**20 - 3 : 2**20 + 1].decode() == "😀"
    assert "line 2: not UTF-8 text" in refused(content)


def test_a_truncated_utf16_text_is_refused(refused):
    assert "line 3: not utf-16-le text" in refused(TEXT.encode("utf-16")[:-3])


# -- decimal commas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;b\n3,5;x\n-4;y\n", [3.5, -4.0]),
        ("a;b\n,5;x\n1,25e3;y\n", [0.5, 1250.0]),
        ("a;b\n1.234,5;x\n2;y\n", [1234.5, 2.0]),
        ("a;b\n1,234;x\n2,345;y\n", [1.234, 2.345]),  # between semicolons no comma stands between thousands
        ("a\tb\n3,5\tx\nNA\ty\n", [3.5, None]),
        ('a;b\n"3,5";"x"\n"4";"y"\n', [3.5, 4.0]),
        ("a;b\n3,5;1.234\n4;5.678\n", [3.5, 4.0]),  # and points between thousands
    ],
)
def test_decimal_commas_are_found_with_a_note(read, content, expected):
    frame, (note,) = read(content)
    assert frame.get_column("a").to_list() == expected
    assert note.startswith("commas were taken for decimal marks ('")
    assert "decimal='.' (--decimal .)" in note


@pytest.mark.parametrize(
    "content",
    [
        "a;b;c\n3,5;x;1.5\n4,5;y;2.5\n",  # there are points
        "a\tb\n1,234\tx\n2,345\ty\n",  # thousands?
        "a;b\n3,5;x\n4,5,6;y\n",
        "a;b\n3,5;x\nfive;y\n",
        'a,b\n"3,5",x\n"4,5",y\n',
        "a;b\n;x\n;y\n",
    ],
)
def test_what_may_be_something_else_stays_text(read, content):
    frame, notes = read(content)
    assert (frame.get_column("a").dtype, notes) == (pl.String, [])


def test_points_between_thousands_are_none_before_decimals(read):
    frame, _ = read("a;b\n3,5;1.234\n4;5.678\n")
    assert frame.get_column("b").to_list() == [1234, 5678]
    frame, notes = read("a;b\n1.234;x\n5.678;y\n")
    assert (frame.get_column("a").to_list(), notes) == ([1.234, 5.678], [])


def test_a_decimal_mark_that_is_told_is_taken(read, refused):
    frame, notes = read('a,b\n"1.234,5",1\n"3,5",2\n', decimal=",")
    assert (frame.rows(), notes) == ([(1234.5, 1), (3.5, 2)], [])
    frame, notes = read("a;b\n3,5;x\n4,5;y\n", decimal=".")
    assert (frame.get_column("a").to_list(), notes) == (["3,5", "4,5"], [])
    assert read("a;b;c\n3,5;01;1.5\n4,5;2;2.5\n", decimal=",")[0].dtypes == [pl.Float64, pl.String, pl.Float64]
    assert "unknown decimal mark ';'" in refused("a,b\n1,2\n", decimal=";")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_with_commas_come_back_to_the_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("commas") / "data.csv"
    path.write_text("a;b\n" + "".join(f"{number!r};x\n" for number in [0.5, *numbers]).replace(".", ","))
    assert read_table(path).get_column("a").to_list() == [0.5, *numbers]


# -- gaps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", MISSING_MARKERS)
@pytest.mark.parametrize("rest", ["", '3,"a ""b"" c"\n', '3,a"b\n'])  # what polars parses, and what it does not
def test_each_marker_is_a_gap_in_numbers_and_in_text(read, marker, rest):
    frame, notes = read(f"n,t\n1,x\n{marker}, {marker} \n2.5,y\n{rest}")
    assert frame.get_column("n").to_list()[:3] == [1.0, None, 2.5]
    assert frame.get_column("t").to_list()[:3] == ["x", None, "y"]
    said = [f"taken for gaps, though they could be categories: '{marker}' (1 row) in 't'; missing_values=(...) says"]
    assert [note[: len(said[0])] for note in notes] == (said if marker else [])


def test_all_gaps_in_columns_of_text_are_in_one_note(read):
    _, (note,) = read("a,b,c,d\nNA,None,1,x\nNA,u,?,y\n?,v,2,\nw,NA,,z\n")
    assert "'NA' (2 rows), '?' (1 row) in 'a'; 'None' (1 row), 'NA' (1 row) in 'b';" in note.replace(
        "'NA' (1 row), 'None' (1 row)", "'None' (1 row), 'NA' (1 row)"
    )
    assert "'c'" not in note
    assert "'d'" not in note
    assert read("a\nNA\nx\n", types={"a": "category"})[1] == []
    assert read("a\nNA\nx\n", missing_values=["NA"])[1] == []


def test_the_list_of_gaps_can_be_changed(read, refused):
    content = "n,i,t,k\n1.5,-999,NA,-999\n-999.00,7,?,NA\n2,8,,-999\n"
    frame, notes = read(content, missing_values=["-999", "?"], types={"k": "text"})
    assert frame.rows() == [(1.5, None, "NA", "-999"), (None, 7, None, "NA"), (2.0, 8, None, "-999")]
    assert notes == []
    assert read(content, missing_values=[-999.0, "?"])[0].rows()[1][:3] == (None, 7, None)
    assert read("n,t\n1,NA\n2,\n", missing_values=())[0].get_column("t").to_list() == ["NA", None]
    for wrong in ("NA", b"NA", 5, {"NA": 1}, [True], [None]):
        assert "expected missing_values to" in refused(content, missing_values=wrong)


def test_reading_options_go_through_json():
    fitted = Preprocessor.fit(pl.DataFrame({"n": [1, 2], "y": ["a", "b"]}), "y")
    assert "reading" not in fitted.to_dict()
    for options in (ReadingOptions(), ReadingOptions(("-999", ""), ",", False), ReadingOptions(())):
        given = Preprocessor(fitted.columns, fitted.target, reading=options)
        assert Preprocessor.from_dict(json.loads(json.dumps(given.to_dict()))) == given
    for wrong in ({"decimal": ";"}, {"missing_values": [1]}, {"header": "no"}, {"other": 1}, []):
        with pytest.raises(FileFormatError):
            ReadingOptions.from_dict(Fields(wrong, "reading"))


# -- headers --------------------------------------------------------------------------------------------------


def test_columns_without_a_name_get_one(read):
    frame, notes = read(",a,,unnamed 3\n0,1,2,3\n1,1,2,3\n")
    assert frame.columns == ["unnamed 1", "a", "unnamed 3_", "unnamed 3"]
    assert notes == ["2 columns without a name in the header, read as 'unnamed 1', 'unnamed 3_'"]
    frame, notes = read(",a\n0,1\n1,3\n")
    assert frame.rows() == [(0, 1), (1, 3)]
    assert notes == ["1 column without a name in the header (pandas writes its index so), read as 'unnamed 1'"]


@pytest.mark.parametrize(
    "content",
    [
        "5.1,3.5,setosa\n4.9,3.0,setosa\n",
        "Adelie,39.1,male\nGentoo,46.1,female\nChinstrap,50,male\n",  # one word that comes again is enough
        "1,2.5\n3,4\n",
        "5,5,1\n1,2,3\n",
        "x,s,n\nx,y,n\nb,s,w\n",  # no number: each word comes again
        '"1",,"Owen, Mr. H",S\n"0",2,"Bell, Mrs.",S\n',
    ],
)
def test_data_in_place_of_a_header_is_refused_and_read_without_one(read, content):
    with pytest.raises(MissingHeaderError, match=r"line 1: expected column names, got data .* header=False"):
        read(content)
    frame, notes = read(content, header=False)
    assert frame.columns == [str(i + 1) for i in range(frame.width)]
    assert frame.height == content.count("\n")
    assert notes == []


@pytest.mark.parametrize(
    "content",
    [
        "country,2007,2008\nNorway,1,2\nChad,3,4\n",
        "a,b\nb,a\nx,y\n",
        "y,z\ny,z\n1,2\n",  # a header that stands twice, where two files were put together
        "0,1,2\n5,6,7\n",
        "x\nx\ny\n",
    ],
)
def test_a_header_is_one(read, content):
    assert read(content)[0].columns == content.partition("\n")[0].split(",")


@pytest.mark.parametrize("rest", ["", '3,"a ""b"" c"\n', '3,a"b\n'])
def test_a_file_without_a_header_keeps_its_first_row(read, refused, rest):
    frame, _ = read("01,x\n2,y\n" + rest, header=False)
    assert frame.rows()[:2] == [("01", "x"), ("2", "y")]
    assert "line 2: expected 2 values, as in the first line, got 3" in refused("1,2\n1,2,3\n", header=False)
    assert "the table has no" in refused("\n\n", header=False)


def test_a_second_header_is_refused(read, refused):
    message = refused("size,mass,kind\n(cm),(kg),\n1,2,x\n3,4.5,y\n")
    assert "the first row below the header looks like a second one, of names or units ('(cm)', '(kg)' above" in message
    for content in (
        "a,b\nx,1\n2,2\n3,3\n",
        "a,b\nunknown,Bo\n5,Ann\n6,Eve\n",
        "a,b\n(cm),(kg)\n1,2\n",
        "a,b\n,x\n1,2\n3,4\n",
    ):
        assert read(content)[0].height > 1


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", "sep=; \n"])
def test_the_line_by_which_excel_is_told_the_separator_is_none_of_rows(read, refused, line):
    assert read(line + "a;b,c\n1;2\n")[0].to_dict(as_series=False) == {"a": [1], "b,c": [2]}
    assert "line 4: expected 2 values" in refused(line + "a;b\n1;2\n3\n")
    assert read(line.replace(";", "\t") + "a\tb,c\n1\t2\n")[0].columns == ["a", "b,c"]
    assert read(line + "a;b\n" + '1;"x ""y"""\n2;a"b\n')[0].height == 2


def test_a_separator_is_what_two_lines_agree_on(read):
    assert read("size (w,h);kind;n\n1;x;3\n")[0].columns == ["size (w,h)", "kind", "n"]
    assert read("a,b\n1;2,3\n")[0].columns == ["a", "b"]


def test_numbers_among_texts_are_known_by_their_value_in_every_script():
    known = match_spellings(pl.Series("c", ["\uff11", "\u0662", "1.0", "\uff13"]), ["1", "2"])
    assert known.to_list() == ["1", "2", "1", None]


def test_points_of_numbers_that_begin_with_zero_are_none_between_thousands(read):
    frame, _ = read("a;b\n0.085;x\n1.250;y\n", decimal=",")
    assert frame.get_column("a").to_list() == [0.085, 1.25]
