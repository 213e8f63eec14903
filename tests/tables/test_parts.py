"""Text and types that are found from the parts of a file are those of the whole."""

import numpy as np
import pytest

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import text_streaming, unpacking  # noqa: E402
from bpx.tables.column_types import ColumnTypes  # noqa: E402
from bpx.tables.inferring import DecimalSearch, Inference, find_decimal  # noqa: E402
from bpx.tables.text_reading import read_text  # noqa: E402
from bpx.tables.text_streaming import open_text  # noqa: E402

LINES = "größe,n\n" + "".join(f"käfer {i},{i}\n" for i in range(40))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (LINES.encode(), None),
        (LINES.encode("utf-8-sig"), None),
        (LINES.encode("utf-16"), None),
        (LINES.encode("utf-16-be"), None),
        (LINES.encode("cp1252"), None),
        (LINES.encode("cp1252") + b"\x81\n", None),
        (LINES.encode("cp1252"), "cp1252"),
        (LINES.encode("cp1252"), "utf-8"),
        (LINES.encode() * 3 + b"x\xfcy,1\n", None),
        (LINES.encode() + b"\xc3", None),
        (b"a,b\n" + LINES.encode("cp1252")[9:], "ascii"),
        (b"a,b\n1,2\n", None),
    ],
)
@pytest.mark.parametrize("block", [7, 2**18])
def test_a_text_in_blocks_is_that_of_the_whole(tmp_path, monkeypatch, content, encoding, block):
    path = tmp_path / "data.csv"
    path.write_bytes(content)

    def look(read):
        notes = []
        try:
            text = read(path, encoding, notes)
        except InputError as error:
            return str(error)
        whole = text.content if read is read_text else b"".join(text.read_blocks())
        return whole, text.encoding, text.mark, text.compression, notes

    expected = look(read_text)
    monkeypatch.setattr(unpacking, "_BLOCK", block)
    if block > 7:
        assert look(open_text) == expected
        return
    first = next(iter(unpacking.read_blocks(path)))
    assert len(first) <= 7
    monkeypatch.setattr(text_streaming, "look_at_start", lambda *_: _look_whole(path, content, encoding))
    assert look(open_text) == expected


def _look_whole(path, content, encoding):
    from bpx.tables.text_reading import look_at_start

    return look_at_start(path, content, encoding)


COLUMNS = {
    "integers": ["1", "-2", "", "3"],
    "floats late": ["1", "2", "", "2.5"],
    "zeros": ["01", "2", "3", "4"],
    "zeros late": ["1", "2", "3", "04"],
    "zeros and floats": ["01", "2", "3", "4.5"],
    "booleans": ["true", "FALSE", "", "True"],
    "booleans and numbers": ["true", "false", "1", "0"],
    "text late": ["1", "2", "3", "x"],
    "large and floats": ["9007199254740993", "1", "2", "2.5"],
    "large and exact": ["9007199254740992", "1", "2", "2.5"],
    "too long": ["12345678901234567890123", "1", "2", "3"],
    "empty": ["", "", "", ""],
    "markers": ["NA", "1", "?", "2"],
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_types_of_parts_are_those_of_the_whole(name, size):
    texts = pl.Series(name, COLUMNS[name], dtype=pl.String)
    whole = Inference().infer(texts)
    types, parts = ColumnTypes(), [texts[i : i + size] for i in range(0, len(texts), size)]
    for part in parts:
        types.look_at(pl.DataFrame([Inference().infer(part)]))
    again = Inference(text=types.list_texts())
    joined = pl.concat(types.apply(pl.DataFrame([again.infer(part)])) for part in parts)
    assert joined.to_series().dtype == whole.dtype
    assert joined.to_series().equals(whole)


def test_a_part_that_lacks_a_column_has_it_missing():
    types = ColumnTypes()
    for part in (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [["[1]"]], "a": [2]})):
        types.look_at(part)
    assert types.apply(pl.DataFrame({"a": [1]})).rows() == [(1, None)]
    assert types.apply(pl.DataFrame({"b": [3.5]})).rows() == [(None, ["3.5"])]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_decimal_mark_of_parts_is_that_of_the_whole(separator):
    generator = np.random.default_rng(0)
    kinds = ["1,5", "1.234", "1,234", "2", "1.5", "x", "1.234,5"]
    found = set()
    for _ in range(200):
        frame = pl.DataFrame({name: generator.choice(generator.choice(kinds, 2), 4) for name in "ab"})
        search = DecimalSearch()
        for i in range(4):
            search.look_at(frame[i : i + 1].get_columns())
        assert search.conclude(separator) == find_decimal(frame.get_columns(), separator)
        found.add(search.conclude(separator)[0])
    assert found == {".", ","}
