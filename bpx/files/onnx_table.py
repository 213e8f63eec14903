"""The model of a table as an ONNX file: from the columns as they were parsed to labels, probabilities or numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.backend.ndonnx_backend import BATCH
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.files.onnx import add_layers, add_predictions, check_size, warn_of_precision
from bpx.files.onnx_columns import add_features
from bpx.files.onnx_graph import Axes, Graph
from bpx.files.pytorch import make_state_dict
from bpx.optional import import_optional
from bpx.tables import ClassTarget, Preprocessor
from bpx.tables.columns import BooleanColumn, CategoryColumn, Column, DateColumn, NumberColumn, PresenceColumn
from bpx.tables.inferring import MISSING_MARKERS
from bpx.tables.messages import listed
from bpx.tables.parsing import find_missing_text
from bpx.tables.target import Target
from bpx.writing import check_path, write_whole

__all__ = ["ARRAY", "LABEL", "PREDICTION", "PROBABILITIES", "describe_values", "export_table_onnx"]

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"
"""Names of the outputs: the first two of classes, the last of numbers."""

ARRAY = "x"
"""Name of the input, where there is one for all columns."""

TEXT = "object"
"""NumPy's dtype of texts."""


def export_table_onnx(
    networks: Sequence[Model],
    preprocessor: Preprocessor,
    path: str | os.PathLike[str],
    *,
    array: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write the model of a table as an ONNX file, preprocessing included.

    The graph takes the columns that the model uses as `bpx.tables.parse_columns` gives them, each an input of its name
    and of shape (batch, 1): numbers, booleans and dates in double precision, whatever the network's dtype is, because
    single precision cannot tell dates and large numbers apart; categories as text. Of classes it gives ``label`` of
    shape (batch,), in their own type, and ``probabilities`` of shape (batch, classes), in the network's dtype; of
    numbers ``prediction`` of shape (batch,), in double precision and in the unit of the target.

    Parameters
    ----------
    networks : sequence of Model
        One, or several whose predictions are averaged: probabilities for the cross-entropies, outputs otherwise.
    preprocessor : Preprocessor
        What their inputs were made by.
    path : path
        Written beside and renamed, so that an older file stays whole until the new one is.
    array : sequence of str, optional
        The columns of an array, for a model of numbers alone: the graph then has one input ``x`` of shape
        (batch, len(array)), of which it takes the columns that the model uses.

    Returns
    -------
    dict
        What the file's metadata say, as plain data: ``task``, ``target``, ``unit``, ``classes``, ``columns``,
        ``missing_values``, ``loss``, ``bpx``; and ``inputs`` and ``outputs``, each with name, dtype and shape, and
        ``opset``.

    Raises
    ------
    InputError
        If onnx is not installed, or ndonnx where something is to be traced; the networks do not fit the preprocessing
        or each other; ``array`` lacks a column that the model uses, or has one of text; the weights are larger than an
        ONNX file can be; or the file cannot be written.

    Warns
    -----
    FileWarning
        If a network has a ``precision`` below "float32": the file computes in float32.

    Notes
    -----
    A graph refuses nothing. Missing values are filled and categories that training never saw are none of the known
    ones, also where the preprocessing refuses both.

    A column that is called as an output, or has no name, has an input of another name, which the metadata say.

    Examples
    --------
    In ONNX Runtime, after ``export_table_onnx([net], fitted, "model.onnx")``::

        session = onnxruntime.InferenceSession("model.onnx")
        label, probabilities = session.run(None, {"mass": np.array([[3750.0]]), "sex": np.array([["female"]])})
    """
    onnx = import_optional("onnx", "ONNX files", "onnx")
    check_path("the name of a file", path)
    _check_networks(networks, preprocessor)
    arrays = {f"network.{k}.{key}": a for k, net in enumerate(networks) for key, a in make_state_dict(net).items()}
    check_size("the weights", arrays.values())
    for net in networks:
        warn_of_precision(net, "predict")
    columns, target, dtype = preprocessor.columns, preprocessor.target, networks[0].dtype
    outputs = _list_outputs(target, dtype)
    inputs = _ColumnInputs(columns, {*arrays, *outputs}) if array is None else _ArrayInput(columns, array)
    dtypes = inputs.dtypes | {name: output_dtype for name, (output_dtype, _) in outputs.items()}
    graph = Graph(onnx, arrays, dtype, inputs.shapes, dtypes)
    features = add_features(graph, columns, partial(inputs.join, graph))
    _add_outputs(graph, target, _add_networks(graph, networks, features))

    said = _describe_model(
        networks[0], preprocessor, [_describe_column(column) | inputs.places[column.name] for column in columns]
    )
    properties = {key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()}
    ends = {name: shape for name, (_, shape) in outputs.items()}
    model = graph.make_model(inputs.shapes, ends, networks[0].layers, properties)
    inputs.document(model)
    write_whole(path, model.SerializeToString())
    return said | {
        "inputs": [_describe_end(name, dtypes[name], shape) for name, shape in inputs.shapes.items()],
        "outputs": [_describe_end(name, dtypes[name], shape) for name, shape in ends.items()],
        "opset": graph.opsets[""],
    }


def _check_networks(networks: Sequence[Model], preprocessor: Preprocessor) -> None:
    """Raise unless there are networks, all of one dtype, and each takes what the preprocessing makes."""
    if not networks:
        raise InputError("expected one or more networks, got none")
    dtypes = list(dict.fromkeys(net.dtype for net in networks))
    if len(dtypes) > 1:
        raise InputError(f"expected networks of one dtype, got {listed(dtypes)}")
    n = preprocessor.n_features
    for net in networks:
        if net.input_shape not in (None, (n,)):
            raise InputError(f"the preprocessing makes {n} features, and the network takes {net.input_shape}")


# -- inputs -----------------------------------------------------------------------------------------------


class _ColumnInputs:
    """An input of its own for each column.

    Parameters
    ----------
    columns : sequence of Column
    taken : set of str
        What no input may be called.

    Attributes
    ----------
    shapes, dtypes : dict
        Of the inputs by their names, in the order of the columns.
    places : dict of dict
        By the name of a column, where its values go in: ``input``, the name.
    """

    def __init__(self, columns: Sequence[Column], taken: Collection[str]) -> None:
        self._columns = columns
        self._names: dict[str, str] = {}
        known = {*taken, *(column.name for column in columns)}
        for column in columns:
            name = column.name or "unnamed"
            while name in taken or (name != column.name and name in known):
                name += "_"
            known.add(name)
            self._names[column.name] = name
        self.shapes: dict[str, Axes] = dict.fromkeys(self._names.values(), (BATCH, 1))
        self.dtypes = {self._names[column.name]: _find_dtype(column) for column in columns}
        self.places = {column: {"input": name} for column, name in self._names.items()}

    def join(self, graph: Graph, columns: Sequence[Column]) -> str:
        """Add what puts columns side by side."""
        names = [self._names[column.name] for column in columns]
        return names[0] if len(names) == 1 else graph.node("Concat", names, "inputs", axis=1)

    def document(self, model: Any) -> None:
        """Write beside each input what it takes."""
        for value, column in zip(model.graph.input, self._columns, strict=True):
            value.doc_string = describe_values(_describe_column(column))


class _ArrayInput:
    """One input for all columns, which hold numbers; attributes as those of `_ColumnInputs`.

    Parameters
    ----------
    columns : sequence of Column
        Those that are used.
    array : sequence of str
        The names of all columns of the array.

    Raises
    ------
    InputError
        If a column that is used is not in the array, or is not made of numbers.
    """

    def __init__(self, columns: Sequence[Column], array: Sequence[str]) -> None:
        self._array = list(array)
        lacking = [column.name for column in columns if column.name not in self._array]
        if lacking:
            raise InputError(f"the array lacks columns that the model uses: {listed(lacking)}")
        texts = [column.name for column in columns if _find_dtype(column) == TEXT]
        if texts:
            raise InputError(f"an array holds numbers, and these columns hold text: {listed(texts)}")
        self.shapes: dict[str, Axes] = {ARRAY: (BATCH, len(self._array))}
        self.dtypes = {ARRAY: "float64"}
        self.places = {column.name: {"input": ARRAY, "index": self._array.index(column.name)} for column in columns}

    def join(self, graph: Graph, columns: Sequence[Column]) -> str:
        """Add what takes columns out of the array."""
        indices: list[Any] = [self.places[column.name]["index"] for column in columns]
        if indices == list(range(len(self._array))):
            return ARRAY
        return graph.node("Gather", [ARRAY, graph.integers(indices, "inputs")], "inputs", axis=1)

    def document(self, model: Any) -> None:
        """Write beside the input what it takes."""
        model.graph.input[0].doc_string = f"the columns {', '.join(self._array)}; NaN where missing"


def _find_dtype(column: Column) -> str:
    """Return the dtype of the values of a column, as NumPy calls it."""
    return TEXT if isinstance(column, CategoryColumn | PresenceColumn) else "float64"


# -- outputs ----------------------------------------------------------------------------------------------


def _list_outputs(target: Target, dtype: str) -> dict[str, tuple[str, Axes]]:
    """Return dtypes and shapes of the outputs; ``dtype`` is the networks'."""
    if isinstance(target, ClassTarget):
        label = {"str": TEXT, "int": "int64", "bool": "bool", "float": "float64"}[target.label_type]
        return {LABEL: (label, (BATCH,)), PROBABILITIES: (dtype, (BATCH, target.n_outputs))}
    return {PREDICTION: ("float64", (BATCH,))}


def _add_networks(graph: Graph, networks: Sequence[Model], x: str) -> str:
    """Add what networks predict, of several the mean."""
    predicted = []
    for k, net in enumerate(networks):
        predicted.append(add_predictions(graph, net.loss, add_layers(graph, net, x, f"network.{k}.")))
    if len(predicted) == 1:
        return predicted[0]
    total = graph.node("Sum", predicted, "mean")
    return graph.node("Div", [total, graph.constant(float(len(predicted)), "mean")], "mean")


def _add_outputs(graph: Graph, target: Target, predicted: str) -> None:
    """Add what the target makes of predictions; see `ClassTarget.decode` and `NumberTarget.decode`.

    Raises
    ------
    InputError
        If the networks do not give what the target needs.
    """
    place = "target"
    shape = graph.find_sample_shape(predicted, None)
    of_two = isinstance(target, ClassTarget) and target.n_outputs == 2 and shape == (1,)
    if shape not in ((target.n_outputs,), None) and not of_two:
        raise InputError(f"the target has {target.n_outputs} outputs, and the network predicts {shape}")
    if not isinstance(target, ClassTarget):
        numbers = graph.node("Squeeze", [graph.cast(predicted, "float64", place), graph.integers([1], place)], place)
        mean, std = (graph.tensor(np.array(value), place) for value in (target.mean, target.std))
        graph.name_output(graph.node("Add", [graph.node("Mul", [numbers, std], place), mean], place), PREDICTION)
        return
    if of_two:  # the probability of the second class
        first = graph.node("Sub", [graph.constant(1.0, place), predicted], place)
        predicted = graph.node("Concat", [first, predicted], place, axis=1)
    labels = np.array(target.labels, dtype=_list_outputs(target, graph.dtype)[LABEL][0])
    graph.name_output(predicted, PROBABILITIES)
    best = graph.node("ArgMax", [PROBABILITIES], place, axis=1, keepdims=0)
    graph.name_output(graph.node("Gather", [graph.tensor(labels, place), best], place), LABEL)


# -- what the file says -----------------------------------------------------------------------------------


def _describe_model(net: Model, preprocessor: Preprocessor, columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata of a file, as plain data."""
    target, markers = preprocessor.target, preprocessor.reading.missing_values
    of_target: dict[str, Any] = (
        {"classes": list(target.labels)} if isinstance(target, ClassTarget) else {"unit": target.unit}
    )
    return {
        "bpx": __version__,
        "task": preprocessor.task,
        "target": target.name,
        **of_target,
        "columns": columns,
        "missing_values": list(MISSING_MARKERS if markers is None else markers),
        "loss": net.loss.name,
    }


def _describe_column(column: Column) -> dict[str, Any]:
    """Return what there is to know of the values of a column, as plain data."""
    more: dict[str, Any] = {}
    match column:
        case NumberColumn():
            kind, more = "number", {"unit": "" if column.notation is None else column.notation.unit}
        case BooleanColumn():
            kind = "boolean"
        case DateColumn():
            kind = column.time
        case CategoryColumn():
            kind = "category"
            more = {"categories": list(column.categories), "other": column.other, "stripped": column.stripped}
        case PresenceColumn():
            kind = "presence"
    missing = find_missing_text(column) if _find_dtype(column) == TEXT else "NaN"
    return {"name": column.name, "kind": kind, "missing": missing, "gaps": column.flagged, **more}


def describe_values(column: Mapping[str, Any]) -> str:
    """Say in words what the input of a column takes, given what the metadata say of it."""
    missing = "an empty text" if column["missing"] == "" else column["missing"]
    takes = {
        "number": f"numbers{' in ' + column['unit'] if column.get('unit') else ''}",
        "boolean": "1 for true, 0 for false",
        "date": "seconds since 1970-01-01",
        "time": "seconds since midnight",
        "category": f"text{' without spaces around it' if column.get('stripped') else ''}",
        "presence": "any text",
    }
    return f"{takes[column['kind']]}; {missing} where missing"


def _describe_end(name: str, dtype: str, shape: Axes) -> dict[str, Any]:
    """Return an input or an output as plain data."""
    return {"name": name, "dtype": "string" if dtype == TEXT else dtype, "shape": list(shape)}
