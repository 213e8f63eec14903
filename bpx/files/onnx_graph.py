"""An ONNX graph while it is built: of operators that layers name, and of what tracing their own code records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.backend.base import Array
from bpx.backend.ndonnx_backend import BATCH, NdonnxBackend
from bpx.errors import InputError
from bpx.files.pytorch import list_entries
from bpx.layers.base import Layer, Params, Shape
from bpx.losses import Loss

OPSET, IR_VERSION = 17, 8
"""The oldest version of the operators that has all that bpx's layers name (LayerNormalization), and of the file: a
newer one would be refused by older runtimes for nothing. What is traced may need newer ones, and the file says so."""

TRACED = "ONNX files of layers and losses that name no operator"
"""What ndonnx is needed for."""

Axes = tuple[int | str | None, ...]
"""A shape in a graph, where an axis may have a name in place of a length, or neither."""


class Graph:
    """Nodes and arrays of an ONNX graph while it is built; a value is named by a text.

    Parameters
    ----------
    onnx : module
    arrays : mapping of str to numpy.ndarray
        The network's arrays, as `bpx.files.pytorch.make_state_dict` names and lays them out.
    dtype : str
        The network's dtype.
    inputs : mapping of str to tuple
        Shapes of the graph's inputs.
    dtypes : mapping of str to str
        Dtypes of the inputs that have another one than the network's.

    Attributes
    ----------
    traced : bool
        Whether a part of it was recorded by ndonnx.
    """

    def __init__(
        self,
        onnx: Any,
        arrays: Mapping[str, np.ndarray],
        dtype: str,
        inputs: Mapping[str, Axes],
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        self.onnx, self.arrays, self.dtype = onnx, arrays, dtype
        self.inputs, self.dtypes = dict(inputs), dict(dtypes or {})
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.opsets: dict[str, int] = {"": OPSET}
        self.traced = False
        self._names: dict[str, int] = {}
        self._taken = {*inputs, *arrays}
        self._constants: dict[Any, str] = {}
        self._backend: NdonnxBackend | None = None

    # -- operators ----------------------------------------------------------------------------------------

    def node(self, operator: str, inputs: Sequence[str], place: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output; ``place`` says which layer it belongs to."""
        name = self._unique(f"{place}/{operator}")
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def array(self, key: str) -> str:
        """Add one of the network's arrays and return its name, which is its key."""
        self.initializers.append(self.onnx.numpy_helper.from_array(self.arrays[key], key))
        return key

    def constant(self, value: float, place: str) -> str:
        """Add a number of the network's dtype and return its name."""
        name = self._unique(f"{place}/constant")
        self.initializers.append(self.onnx.numpy_helper.from_array(np.array(value, dtype=self.dtype), name))
        return name

    def integers(self, values: Sequence[int], place: str) -> str:
        """Add a vector of whole numbers and return its name."""
        name = self._unique(f"{place}/integers")
        self.initializers.append(self.onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def tensor(self, values: np.ndarray, place: str) -> str:
        """Add an array of its own dtype, texts as objects among them, once for all uses; return its name."""
        return self._share(self.onnx.numpy_helper.from_array(values), place)

    def cast(self, x: str, dtype: str, place: str) -> str:
        """Add a conversion of a value and return the name of its output."""
        return self.node("Cast", [x], place, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def single_precision(self, operator: str, x: str, place: str) -> str:
        """Add an operator that runtimes have in float32 alone, with conversions around it where they are needed."""
        if self.dtype == "float32":
            return self.node(operator, [x], place)
        single, double = self.onnx.TensorProto.FLOAT, self.onnx.TensorProto.DOUBLE
        y = self.node(operator, [self.node("Cast", [x], place, to=single)], place)
        return self.node("Cast", [y], place, to=double)

    def name_output(self, value: str, name: str) -> None:
        """Give the graph's last value its name outside."""
        if self.nodes and self.nodes[-1].output[0] == value:
            self.nodes[-1].output[0] = name
        else:
            self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=name))

    def _unique(self, name: str) -> str:
        used = self._names.get(name, 0) + 1
        while (unique := name if used == 1 else f"{name}_{used}") in self._taken:
            used += 1
        self._names[name] = used
        self._taken.add(unique)
        return unique

    # -- tracing ------------------------------------------------------------------------------------------

    def trace(self, layer: Layer, x: str, place: str) -> str:
        """Add what a layer's own forward pass does at prediction, and return the name of its output.

        Raises
        ------
        InputError
            If ndonnx is not installed, or the forward pass does what no graph can hold.
        """
        backend = self._start_tracing()
        held: dict[str, Params] = {"params": {}, "state": {}}
        arguments = {}
        for entry in list_entries([layer]):
            if entry.kind in held:
                key = place + entry.key.removeprefix("0")
                argument = arguments[key] = backend.make_argument(self.arrays[key].shape, self.dtype)
                held[entry.kind][entry.name] = argument.T if entry.transposed else argument

        def forward(xp: Any, value: Array) -> Array:
            return layer.forward(xp, held["params"], value, layer.context(False, iter(()), held["state"]))[0]

        return self._record(f"layer {place} ({layer!r})", "its", forward, x, place, arguments)

    def trace_predictions(self, loss: Loss, z: str) -> str:
        """Add what a loss makes of the outputs, its own ``probabilities``, and return the name of the result.

        Raises
        ------
        InputError
            As for `trace`.
        """
        self._start_tracing()
        what = f"what the loss {loss!r} makes of the outputs"
        return self._record(what, "the loss's", loss.probabilities, z, "predictions", {})

    def _start_tracing(self) -> NdonnxBackend:
        self.traced = True
        if self._backend is None:
            self._backend = NdonnxBackend(TRACED)
        return self._backend

    def _record(
        self,
        what: str,
        whose: str,
        function: Callable[[Any, Array], Array],
        x: str,
        place: str,
        arguments: Mapping[str, Array],
    ) -> str:
        """Add what ``function(xp, x)`` does to a value, given its arguments by the keys of the network's arrays."""
        backend = self._start_tracing()
        given = backend.make_argument(self.find_shape(x), self.dtype)
        with backend.tracing(given):
            try:
                y = backend.check_recorded(function(backend.xp, given), self.dtype)
            except Exception as error:
                raise InputError(
                    f"{what} cannot be traced into an ONNX graph: {type(error).__name__}: {error}. Tracing calls "
                    f"{whose} own code with arrays that have a shape (whose first length, the batch's, is None) and no "
                    "numbers; use the functions of xp that the array API standard has, or name ONNX operators"
                ) from error
            model = backend.build({"x": given, **arguments}, {"y": y})
        return self.merge(model, {"x": x}, place)["y"]

    def find_shape(self, value: str) -> Axes:
        """Return the shape of a value, whose first axis is the batch's, as far as it follows from the graph."""
        if value in self.inputs:
            return self.inputs[value]
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        small = [array for array in self.initializers if array.name not in self.arrays]
        given = [self._describe(name, shape) for name, shape in self.inputs.items()]
        given += [
            helper.make_tensor_value_info(array.name, array.data_type, array.dims)
            for array in self.initializers
            if array.name in self.arrays
        ]
        end = helper.make_tensor_value_info(value, kinds.UNDEFINED, None)
        model = self._wrap(helper.make_graph(self.nodes, "bpx", given, [end], small))
        inferred = self.onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        found = next((v.type.tensor_type for v in [*inferred.value_info, *inferred.output] if v.name == value), None)
        if found is None or not found.HasField("shape"):
            raise InputError(f"the shape of the value {value} does not follow from the ONNX operators before it")
        dims = [d.dim_value if d.HasField("dim_value") else None for d in found.shape.dim]
        return (BATCH, *dims[1:])

    def find_sample_shape(self, value: str, declared: Shape | None) -> Shape | None:
        """Return the shape of one sample of a value: what follows from the graph, and else what layers declare."""
        shape = self.find_shape(value)[1:]
        return shape if all(isinstance(n, int) for n in shape) else declared  # type: ignore[return-value]

    # -- other models ---------------------------------------------------------------------------------------

    def merge(
        self, model: Any, names: Mapping[str, str], place: str, ends: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Add the nodes of a model; return the names of its outputs here.

        Each constant is kept once, whatever the number of its uses.

        Parameters
        ----------
        model : onnx.ModelProto
        names : mapping of str to str
            What its inputs are called here. One that is missing is an array of the network, by its key.
        place : str
            The layer that it belongs to.
        ends : mapping of str to str
            What its outputs are to be called, where they are those of the whole graph.
        """
        if model.functions:
            model = self.onnx.inliner.inline_local_functions(model)
        for opset in model.opset_import:
            domain = "" if opset.domain == "ai.onnx" else opset.domain
            self.opsets[domain] = max(opset.version, self.opsets.get(domain, 1))
        here = dict(names)
        missing = {value.name for value in model.graph.input} - set(here)
        here.update((key, self.array(key)) for key in self.arrays if key in missing)  # in the order of the network
        for tensor in model.graph.initializer:
            here[tensor.name] = self._share(tensor, place)
        for node in model.graph.node:
            if node.op_type == "Identity":
                here[node.output[0]] = here[node.input[0]]
            elif node.op_type == "Constant" and node.attribute[0].name == "value":
                here[node.output[0]] = self._share(node.attribute[0].t, place)
            else:
                self.nodes.append(self._copy(node, here, place))
        results = {value.name: here[value.name] for value in model.graph.output}
        if ends is not None:
            self._name_outputs({ends[name]: value for name, value in results.items()})
        return results

    def _name_outputs(self, ends: Mapping[str, str]) -> None:
        """Give values their names outside; one that is an input, a constant or another output too is copied."""
        made = {name for node in self.nodes for name in node.output}
        renamed: dict[str, str] = {}
        for name, value in ends.items():
            if value in made and value not in renamed:
                renamed[value] = name
        _replace(self.nodes, renamed)
        for name, value in ends.items():
            if renamed.get(value) != name:
                source = renamed.get(value, value)
                self.nodes.append(self.onnx.helper.make_node("Identity", [source], [name], name=name))

    def _share(self, tensor: Any, place: str) -> str:
        """Return the name of a constant, which is added unless there is an equal one."""
        array = self.onnx.numpy_helper.to_array(tensor)
        content = tuple(array.flat) if array.dtype == object else array.tobytes()  # the bytes of objects are addresses
        key = (tensor.data_type, tuple(tensor.dims), content)
        if key not in self._constants:
            self._constants[key] = self._unique(f"{place}/constant")
            self.initializers.append(self.onnx.numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def _copy(self, node: Any, names: dict[str, str], place: str) -> Any:
        """Return a node with the names of values here; those of its outputs are added to ``names``."""
        copy = self.onnx.NodeProto()
        copy.CopyFrom(node)
        for i, name in enumerate(copy.input):
            copy.input[i] = names[name] if name else ""
        for attribute in copy.attribute:
            if attribute.HasField("g"):
                self._rename(attribute.g, dict(names), place)
        for i, name in enumerate(copy.output):
            if name:
                names[name] = copy.output[i] = self._unique(f"{place}/{node.op_type}")
        copy.name = next(filter(None, copy.output))
        return copy

    def _rename(self, graph: Any, names: dict[str, str], place: str) -> None:
        """Give the values of a branch or a loop's body names that nothing else has."""
        for value in [*graph.input, *graph.initializer]:
            names[value.name] = value.name = self._unique(f"{place}/inner")
        nodes = [self._copy(node, names, place) for node in graph.node]
        del graph.node[:], graph.value_info[:]
        graph.node.extend(nodes)
        for value in graph.output:
            value.name = names[value.name]

    # -- the file -------------------------------------------------------------------------------------------

    def make_model(
        self, inputs: Iterable[str], outputs: Mapping[str, Axes], layers: Sequence[Layer], said: Mapping[str, str]
    ) -> Any:
        """Return the checked model.

        Parameters
        ----------
        inputs : iterable of str
            The graph's inputs in their order.
        outputs : mapping of str to tuple
            Shapes of the outputs.
        layers : sequence of Layer
            For the file's description.
        said : mapping of str to str
            Metadata.
        """
        ends = [[self._describe(name, self.inputs[name]) for name in inputs]]
        ends.append([self._describe(name, shape) for name, shape in outputs.items()])
        graph = self.onnx.helper.make_graph(self.nodes, "bpx", *ends, self.initializers)
        model = self._wrap(graph, producer_name="bpx", producer_version=__version__)
        model.doc_string = ", ".join(map(repr, layers))
        self.onnx.helper.set_model_props(model, dict(said))
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _describe(self, name: str, shape: Axes) -> Any:
        """Return the declaration of an input or an output."""
        kind = np.dtype(self.dtypes.get(name, self.dtype))
        return self.onnx.helper.make_tensor_value_info(name, self.onnx.helper.np_dtype_to_tensor_dtype(kind), shape)

    def _wrap(self, graph: Any, **options: Any) -> Any:
        """Return a model of a graph, in the least versions that have its operators."""
        helper = self.onnx.helper
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        version = max(IR_VERSION, helper.find_min_ir_version_for(opsets, ignore_unknown=True))
        return helper.make_model(graph, opset_imports=opsets, ir_version=version, **options)


def _replace(nodes: Iterable[Any], names: Mapping[str, str]) -> None:
    """Call values by other names, in branches and loops too."""
    for node in nodes:
        for ends in (node.input, node.output):
            for i, name in enumerate(ends):
                ends[i] = names.get(name, name)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _replace(attribute.g.node, names)
                for value in attribute.g.output:
                    value.name = names.get(value.name, value.name)
