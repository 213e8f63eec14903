"""The target: which task it means, how it is encoded, and how predictions are turned back."""

import datetime

import numpy as np
import pytest

from bpx.errors import InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor  # noqa: E402


def fit(y, **options):
    return Preprocessor.fit(pl.DataFrame({"n": range(len(y)), "y": y}, strict=False), "y", **options)


def fit_strictly(y, **options):
    return fit(y, strict=True, **options)


def target(y):
    return pl.DataFrame({"y": y}, strict=False)


@pytest.mark.parametrize(
    ("y", "labels", "label_type"),
    [
        (["b", "a", "b"], ("a", "b"), "str"),
        ([True, False, True], (False, True), "bool"),
        ([0, 1, 1], (0, 1), "int"),
        ([7, -3, 7, -3], (-3, 7), "int"),
        (list(range(20)) * 2, tuple(range(20)), "int"),
    ],
)
def test_text_booleans_and_few_integers_are_classes(y, labels, label_type):
    fitted = fit(y)
    assert (fitted.task, fitted.target.labels, fitted.target.label_type) == ("classification", labels, label_type)
    assert fitted.class_names == tuple(map(str, labels))
    assert fitted.n_outputs == len(labels)
    ids = fitted.encode_target(target(y))
    assert ids.dtype == np.int64
    assert [labels[i] for i in ids] == y
    decoded = fitted.decode_target(np.eye(len(labels))[ids])
    assert decoded.tolist() == y
    assert decoded.dtype == {"str": object, "bool": np.bool_, "int": np.int64}[label_type]
    assert all(type(label) is type(labels[0]) for label in decoded.tolist())


@pytest.mark.parametrize("y", [[1.0, 2.0, 2.5], list(range(21)) * 2, [3, 1, 2], [0, 2, 2], [0.0, 1.0, 1.0]])
def test_floats_and_many_integers_are_regression(y):
    fitted = fit(y)
    assert (fitted.task, fitted.class_names, fitted.n_outputs) == ("regression", (), 1)
    encoded = fitted.encode_target(target(y))
    assert encoded.shape == (len(y), 1)
    np.testing.assert_allclose(encoded[:, 0], (np.array(y) - np.mean(y)) / np.std(y), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(fitted.decode_target(encoded), y, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(fitted.decode_target(encoded), fitted.decode_target(encoded[:, 0]))


def test_whole_floats_are_regression_with_a_note_that_says_how_to_have_classes():
    fitted = fit([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    assert fitted.notes == (
        "target 'y': taken as numbers, though only 3 whole ones occur; "
        "for classes pass task='classification' (--task classification)",
    )
    assert fit([0.0, 1.5, 0.0, 1.5]).notes == ()
    assert fit([0.0, 1.0, 2.0]).notes == ()


def test_the_task_is_what_is_asked_for():
    classes = fit([0.0, 1.5, 1.5], task="classification")
    assert (classes.target.labels, classes.target.label_type) == ((0.0, 1.5), "float")
    assert classes.encode_target(target(["1.5", "0"])).tolist() == [1, 0]
    assert classes.decode_target([[0.2, 0.8]]).tolist() == [1.5]
    assert fit([0, 1, 1], task="regression").task == "regression"
    booleans = fit([True, False], task="regression")
    assert booleans.encode_target(target([True, False])).tolist() == [[1.0], [-1.0]]


def test_mean_and_deviation_come_from_the_training_rows_and_classes_from_all():
    numbers = fit([1.0, 3.0, 1000.0], rows=np.array([0, 1]))
    assert (numbers.target.mean, numbers.target.std) == (2.0, 1.0)
    assert fit(["a", "b", "c"], rows=np.array([0, 1])).target.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (["a", "a"], {}, "target 'y': expected two or more classes, got 'a' in every row"),
        ([1, 1, 1], {}, "target 'y': expected two or more classes, got 1 in every row"),
        ([2.5, 2.5], {}, "target 'y': expected different numbers, got 2.5 in every training row"),
        (
            [2.5, 2.5, 7.0],
            {"rows": np.array([0, 1])},
            "target 'y': expected different numbers, got 2.5 in every training",
        ),
        (
            [0.3, 0.1 + 0.2, 0.3],
            {},
            "target 'y': expected different numbers, got 0.29999999999999999 in every training row, but for rounding",
        ),
        (
            ["a", None, "b", None],
            {},
            "target 'y': 2 values missing, in row 2 (and 1 more row); fill them in or take these",
        ),
        ([1.0, float("nan"), 2.0], {}, "target 'y': 1 value missing, in row 2; "),
        ([None, 1, 2], {}, "target 'y': 1 value missing, in row 1; "),
        ([None, None], {}, "target 'y': the column has no values"),
        ([1.0, float("inf")], {}, "target 'y': expected finite numbers, got inf in row 2"),
        ([1e308, -1e308], {}, "target 'y': from -1e+308 to 1e+308, its mean and standard deviation are out of range"),
        ([datetime.date(2020, 1, 2)] * 2, {}, "target 'y': expected text, booleans or numbers, got Date"),
        ([[1], [2]], {}, "target 'y': expected text, booleans or numbers, got List(Int64)"),
        (["1.5", "two"], {"task": "regression"}, "target 'y': expected numbers, got 'two' in row 2"),
        ([f"t{i}" for i in range(150)], {}, "target 'y': 150 classes in 150 rows are too many; "),
        (
            [f"{i}.5" for i in range(20)] + ["abc"],
            {},
            "target 'y': expected classes or numbers, got text among numbers: 'abc'",
        ),
    ],
)
def test_a_bad_target_is_refused(y, options, message):
    with pytest.raises(InputError) as caught:
        fit_strictly(y, **options)
    assert str(caught.value).startswith(message)


def test_many_classes_are_no_fault_if_each_comes_twice_or_the_limit_allows_it():
    assert fit_strictly([f"t{i}" for i in range(150)] * 2).n_outputs == 150
    assert fit_strictly([f"t{i}" for i in range(150)], categories_max=150).n_outputs == 150
    numbers_and_text = [*map(str, range(20)), "x"]
    assert fit_strictly(numbers_and_text, task="classification").n_outputs == 21


@pytest.mark.parametrize(
    ("y", "new", "message"),
    [
        (["a", "b"], ["b", "c"], "target 'y': expected one of the classes 'a', 'b', got 'c' in row 2"),
        (["a", "b"], ["b", None], "target 'y': 1 value missing, in row 2"),
        ([0, 1], [1, 2], "target 'y': expected one of the classes 0, 1, got 2 in row 2"),
        ([0, 1], [1.0, 0.5], "target 'y': expected whole numbers, got 0.5 in row 2"),
        ([0, 1], ["1", "one"], "target 'y': expected numbers, got 'one' in row 2"),
        ([0, 1], [1.0, 1e19], "target 'y': expected integers from -2^63 to 2^63 - 1, got 1e+19 in row 2"),
        ([0, 1], [2**63], "target 'y': expected integers from -2^63 to 2^63 - 1, got 9223372036854775808 in row 1"),
        ([True, False], ["true", "no"], "target 'y': expected true or false, got 'no' in row 2"),
        ([1.5, 2.5], ["1", "x"], "target 'y': expected numbers, got 'x' in row 2"),
        ([1.5, 2.5], [1.0, float("nan")], "target 'y': 1 value missing, in row 2"),
        ([1e-3, 2e-3], [1e308], "target 'y': expected numbers of the size seen in training, got 1e+308 in row 1"),
    ],
)
def test_a_bad_target_in_new_data_is_refused(y, new, message):
    with pytest.raises(InputError) as caught:
        fit(y).encode_target(target(new))
    assert str(caught.value).startswith(message)


def test_whole_floats_and_text_are_known_as_integer_classes():
    fitted = fit([3, 8, 3, 8])
    assert fitted.encode_target(target([8.0, 3.0])).tolist() == [1, 0]
    assert fitted.encode_target(target(["8", " 3"])).tolist() == [1, 0]


def test_an_absent_target_is_refused_with_the_nearest():
    with pytest.raises(
        InputError, match=r"target 'y' is not in the table \(did you mean 'Y'\?\); its columns: 'n', 'Y'"
    ):
        fit(["a", "b"]).encode_target(pl.DataFrame({"n": [1], "Y": ["a"]}))


def test_one_sigmoid_output_is_the_probability_of_the_second_class():
    fitted = fit(["no", "yes"])
    for outputs in ([[0.2], [0.7], [0.5]], [0.2, 0.7, 0.5]):
        assert fitted.decode_target(outputs).tolist() == ["no", "yes", "no"]
    np.testing.assert_allclose(fitted.target.probabilities([[0.2]]), [[0.8, 0.2]])


def test_single_precision_probabilities_stay_so_and_numbers_do_not():
    outputs = np.array([[0.1, 0.9]], dtype=np.float32)
    assert fit(["no", "yes"]).target.probabilities(outputs).dtype == np.float32
    fitted = fit([0.1, 0.3])
    expected = np.float64(np.float32(0.9)) * fitted.target.std + fitted.target.mean
    assert fitted.decode_target(outputs[:, 1:]).tolist() == [expected]


@pytest.mark.parametrize(
    ("y", "outputs", "message"),
    [
        (["a", "b", "c"], [[0.5, 0.5]], "expected probabilities of shape (rows, 3), got (1, 2)"),
        (["a", "b", "c"], [0.5, 0.5, 0.5], "expected probabilities of shape (rows, 3), got (3,)"),
        (["a", "b"], [[0.5, float("nan")]], "expected finite predictions"),
        (["a", "b"], np.zeros((2, 2, 2)), "expected finite predictions, one row for each row of the table, got shape"),
        ([1.5, 2.5], [[0.5, 0.5]], "expected predictions of shape (rows, 1), got (1, 2)"),
        ([1.5, 2.5], [float("inf")], "expected finite predictions"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(y, outputs, message):
    with pytest.raises(InputError) as caught:
        fit(y).decode_target(outputs)
    assert str(caught.value).startswith(message)


def test_unsigned_integers_of_64_bits_are_classes_or_numbers_as_others_are():
    large = pl.Series([2**64 - 1, 2**64 - 2] * 2, dtype=pl.UInt64)
    fitted = fit(large)
    assert fitted.class_names == ("18446744073709551614", "18446744073709551615")
    assert fitted.encode_target(target(large)).tolist() == [1, 0, 1, 0]
    assert fitted.decode_target([[0.9, 0.1]]).tolist() == ["18446744073709551614"]
    assert fit(pl.Series([1, 2, 1, 2], dtype=pl.UInt64)).target.labels == (1, 2)
    assert fit(pl.Series([2**63 + 10**17 * i for i in range(30)], dtype=pl.UInt64)).task == "regression"


# -- a target whose type is declared ----------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["text", "category"])
def test_a_target_of_text_or_categories_is_classes_with_labels_of_text(declared):
    for y, labels in (
        ([1, 2, 3], ("1", "2", "3")),
        (["01", "1", "NA"], ("01", "1", "NA")),
        ([f"{i}" for i in range(20)] + ["x"], None),
        (["1,5", "2,5", "3,5"], ("1,5", "2,5", "3,5")),
    ):
        fitted = fit(y, types={"y": declared})
        assert fitted.task == "classification"
        assert not any("'y'" in note for note in fitted.notes)
        assert fitted.text_columns == ("y",)
        assert labels is None or fitted.class_names == labels
        assert fitted.encode_target(target(y)).tolist() == [fitted.class_names.index(str(value)) for value in y]


def test_a_category_may_have_any_number_of_classes():
    labels = [f"t{i}" for i in range(150)]
    assert fit_strictly(labels, types={"y": "category"}).n_outputs == 150
    with pytest.raises(InputError, match="150 classes in 150 rows are too many"):
        fit_strictly(labels, types={"y": "text"})


def test_a_target_that_is_a_number_means_regression_unless_classes_are_asked_for():
    assert fit([0, 1, 1], types={"y": "number"}).task == "regression"
    assert fit(["01", "1", "20"], types={"y": "number"}).target.mean == pytest.approx(22 / 3)
    assert fit(["01", "1", "20"], types={"y": "number"}, task="classification").target.labels == (1, 20)
    assert fit(["0.5", "1", "0.5"], types={"y": "number"}, task="classification").target.labels == (0.5, 1.0)
    with pytest.raises(InputError, match=r"target 'y': expected numbers, got 'two' in row 2"):
        fit(["1", "two"], types={"y": "number"})


def test_a_declared_type_that_contradicts_the_task_is_refused():
    with pytest.raises(InputError, match="declared category, which is for classes, and the task is regression"):
        fit([1, 2, 3], types={"y": "category"}, task="regression")


def test_missing_text_says_how_its_markers_are_kept():
    with pytest.raises(InputError, match=r"if NA, .* are values of 'y', declare it .*--category y\)$"):
        fit_strictly(["EU", None, "AS"])
    with pytest.raises(InputError, match="take these rows out$"):
        fit_strictly([1, None, 2])


@pytest.mark.parametrize(
    ("y", "words"), [(["$1", "$2", "$3"], "write the number alone"), (["2,700", "1,500", "3,100"], "write 2700")]
)
def test_classes_that_look_like_numbers_get_a_note(y, words):
    (note,) = fit_strictly(y * 2).notes
    assert "target 'y': taken as 3 different texts, though they look like numbers" in note
    assert words in note
