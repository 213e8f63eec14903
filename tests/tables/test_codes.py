"""Columns of many categories as codes, for an embedding."""

import json

import numpy as np
import pytest

from bpx.errors import FileFormatError, InputError

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.tables import Preprocessor, prepare  # noqa: E402

MAX = 5
"""More categories than this become codes here."""


def make_texts(n, rows, start=0):
    """Return n different texts, each in so many rows."""
    return [f"t{i:02d}" for i in range(start, start + n)] * rows


def fit(texts, **options):
    frame = pl.DataFrame({"x": np.arange(len(texts)) * 0.37 % 1, "t": texts})
    frame = frame.with_columns(y=pl.Series(np.arange(len(texts)) * 0.73 % 1))
    return Preprocessor.fit(frame, "y", **{"categories_max": MAX, "codes": True, **options})


def encode(fitted, texts, **options):
    x = fitted.transform(pl.DataFrame({"x": [0.0] * len(texts), "t": texts}, strict=False), **options)
    assert x.shape == (len(texts), fitted.n_features)
    return x[:, 1:]


def note(fitted, topic):
    (line,) = (line for line in fitted.notes if topic in line)
    return line


def test_a_code_is_the_place_of_the_one_in_the_one_hot_coding():
    texts = [None, *make_texts(9, 4), "rare", "once", "Once more"]
    coded = fit(texts)
    hot = fit(texts, codes=False, categories_max=9)
    assert coded.feature_names == ("x", "t (code)")
    assert (coded.n_codes, coded.are_numbers, coded.n_features) == ((0, 11), (True, False), 2)
    assert hot.n_codes == (0,) * 12
    new = [*texts, "never seen", " t03 ", "T03.", ""]
    one, codes = encode(hot, new), encode(coded, new)[:, 0]
    assert (one.sum(axis=1) == 1.0).all()
    np.testing.assert_array_equal(codes, one.argmax(axis=1))
    assert codes[[0, 1, -5, -4, -3, -1]].tolist() == [10, 0, 9, 9, 3, 10]
    assert "'t' (9 of 12, 3 training rows in the others)" in note(coded, "becomes a vector that is learned")
    assert not any("most frequent" in line for line in coded.notes)


def test_what_training_had_none_of_has_no_code():
    fitted = fit(make_texts(9, 4))
    assert fitted.n_codes == (0, 9)
    notes = []
    assert encode(fitted, ["t08", "never seen", None], notes=notes).tolist() == [[8], [-1], [0]]
    assert any("with a category that training never saw: 'never seen'" in line for line in notes)
    assert "'t' (9 texts)" in note(fitted, "becomes a vector")
    with pytest.raises(InputError, match=r"expected one of .*, got 'never seen' in row 1"):
        encode(fitted, ["never seen"], unseen="refuse")


def test_few_categories_and_many_that_are_rare_stay_one_hot():
    assert fit(make_texts(MAX, 4)).n_codes == (0,) * 6
    assert fit(make_texts(MAX + 1, 4)).n_codes == (0, 6)
    rare = fit(make_texts(MAX, 4) + make_texts(9, 1, start=MAX))
    assert rare.feature_names[-2:] == ("t=t04", "t is another")
    assert "most frequent are kept" in note(rare, "many different texts")


def test_text_that_hardly_comes_again_is_left_out_as_ever():
    fitted = fit([f"row {i}" for i in range(60)])
    assert fitted.left_out == ("t",)


def test_a_declared_category_keeps_all_of_its_values():
    texts = make_texts(9, 4) + make_texts(9, 1, start=9)
    assert fit(texts).n_codes == (0, 10)
    assert fit(texts, types={"t": "text"}).n_codes == (0, 10)
    kept = fit(texts, types={"t": "category"})
    assert kept.n_codes == (0, 18)
    assert encode(kept, ["t17", "t18"]).tolist() == [[17], [-1]]
    strict = fit(texts, types={"t": "category"}, strict=True)
    assert (strict.n_codes, encode(strict, ["t17"]).tolist()) == ((0, 18), [[17]])
    with pytest.raises(InputError, match="18 different texts are too many"):
        fit(texts, strict=True)


def test_there_are_not_more_codes_than_a_step_has_time_for(monkeypatch):
    texts = make_texts(9, 4) + make_texts(7, 1)
    monkeypatch.setattr("bpx.tables.deciding._MOST_CODES", 7)
    fitted = fit(texts)
    assert (fitted.n_codes, fitted.columns[1].categories[-1]) == ((0, 8), "t06")
    assert fit(texts, types={"t": "category"}).n_codes == (0, 9)


def test_only_training_rows_count():
    texts = make_texts(9, 4) + ["later"] * 20
    assert fit(texts, rows=np.arange(36)).n_codes == (0, 9)
    assert fit(texts).n_codes == (0, 10)


def test_codes_are_stored(tmp_path):
    fitted = fit([None, *make_texts(9, 4), "rare"])
    data = json.loads(json.dumps(fitted.to_dict()))
    again = Preprocessor.from_dict(data)
    assert again == fitted
    new = ["t04", "rare", "never seen", None]
    np.testing.assert_array_equal(encode(again, new), encode(fitted, new))
    data["columns"][1]["coded"] = "yes"
    with pytest.raises(FileFormatError, match="true or false in the field 'coded'"):
        Preprocessor.from_dict(data)
    assert "coded" not in fit(["a", "b"] * 20).to_dict()["columns"][1]


def test_without_asking_there_are_no_codes():
    frame = pl.DataFrame({"t": make_texts(9, 4), "y": np.arange(36) * 0.73 % 1})
    assert Preprocessor.fit(frame, "y", categories_max=MAX).n_codes == (0,) * 6
    prepared = prepare(frame, "y", categories_max=MAX, codes=True, validation=0.1, dtype="float32")
    assert prepared.preprocessor.n_codes == (9,)
    assert prepared.x_train.dtype == np.float32
    assert set(np.unique(prepared.x_train)) == set(range(9))


@pytest.mark.parametrize("gaps", [False, True])
def test_a_code_that_gives_the_target_away_is_told(gaps):
    texts = make_texts(8, 12)
    frame = pl.DataFrame({"x": np.arange(96) * 0.37 % 1, "t": texts})
    y = [text < "t04" for text in texts]
    if gaps:
        y = [i % 3 == 0 for i in range(96)]
        frame = frame.with_columns(t=pl.Series([None if gone else text for gone, text in zip(y, texts, strict=True)]))
    fitted = Preprocessor.fit(frame.with_columns(y=pl.Series(y)), "y", categories_max=MAX, codes=True)
    assert sum(n > 0 for n in fitted.n_codes) == 1
    said = "'t' (by where it is missing)" if gaps else "'t' (each value has one target)"
    assert said in note(fitted, "giving the target away")
