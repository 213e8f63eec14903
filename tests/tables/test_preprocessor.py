"""Feature columns: what kind each is, how it is encoded, and what is said about one that cannot be."""

import datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, prepare  # noqa: E402
from bpx.tables.values import differ_by_rounding  # noqa: E402

Y = ["a", "b", "a", "b"]


def frame_of(**columns):
    return pl.DataFrame(columns | {"y": Y}, strict=False)


def fit_strictly(frame, target="y", **options):
    return Preprocessor.fit(frame, target, strict=True, **options)


def refusal(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_numbers_are_standardized_booleans_are_0_and_1_and_text_is_one_hot():
    frame = frame_of(n=[1, 2, 3, 6], b=[True, False, True, True], t=["u", "w", "v", "u"])
    fitted = Preprocessor.fit(frame, "y")
    assert fitted.feature_names == ("n", "b", "t=u", "t=v", "t=w")
    assert fitted.column_names == ("n", "b", "t")
    assert fitted.n_features == 5
    assert fitted.text_columns == ("t", "y")
    x = fitted.transform(frame)
    assert x.dtype == np.float64
    assert x.flags.c_contiguous
    numbers = np.array([1.0, 2.0, 3.0, 6.0])
    np.testing.assert_allclose(x[:, 0], (numbers - 3.0) / np.sqrt(3.5), rtol=1e-15)
    np.testing.assert_array_equal(x[:, 1:], [[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]])


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.Decimal(10, 2), pl.Int128], ids=lambda dtype: str(dtype)
)
def test_numbers_of_every_width_are_numbers(dtype):
    frame = frame_of(n=[1, 2, 3, 6]).cast({"n": dtype})
    np.testing.assert_array_equal(
        fit_strictly(frame, "y").transform(frame), fit_strictly(frame_of(n=[1, 2, 3, 6]), "y").transform(frame)
    )


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["w", "v", "u"])], ids=["categorical", "enum"])
def test_polars_own_categories_are_categories(dtype):
    frame = frame_of(t=["u", "w", "v", "u"])
    fitted = Preprocessor.fit(frame.cast({"t": dtype, "y": pl.Categorical}), "y")
    declared = Preprocessor.fit(frame, "y", types={"t": "category", "y": "category"})
    assert (fitted.columns, fitted.target, fitted.notes) == (declared.columns, declared.target, declared.notes)
    assert fitted.transform(frame.cast({"t": dtype})).tobytes() == fitted.transform(frame).tobytes()


def test_statistics_and_categories_come_from_the_training_rows_alone():
    frame = frame_of(n=[1.0, 3.0, 1e6, None], t=["u", "v", "w", "w"], b=[True, True, False, False])
    fitted = fit_strictly(frame, "y", rows=np.array([0, 1]), missing="impute")
    assert fitted.feature_names == ("n", "t=u", "t=v")
    assert fitted.transform(frame[:2])[:, 0].tolist() == [-1.0, 1.0]
    assert fitted.notes == ("column 'b' is left out: it is true in every training row",)
    assert fitted.transform(frame, unseen="ignore")[2:, 1:].tolist() == [[0, 0], [0, 0]]


def test_column_order_and_the_target_make_no_difference():
    frame = frame_of(n=[1, 2, 3, 6], t=["u", "w", "v", "u"])
    fitted = Preprocessor.fit(frame, "y")
    notes = []
    assert fitted.transform(frame.select("t", "n"), notes=notes).tobytes() == fitted.transform(frame).tobytes()
    assert notes == []


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([3.5] * 4, "it is 3.5 in every training row"),
        ([True] * 4, "it is true in every training row"),
        ([False] * 4, "it is false in every training row"),
        (["only"] * 4, "it is 'only' in every training row"),
        ([0.1] * 3 + [None], "it is 0.10000000000000001 in every training row"),
        ([None] * 4, "it has no values"),
        ([float("nan")] * 4, "it has no values in the training rows"),
    ],
)
def test_a_constant_column_is_left_out_with_a_note(column, reason):
    frame = frame_of(n=[1, 2, 3, 6], c=column)
    fitted = fit_strictly(frame, "y", missing="impute")
    assert fitted.feature_names == ("n",)
    assert fitted.left_out == ("c",)
    assert fitted.notes == (f"column 'c' is left out: {reason}",)
    notes = []
    np.testing.assert_array_equal(fitted.transform(frame.drop("c"), notes=notes), fitted.transform(frame, notes=notes))
    assert notes == []


_THIRD = 0.1 + 0.2  # one unit in the last place above 0.3


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([0.3, _THIRD, 0.3, 0.3]),
        pl.Series([-0.3, -_THIRD, -0.3, None]),
        pl.Series([0.3e-200, _THIRD * 1e-200, 0.3e-200, 0.3e-200]),
        pl.Series([1e15 * 0.3, 1e15 * _THIRD, 3e14, 3e14]),
        pl.Series([(c * 1.8 + 32.0 - 32.0) / 1.8 for c in (20.1,) * 3] + [20.1]),
        pl.Series([0.3, np.nextafter(np.float32(0.3), np.float32(1)), 0.3, 0.3], dtype=pl.Float32),
        pl.Series(["0.3", repr(_THIRD), "0.30", "0.3"]).cast(pl.Float64),
        pl.Series([0.1 + 0.2 - 0.3, 0.3 - 0.3, 0.0, 0.7 - 0.6 - 0.1]),  # what rounding leaves of a 0
        pl.Series([2.0**-24, 0.0, -(2.0**-25), 0.0], dtype=pl.Float32),
    ],
)
def test_a_column_that_is_constant_but_for_rounding_is_left_out(column):
    fitted = fit_strictly(frame_of(n=[1, 2, 3, 6], c=column), "y", missing="impute")
    assert fitted.left_out == ("c",)
    assert "column 'c' is left out: it is " in fitted.notes[0]
    assert "in every training row" in fitted.notes[0]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1.7e9 + i * 1e-3 for i in range(4)]),  # milliseconds of a time
        pl.Series([10**15 + i for i in range(4)]),  # integers are exact
        pl.Series([1e-100 * i for i in range(4)]),
        pl.Series([1.6e-19 * i for i in range(4)]),  # charges of electrons
        pl.Series([0.0, 1e-16, 1e-16, 3e-16]),
        pl.Series([101_325.0 + i for i in range(4)], dtype=pl.Float32),
        pl.Series([0.3, 0.3, 0.3, 0.3 + 1e-9]),
    ],
)
def test_a_small_spread_on_a_large_offset_is_standardized(column):
    fitted = Preprocessor.fit(frame_of(n=[1, 2, 3, 6], c=column), "y")
    assert fitted.feature_names == ("n", "c")
    x = fitted.transform(frame_of(n=[1, 2, 3, 6], c=column))[:, 1]
    shifted = (column - column[0]).cast(pl.Float64).to_numpy()
    np.testing.assert_allclose(x, (shifted - shifted.mean()) / shifted.std(), rtol=1e-3, atol=1e-3)


def test_what_is_far_from_all_training_rows_has_a_note():
    rows = 20_000
    classes = ["a", "b"] * (rows // 2)
    frame = pl.DataFrame({"n": np.arange(rows) / 7, "c": np.r_[np.zeros(rows - 1), 1e6], "y": classes})
    fitted, notes = Preprocessor.fit(frame, "y"), []
    fitted.transform(frame, notes=notes)
    assert notes == []  # an outlier that training saw
    fitted.transform(pl.DataFrame({"n": [1.0, 2e9, -3e9], "c": [0.0, 0.0, 0.0]}), notes=notes)
    assert len(notes) == 1
    assert "column 'n': 2 rows far from all that training saw, the first in row 2: 2e+09 is 2e+06 standard" in notes[0]


def test_integers_that_float64_cannot_tell_apart_are_left_out_and_said_so():
    fitted = fit_strictly(frame_of(n=[1, 2, 3, 6], c=[2**53, 2**53 + 1] * 2), "y")
    assert fitted.left_out == ("c",)
    assert "from 9007199254740992 to 9007199254740993, are too large to be told apart as numbers" in fitted.notes[0]


@pytest.mark.parametrize("column", [[None] * 4, [True, False, None, None], ["u", "v", None, None], [1, 2, None, None]])
def test_a_column_without_values_in_the_training_rows_is_left_out(column):
    fitted = fit_strictly(frame_of(n=[1, 2, 3, 6], c=column), "y", missing="impute", rows=np.array([2, 3]))
    assert fitted.left_out == ("c",)
    assert "it has no values" in fitted.notes[0]


def test_dropped_columns_are_neither_read_nor_missed():
    frame = frame_of(
        n=[1, 2, 3, 6], when=[datetime.date(2020, 1, day) for day in range(1, 5)], name=["p", "q", "r", "s"]
    )
    fitted = Preprocessor.fit(frame, "y", drop=["when", "name"], categories_max=3)
    assert fitted.feature_names == ("n",)
    assert fitted.left_out == ("when", "name")
    notes = []
    fitted.transform(frame, notes=notes)
    fitted.transform(frame.select("n"), notes=notes)
    assert notes == []


def test_missing_values_are_imputed_by_what_the_training_rows_had():
    frame = frame_of(
        n=[1.0, 2.0, None, 6.0], b=[True, None, False, False], t=["v", "u", None, "v"], tie=["v", "u", None, None]
    )
    fitted = fit_strictly(frame, "y", missing="impute")
    filled = frame_of(n=[1.0, 2.0, 2.0, 6.0], b=[True, False, False, False], t=["v", "u", "v", "v"], tie=list("vuuu"))
    assert fitted.transform(frame).tobytes() == fit_strictly(filled, "y").transform(filled).tobytes()
    new = pl.DataFrame({"n": [float("nan")], "b": [None], "t": [None], "tie": [None]})
    assert fitted.transform(new).tobytes() == fitted.transform(filled)[2:3].tobytes()


def test_booleans_that_are_as_frequent_are_imputed_by_false():
    fitted = fit_strictly(frame_of(b=[True, False, None, None]), "y", missing="impute")
    assert fitted.transform(pl.DataFrame({"b": [None]})).tolist() == [[0.0]]


def test_a_column_that_is_missing_throughout_is_imputed_whatever_its_type():
    frame = frame_of(n=[1, 2, 3, 6], b=[True, False, False, True], t=["u", "v", "u", "v"])
    fitted = fit_strictly(frame, "y", missing="impute")
    expected = fitted.transform(pl.DataFrame({"n": [2.5], "b": [False], "t": ["u"]}))
    for dtype in (pl.String, pl.Null, pl.Float64):
        gaps = pl.DataFrame({name: pl.Series([None], dtype=dtype) for name in "nbt"})
        assert fitted.transform(gaps).tobytes() == expected.tobytes()
    assert fitted.transform(gaps.fill_null(float("nan"))).tobytes() == expected.tobytes()


def test_missing_values_are_refused_in_one_message_for_all_columns():
    frame = frame_of(n=[1.0, float("nan"), None, 6.0], t=["v", "u", None, "v"], ok=[1, 2, 3, 4], gone=[None] * 4)
    message = refusal(fit_strictly, frame, "y")
    assert message.startswith("values are missing in 3 columns: 'n' (2 values), 't' (1 value), 'gone' (4 values); ")
    assert "--missing impute" in message


@pytest.mark.parametrize(
    ("column", "new"),
    [
        ([1.0, 2.0, 3.0, 4.0], [None, 1.0, float("nan")]),
        ([True, False] * 2, [None, True, None]),
        (Y, [None, "a", None]),
    ],
)
def test_missing_values_in_new_data_are_refused_unless_training_imputed(column, new):
    frame = frame_of(c=column)
    message = refusal(fit_strictly(frame, "y").transform, pl.DataFrame({"c": new}))
    assert message.startswith(
        "column 'c': a value is missing in row 1 (and 1 more row), and this preprocessing refuses"
    )
    assert np.isfinite(fit_strictly(frame, "y", missing="impute").transform(pl.DataFrame({"c": new}))).all()


def test_text_where_numbers_were_names_column_row_and_value():
    fitted = Preprocessor.fit(frame_of(n=[1, 2, 3, 6]), "y")
    message = refusal(fitted.transform, pl.DataFrame({"n": ["1", "2.5", "tall", None, "wide"]}), strict=True)
    assert message == "column 'n': expected numbers, got 'tall' in row 3 (and 1 more row)"
    numbers = pl.DataFrame({"n": [1.0, 2.5]})
    assert fitted.transform(numbers.cast({"n": pl.String})).tobytes() == fitted.transform(numbers).tobytes()


@pytest.mark.parametrize(
    ("column", "new", "message"),
    [
        ([1, 2, 3, 6], [True], "column 'c': expected numbers, got Boolean"),
        ([1, 2, 3, 6], [datetime.date(2020, 1, 2)], "column 'c': expected numbers, got Date"),
        ([1, 2, 3, 6], [[1]], "column 'c': expected numbers, got List(Int64)"),
        ([1, 2, 3, 6], [1.0, float("-inf")], "column 'c': expected finite numbers, got -inf in row 2"),
        ([1, 2, 3, 6], ["1", "inf"], "column 'c': expected finite numbers, got 'inf' in row 2"),
        (
            [1e-3, 2e-3, 3e-3, 6e-3],
            [1.7e308],
            "column 'c': expected numbers of the size seen in training, got 1.7e+308",
        ),
        ([True, False] * 2, ["true", "maybe"], "column 'c': expected true or false, got 'maybe' in row 2"),
        ([True, False] * 2, [0, 2], "column 'c': expected true or false, got 2 in row 2"),
        (
            Y,
            ["a", "c", "c"],
            "column 'c': expected one of 'a', 'b', got 'c' in row 2 (and 1 more row); correct it, or pass",
        ),
        (Y, [1.5], "column 'c': expected one of 'a', 'b', got '1.5' in row 1"),
        (Y, [datetime.date(2020, 1, 2)], "column 'c': expected text, got Date"),
    ],
)
def test_a_wrong_value_in_new_data_is_named(column, new, message):
    fitted = fit_strictly(frame_of(c=column), "y", missing="impute")
    assert refusal(fitted.transform, pl.DataFrame({"c": new}, strict=False)).startswith(message)


@pytest.mark.parametrize(
    "new", [[True, False, True], ["TRUE", "false", " True"], [1, 0, 1], [1.0, 0.0, 1.0], ["1", "0", "1"]]
)
def test_booleans_are_known_in_every_spelling(new):
    fitted = Preprocessor.fit(frame_of(c=[True, False, True, False]), "y")
    assert fitted.transform(pl.DataFrame({"c": new})).tolist() == [[1], [0], [1]]


def test_numbers_and_booleans_count_as_the_text_they_are_written_as():
    fitted = Preprocessor.fit(frame_of(c=["1", "2", "3+", "true"]), "y")
    assert fitted.transform(pl.DataFrame({"c": [2, 1]})).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert fitted.transform(pl.DataFrame({"c": [True]})).tolist() == [[0, 0, 0, 1]]


def test_unseen_categories_are_ignored_as_asked_and_noted():
    fitted = Preprocessor.fit(frame_of(c=["u", "v", "u", "v"]), "y")
    notes = []
    x = fitted.transform(pl.DataFrame({"c": ["w", "v", "x", "w"]}), unseen="ignore", notes=notes)
    assert x.tolist() == [[0, 0], [0, 1], [0, 0], [0, 0]]
    assert notes == ["column 'c': 3 rows with a category that training never saw: 'w', 'x'"]


def test_absent_columns_are_refused_with_the_nearest_and_extra_ones_noted():
    fitted = Preprocessor.fit(frame_of(length=[1, 2, 3, 6], width=[1, 2, 3, 5], size=[4, 3, 1, 2]), "y")
    message = refusal(fitted.transform, pl.DataFrame({"Length": [1], "w": [1], "size": [1]}))
    assert message == (
        "the table lacks 2 of the 3 columns that training used: 'length' (did you mean 'Length'?), 'width'; "
        "its columns: 'Length', 'w', 'size'"
    )
    notes = []
    fitted.transform(pl.DataFrame({"length": [1], "width": [1], "size": [1], "id": [7]}), notes=notes)
    assert notes == ["not used, because training had no such column: 'id'"]


@pytest.mark.parametrize(
    "column",
    [
        [datetime.date(2020, 1, day) for day in range(1, 5)],
        [datetime.datetime(2020, 1, day) for day in range(1, 5)],
        [datetime.timedelta(days=day) for day in range(1, 5)],
        ["2020-01-02", "2020-01-03", "2020-01-04", None],
        ["2020-01-02T10:00", "2020-01-03 10:00:01", "2020-01-04 10:00+02:00", "2020-01-04"],
        ["1/2/2020", "13/2/2020", "1/2/2021", "1/2/2022"],
        ["1.2.20", "13.2.20", "1.2.21", "1.2.22"],
        ["10:00", "11:00:30", "12:00", "13:00"],
    ],
)
def test_dates_are_refused_with_what_to_do(column):
    message = refusal(fit_strictly, frame_of(when=column, n=[1, 2, 3, 4]), "y")
    assert message.startswith("column 'when': expected numbers, booleans or text, got dates or times (")
    assert "leave the column out (drop=['when'], --drop when)" in message


def test_text_with_some_dates_is_text():
    assert Preprocessor.fit(frame_of(c=["2020-01-02", "never", "2020-01-02", "never"]), "y").n_features == 2


@pytest.mark.parametrize("column", [[[1]] * 4, [b"x"] * 4, [{"k": 1}] * 4])
def test_other_types_are_refused(column):
    message = refusal(fit_strictly, frame_of(c=column), "y")
    assert message.startswith("column 'c': expected numbers, booleans or text, got ")
    assert "--drop c" in message


def test_too_many_different_texts_are_refused():
    frame = pl.DataFrame({"name": [f"n{i}" for i in range(200)], "y": ["a", "b"] * 100})
    message = refusal(fit_strictly, frame, "y")
    assert message.startswith("column 'name': 200 different texts are too many for categories (at most 100); ")
    assert "--drop name" in message
    assert fit_strictly(frame, "y", categories_max=200).n_features == 200
    assert "(at most 199)" in refusal(fit_strictly, frame, "y", categories_max=199)


def test_text_among_many_numbers_is_refused_and_named():
    frame = pl.DataFrame({"age": [*map(str, range(18)), "abc", "old"], "y": ["a", "b"] * 10})
    message = refusal(fit_strictly, frame, "y")
    assert message.startswith("column 'age': expected numbers, got text among them: 'abc', 'old'; correct it")


def test_decimal_commas_are_recognized():
    frame = pl.DataFrame({"n": [f"{i},5" for i in range(20)], "y": ["a", "b"] * 10})
    assert "expected numbers, got text among them: '0,5' (a decimal comma? write a point)" in refusal(
        fit_strictly, frame, "y"
    )


def test_few_numbers_with_text_are_categories_with_a_note():
    fitted = fit_strictly(frame_of(children=["0", "1", "2", "3+"]), "y")
    assert fitted.feature_names == ("children=0", "children=1", "children=2", "children=3+")
    assert fitted.notes == ("column 'children': taken as categories, because of text among the numbers: '3+'",)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, float("inf"), 2.0, 3.0], "column 'c': expected finite numbers, got inf in row 2"),
        (
            [1e308, -1e308, 1e308, -1e308],
            "column 'c': from -1e+308 to 1e+308, its mean and standard deviation are out of",
        ),
        (
            [0.0, 5e-324, 0.0, 0.0],
            "column 'c': from 0 to 4.94066e-324, its mean and standard deviation are out of range",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(column, message):
    assert refusal(fit_strictly, frame_of(c=column), "y").startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "z"}, "target 'z' is not in the table; its columns: 'color', 'y'"),
        (
            {"target": "colour"},
            "target 'colour' is not in the table (did you mean 'color'?); its columns: 'color', 'y'",
        ),
        ({"target": "Y"}, "target 'Y' is not in the table (did you mean 'y'?)"),
        ({"drop": ["Color"]}, "dropped column 'Color' is not in the table (did you mean 'color'?)"),
        ({"drop": "color"}, "expected drop to be a list of columns, got the text 'color'"),
        ({"drop": ["y"]}, "column 'y' is the target and cannot be dropped too"),
        ({"drop": ["color"]}, "expected one or more columns to learn from beside the target 'y'; left out: 'color'"),
        ({"missing": "drop"}, "unknown way to treat missing values 'drop'"),
        ({"task": "clustering"}, "unknown task 'clustering'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    frame = frame_of(color=[1, 2, 3, 4])
    assert refusal(Preprocessor.fit, frame, **({"target": "y"} | arguments)).startswith(message)


def test_a_table_of_the_target_alone_is_refused():
    assert (
        refusal(Preprocessor.fit, frame_of(), "y") == "expected one or more columns to learn from beside the target 'y'"
    )


def test_a_table_without_rows_cannot_be_fitted_but_can_be_transformed():
    frame = frame_of(n=[1, 2, 3, 4], t=Y)
    assert refusal(Preprocessor.fit, frame[:0], "y") == "the table has no rows"
    assert Preprocessor.fit(frame, "y").transform(frame[:0]).shape == (0, 3)


@pytest.mark.parametrize("frame", [{"n": [1]}, np.zeros((2, 2)), pl.Series([1]), None])
def test_what_is_no_data_frame_is_refused(frame):
    fitted = Preprocessor.fit(frame_of(n=[1, 2, 3, 4]), "y")
    for call in (
        lambda: Preprocessor.fit(frame, "y"),
        lambda: fitted.transform(frame),
        lambda: fitted.encode_target(frame),
    ):
        assert refusal(call).startswith("expected a data frame, such as one of polars, pandas or pyarrow, got ")


def test_an_unknown_way_to_treat_unseen_categories_is_refused():
    frame = frame_of(n=[1, 2, 3, 4])
    assert "unknown way" in refusal(Preprocessor.fit(frame, "y").transform, frame, unseen="skip")


def test_long_values_and_many_columns_stay_on_one_short_line():
    frame = frame_of(**{f"column {i}\n": [1, 2, 3, 4] for i in range(500)})
    message = refusal(Preprocessor.fit, frame, "z" * 1000)
    assert len(message) < 600
    assert "(501 in all)" in message


numbers = st.floats(-1e100, 1e100)


@settings(max_examples=50, deadline=None)
@given(st.lists(numbers, min_size=2, max_size=30).filter(lambda values: max(values) - min(values) > 1e-100))
def test_standardized_numbers_have_mean_0_and_deviation_1(values):
    assume(not differ_by_rounding(pl.Series(values), np.array(values)))  # such a column is left out
    frame = pl.DataFrame({"n": values, "y": [index % 2 == 0 for index in range(len(values))]})
    x = Preprocessor.fit(frame, "y").transform(frame)
    spread = np.std(values)
    rounding = 1e-13 * max(1.0, np.abs(values).max() / spread)
    assert abs(x.mean()) <= rounding
    assert abs(x.std() - 1.0) <= rounding


def test_prepare_holds_out_rows_that_the_statistics_never_see():
    n = 40
    frame = pl.DataFrame(
        {"n": [float(i) for i in range(n)], "t": [f"t{i}" for i in range(n)], "y": ["a", "b", "b", "b"] * 10}
    )
    prepared = prepare(frame, "y", strict=True, validation=0.25, seed=5)
    assert sorted([*prepared.train_rows, *prepared.validation_rows]) == list(range(n))
    assert prepared.x_train.shape == (30, 31)
    assert prepared.x_validation.shape == (10, 31)
    np.testing.assert_allclose(prepared.x_train[:, 0].mean(), 0.0, atol=1e-12)
    assert prepared.y_validation.tolist().count(0) in (2, 3)
    assert prepared.x_validation[:, 1:].sum() == 0
    assert prepared.notes[0].startswith("column 't': 10 rows with a category that training never saw: ")
    again = prepare(frame, "y", strict=True, validation=0.25, seed=5)
    assert again.preprocessor == prepared.preprocessor
    assert prepare(frame, "y", strict=True, validation=0.25, seed=6).preprocessor != prepared.preprocessor


def test_prepare_holds_nothing_out_as_asked():
    frame = frame_of(n=[1, 2, 3, 4], c=[1, 1, 1, 1])
    prepared = prepare(frame, "y", strict=True, validation=0)
    assert prepared.x_validation is None
    assert prepared.y_validation is None
    assert prepared.x_train.tobytes() == prepared.preprocessor.transform(frame).tobytes()
    assert prepared.notes == ("column 'c' is left out: it is 1 in every training row",)


@pytest.mark.parametrize("validation", [-0.1, 1.0, float("nan")])
def test_prepare_refuses_a_part_that_is_none(validation):
    assert "expected a part of the rows" in refusal(prepare, frame_of(n=[1, 2, 3, 4]), "y", validation=validation)


def test_prepare_names_a_class_with_one_row_by_its_label():
    frame = pl.DataFrame({"n": range(5), "y": ["a", "a", "b", "b", "rare"]})
    assert refusal(prepare, frame, "y", strict=True, validation=0.4).startswith("class 'rare' has one row only")


# -- columns whose type is declared, and text that looks like numbers -------------------------------------


@pytest.mark.parametrize("declared", ["text", "category"])
@pytest.mark.parametrize(
    "column",
    [
        [1, 2, 1, 3],
        [1.5, 2.0, 1.5, 3.0],
        [True, False, True, True],
        ["2020-01-02", "2020-01-03"] * 2,
        ["1,5", "NA"] * 2,
    ],
)
def test_a_declared_text_or_category_is_one_hot_whatever_it_looks_like(declared, column):
    frame = frame_of(n=[1, 2, 3, 6], c=column)
    fitted = Preprocessor.fit(frame, "y", types={"c": declared})
    texts = pl.Series(column).cast(pl.String).to_list()
    assert fitted.feature_names == ("n", *(f"c={text}" for text in sorted(set(texts))))
    assert fitted.transform(frame)[:, 1:].argmax(axis=1).tolist() == [sorted(set(texts)).index(text) for text in texts]
    assert (fitted.notes, fitted.text_columns[0], fitted.types) == ((), "c", {"c": declared})


def test_a_declared_category_may_have_any_number_of_values_and_a_text_may_not():
    frame = pl.DataFrame({"c": [f"{i},5" for i in range(150)], "y": ["a", "b"] * 75})
    assert fit_strictly(frame, "y", types={"c": "category"}).n_features == 150
    message = refusal(fit_strictly, frame, "y", types={"c": "text"})
    assert "150 different texts are too many" in message
    assert "declare it (types={'c': 'category'}, --category c) to have them all" in message


def test_text_declared_a_number_is_one_in_every_row():
    frame = frame_of(c=["01", " 2.5", "3", "89314404000000000003"])
    assert fit_strictly(frame, "y", types={"c": "number"}).feature_names == ("c",)
    frame = frame_of(c=["01", "2", "three", "4"])
    assert "column 'c': expected numbers, got 'three' in row 3" in refusal(
        fit_strictly, frame, "y", types={"c": "number"}
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"types": {"d": "text"}}, "text column 'd' is not in the table"),
        ({"types": {"c": "words"}}, "column type"),
        ({"types": ["c"]}, "expected types to be a dict"),
        ({"types": {"c": "number"}, "drop": ["c"]}, "column 'c' is declared number and dropped too"),
    ],
)
def test_a_type_that_makes_no_sense_is_refused(options, message):
    assert message in refusal(prepare, frame_of(n=[1, 2, 3, 6], c=["1", "2", "3", "4"]), "y", **options)


def test_numbers_that_are_text_are_categories_with_a_note():
    (note,) = fit_strictly(frame_of(zip=["01", "1", "20", "01"]), "y").notes
    assert "column 'zip': taken as categories, because its numbers are text ('01')" in note
    assert note.endswith("if they are numbers, declare it (types={'zip': 'number'}, --number zip)")


@pytest.mark.parametrize(
    "form", ["${}.50", "{}%", "{}, 5", "{},5", "{} kg", "{},000", "-{} m/s", "€ {}", "{}.000,5", "{}°C"]
)
def test_numbers_with_a_unit_or_commas_are_categories_with_a_note(form):
    values = [form.format(i) for i in (1, 2, 3, 4)]
    notes = fit_strictly(frame_of(c=values), "y").notes
    if form == "{}, 5":
        assert notes == ()
    else:
        assert notes[0].startswith("column 'c': taken as 4 different texts, though they look like numbers")
        assert "--category c" in notes[0]


@pytest.mark.parametrize(
    "values",
    [
        ["1st", "2nd", "3rd", "4th"],
        ["4wd", "2wd"] * 2,
        ["1.2.3", "1.2.4", "2.0.0", "2.1.0"],
        ["18-25", "26-40", "41-65", "66-99"],
    ],
)
def test_other_text_with_digits_gets_no_note(values):
    assert fit_strictly(frame_of(c=values), "y").notes == ()


@pytest.mark.parametrize(
    ("form", "hint"),
    [("{},700", "'1,700' (a comma between thousands? write 1700)"), ("{},7", "'1,7' (a decimal comma? write a point)")],
)
@pytest.mark.parametrize("others", [0, 30])
def test_commas_in_numbers_get_the_right_advice(form, hint, others):
    values = [form.format(i) for i in range(1, 31)] + [str(i) for i in range(2 * others)]
    frame = pl.DataFrame({"c": values, "y": ["a", "b"] * (len(values) // 2)})
    message = refusal(fit_strictly, frame, "y")
    assert "expected numbers, got text among them: '1,7" in message
    assert hint.partition("(")[2] in message


def test_imputed_text_says_how_its_markers_are_kept():
    fitted = fit_strictly(frame_of(c=["EU", None, "AS", "EU"]), "y", missing="impute")
    assert fitted.notes[0].startswith(
        "column 'c': 1 missing value, taken as 'EU'; if NA, N/A, NaN, null or ? are values"
    )
    message = refusal(fit_strictly, frame_of(c=["EU", None, "AS", "EU"], n=[1, None, 2, 3]), "y")
    assert message.endswith("are values of 'c', declare it (types={'c': 'category'}, --category c)")


def test_a_preprocessing_does_not_change_with_what_it_was_given():
    types = {"size": "number"}
    table = pl.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "a", "b", "b"]})
    fitted = Preprocessor.fit(table, "kind", types=types)
    before = fitted.to_dict()
    types["other"] = "text"
    assert fitted.to_dict() == before
    assert Preprocessor.from_dict(fitted.to_dict()) == fitted
