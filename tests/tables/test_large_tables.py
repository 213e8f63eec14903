"""What is done another way in large tables comes out as what is done plainly in small ones."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("polars")
import polars as pl

from bpx.tables import Preprocessor, csv_parsing, encoding, notation, prepare, split, values
from bpx.tables.dates import read_moments
from bpx.tables.notation import NumberNotation, find_notation
from bpx.tables.splitting import split_classes


@pytest.fixture
def small_parts(monkeypatch):
    """Take few values, rows, features and bytes for many, so that small tables are done as large ones are."""
    monkeypatch.setattr(values, "_VALUES_AT_A_TIME", 16)
    monkeypatch.setattr(values, "_SAMPLE", 16)
    monkeypatch.setattr(encoding, "_VALUES_A_BLOCK", 100)
    monkeypatch.setattr(encoding, "_FEATURES_A_BLOCK", 3)
    monkeypatch.setattr(csv_parsing, "_BYTES_A_BLOCK", 13)


def make_table(rows=300, seed=0):
    """Make a table with a column of each kind, gaps and numbers in disguise among them."""
    draw = np.random.default_rng(seed)
    days = draw.integers(0, 3000, rows).tolist()
    table = pl.DataFrame(
        {
            "number": draw.normal(size=rows),
            "gaps": pl.Series(draw.normal(size=rows)).set(pl.Series(draw.random(rows) < 0.2), None),
            "count": draw.integers(0, 50, rows),
            "flag": draw.random(rows) < 0.5,
            "kind": draw.choice(["a", "b", "c", None], rows).tolist(),
            "day": pl.Series(days, dtype=pl.Int32).cast(pl.Date).cast(pl.String),
            "price": [f"${price:,.2f}" for price in draw.lognormal(7, 2, rows).tolist()],
        }
    )
    return table.with_columns(y=(table["number"] + pl.Series(draw.normal(size=rows)) > 0).cast(pl.String))


@pytest.mark.usefixtures("small_parts")
def test_values_that_come_again_are_read_once():
    texts, seen = pl.Series(["1", "2", None, "x"] * 50), []

    def read(part):
        seen.extend(part.to_list())
        return part.cast(pl.Float64, strict=False).to_numpy()

    np.testing.assert_array_equal(values.read_values(texts, read), [1.0, 2.0, np.nan, np.nan] * 50)
    assert sorted(seen) == ["1", "2", "x"]


@pytest.mark.usefixtures("small_parts")
def test_a_column_of_gaps_alone_is_read():
    texts = pl.Series([None] * 100, dtype=pl.String)
    assert np.isnan(values.read_values(texts, lambda part: part.cast(pl.Float64).to_numpy())).all()


@pytest.mark.usefixtures("small_parts")
def test_values_that_differ_are_read_a_part_at_a_time():
    texts, parts = pl.Series([str(i) for i in range(100)]), []

    def read(part):
        parts.append(len(part))
        return part.cast(pl.Float64).to_numpy()

    np.testing.assert_array_equal(values.read_values(texts, read), np.arange(100.0))
    assert parts == [16] * 6 + [4]


@pytest.mark.usefixtures("small_parts")
def test_dates_that_come_again_are_read_as_each_of_them_is():
    writings = ["2020-02-29", "2021-02-29", "3 May 1999", "31.12.2010 12:30", None, "2007-08", "oops", "1/2/2020"]
    texts = pl.Series(np.random.default_rng(0).choice(writings, 200).tolist(), dtype=pl.String)
    one_by_one = np.concatenate([read_moments(pl.Series([text, "1/1/2000"]), "date")[:1] for text in texts])
    np.testing.assert_array_equal(read_moments(texts, "date"), one_by_one)
    assert np.isnan(one_by_one).any()
    assert not np.isnan(one_by_one).all()


@pytest.mark.usefixtures("small_parts")
def test_months_are_dates_in_a_large_column_only_if_every_value_is_one(monkeypatch):
    monkeypatch.setattr("bpx.tables.dates._FIRST_LOOK", 16)
    months = [f"20{year}-0{month}" for year in range(10, 20) for month in range(1, 10)]
    assert not np.isnan(read_moments(pl.Series(months), "date")).any()
    assert np.isnan(read_moments(pl.Series([*months, "2020-01-01"]), "date")).sum() == len(months)


NOTATIONS = (
    NumberNotation(),
    NumberNotation(".", ",", "$"),
    NumberNotation(",", ".", "€"),
    NumberNotation(".", " ", "kg"),
    NumberNotation(",", "'", "CHF"),
    NumberNotation(".", "", "%"),
    NumberNotation(".", ",", "Rs."),
    NumberNotation(".", ",", "kr"),
    NumberNotation(".", "", "sq ft"),
    NumberNotation(",", "", "$USD"),
    NumberNotation(".", ",", "$", multiplied=True),
    NumberNotation(".", "", "K"),
)


@pytest.mark.parametrize("how", NOTATIONS, ids=str)
def test_plain_numbers_are_read_as_they_are_when_taken_apart(how):
    draw = np.random.default_rng(0)
    unit = how.unit
    pieces = ["-", "+", "(", ")", " ", "1", "23", "456", "0", ".", ",", "'", "e5", "<", "\u00a0", unit, unit, "", "x"]
    texts = ["".join(draw.choice(pieces, draw.integers(1, 7))) for _ in range(3000)]
    amounts = (how.thousands.join(f"{n:,}".split(",")) for n in draw.integers(0, 10**7, 500).tolist())
    signs, gaps = draw.choice(["", "-"], 500), draw.choice(["", " "], 500)
    for amount, sign, gap in zip(amounts, signs, gaps, strict=True):
        texts += [f"{sign}{unit}{gap}{amount}{how.decimal}5", f"{sign}{amount}{gap}{unit}", f"{sign}{amount}"]
    column = pl.Series([*texts, None])
    apart, _ = how._read_parts(notation._take_apart(column))
    np.testing.assert_array_equal(how.read(column), apart)
    plain = how._read_plain(column)
    np.testing.assert_array_equal(plain[~np.isnan(plain)], apart[~np.isnan(plain)])
    assert (~np.isnan(plain)).sum() > 400
    without = np.array([bool(unit) and unit not in text for text in texts])
    assert np.isnan(how._read_plain(column, with_unit=True)[:-1][without]).all()


def write_numbers(draw):
    """Write random numbers in a random notation, with a slip in some columns."""
    decimal, thousands = notation._NOTATIONS[draw.integers(len(notation._NOTATIONS))]
    before, after = (
        draw.choice(["", "", "$", "USD ", "-", "US$"]),
        draw.choice(["", "", " kg", "%", "€", " $", "K", " K", "M"]),
    )
    whole, digits = draw.random() < 0.3, int(draw.integers(1, 3))
    texts = []
    for number in (10 ** draw.uniform(0, 6, 80)).tolist():
        units, _, rest = f"{number:,.{digits}f}".partition(".")
        texts.append(before + thousands.join(units.split(",")) + ("" if whole else decimal + rest) + after)
    slip = draw.choice(["", "", "", "oops", "5", "007", "12+", "1234567890123456", "n/a", "5 lb", "-3%", "5K", "2M"])
    return [*texts, str(slip)] if slip else texts


@pytest.mark.parametrize("seed", range(150))
def test_a_notation_is_found_in_many_values_as_in_few(monkeypatch, seed):
    texts = pl.Series("x", write_numbers(np.random.default_rng(seed)))
    plainly = find_notation(texts)
    monkeypatch.setattr(notation, "_FIRST_LOOK", 20)
    assert find_notation(texts) == plainly


def test_plain_numbers_of_a_large_column_are_not_taken_apart(monkeypatch):
    texts = pl.Series("x", [f"${n:,}.50" for n in range(0, 5_000_000, 1000)])
    taken = []
    take_apart = notation._take_apart
    monkeypatch.setattr(notation, "_take_apart", lambda part: taken.append(len(part)) or take_apart(part))
    found = find_notation(texts)
    assert found.notation == NumberNotation(".", ",", "$")
    assert found.example == "'$0.50' is 0.5"
    found.notation.read(texts)
    assert max(taken) < 2000


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("seed", range(40))
def test_the_structure_of_a_file_is_seen_across_blocks(seed):
    draw = np.random.default_rng(seed)
    width = int(draw.integers(2, 5))
    pieces = ["0", "01", "-07", "1.5", "a", "", " 00", "x,y", 'say "hi"', "two\nlines", "0.5", "10"]
    rows = [draw.choice(pieces, width).tolist() for _ in range(draw.integers(1, 20))]
    stream = io.StringIO()
    csv.writer(stream, lineterminator=str(draw.choice(["\n", "\r\n"]))).writerows(rows)

    def find(text):
        return csv_parsing._find_leading_zeros(np.frombuffer(text.encode(), np.uint8), ord(","), width)

    found = find(stream.getvalue())
    assert found is not None
    assert found >= {i for row in rows for i, value in enumerate(row) if value in ("01", "-07", " 00")}
    assert found == find(stream.getvalue().rstrip("\r\n")) or rows[-1][-1] == "0"
    assert find(stream.getvalue() + "one" + "," * (width - 2) + "\n") is None
    assert find(stream.getvalue() + "," * width + "\n") is None
    assert find(stream.getvalue() + '"open' + "," * (width - 1) + "\n") is None


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_encoded_in_the_order_asked_for(dtype):
    table = make_table()
    fitted = Preprocessor.fit(table, "y", categories_max=2)
    order = np.random.default_rng(1).permutation(table.height)
    each = [fitted.transform(table[i : i + 1]) for i in range(table.height)]
    x = fitted.transform(table, order=order, dtype=dtype)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x, np.concatenate(each)[order].astype(dtype))


def test_what_float32_does_not_hold_is_infinite_without_a_warning():
    fitted = Preprocessor.fit(pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "y": [0.5, 1.0, 2.0, 4.0]}), "y")
    assert np.isinf(fitted.transform(pl.DataFrame({"a": [1e200]}), dtype="float32")).all()
    assert np.isfinite(fitted.transform(pl.DataFrame({"a": [1e200]}))).all()


@pytest.mark.parametrize("count", [255, 256, 257])
def test_categories_may_be_as_many_as_a_byte_holds_and_more(count):
    names = [f"{i:03d}x" for i in range(count)]
    table = pl.DataFrame({"kind": names * 3, "y": [0.5, 1.0, 2.0] * count})
    fitted = Preprocessor.fit(table, "y", types={"kind": "category"})
    x = fitted.transform(pl.DataFrame({"kind": [*names, "new"]}))
    np.testing.assert_array_equal(x, np.vstack([np.eye(count), np.zeros(count)]))


@pytest.mark.usefixtures("small_parts")
def test_training_and_held_out_rows_are_parts_of_one_matrix():
    table = make_table()
    prepared = prepare(table, "y", dtype="float32")
    whole = prepared.preprocessor.transform(table).astype(np.float32)
    np.testing.assert_array_equal(prepared.x_train, whole[prepared.train_rows])
    np.testing.assert_array_equal(prepared.x_validation, whole[prepared.validation_rows])
    assert prepared.x_train.base is prepared.x_validation.base
    assert len(prepared.x_train.base) == table.height
    assert prepared.x_train.flags.c_contiguous


@pytest.mark.parametrize("strict", [True, False])
def test_classes_are_split_by_number_as_by_name(strict):
    names = ["b", "a", "c", "rare", "rare2"]
    ids = np.random.default_rng(0).choice(3, 200)
    ids = np.r_[ids, 3, 3, 4, 4]
    labels = sorted(names)
    numbers = np.array([labels.index(names[i]) for i in ids])
    by_name = split(len(ids), 0.2, 3, [names[i] for i in ids], strict=strict)
    for one, other in zip(split_classes(numbers, labels, 0.2, 3, strict), by_name, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_table_that_is_used_up_is_prepared_alike():
    table = make_table().with_columns(y=pl.Series(["", *(["0", "1"] * 149), "1"]))  # one row has no target
    kept = prepare(table, "y", dtype="float32")
    assert table.width == 8
    used_up = prepare(table, "y", dtype="float32", release=True)
    assert table.width == 0
    for name in ("x_train", "y_train", "x_validation", "y_validation", "train_rows", "validation_rows"):
        np.testing.assert_array_equal(getattr(used_up, name), getattr(kept, name))
    assert used_up.notes == kept.notes
