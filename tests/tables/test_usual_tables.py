"""Ordinary tables: what each column becomes without a word from the user, and what is told about it."""

import datetime
import json

import numpy as np
import pytest

from bpx.errors import FileFormatError, InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, prepare, split  # noqa: E402
from bpx.tables.identifiers import find_key, find_many_texts  # noqa: E402
from bpx.tables.leaks import find_leak  # noqa: E402
from bpx.tables.target_tally import TargetTally  # noqa: E402

ROWS = 60
X = np.random.default_rng(0).normal(size=ROWS).round(3)
LARGE = np.random.default_rng(1).permutation(10**6)[:ROWS]


def table(y=None, **columns):
    """Return a table of 60 rows: a column of floats, those that are given, each repeated, and a target of classes."""
    filled = {name: (list(values) * ROWS)[:ROWS] for name, values in columns.items()}
    return pl.DataFrame({"x": X, **filled, "y": (list(y or ["a", "b", "b"]) * ROWS)[:ROWS]}, strict=False)


def fit(frame, target="y", **options):
    fitted = Preprocessor.fit(frame, target, **options)
    restored = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert restored == fitted
    x = fitted.transform(frame)
    assert restored.transform(frame).tobytes() == x.tobytes()
    assert np.isfinite(x).all()
    return fitted


def features(fitted):
    assert fitted.feature_names[0] == "x"
    return fitted.feature_names[1:]


def note(fitted, *words):
    """Return the one note that has all of some words."""
    (found,) = [line for line in fitted.notes if all(word in line for word in words)]
    return found


# -- gaps -------------------------------------------------------------------------------------------------


def test_gaps_are_filled_and_flagged():
    frame = table(n=[1.0, None, 5.0, 9.0], b=[True, None, True, False], t=["u", None, "v", "u"])
    fitted = fit(frame)
    assert features(fitted) == ("n", "n is missing", "b", "b is missing", "t=u", "t=v", "t is missing")
    x = fitted.transform(frame)[:4, 1:]
    numbers = np.array([1.0, 5.0, 5.0, 9.0])
    np.testing.assert_allclose(x[:, 0], (numbers - 5.0) / np.sqrt(8.0))
    np.testing.assert_array_equal(x[:, 1], [0, 1, 0, 0])
    np.testing.assert_array_equal(x[:, 2:4], [[1, 0], [1, 1], [1, 0], [0, 0]])
    np.testing.assert_array_equal(x[:, 4:], [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert note(fitted, "filled and flagged") == (
        "3 columns with gaps, which are filled and flagged: 'n' (15 values), 'b' (15 values), 't' (15 values)"
    )


def test_gaps_that_training_had_none_of_are_filled_and_told_in_one_note():
    fitted = fit(table(n=[1.0, 2.0, 9.0], b=[True, True, False], t=["u", "v", "u"]))
    new = pl.DataFrame({"x": [0.0, 0.0], "n": [None, 2.0], "b": [None, True], "t": [None, "u"]})
    notes = []
    x = fitted.transform(new, notes=notes)
    assert x[0].tobytes() == x[1].tobytes()
    assert notes == [
        "3 columns with gaps that training had none of, filled: 'n' (1 value), 'b' (1 value), 't' (1 value)"
    ]


@pytest.mark.parametrize("word", ["n/a", "-", "unknown", "?", "#N/A", " "])
def test_words_for_a_gap_are_gaps_among_numbers_in_training_and_later(word):
    frame = table(n=["1.5", word, "2.5", "7.5"])
    fitted = fit(frame)
    assert features(fitted) == ("n", "n is missing")
    assert fitted.text_columns == ("n", "y")
    clean = fit(table(n=["1.5", "2.5", "7.5"]).cast({"n": pl.Float64}))
    x = clean.transform(pl.DataFrame({"x": [0.0], "n": [word]}))
    assert x.tobytes() == clean.transform(pl.DataFrame({"x": [0.0], "n": [None]})).tobytes()
    for fitted_ in (clean, fitted):
        rows = pl.DataFrame({"x": [0.0] * 2, "n": [word, "seven"]})
        with pytest.raises(InputError, match="column 'n': expected numbers, got 'seven' in row 2"):
            fitted_.transform(rows, strict=True)
        notes = []
        x = fitted_.transform(rows, notes=notes)
        assert x[0].tobytes() == x[1].tobytes()
        (line,) = [line for line in notes if "cannot be read" in line]
        assert "'seven'" in line


def test_text_among_many_numbers_is_a_gap_and_named():
    frame = table(n=[*map(str, range(18)), "oops", "none of these"])
    fitted = fit(frame)
    assert features(fitted) == ("n", "n is missing")
    assert "'n' ('oops', 'none of these')" in note(fitted, "text among the values")
    assert fitted.transform(pl.DataFrame({"x": [0.0], "n": ["others"]}))[0, 2] == 1.0
    assert fit(table(n=["0", "1", "2", "3+"])).n_features == 5


def test_infinite_numbers_are_gaps():
    fitted = fit(table(n=[1.0, float("inf"), 2.0, 5.0]))
    assert "'n' (15 values)" in note(fitted, "infinite")
    assert np.isfinite(fitted.transform(pl.DataFrame({"x": [0.0], "n": [float("-inf")]}))).all()


def test_missing_values_are_refused_as_asked():
    frame = table(n=[1.0, None, 3.0], t=["u", None, "v"])
    with pytest.raises(InputError, match=r"values are missing in 2 columns: 'n' \(20 values\), 't' \(20 values\)"):
        Preprocessor.fit(frame, "y", missing="refuse")
    fitted = Preprocessor.fit(table(n=[1.0, 2.0]), "y", missing="refuse")
    with pytest.raises(InputError, match="column 'n': a value is missing in row 1"):
        fitted.transform(pl.DataFrame({"x": [0.0], "n": [None]}))


# -- categories -------------------------------------------------------------------------------------------


def test_unseen_categories_are_zeros_with_a_note_and_refused_as_asked():
    fitted = fit(table(t=["u", "v"]))
    notes, new = [], pl.DataFrame({"x": [0.0, 0.0], "t": ["w", "u"]})
    assert fitted.transform(new, notes=notes)[:, 1:].tolist() == [[0, 0], [1, 0]]
    assert notes == ["column 't': 1 row with a category that training never saw: 'w'"]
    with pytest.raises(InputError, match="expected one of 'u', 'v', got 'w' in row 1"):
        fitted.transform(new, unseen="refuse")


def test_of_many_categories_the_most_frequent_are_kept_and_the_rest_is_another():
    frame = table(t=["u", "u", "u", "v", "v", "w", "z"])
    fitted = fit(frame, categories_max=2)
    assert features(fitted) == ("t=u", "t=v", "t is another")
    new = pl.DataFrame({"x": [0.0] * 4, "t": ["u", "w", "never seen", None]})
    assert fitted.transform(new, unseen="refuse")[:, 1:].tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert "'t' (2 of 4, 16 training rows in the others)" in note(fitted, "most frequent")
    assert fit(frame, categories_max=2, types={"t": "category"}).n_features == 5
    assert features(fit(frame, categories_max=2, types={"t": "text"})) == ("t=u", "t=v", "t is another")


def test_spaces_around_categories_do_not_count():
    fitted = fit(table(t=[" male", "male", "female ", "  "]))
    assert features(fitted) == ("t=female", "t=male", "t is missing")
    assert "'t' (such as ' male')" in note(fitted, "spaces")
    assert fitted.transform(pl.DataFrame({"x": [0.0], "t": ["male  "]}))[0, 1:].tolist() == [0, 1, 0]
    assert fit(table(t=[" male", "male"]), types={"t": "category"}).n_features == 3


# -- columns that are left out ----------------------------------------------------------------------------


def test_columns_are_left_out_with_their_reasons_in_one_note():
    frame = table(
        Name=[f"person {i}" for i in range(ROWS)],
        id=range(1000, 1000 + ROWS),
        const=[7],
        planet=["Earth"],
        nothing=[None],
        cells=[[1, 2]],
        review=[f"text {i % 35} that hardly comes again" for i in range(ROWS)],
    )
    fitted = fit(frame)
    assert features(fitted) == ()
    assert fitted.left_out == ("Name", "id", "const", "planet", "nothing", "cells", "review")
    line = note(fitted, "left out")
    assert line.startswith("7 columns left out: 'const' (7 in every training row), 'planet' ('Earth' in every training")
    for words in ("'Name' (all different)", "'id' (all different)", "'nothing' (has no values)", "'review' (35 differ",
                  "'cells' (holds List(Int64))", "--category Name"):  # fmt: skip
        assert words in line
    notes = []
    assert fitted.transform(frame.select("x"), notes=notes).shape == (ROWS, 1)
    assert notes == []


def test_of_a_column_with_gaps_that_says_nothing_else_it_is_used_whether_there_is_a_value():
    frame = table(member=["x", None, " "], cabin=[f"C{i}" if i % 2 else None for i in range(ROWS)])
    fitted = fit(frame)
    assert features(fitted) == ("member is missing", "cabin is missing")
    assert fitted.left_out == ()
    assert fitted.transform(frame)[:4, 1:].tolist() == [[0, 1], [1, 0], [1, 1], [0, 0]]
    assert note(fitted, "only whether").endswith("'member' ('x' in every training row), 'cabin' (all different)")
    new = pl.DataFrame({"x": [0.0], "member": ["y"], "cabin": [1.5]})
    assert fitted.transform(new)[0, 1:].tolist() == [0, 0]
    assert fit(table(t=["x"] * (ROWS - 4) + [None] * 4)).left_out == ("t",)
    assert fit(table(t=[None] * (ROWS - 4) + ["x"] * 4)).left_out == ("t",)
    assert fit(table(t=[None])).left_out == ("t",)


@pytest.mark.parametrize(
    ("name", "values", "key"),
    [
        ("id", LARGE, "all different"),
        ("customerID", LARGE, "all different"),
        ("unnamed 1", range(ROWS), "all different"),
        ("Unnamed: 0", range(ROWS), "all different"),
        ("k", range(5, 5 + ROWS), "counting up"),
        ("k", np.cumsum(np.random.default_rng(1).integers(1, 9, ROWS)), "rising from row to row"),
        ("k", np.random.default_rng(1).permutation(ROWS) + 70, "all different, each number of its range"),
        ("k", LARGE, "all different, spread like numbers that are handed out"),
        ("salary", np.exp(np.random.default_rng(1).normal(10.5, 0.6, ROWS)).astype(int), ""),
        ("area", np.random.default_rng(1).permutation(900)[:ROWS], ""),
        ("year", range(1950, 1950 + ROWS), ""),
        ("week_no", [1, 2, 3] * 20, ""),
        ("id", [7, 8] * 30, ""),
        ("id", range(5), ""),
    ],
)  # fmt: skip
def test_integers_that_identify_rows(name, values, key):
    series = pl.Series(name, np.array(values))
    assert find_key(series) == key
    frame = table(**{name: list(values)})
    if key:
        assert features(fit(frame)) == ()
        assert features(fit(frame, types={name: "number"})) == (name,)
    elif len(series) == ROWS:
        assert features(fit(frame)) == (name,)


def test_a_gap_or_a_float_makes_no_identifier():
    assert features(fit(table(k=[None, *range(1, ROWS)]))) == ("k", "k is missing")
    assert features(fit(table(k=[float(i) for i in range(ROWS)]))) == ("k",)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([f"t{i}" for i in range(10)], "all different"),
        ([f"t{i}" for i in range(9)], ""),
        ([None] * 50 + [f"t{i}" for i in range(10)], "all different"),
        ([f"t{i % 31}" for i in range(ROWS)], "31 different texts in 60 rows"),
        ([f"t{i % 30}" for i in range(ROWS)], ""),
        ([f"t{i % 20}" for i in range(22)], ""),
    ],
)
def test_texts_that_hardly_come_again(values, reason):
    assert find_many_texts(pl.Series(values)) == reason


def test_an_identifier_is_kept_where_there_is_nothing_else():
    frame = pl.DataFrame({"k": range(30), "y": ["a", "b", "b"] * 10})
    fitted = Preprocessor.fit(frame, "y")
    assert fitted.feature_names == ("k",)
    assert "kept, though all its values differ, because there is nothing else to learn from: 'k'" in fitted.notes[0]


# -- numbers in disguise ----------------------------------------------------------------------------------


def test_numbers_in_disguise_are_read_the_same_later():
    frame = table(cost=["$1,200.50", "$900", "($12)"], share=["46%", "5%", "9%"], plain=[1, 2, 4])
    fitted = fit(frame)
    assert features(fitted) == ("cost", "share", "plain")
    line = note(fitted, "read as numbers")
    assert line.startswith(
        "2 columns of text read as numbers: 'cost' ('$1,200.50' is 1200.5), 'share' ('46%' is 46); if they are"
    )
    assert set(fitted.text_columns) == {"cost", "share", "y"}
    new = pl.DataFrame({"x": [0.0] * 2, "cost": ["900", "$ 1200.5"], "share": ["5 %", "46 %"], "plain": [1, 2]})
    old = pl.DataFrame({"x": [0.0] * 2, "cost": ["$900", "$1,200.50"], "share": ["5%", "46%"], "plain": [1, 2]})
    numbers = new.with_columns(cost=pl.Series([900.0, 1200.5]))
    assert fitted.transform(new).tobytes() == fitted.transform(old).tobytes() == fitted.transform(numbers).tobytes()
    other = pl.DataFrame({"x": [0.0], "cost": ["5 €"], "share": ["5%"], "plain": [1]})
    with pytest.raises(InputError, match="column 'cost': expected numbers, got '5 €' in row 1"):
        fitted.transform(other, strict=True)
    assert fitted.transform(other).tobytes() == fitted.transform(other.with_columns(cost=pl.lit(None))).tobytes()


@pytest.mark.parametrize("values", [["46%", "5%", "9%"], ["18K", "25K", "3K"]])
def test_a_number_that_may_be_on_another_scale_is_missing_whether_it_is_text_or_not(values):
    unit = values[0][-1]
    fitted = fit(table(n=values))
    filled = fitted.transform(pl.DataFrame({"x": [0.0] * 3, "n": [None, None, f"0{unit}"]})).tobytes()
    for column, such in ((["0.46", "5", "0"], "'0.46', '5'"), ([0.46, 5.0, 0.0], "'0.46', '5.0'"), ([3, 5, 0], "'3'")):
        new, notes = pl.DataFrame({"x": [0.0] * 3, "n": column}), []
        assert fitted.transform(new, notes=notes).tobytes() == filled
        assert "cannot be read as in training, taken for gaps: 'n' (2 values, such as " + such in notes[0]
        with pytest.raises(InputError, match=f"column 'n': expected numbers with {unit}, got '.*' in row 1"):
            fitted.transform(new, strict=True)


def test_a_target_that_may_be_on_another_scale_is_left_out():
    fitted = fit(pl.DataFrame({"x": X, "y": [f"{i}%" for i in range(ROWS)]}))
    for y in (["0.5", "5", "5%", "0"], [0.5, 5.0, 0.0, 0.0]):
        new, tally = pl.DataFrame({"x": [0.0] * 4, "y": y}), TargetTally("y")
        assert fitted.find_target_rows(new, tally=tally).tolist() == [2, 3]
        assert tally.tell()[0].startswith("2 rows without the target 'y' left out (such as ")


def test_thousands_letters_are_multiplied_in_training_and_in_new_rows():
    fitted = fit(table(n=["1.8K", "3.8K", "155"]))
    assert "'n' ('1.8K' is 1800)" in note(fitted, "read as numbers")
    texts = pl.DataFrame({"x": [0.0] * 3, "n": ["200", "1.2K", "2.5M"]})
    assert (
        fitted.transform(texts).tobytes()
        == fitted.transform(texts.with_columns(n=pl.Series([200, 1200, 2500000]))).tobytes()
    )


def test_bounds_of_the_target_are_told():
    y = ["<0.5", *(f"{i}.5" for i in range(ROWS - 1))]
    fitted = fit(pl.DataFrame({"x": X, "y": y}))
    assert "'y' ('<0.5')" in note(fitted, "numbers with bounds, taken as the numbers")
    tally = TargetTally("y")
    for part in (["<1.5", "2.5"], [">3", "<1.5"]):
        fitted.find_target_rows(pl.DataFrame({"x": [0.0] * 2, "y": part}), tally=tally)
    assert tally.tell() == ["target 'y': 3 bounds taken as the number, such as '<1.5', '>3'"]


def test_points_that_are_decimal_marks_elsewhere_in_the_file_are_told():
    fitted = fit(table(n=["1.234,5 €", "17,5 €", "2.500 €"]))
    for values, decimal, told in (
        (["1.500 €", "20 €"], ".", True),
        (["1.500 €", "20 €"], ",", False),
        (["1.500 €", "2,5 €"], ".", False),
        (["2,500 €", "20 €"], ".", False),
    ):
        notes: list[str] = []
        fitted.transform(pl.DataFrame({"x": [0.0] * 2, "n": values}), decimal=decimal, notes=notes)
        assert [line for line in notes if "between thousands" in line] == notes[: bool(told)]
        assert any("between thousands: 'n' (1 value, such as '1.500 €')" in line for line in notes) == told


def test_a_unit_that_varies_is_told():
    fitted = fit(table(w=["3 kg", "200 g", "1 kg", "500 g"]))
    assert fitted.n_features == 5
    assert "'w' (kg, g)" in note(fitted, "the unit varies")
    fitted = fit(table(w=[f"{i} kg" if i % 2 else f"{i} g" for i in range(ROWS)]))
    assert "'w' (all different; numbers whose unit varies: g, kg)" in note(fitted, "left out")


def test_a_comma_that_could_be_either_is_told():
    assert "'m' ('2,700')" in note(fit(table(m=["2,700", "3,500", "900"])), "between thousands")


def test_a_declared_number_is_read_in_any_notation_and_is_one_in_every_row():
    assert features(fit(table(n=["01", "2", "30"]), types={"n": "number"})) == ("n",)
    assert features(fit(table(n=["$1,000", "$2", "$30"]), types={"n": "number"})) == ("n",)
    with pytest.raises(InputError, match="column 'n': expected numbers, got 'oops' in row 4"):
        Preprocessor.fit(table(n=["$1", "$2", "$3", "oops"]), "y", types={"n": "number"})


def test_texts_that_a_file_of_text_has_for_gaps_are_kept_with_their_columns():
    key = [("NA", "None")[i % 5 == 0] if i % 5 < 2 else f"t{i}" for i in range(ROWS)]
    frame = table(
        g=["NA", "EU", None], often=["a", "a", "b", "b", "c", "c", "?"], said=["none", "none", "None", "x"],
        key=[None if i % 6 == 0 else text for i, text in enumerate(key)], n=["1", "2", "NA"], y=["None", "some", "x"],
    )  # fmt: skip
    fitted = fit(frame, categories_max=3)
    assert "key is missing" in features(fitted)
    assert "key=NA" not in features(fitted)
    assert fitted.known_texts == {
        "g": ("NA",), "often": ("?",), "said": ("None",), "key": ("NA", "None"), "y": ("None",),
    }  # fmt: skip
    data = fitted.to_dict()
    del data["kept_texts"]  # as a bpx before wrote it: its categories and labels are known
    assert Preprocessor.from_dict(data).known_texts == {"g": ("NA",), "y": ("None",)}
    with pytest.raises(FileFormatError, match="kept_texts: unknown fields 'absent'"):
        Preprocessor.from_dict(data | {"kept_texts": {"absent": ["NA"]}})
    assert "kept_texts" not in fit(frame, types=dict.fromkeys(["g", "often", "said", "key", "y"], "text")).to_dict()


def test_durations_are_numbers_and_lists_are_left_out():
    frame = table(d=[datetime.timedelta(hours=h) for h in (1, 2, 5)])
    fitted = fit(frame)
    assert features(fitted) == ("d",)
    seconds = frame.with_columns(d=pl.Series([3600.0, 7200.0, 18000.0] * 20))
    assert fitted.transform(seconds).tobytes() == fitted.transform(frame).tobytes()


CATEGORIES = [
    ["1", "2", "5"], ["101", "102", "x"], ["10%", "20%", "5%"], ["2024-01-01", "2024-02-01", "2024-03-01"],
    ["a", "A", " a"], ["0", "1", None],
]  # fmt: skip


@pytest.mark.parametrize("values", CATEGORIES)
@pytest.mark.parametrize("enum", [False, True])
def test_what_the_type_calls_a_category_is_one_whatever_it_looks_like(values, enum):
    dtype = pl.Enum([value for value in values if value is not None]) if enum else pl.Categorical
    texts = table(c=values)
    frame = texts.cast({"c": dtype})
    fitted = fit(frame)
    declared = fit(texts, types={"c": "category"})
    assert (fitted.columns, fitted.notes) == (declared.columns, declared.notes)
    assert {feature.partition("=")[0] for feature in features(fitted)} <= {"c", "c is missing"}
    strict = frame.drop_nulls()
    assert (
        fit(strict, strict=True).columns
        == fit(strict.cast({"c": pl.String}), strict=True, types={"c": "category"}).columns
    )


@pytest.mark.parametrize("values", [*CATEGORIES[:4], [str(100 + i) for i in range(25)]])
def test_a_target_whose_type_calls_it_a_category_is_classes_with_labels_of_text(values):
    texts = table(y=values)
    frame = texts.cast({"y": pl.Categorical})
    fitted = fit(frame)
    assert fitted.target == fit(texts, types={"y": "category"}).target
    assert fitted.target.labels == tuple(sorted(values))
    assert prepare(frame, "y").preprocessor.target == fitted.target
    assert fit(frame, strict=True).target.labels == fitted.target.labels
    if values[0].isdigit() and values[-1].isdigit():
        assert fit(frame, task="regression").target == fit(texts, task="regression").target


def test_categories_that_hardly_come_again_are_left_out_by_their_type_too():
    frame = table(c=[f"person {i}" for i in range(ROWS)]).cast({"c": pl.Categorical})
    assert fit(frame).left_out == ("c",)
    many = table(c=[f"{i % 25:03}" for i in range(ROWS)]).cast({"c": pl.Categorical})
    assert len(features(fit(many, categories_max=10))) == 11


def test_numbers_that_a_table_with_types_has_as_text_are_told():
    assert "'c' (such as '1')" in note(fit(table(c=["n/a", "1", "2", "5"])), "of text read as numbers", "--category c")
    assert "'y' (such as '1')" in note(fit(table(y=["1", "2", "5"])), "of text read as numbers", "--category y")
    assert fit(table(y=["1", "2", "5"]), task="regression").notes == ()


def test_codes_stay_text_with_a_note():
    fitted = fit(table(zip=["01234", "20001", "01235"]))
    assert "'zip' ('01234')" in note(fitted, "its numbers are text")
    assert fitted.n_features == 4


@pytest.mark.parametrize("value", [-999, 9999, -99, 999.9])
def test_a_number_that_looks_like_a_gap_is_told_and_stays(value):
    fitted = fit(table(n=[1.5, 2.5, 7.0, 3.0, value]))
    assert f"'n' ({value:g} in 12 rows)" in note(fitted, "looks like a gap")
    said = f"leave its cells empty, or have the file read so (missing_values=['{value:g}'], --missing-values {value:g})"
    assert said in note(fitted, "looks like a gap")
    assert features(fitted) == ("n",)
    assert fitted.columns[1].mean == pytest.approx(np.mean([1.5, 2.5, 7.0, 3.0, value]))


@pytest.mark.parametrize("value", [-999, 9999, 999.9])
@pytest.mark.parametrize("form", ["{}", "${}"])
def test_a_target_that_looks_like_a_gap_is_told_and_stays(value, form):
    numbers = [value if i % 10 == 0 else round(20 + v, 3) for i, v in enumerate(X)]
    frame = table(y=numbers if form == "{}" else [form.format(v) for v in numbers])
    fitted = fit(frame)
    assert f"'y' ({value} in 6 rows)" in note(
        fitted, "with a number that looks like a gap", f"--missing-values {value}"
    )
    prepared = prepare(frame, "y")
    assert sum("looks like a gap" in line for line in prepared.notes) == 1
    assert len(prepared.train_rows) + len(prepared.validation_rows) == ROWS
    assert not any("looks like a gap" in line for line in fit(frame, task="classification", categories_max=90).notes)


def test_numbers_in_reach_of_others_are_no_gaps():
    assert fit(table(n=[900, 999, 950, 1020])).notes == ()
    assert fit(table(n=[-120, -99, -80, 3])).notes == ()


# -- leaks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "y", "leak"),
    [
        (lambda y: y, "classes", "the same as the target"),
        (lambda y: [f"is {label}" for label in y], "classes", "the same as the target"),
        (lambda y: [f"{label}{i % 3}" for i, label in enumerate(y)], "classes", "each value has one target"),
        (lambda y: [i % 5 / 10 + (label == "b") for i, label in enumerate(y)], "classes", "each value has one target"),
        (lambda y: [X[i] + 9 * (label == "b") for i, label in enumerate(y)], "classes", "each class has a range"),
        (lambda y: [value * 2.5 + 1 for value in y], "numbers", "linear in the target"),
        (lambda y: y, "numbers", "the same as the target"),
        (lambda y: [(round(value * 9) * 7 % 11) for value in y], "few", "each value has one target"),
        (lambda y: [np.exp(value) for value in y], "numbers", "rises with the target"),
        (lambda y: [-round(value) for value in np.array(y) * 9], "numbers", "falls with the target"),
        (lambda y: [i % 5 for i in range(len(y))], "classes", ""),
        (lambda y: np.array(y) + np.random.default_rng(5).normal(size=len(y)), "numbers", ""),
    ],
)  # fmt: skip
def test_columns_that_give_the_target_away_are_told(column, y, leak):
    targets = ["a", "b", "b"] * 20 if y == "classes" else np.random.default_rng(3).normal(size=ROWS).tolist()
    targets = [(i * 7 % 11) / 9 for i in range(ROWS)] if y == "few" else targets
    frame = table(y=targets, c=list(column(targets)))
    told = [line for line in fit(frame).notes if "giving the target away" in line]
    assert [leak in line for line in told] == ([True] if leak else [])
    assert len(fit(frame).column_names) == 2


def test_gaps_give_the_target_away_too():
    frame = table(y=["a", "b", "b"], ended=[None, "2020-01-01", "2020-02-03"], member=[None, "x", "x"], x2=[1.0, None])
    fitted = fit(frame)
    assert "'ended' (by where it is missing), 'member' (by where it is missing)" in note(
        fitted, "giving the target away"
    )


def test_of_many_rows_all_are_looked_at_before_it_is_said():
    y = np.arange(20_000) % 2
    values = np.where(np.arange(20_000) < 15_000, y, 0.0)
    for column, told in ((values, 0), (y.astype(float), 1)):
        frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=20_000), "c": column, "y": y})
        assert sum("giving the target away" in line for line in Preprocessor.fit(frame, "y").notes) == told


def test_a_few_rows_give_nothing_away():
    assert find_leak(np.arange(19.0), np.arange(19.0), classes=False) == ""
    assert find_leak(np.repeat([0.0, 1.0], [56, 4]), np.repeat([0, 1], [56, 4]), classes=True) == ""
    assert find_leak(np.repeat([0.0, 1.0], [55, 5]), np.repeat([0, 1], [55, 5]), classes=True)


# -- rows and classes -------------------------------------------------------------------------------------


def test_rows_without_a_target_are_left_out_of_everything():
    frame = table(y=["a", None, "b", "b"] * 15, n=[1.0, 1e6, 2.0, 5.0])
    prepared = prepare(frame, "y", validation=0.25)
    assert "15 rows without the target 'y' left out" in prepared.notes[0]
    assert "--category y" in prepared.notes[0]
    rows = [*prepared.train_rows, *prepared.validation_rows]
    assert sorted(rows) == [i for i in range(ROWS) if i % 4 != 1]
    assert prepared.preprocessor.columns[1].mean < 10
    for part, x, y in (("train", prepared.x_train, prepared.y_train),
                       ("validation", prepared.x_validation, prepared.y_validation)):  # fmt: skip
        taken = frame[getattr(prepared, f"{part}_rows")]
        assert x.tobytes() == prepared.preprocessor.transform(taken).tobytes()
        assert y.tolist() == [0 if label == "a" else 1 for label in taken["y"]]
    with pytest.raises(InputError, match="15 values missing"):
        prepare(frame, "y", strict=True)


def test_classes_of_one_row_stay_with_the_training_rows():
    frame = table(y=["rare", *["a", "b"] * 29, "single"])
    prepared = prepare(frame, "y")
    assert set(prepared.y_validation.tolist()) == {0, 1}
    assert {0, 59} <= set(prepared.train_rows.tolist())
    assert "2 classes have one row, which is trained on and not tested: 'rare', 'single'" in prepared.notes
    assert prepare(frame, "y", validation=0).notes == ()
    with pytest.raises(InputError, match="has one row only"):
        prepare(frame, "y", strict=True)


def test_a_split_spares_rare_classes():
    labels = np.repeat([0, 1, 2, 3], [1, 2, 3, 94])
    for seed in range(20):
        train, held_out = split(100, 0.2, seed, labels)
        assert sorted([*train, *held_out]) == list(range(100))
        assert len(held_out) == 20
        assert np.bincount(labels[train], minlength=4).min() >= 1
        assert np.bincount(labels[held_out], minlength=4)[1:].min() >= 1
    train, held_out = split(100, 0.02, 0, labels)  # two rows for three classes: the rare ones are trained on
    assert labels[held_out].tolist() == [3, 3]
    with pytest.raises(InputError, match="each class has one row only"):
        split(3, 0.5, 0, ["a", "b", "c"])


def test_a_split_of_many_classes_is_that_of_a_strict_one_where_that_can_be():
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    for one, other in zip(split(60, 0.25, 4, labels), split(60, 0.25, 4, labels, strict=True), strict=True):
        assert one.tolist() == other.tolist()


# -- the target -------------------------------------------------------------------------------------------


def test_a_target_in_disguise_is_numbers_with_a_unit():
    frame = table(y=[f"${v:,.2f}" for v in 1000 + 500 * X])
    fitted = fit(frame)
    assert (fitted.task, fitted.target.unit) == ("regression", "$")
    np.testing.assert_allclose(fitted.decode_target(fitted.encode_target(frame)), (1000 + 500 * X).round(2))
    assert fitted.encode_target(pl.DataFrame({"y": ["900"]})).shape == (1, 1)
    assert fit(frame, task="classification", categories_max=90).task == "classification"


def test_text_among_the_numbers_of_a_target_is_a_row_without_one():
    frame = table(y=["oops", *[f"{v:.3f}" for v in X[1:]]])
    prepared = prepare(frame, "y")
    assert 0 not in [*prepared.train_rows, *prepared.validation_rows]
    assert "'y' ('oops')" in "".join(prepared.notes)
    classes = fit(table(y=["n/a", "0", "1"]))
    assert classes.target.labels == (0, 1)
    assert classes.find_target_rows(table(y=["n/a", "0", "1"]))[:4].tolist() == [1, 2, 4, 5]


def test_labels_are_one_whatever_spaces_are_around_them():
    frame = table(y=[" a", "a", "b "])
    fitted = fit(frame)
    assert fitted.class_names == ("a", "b")
    assert fitted.encode_target(frame)[:3].tolist() == [0, 0, 1]
    assert "' a'" in note(fitted, "spaces")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (list(range(ROWS)), r"numbers that only tell the 60 rows apart \(counting up\).*task='regression'"),
        ([f"n{i}" for i in range(ROWS)], "expected classes that come again, got one for each of 60 rows"),
        ([f"n{i % 40}" for i in range(ROWS)], "got 40 different texts in 60 rows"),
        ([f"2020-01-{i % 28 + 1:02}" for i in range(ROWS)], r"got dates or times \('2020-01-01'\)"),
        ([None] * ROWS, "the column has no values"),
        ([float("nan")] * ROWS, "the column has no values"),
        (["a"] * ROWS, "expected two or more classes, got 'a' in every row"),
        (["a", None] * 30, "expected two or more classes, got 'a' in every row"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_refused_with_the_reason(y, words):
    for refuse in (prepare, Preprocessor.fit):
        with pytest.raises(InputError, match=f"target 'y': .*{words}"):
            refuse(table(y=y), "y")
    if len(set(y)) > 2:
        options = {"task": "regression"} if isinstance(y[0], int) else {"types": {"y": "category"}}
        assert Preprocessor.fit(table(y=y), "y", **options).n_outputs > 0


# -- strict -----------------------------------------------------------------------------------------------


def test_strict_refuses_all_columns_in_one_message():
    frame = table(day=["2020-01-02", "2020-01-03"], cells=[[1]], name=[f"n{i}" for i in range(ROWS)])
    with pytest.raises(InputError) as caught:
        Preprocessor.fit(frame, "y", strict=True, categories_max=50)
    message = str(caught.value)
    assert message.startswith("3 columns are refused: column 'day': expected numbers, booleans or text, got dates")
    assert "| column 'cells': " in message
    assert "| column 'name': 60 different texts are too many" in message
    assert "\n" not in message


def test_a_strict_preprocessing_is_stored_as_before():
    frame = table(n=[1, 2, 4], t=["u", "v"])
    strict, usual = (Preprocessor.fit(frame, "y", strict=strict) for strict in (True, False))
    assert (strict.to_dict()["version"], usual.to_dict()["version"]) == (1, 2)
    assert "strict" not in strict.to_dict()
    assert strict.transform(frame).tobytes() == usual.transform(frame).tobytes()


@pytest.mark.parametrize("kind", ["9999-12-31", "1700-01-01"])
def test_a_date_that_looks_like_a_gap_is_told_and_stays(kind):
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=7 * i) for i in range(ROWS)]
    dates = [kind if i % 15 == 0 else day.isoformat() for i, day in enumerate(days)]
    fitted = fit(table(d=dates))
    assert f"'d' ({kind} in 4 rows)" in note(fitted, "date that looks like a gap")
    assert f"--missing-values {kind}" in note(fitted, "date that looks like a gap")
    once = fit(table(d=[kind, *(day.isoformat() for day in days[1:])]))
    assert not [line for line in once.notes if "looks like a gap" in line]


def test_whole_floats_with_gaps_are_the_integers_that_they_were():
    """A program that has no gaps among integers writes them as floats."""
    values = [float(i % 2) for i in range(90)]
    gaps = [None if i % 9 == 0 else value for i, value in enumerate(values)]
    frame = pl.DataFrame({"x": [i % 7 + 0.5 for i in range(90)], "y": gaps})
    fitted = Preprocessor.fit(frame, "y")
    assert (fitted.task, fitted.class_names) == ("classification", ("0", "1"))
    np.testing.assert_array_equal(fitted.encode_target(frame.filter(pl.col("y").is_not_null()))[:3], [1, 0, 1])
    assert Preprocessor.fit(frame.with_columns(y=pl.Series(values)), "y").task == "regression"
    assert Preprocessor.fit(frame.with_columns(y=pl.col("y") * 0.5), "y").task == "regression"


def test_whole_numbers_that_are_taken_for_classes_are_told_unless_they_are_few():
    frame = pl.DataFrame({"x": [i % 7 + 0.5 for i in range(90)], "y": [i % 12 for i in range(90)]})
    fitted = Preprocessor.fit(frame, "y")
    assert "taken as 12 classes" in note(fitted, "--task regression")
    assert not [line for line in Preprocessor.fit(frame.with_columns(pl.col("y") % 5), "y").notes if "taken as" in line]
