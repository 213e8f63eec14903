"""``bpx export``: write a trained network as a file that other runtimes compute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpx.cli.group import BackendOption, JsonOption, choose_backend
from bpx.cli.predict_command import ModelArgument
from bpx.cli.printing import Printer
from bpx.errors import InputError

if TYPE_CHECKING:
    from bpx.network import Network
    from bpx.recipes.model_file import Model
    from bpx.tables import Preprocessor

__all__ = ["export"]

SUFFIX = ".onnx"
_SHOWN = 20


def export(
    model: ModelArgument,
    output: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The ONNX file to write, such as model.onnx; an older one is replaced."),
    ],
    backend: BackendOption = None,
    json: JsonOption = False,
) -> None:
    """Write a trained network as an ONNX file, preprocessing included.

    It takes the columns as they were parsed, each an input of its name: numbers, texts, dates as seconds since 1970;
    of a data set of bpx or an array of NumPy, one input x. A network from Python, without preprocessing, is written as
    it is.
    """
    printer = Printer(json=json)
    from bpx.cli.places import check_place
    from bpx.recipes.model_file import Model, load_model_or_network

    if Path(output).suffix.lower() != SUFFIX:
        raise InputError(f"{output}: expected the name of a file that ends in {SUFFIX}, got {Path(output).name!r}")
    check_place(output, "FILE", model)
    loaded = load_model_or_network(model, choose_backend(backend))
    result: dict[str, Any] = {"model": model, "output": output}
    if isinstance(loaded, Model):
        said = _export_model(loaded, output)
        notes = _note_differences(loaded.preprocessor, said)
    else:
        said = _export_network(loaded, output)
        notes = ["the file holds no preprocessing: the network is exported alone"]
    result |= said | {"bytes": Path(output).stat().st_size, "notes": notes}
    printer.notes(notes)
    _print_ends(printer, result)
    printer.line(f"\nwritten to {output}: {result['bytes']:,} bytes, ONNX opset {result['opset']}")
    printer.result(result)


def _export_model(model: Model, output: str) -> dict[str, Any]:
    """Write a network with the preprocessing of its data."""
    from bpx.files.onnx_table import export_table_onnx

    return export_table_onnx([model.network], model.preprocessor, output, array=_list_array_columns(model))


def _list_array_columns(model: Model) -> tuple[str, ...] | None:
    """Return the columns of the array that a model was trained on; None if it was trained on a table."""
    from bpx.cli.sources import are_of_an_array

    preprocessor, training = model.preprocessor, model.training
    if str(training.get("origin")).startswith("dataset:"):
        return preprocessor.column_names
    known = {*preprocessor.column_names, *preprocessor.left_out}
    if str(training.get("data")).lower().endswith(".npz") and are_of_an_array(known):
        return tuple(f"x{i}" for i in range(len(known)))
    return None


def _export_network(network: Network, output: str) -> dict[str, Any]:
    """Write a network alone, and return its inputs and outputs as the file has them."""
    network.export_onnx(output)
    import onnx

    written = onnx.load(output)

    def describe(value: Any) -> dict[str, Any]:
        kind = value.type.tensor_type
        shape = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
        return {"name": value.name, "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, "shape": shape}

    graph = written.graph
    ends = {"inputs": [*map(describe, graph.input)], "outputs": [*map(describe, graph.output)]}
    return {"loss": network.loss.name} | ends | {"opset": written.opset_import[0].version}


def _note_differences(preprocessor: Preprocessor, said: dict[str, Any]) -> list[str]:
    """Say where the file does not do as ``bpx predict`` does, and which inputs are not called as their columns."""
    from bpx.tables.messages import shown

    if "index" in said["columns"][0]:  # of an array, whose numbers are all there
        return []
    kinds = {column["kind"] for column in said["columns"]}
    refused = []
    if preprocessor.missing == "refuse":
        refused.append("missing values (they are filled here)")
    if preprocessor.strict and "category" in kinds:
        refused.append("categories that training never saw (they are none of the known ones here)")
    notes = [f"bpx predict refuses {' and '.join(refused)}; an ONNX file refuses nothing"] if refused else []
    for column in said["columns"]:
        if column["input"] != column["name"]:
            notes.append(f"the input of column {shown(column['name'])} is called {shown(column['input'])}")
    return notes


def _print_ends(printer: Printer, result: dict[str, Any]) -> None:
    """Print what the file takes and what it gives."""
    from bpx.files.onnx_table import describe_values

    takes = {column["input"]: describe_values(column) for column in result.get("columns", ()) if "index" not in column}
    for what in ("inputs", "outputs"):
        ends = result[what]
        lines = [
            (end["name"], end["dtype"], f"({', '.join(map(str, end['shape']))})", takes.get(end["name"], ""))
            for end in ends[:_SHOWN]
        ]
        more = f", the first {_SHOWN} of {len(ends):,}" if len(ends) > _SHOWN else ""
        printer.line(f"\n{what}{more}")
        printer.table(("name", "type", "shape", ""), lines, left=(0, 1, 2, 3))
