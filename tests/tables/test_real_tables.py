"""Tables that people have: scikit-learn's own data as CSV, from the file to arrays and back."""

import json

import numpy as np
import pytest

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")
datasets = pytest.importorskip("sklearn.datasets", reason="the real tables are scikit-learn's (extra sklearn)")

from bpx.tables import Preprocessor, prepare, read_table, write_predictions  # noqa: E402


def written(tmp_path, name):
    """Write a data set of scikit-learn as CSV, with iris's species by name."""
    data = getattr(datasets, f"load_{name}")()
    y = data.target_names[data.target] if name == "iris" else data.target
    columns = dict(zip(data.feature_names, data.data.T, strict=True)) | {"target": y}
    pl.DataFrame(columns).write_csv(tmp_path / f"{name}.csv")
    return tmp_path / f"{name}.csv", data


EXPECTED = {
    "iris": ("classification", ("setosa", "versicolor", "virginica"), "str"),
    "wine": ("classification", ("0", "1", "2"), "int"),
    "breast_cancer": ("classification", ("0", "1"), "int"),
    "diabetes": ("regression", (), None),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_table_becomes_arrays(tmp_path, name):
    path, data = written(tmp_path, name)
    task, class_names, label_type = EXPECTED[name]
    frame = read_table(path)
    prepared = prepare(frame, "target", validation=0.25, seed=3)
    fitted = prepared.preprocessor
    assert (fitted.task, fitted.class_names) == (task, class_names)
    assert fitted.feature_names == tuple(data.feature_names)
    assert (fitted.n_features, fitted.n_outputs) == (data.data.shape[1], len(class_names) or 1)
    assert prepared.notes == ()
    rows = prepared.train_rows
    raw = data.data[rows]
    np.testing.assert_allclose(prepared.x_train, (raw - raw.mean(0)) / raw.std(0), rtol=0, atol=1e-9)
    assert len(prepared.x_validation) == round(0.25 * len(data.data))
    if label_type:
        assert fitted.target.label_type == label_type
        np.testing.assert_array_equal(prepared.y_train, data.target[rows])
        np.testing.assert_array_equal(prepared.y_validation, data.target[prepared.validation_rows])
    else:
        y = data.target[rows]
        np.testing.assert_allclose(prepared.y_train, ((y - y.mean()) / y.std())[:, None], rtol=0, atol=1e-12)
        np.testing.assert_allclose(fitted.decode_target(prepared.y_train), y, rtol=1e-12)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stored_preprocessing_predicts_a_new_file_to_the_bit(tmp_path, name):
    path, _ = written(tmp_path, name)
    frame = read_table(path)
    fitted = prepare(frame, "target").preprocessor
    restored = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert restored == fitted
    shuffled = frame.select(reversed(frame.columns))
    shuffled.drop("target").write_csv(tmp_path / "new.csv")
    new = read_table(tmp_path / "new.csv", text=restored.text_columns)
    assert restored.transform(new).tobytes() == fitted.transform(frame).tobytes()
    outputs = np.eye(3)[fitted.encode_target(frame)] if name == "iris" else fitted.encode_target(frame)
    if name == "iris":
        write_predictions(tmp_path / "out.csv", new, outputs, restored)
        out = read_table(tmp_path / "out.csv")
        assert out.get_column("prediction").to_list() == frame.get_column("target").to_list()
        assert out.columns == [*new.columns, "prediction", *(f"probability_{label}" for label in restored.class_names)]
