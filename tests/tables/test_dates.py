"""Dates and times: how they are written, and what becomes of them."""

import datetime
import json

import numpy as np
import pytest

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.errors import FileFormatError, InputError  # noqa: E402
from bpx.tables import Preprocessor, parse_columns  # noqa: E402
from bpx.tables.dates import find_dates, find_orders, find_phase, read_moments  # noqa: E402


def read(values):
    """Find out how dates are written and return them as NumPy's."""
    series = pl.Series("when", values)
    found = find_dates(series)
    assert found is not None
    moments = read_moments(series, found.kind, day_first=bool(found.day_first))
    return found, [None if np.isnan(m) else str(np.datetime64(int(m), "s")) for m in moments]


@pytest.mark.parametrize(
    ("values", "moments"),
    [
        (["2020-01-02", "2021-1-3"], ["2020-01-02T00:00:00", "2021-01-03T00:00:00"]),
        (["2020/01/02", "2020.02.29"], ["2020-01-02T00:00:00", "2020-02-29T00:00:00"]),
        (["2020-01-02T10:05Z", "2020-01-02 10:05:09.5+02:00"], ["2020-01-02T10:05:00", "2020-01-02T10:05:09"]),
        (["1/2/2020", "13/2/2020"], ["2020-02-01T00:00:00", "2020-02-13T00:00:00"]),
        (["1/13/2020", "2/1/20"], ["2020-01-13T00:00:00", "2020-02-01T00:00:00"]),
        (["13.2.99", "1.2.68"], ["1999-02-13T00:00:00", "2068-02-01T00:00:00"]),
        (["3 Jan 2020", "4. February 2021"], ["2020-01-03T00:00:00", "2021-02-04T00:00:00"]),
        (["01-Jan-20", "28-DEC-2021"], ["2020-01-01T00:00:00", "2021-12-28T00:00:00"]),
        (["Jan 3, 2020", "March 4th 2021 5:06 PM"], ["2020-01-03T00:00:00", "2021-03-04T17:06:00"]),
        (["Mon, 3 Jan 2022", "Tue, 4 Jan 2022 12:30 am"], ["2022-01-03T00:00:00", "2022-01-04T00:30:00"]),
        (["2020-01", "2020-12"], ["2020-01-01T00:00:00", "2020-12-01T00:00:00"]),
        (["Jan 2020", "Dec 2021"], ["2020-01-01T00:00:00", "2021-12-01T00:00:00"]),
        (["2020-01-02", None, "n/a", ""], ["2020-01-02T00:00:00", None, None, None]),
        ([20200101, 20200131, 20200201], ["2020-01-01T00:00:00", "2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
        ([datetime.date(2020, 3, 1), None], ["2020-03-01T00:00:00", None]),
        ([datetime.datetime(2020, 3, 1, 6), None], ["2020-03-01T06:00:00", None]),
        (["06:30", "18:00:30", "7:05 pm"], ["1970-01-01T06:30:00", "1970-01-01T18:00:30", "1970-01-01T19:05:00"]),
        ([datetime.time(6, 30), None], ["1970-01-01T06:30:00", None]),
    ],
)
def test_dates_are_read(values, moments):
    assert read(values)[1] == moments


@pytest.mark.parametrize(
    "values",
    [
        ["2020-01-02", "never"],
        ["2020-02-30", "2020-01-01"],
        ["13/13/2020", "1/1/2020"],
        ["2007-08", "2012-13"],
        ["1.2.3", "1.2.4"],
        ["25:00", "10:00"],
        ["10", "20"],
        ["abc", "def"],
        [20200101, 20200102],
        [20200101, 20200102, 20200132],
        [1, 2, 3],
        [None, None],
    ],
)
def test_other_columns_hold_none(values):
    assert find_dates(pl.Series("c", values)) is None


def test_which_comes_first_is_told_where_nothing_says_it():
    assert read(["1/2/2020", "13/2/2020"])[0].ambiguous == ""
    assert read(["1/2/2020", "3/4/2020"])[0].ambiguous == "1/2/2020"
    assert not read(["1/2/2020", "3/4/2020"])[0].day_first
    assert read(["1.2.2020", "3.4.2020"])[0].day_first
    days = [f"{day}/{month}/2020" for day in range(1, 13) for month in (1, 2)]
    assert read(days)[0].day_first
    assert not read([f"{b}/{a}/{year}" for a, b, year in (text.split("/") for text in days)])[0].day_first


def test_odd_texts_among_many_dates_are_gaps():
    days = [f"2020-01-{day:02}" for day in range(1, 20)]
    found, moments = read([*days, "soon"])
    assert found.odd == ("soon",)
    assert moments[-1] is None


def test_the_time_zone_is_that_of_the_clock():
    series = pl.Series([datetime.datetime(2020, 7, 1, 10)]).dt.replace_time_zone("Europe/Berlin")
    assert read_moments(series, "date").tolist() == [np.datetime64("2020-07-01T10").astype("datetime64[s]").astype(int)]


def test_phases_go_round():
    moments = np.array([np.datetime64(t, "s").astype(int) for t in ("2024-01-01T06:00", "2024-07-07T18:30")], float)
    assert find_phase(moments, "month").tolist() == [0.0, 0.5]
    assert find_phase(moments, "weekday").tolist() == [0.0, 6 / 7]  # a Monday, a Sunday
    assert find_phase(moments, "hour").tolist() == [0.25, 18.5 / 24]


def fit(values, **options):
    frame = pl.DataFrame({"when": values, "n": [0.5, 1.5] * (len(values) // 2), "y": ["a", "b"] * (len(values) // 2)})
    return frame, Preprocessor.fit(frame, "y", **options)


def test_a_date_becomes_what_varies_in_it():
    frame, fitted = fit(["2020-01-06", "2020-01-13", "2020-01-20", "2020-01-27"])  # Mondays of one month
    assert fitted.feature_names == ("when (elapsed)", "n")
    np.testing.assert_allclose(fitted.transform(frame)[:, 0], np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25))
    frame, fitted = fit(["2020-01-06 06:00", "2021-07-06 12:00"] * 2)
    assert fitted.feature_names == (
        "when (elapsed)", "when (year)", "when (month, sine)", "when (month, cosine)", "when (weekday, sine)",
        "when (weekday, cosine)", "when (hour, sine)", "when (hour, cosine)", "n",
    )  # fmt: skip
    x = fitted.transform(frame)
    np.testing.assert_allclose(x[:2, 1], [-1, 1])
    np.testing.assert_allclose(x[:2, 2:4], [[0, 1], [0, -1]], atol=1e-12)
    np.testing.assert_allclose(x[:2, 6:8], [[1, 0], [0, -1]], atol=1e-12)
    assert fitted.notes == (
        "1 column read as dates or times: 'when' ('2020-01-06 06:00': time, year, month, weekday, hour); if they are "
        "categories, declare it (types={'when': 'category'}, --category when)",
    )


def test_new_dates_are_read_as_training_read_them():
    frame, fitted = fit(["1/2/2020", "13/2/2020", None, "1/3/2021"])
    assert fitted.feature_names[-2:] == ("when is missing", "n")
    rows = pl.DataFrame({"when": ["2/1/2020", "2020-01-02", None, "n/a"], "n": [1.0] * 4})
    notes = []
    x = fitted.transform(rows, notes=notes)
    assert x[0].tobytes() == x[1].tobytes()
    assert x[2].tobytes() == x[3].tobytes() == np.r_[fitted.transform(frame)[2, :-1], x[2, -1]].tobytes()
    dated = pl.DataFrame({"when": [datetime.date(2020, 1, 2)], "n": [1.0]})
    assert fitted.transform(dated)[0].tobytes() == x[0].tobytes()
    soon = pl.DataFrame({"when": ["n/a", "soon"], "n": [1.0, 1.0]})
    x = fitted.transform(soon, notes=notes)
    assert x[0].tobytes() == x[1].tobytes() == fitted.transform(rows)[2].tobytes()
    assert notes[-1].endswith("cannot be read as in training, taken for gaps: 'when' (2 values, such as 'n/a', 'soon')")
    with pytest.raises(InputError, match="column 'when': expected dates, got 'soon' in row 2"):
        fitted.transform(soon, strict=True)


def test_a_column_with_the_day_first_is_read_so_though_training_had_the_month_first():
    _, fitted = fit(["1/2/2020", "2/13/2020", "5/20/2021", "1/3/2021"])
    notes = []
    x = fitted.transform(pl.DataFrame({"when": ["25/12/2020", "1/2/2020"], "n": [1.0, 1.0]}), notes=notes)
    same = fitted.transform(pl.DataFrame({"when": ["2020-12-25", "2020-02-01"], "n": [1.0, 1.0]}))
    assert x.tobytes() == same.tobytes()
    assert "with day and month in another order than in training, read so: 'when' (2 values" in notes[0]
    both = pl.DataFrame({"when": ["25/12/2020", "1/2/2020", "1/20/2020"], "n": [1.0] * 3})
    x = fitted.transform(both, notes=notes)
    same = fitted.transform(pl.DataFrame({"when": ["2020-12-25", "2020-01-02", "2020-01-20"], "n": [1.0] * 3}))
    assert x.tobytes() == same.tobytes()  # where the column has both orders, that of training
    assert "'when' (1 value, such as '25/12/2020')" in notes[1]


ISO = [f"2020-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(24)]
TYPED = [datetime.date.fromisoformat(text) for text in ISO]
NO_ORDER = {
    "iso": ISO,
    "typed": TYPED,
    "integers": [int(text.replace("-", "")) for text in ISO],
    "same": ["3.3.2020", *ISO[1:]],
}


def encode_in_parts(fitted, frame, rows):
    """Encode some rows of a table at a time, as `Preprocessor.transform` encodes all of them; return notes too."""
    how = fitted.begin_encoding()
    while True:
        x = np.concatenate([fitted.encode(frame[i : i + rows], how) for i in range(0, frame.height, rows)])
        turned = fitted.find_turned(how)
        if not turned:
            return x, how.tell(fitted.column_names)
        how = how.begin_again(turned)


@pytest.mark.parametrize(
    ("values", "iso", "told"),
    [
        (["03.11.2024"], ["2024-11-03"], "'when' (1 value, such as '03.11.2024' as 2024-11-03)"),
        (["03-11-2024 10:00", None], ["2024-11-03 10:00", None], "'03-11-2024 10:00' as 2024-11-03"),
        (["03/11/2024"], ["2024-03-11"], "'03/11/2024' as 2024-03-11"),
        (["3/11/2024", "4/11/2024"], ["2024-11-03", "2024-11-04"], "(2 values, such as '3/11/2024' as 2024-11-03, '4/"),
        (["3/11/2024", "n/a", "25/12/2024"], ["2024-11-03", None, "2024-12-25"], ""),
        (["3.11.2024", "4.4.2024", "12.25.2024"], ["2024-03-11", "2024-04-04", "2024-12-25"], ""),
        (["3.11.2024", "25.12.2024", "12.25.2024"], ["2024-11-03", "2024-12-25", "2024-12-25"], "as 2024-11-03"),
        (["25.12.2024", "12/25/2024"], ["2024-12-25", "2024-12-25"], ""),
        (["2024-11-03", "3 Nov 2024"], ["2024-11-03", "2024-11-03"], ""),
    ],
)
@pytest.mark.parametrize("training", list(NO_ORDER))
def test_where_training_said_no_order_new_rows_do(values, iso, told, training):
    _, fitted = fit(NO_ORDER[training])
    assert fitted.columns[0].day_first is None
    fitted = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert fitted.columns[0].day_first is None
    rows = pl.DataFrame({"when": values, "n": [1.0] * len(values)})
    same = fitted.transform(rows.with_columns(when=pl.Series(iso)))
    notes = []
    assert fitted.transform(rows, notes=notes).tobytes() == same.tobytes()
    either = [note for note in notes if "of dates that could be read in two ways" in note]
    assert len(either) == bool(told)
    assert told in "".join(either)
    for part in (1, 2):
        x, told_of_parts = encode_in_parts(fitted, rows, part)
        assert (x.tobytes(), told_of_parts) == (same.tobytes(), notes)
    assert (
        parse_columns(rows, fitted)["when"].tobytes()
        == parse_columns(rows.with_columns(when=pl.Series(iso)), fitted)["when"].tobytes()
    )


def test_strict_refuses_a_date_that_neither_training_nor_itself_says_how_to_read():
    _, fitted = fit(ISO)
    rows = pl.DataFrame({"when": ["25.12.2024", "3.11.2024"], "n": [1.0, 1.0]})
    with pytest.raises(
        InputError,
        match="expected dates that say which number is the day, such as 2024-12-31, got '3.11.2024' in row 2",
    ):
        fitted.transform(rows, strict=True)
    same = fitted.transform(pl.DataFrame({"when": ["2024-12-25"], "n": [1.0]}))
    assert fitted.transform(rows[:1], strict=True).tobytes() == same.tobytes()


def test_a_model_of_an_earlier_bpx_reads_dates_as_it_did():
    _, fitted = fit(ISO)
    data = fitted.to_dict()
    data["columns"][0]["day_first"] = False  # also where training had no such dates
    rows = pl.DataFrame({"when": ["03.11.2024"], "n": [1.0]})
    earlier = Preprocessor.from_dict(data)
    assert earlier.columns[0].day_first is False
    assert earlier.transform(rows).tobytes() == fitted.transform(rows.with_columns(when=pl.lit("2024-03-11"))).tobytes()


def test_dates_of_both_orders_in_one_column_are_told():
    _, fitted = fit(["25.12.2020", "3.11.2020", "12.25.2020", "4.11.2020"])
    assert fitted.columns[0].day_first
    assert any("could be read in two ways: 'when' ('3.11.2020' taken as day, month)" in note for note in fitted.notes)


@pytest.mark.parametrize("form", ["{}Q{}", "{}-Q{}", "{} Q{}", "{}q{}"])
def test_quarters_are_dates(form):
    quarters = [(2000 + i // 4, i % 4 + 1) for i in range(12)]
    _, fitted = fit([form.format(year, quarter) for year, quarter in quarters])
    days = [f"{year}-{3 * quarter - 2:02}-01" for year, quarter in quarters]
    frame = pl.DataFrame({"when": days, "n": np.arange(12) / 7})
    written = frame.with_columns(when=pl.Series([form.format(*one) for one in quarters]))
    assert fitted.transform(written).tobytes() == fitted.transform(frame).tobytes()
    assert "when (month, sine)" in fitted.feature_names


def test_dates_that_are_none_do_not_make_categories_of_a_few_dates():
    days = [f"2020-0{i % 3 + 1}-01" for i in range(20)]
    frame, fitted = fit(["0000-00-00" if i % 10 == 3 else day for i, day in enumerate(days)])
    assert fitted.feature_names[0] == "when (elapsed)"
    assert "when is missing" in fitted.feature_names
    assert any("taken for gaps: 'when' ('0000-00-00')" in note for note in fitted.notes)
    assert (
        fitted.transform(frame)[3].tolist()[:-1]
        == fitted.transform(pl.DataFrame({"when": [None], "n": [0.0]}))[0].tolist()[:-1]
    )


def test_months_are_read_in_new_rows_whatever_stands_among_them():
    frame, fitted = fit([f"2020-{i + 1:02}" for i in range(12)])
    new = pl.DataFrame({"when": ["2020-03", "soon", "2020-04-01"], "n": [0.0] * 3})
    days = pl.DataFrame({"when": ["2020-03-01", None, "2020-04-01"], "n": [0.0] * 3})
    assert fitted.transform(new).tobytes() == fitted.transform(days).tobytes()
    data = fitted.to_dict()
    assert data["columns"][0].pop("months") is True  # as a bpx before wrote it: all or none
    earlier = Preprocessor.from_dict(data)
    assert earlier.transform(frame).tobytes() == fitted.transform(frame).tobytes()
    assert earlier.transform(new)[0].tobytes() == earlier.transform(days)[1].tobytes()


@pytest.mark.parametrize("far", ["9999-12-31", "1900-01-01", datetime.date(1900, 1, 1), "31.12.9999 23:59"])
def test_dates_far_from_all_that_training_saw_have_a_note(far):
    _, fitted = fit([datetime.date(2020, 1, 1) + datetime.timedelta(days=9 * i) for i in range(40)])
    notes = []
    fitted.transform(pl.DataFrame({"when": ["2027-01-01", None, "2013-06-05"], "n": [1.0] * 3}), notes=notes)
    assert not [note for note in notes if "far from all" in note]
    rows = pl.DataFrame({"when": [None, far, far], "n": [1.0] * 3})
    fitted.transform(rows, notes=notes)
    (found,) = (note for note in notes if "far from all" in note)
    assert found.startswith(f"column 'when': 2 rows far from all that training saw, the first in row 2: '{far}' is ")
    assert found.endswith("standard deviations from the mean, and a prediction there means nothing")


def test_a_time_of_the_day_far_from_all_others_has_a_note():
    _, fitted = fit([f"08:0{i % 5}" for i in range(20)])
    notes = []
    fitted.transform(pl.DataFrame({"when": ["08:20", "20:00"], "n": [1.0] * 2}), notes=notes)
    assert "column 'when': 1 row far from all that training saw, the first in row 2: '20:00' is 5e+02 stand" in notes[0]


def test_a_date_as_far_as_one_of_training_has_no_note():
    days = [f"2020-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(1999)]
    frame, fitted = fit(["9999-12-31", *days])
    assert fitted.columns[0].reach == pytest.approx(np.sqrt(1999), rel=1e-4)
    fitted = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    notes = []
    fitted.transform(frame, notes=notes)
    assert notes == []


def test_one_date_throughout_is_left_out():
    _, fitted = fit(["2020-01-06"] * 4)
    assert fitted.left_out == ("when",)
    assert fitted.notes == ("1 column left out: 'when' ('2020-01-06' in every training row)",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": "hour"}, "'time'"),
        ({"std": 0}, "'std'"),
        ({"cycles": ["century"]}, "expected cycles among"),
        ({"year_std": -1.0}, "a deviation of 0 or more"),
        ({"flagged": 1}, "'flagged'"),
        ({"reach": -1.0}, "'reach'"),
        ({"day_first": None}, "'day_first'"),
        ({"more": 1}, "unknown fields"),
    ],
)
def test_a_stored_column_of_dates_is_checked(change, message):
    _, fitted = fit(["1/2/2020", "13/2/2020", None, "1/3/2021"])
    assert Preprocessor.from_dict(fitted.to_dict()) == fitted
    data = fitted.to_dict()
    data["columns"][0] |= change
    with pytest.raises(FileFormatError, match=message):
        Preprocessor.from_dict(data)


@pytest.mark.parametrize(
    ("written", "plain", "kind"),
    [
        ("\uff12\uff10\uff12\uff14/\uff10\uff11/\uff10\uff12", "2024/01/02", "date"),
        ("\u0663\u0661/\u0661\u0662/\u0662\u0660\u0662\u0664", "31/12/2024", "date"),
        ("\u0967\u0968 Jan 2024 \u0966\u096a:30", "12 Jan 2024 04:30", "date"),
        ("\uff10\uff14\uff1a\uff10\uff19", "04:09", "time"),
    ],
)
def test_digits_of_every_script_are_read(written, plain, kind):
    texts, ascii_texts = (pl.Series("when", [text, None]) for text in (written, plain))
    found = find_dates(texts)
    assert (found.kind, found.day_first) == (kind, True if plain.startswith("31") else None)
    moments, expected = (read_moments(each, kind, day_first=bool(found.day_first)) for each in (texts, ascii_texts))
    np.testing.assert_array_equal(moments, expected)
    assert not np.isnan(moments[0])
    for array, expected in zip(find_orders(texts)[1:], find_orders(ascii_texts)[1:], strict=True):
        np.testing.assert_array_equal(array, expected)
