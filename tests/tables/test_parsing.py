"""Columns as they were parsed: in the units of the table, gaps left as gaps, nothing learned from training in them."""

import datetime

import numpy as np
import pytest

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, parse_columns  # noqa: E402
from bpx.tables.columns import CategoryColumn, PresenceColumn  # noqa: E402
from bpx.tables.parsing import find_missing_text  # noqa: E402

ROWS = 60
DAYS = [datetime.date(2020, 1, 30) + datetime.timedelta(days=17 * i) for i in range(ROWS)]


def fit(strict=False, types=None, **columns):
    """Return the preprocessing of a table of 60 rows, each column repeated, with a column x and classes."""
    filled = {name: (list(values) * ROWS)[:ROWS] for name, values in columns.items()}
    x = np.random.default_rng(0).normal(size=ROWS)
    frame = pl.DataFrame({"x": x, **filled, "y": (["a", "b", "b"] * ROWS)[:ROWS]}, strict=False)
    return Preprocessor.fit(frame, "y", strict=strict, types=types)


def parse(fitted, **columns):
    """Return the parsed columns of new rows, all of them of shape (rows, 1), as lists."""
    rows = len(next(iter(columns.values())))
    parsed = parse_columns(pl.DataFrame({"x": [0.0] * rows, **columns}, strict=False), fitted)
    assert tuple(parsed) == fitted.column_names
    assert all(values.shape == (rows, 1) for values in parsed.values())
    return {name: values[:, 0].tolist() for name, values in parsed.items()}


def test_numbers_are_in_the_units_of_the_table_and_gaps_are_nan():
    fitted = fit(
        n=[1.0, None, 9.0], cost=["$1,200.50", "$900", "$12"], took=[datetime.timedelta(hours=h) for h in (1, 2, 5)]
    )
    parsed = parse(
        fitted,
        n=[2.5, None, float("inf")],
        cost=["$1,000", "n/a", "7"],
        took=[datetime.timedelta(minutes=1), None, datetime.timedelta(days=1)],
    )
    assert parsed["n"][0] == 2.5
    np.testing.assert_array_equal(parsed["n"], [2.5, np.nan, np.nan])
    np.testing.assert_array_equal(parsed["cost"], [1000.0, np.nan, 7.0])
    np.testing.assert_array_equal(parsed["took"], [60.0, np.nan, 86400.0])


def test_booleans_are_one_and_zero():
    np.testing.assert_array_equal(parse(fit(b=[True, False]), b=[True, False, None])["b"], [1.0, 0.0, np.nan])


def test_dates_are_seconds_since_1970_and_times_since_midnight():
    fitted = fit(day=[day.strftime("%d.%m.%Y") for day in DAYS], at=["06:30", "23:15", "12:00"], moment=DAYS)
    parsed = parse(
        fitted,
        day=["02.01.1970", "n/a", "01.03.1969"],
        at=["00:01", "18:00:30", None],
        moment=[datetime.datetime(1970, 1, 1, 1), None, datetime.datetime(2020, 2, 29)],
    )
    np.testing.assert_array_equal(parsed["day"], [86400.0, np.nan, -306 * 86400.0])
    np.testing.assert_array_equal(parsed["at"], [60.0, 64830.0, np.nan])
    np.testing.assert_array_equal(parsed["moment"], [3600.0, np.nan, 1582934400.0])


def test_texts_are_without_spaces_unless_declared_and_empty_where_missing():
    assert parse(fit(t=["u", "v"]), t=[" u ", None, "never seen"])["t"] == ["u", "", "never seen"]
    declared = fit(t=["u", " u"], types={"t": "category"})
    assert parse(declared, t=[" u", "u", None])["t"] == [" u", "u", ""]


def test_where_an_empty_text_is_a_category_another_one_says_that_it_is_missing():
    fitted = fit(t=["", "NA", "u", None], types={"t": "category"})
    assert parse(fitted, t=["", "NA", None])["t"] == ["", "NA", "NaN"]
    all_taken = CategoryColumn("t", ("", "NA", "NaN", "missing", "null"), "")
    assert find_missing_text(all_taken) not in all_taken.categories
    assert find_missing_text(PresenceColumn("t")) == ""


def test_of_presence_it_is_told_whether_there_is_a_value():
    fitted = fit(cabin=[f"C{i}" if i % 2 else None for i in range(ROWS)])
    assert fitted.feature_names == ("x", "cabin is missing")
    assert parse(fitted, cabin=["D1", None, " "])["cabin"] == ["present", "", ""]
    assert parse(fitted, cabin=[1.5, float("nan"), None])["cabin"] == ["present", "", ""]


def test_what_cannot_be_read_is_missing_unless_the_preprocessing_is_strict():
    fitted = fit(n=[1.0, 2.0, 9.0], d=DAYS)
    parsed = parse_columns(pl.DataFrame({"x": [0.0], "n": ["seven"], "d": ["soon"]}), fitted)
    assert np.isnan(parsed["n"]).all()
    assert np.isnan(parsed["d"]).all()
    strictly = fit(n=[1.0, 2.0, 9.0], strict=True)
    frame = pl.DataFrame({"x": [0.0], "n": ["seven"]})
    with pytest.raises(InputError) as transformed:
        strictly.transform(frame)
    with pytest.raises(InputError) as parsed_strictly:
        parse_columns(frame, strictly)
    assert str(parsed_strictly.value) == str(transformed.value)
    with pytest.raises(InputError, match="lacks 2 of the 3 columns that training used: 'n', 'd'"):
        parse_columns(pl.DataFrame({"x": [0.0]}), fitted)
    with pytest.raises(InputError, match="column 'n': expected finite numbers, got inf in row 1"):
        parse(fit(n=[1.0, 2.0, 9.0], strict=True), n=[float("inf")])
