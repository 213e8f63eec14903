"""A preprocessing is stored as JSON data, and comes back the same or not at all."""

import copy
import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bpx.errors import FileFormatError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor  # noqa: E402


def through_json(fitted):
    return Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))


def fitted_table():
    frame = pl.DataFrame(
        {
            "n": [0.1, 0.2, None, 1e100],
            "b": [True, False, True, None],
            "t": ["é", "b", "a\n", "b"],
            "c": [1, 1, 1, 1],
            "d": [1, 2, 3, 4],
            "y": ["p", "q", "p", "q"],
        }
    )
    return Preprocessor.fit(frame, "y", missing="impute", drop=["d"], strict=True)


@pytest.mark.parametrize("y", [["p", "q"], [True, False], [0, 1], [10**18, 10**18 + 1], [0.1, 0.3]])
def test_every_type_of_target_comes_back(y):
    frame = pl.DataFrame({"n": [1.0, 2.0] * 2, "y": y * 2})
    for task in ("auto", "classification"):
        fitted = Preprocessor.fit(frame, "y", task=task)
        restored = through_json(fitted)
        assert restored == fitted
        assert repr(restored) == repr(fitted)


def test_everything_comes_back_and_is_plain_data():
    fitted = fitted_table()
    assert len(fitted.notes) == 1
    assert fitted.left_out == ("c", "d")
    assert through_json(fitted) == fitted
    assert repr(through_json(fitted)) == repr(fitted)


column = st.one_of(
    st.lists(st.floats(-1e100, 1e100), min_size=6, max_size=6),
    st.lists(st.integers(-(2**53), 2**53), min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.sampled_from(["", "x", "é", 'q"', "\n", "x=y"])), min_size=6, max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(column, min_size=1, max_size=4), st.sampled_from([["a", "b"] * 3, [0.1, 0.2, 0.7] * 2, [1, 2] * 3]))
def test_transform_is_the_same_to_the_bit_after_storing(columns, y):
    frame = pl.DataFrame({f"c{i}": values for i, values in enumerate(columns)} | {"n": [1.5, 2, 3, 4, 5, 6], "y": y})
    spread = [pl.col(name) for name in frame.columns if frame[name].dtype.is_numeric()]
    tiny = frame.select(spread).select((pl.all().max() - pl.all().min()).is_between(0, 1e-100, closed="right")).row(0)
    assume(not any(tiny))
    fitted = Preprocessor.fit(frame, "y", missing="impute")
    restored = through_json(fitted)
    assert restored == fitted
    assert restored.transform(frame).tobytes() == fitted.transform(frame).tobytes()
    assert restored.encode_target(frame).tobytes() == fitted.encode_target(frame).tobytes()


def edited(path, value):
    """Give stored data with one field replaced; the value `...` takes it out."""
    data = copy.deepcopy(fitted_table().to_dict())
    *parents, last = path
    place = data
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


N, B, T = 0, 1, 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "bpx", "expected one of 'bpx-table' in the field 'format', got 'bpx'"),
        (["format"], ..., "the field 'format' is missing"),
        (["version"], 3, "expected version 1 or 2, got 3"),
        (["version"], True, "expected version 1 or 2, got True"),
        (["version"], "1", "expected version 1 or 2, got '1'"),
        (["more"], 1, "unknown fields 'more'"),
        (["columns"], {}, "expected a list in the field 'columns', got {}"),
        (["columns"], [], "expected one or more columns, each named once"),
        (["columns", N], "n", "columns[0]: expected an object, got 'n'"),
        (
            ["columns", N, "kind"],
            "picture",
            "columns[0]: expected one of 'number', 'boolean', 'category', 'date', 'presence' in the field 'kind'",
        ),
        (["columns", N, "kind"], "boolean", "columns[0]: the field 'most_frequent' is missing"),
        (["columns", N, "kind"], ["number"], "columns[0]: expected one of"),
        (["columns", N, "name"], 3, "columns[0]: expected text in the field 'name', got 3"),
        (["columns", N, "name"], "t", "expected one or more columns, each named once"),
        (["columns", N, "name"], "y", "expected one or more columns, each named once"),
        (["columns", N, "name"], "c", "expected one or more columns, each named once"),
        (["columns", N, "mean"], "0", "columns[0]: expected a finite number in the field 'mean', got '0'"),
        (["columns", N, "mean"], True, "columns[0]: expected a finite number in the field 'mean', got True"),
        (["columns", N, "mean"], float("nan"), "columns[0]: expected a finite number in the field 'mean', got nan"),
        (["columns", N, "median"], 10**400, "columns[0]: expected a finite number in the field 'median'"),
        (["columns", N, "std"], 0.0, "columns[0]: expected a positive, finite number in the field 'std', got 0.0"),
        (["columns", N, "std"], -1.0, "columns[0]: expected a positive, finite number in the field 'std', got -1.0"),
        (["columns", N, "std"], float("inf"), "columns[0]: expected a positive, finite number in the field 'std'"),
        (["columns", N, "std"], ..., "columns[0]: the field 'std' is missing"),
        (["columns", N, "code"], "import os", "columns[0]: unknown fields 'code'"),
        (["columns", B, "most_frequent"], 1, "columns[1]: expected true or false in the field 'most_frequent', got 1"),
        (
            ["columns", T, "categories"],
            ["b"],
            "columns[2]: expected a list of 2 or more texts in the field 'categories'",
        ),
        (["columns", T, "categories"], ["b", "b"], "columns[2]: expected a list of different texts"),
        (["columns", T, "categories"], ["b", 1], "columns[2]: expected a list of different texts"),
        (["columns", T, "categories"], "ab", "columns[2]: expected a list in the field 'categories', got 'ab'"),
        (
            ["columns", T, "most_frequent"],
            "z",
            "columns[2]: expected one of 'a\\n', 'b', 'é' in the field 'most_frequent'",
        ),
        (["target"], [], "target: expected an object, got []"),
        (["target", "kind"], "numbers", "target: the field 'mean' is missing"),
        (["target", "name"], None, "target: expected text in the field 'name', got None"),
        (["target", "label_type"], "complex", "target: expected one of 'str', 'int', 'bool', 'float'"),
        (["target", "label_type"], "int", "target: expected labels of type int, got 'p'"),
        (["target", "labels"], ["p"], "target: expected two or more sorted labels, got 'p'"),
        (["target", "labels"], ["q", "p"], "target: expected two or more sorted labels, got 'q', 'p'"),
        (["target", "labels"], ["p", "p"], "target: expected two or more sorted labels"),
        (["target", "labels"], ["p", 1], "target: expected labels of type str, got 1"),
        (["target", "more"], 1, "target: unknown fields 'more'"),
        (["left_out"], "c", "expected a list in the field 'left_out'"),
        (["left_out"], ["c", "c"], "expected a list of different texts in the field 'left_out'"),
        (["missing"], "drop", "expected one of 'refuse', 'impute' in the field 'missing', got 'drop'"),
        (["notes"], [1], "expected a list of different texts in the field 'notes'"),
    ],
)
def test_data_edited_by_hand_is_refused(path, value, message):
    with pytest.raises(FileFormatError) as caught:
        Preprocessor.from_dict(edited(path, value))
    where = "table preprocessing, " if message.startswith(("columns[", "target:")) else "table preprocessing: "
    assert str(caught.value).startswith(where + message)


@pytest.mark.parametrize("labels", [[1, 2.0], [True, 2], [1.0, 2.0]])
def test_labels_of_another_type_are_refused(labels):
    data = Preprocessor.fit(pl.DataFrame({"n": [1, 2], "y": [0, 1]}), "y").to_dict()
    data["target"]["labels"] = labels
    with pytest.raises(FileFormatError, match="expected labels of type int"):
        Preprocessor.from_dict(data)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(FileFormatError, match="table preprocessing: expected an object, got"):
        Preprocessor.from_dict(data)


def test_declared_types_are_stored_and_stored_ones_are_checked():
    frame = pl.DataFrame({"a": ["NA", "01", "1", "1"], "n": [1, 2, 3, 4], "c": [7, 7, 7, 7], "y": ["u", "v"] * 2})
    fitted = Preprocessor.fit(frame, "y", types={"a": "category", "c": "text", "y": "text"})
    restored = through_json(fitted)
    assert restored == fitted
    assert restored.types == {"a": "category", "c": "text", "y": "text"}
    assert "types" not in Preprocessor.fit(frame, "y").to_dict()  # so that older versions read it
    for types, message in (
        ({"a": "words"}, "expected one of 'text', 'number', 'category' in the field 'a', got 'words'"),
        ({"b": "text"}, "unknown fields 'b'"),
        (["a"], "expected an object, got"),
    ):
        with pytest.raises(FileFormatError, match=re.escape(message)):
            Preprocessor.from_dict(fitted.to_dict() | {"types": types})
