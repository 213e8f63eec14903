"""One source: what computes names no library, and calls nothing that the array API standard does not have.

The check reads the code. That the code runs is shown by the tests of the backends: all of them run on
array-api-strict's ``device1``, which has nothing but the standard and refuses conversion to NumPy.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
from cases import LAYER_CASES

import bpx
from bpx.core.regularization import Clip, Penalty
from bpx.layers import LAYERS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS

PACKAGE = Path(bpx.__file__).parent
LIBRARIES = {"numpy", "cupy", "cupyx", "torch", "jax", "jaxlib", "mlx", "array_api_compat", "array_api_strict"}

COMPUTES = [
    "layers/activations.py", "layers/base.py", "layers/dropout.py", "layers/embedding.py", "layers/linear.py",
    "layers/members.py", "losses/members.py", "layers/normalization.py", "layers/numbers.py", "layers/parametric.py",
    "layers/stack.py", "layers/structure.py", "losses/base.py", "losses/classes.py", "losses/values.py",
    "optimizers/adaptive.py", "optimizers/averaging.py", "optimizers/base.py", "optimizers/descent.py",
    "core/backpropagation.py", "core/regularization.py", "core/sharing.py", "core/step.py", "core/together.py",
    "layers/erfc.py", "rng.py",
]  # fmt: skip
"""Forward, backward, loss and update: the modules whose arrays are the device's."""

ON_THE_HOST = {
    "layers/base.py": {
        "Layer.init": "parameters start on the host, so that the device changes no draw",
        "Layer.init_state": "as init",
    },
    "layers/embedding.py": {"Embedding.init": "as Layer.init"},
    "layers/linear.py": {"Linear.init": "as Layer.init"},
    "layers/parametric.py": {"Scale.init": "as Layer.init", "Parametric.init": "as Layer.init"},
    "layers/normalization.py": {
        "LayerNorm.init": "as Layer.init",
        "BatchNorm.init": "as Layer.init",
        "BatchNorm.init_state": "as Layer.init",
    },
    "layers/members.py": {"Members.init": "as Layer.init", "MemberLinear.init": "as Layer.init"},
    "layers/numbers.py": {
        "PiecewiseLinear.init": "as Layer.init",
        "Periodic.init": "as Layer.init",
        "PBLD.init": "as Layer.init",
        "_read_edges": "settings",
        "_add_edges": "settings",
    },
    "layers/structure.py": {"Block.init": "as Layer.init", "Block.init_state": "as Layer.init"},
    "core/together.py": {"hash_parameters": "bits, which processes compare"},
    "optimizers/base.py": {
        "Optimizer.coefficients": "the numbers of a step: Python floats, computed once for many steps",
        "Optimizer.coefficients_of_groups": "as coefficients",
        "Optimizer.constant": "a question about these numbers",
    },
    "optimizers/descent.py": {"SGD.coefficients": "as Optimizer.coefficients"},
    "optimizers/adaptive.py": {
        "Adam.coefficients": "as Optimizer.coefficients",
        "AdamW.coefficients": "as Optimizer.coefficients",
        "RMSprop.coefficients": "as Optimizer.coefficients",
    },
    "optimizers/averaging.py": {"Averaged.coefficients": "as Optimizer.coefficients"},
    "rng.py": {
        "generator": "weights and shuffles are drawn on the host",
        "permutation": "a shuffle, drawn on the host",
        "step_keys": "two integers for each step and mask, made on the host",
        "hash_steps": "as step_keys",
        "keep_mask": "array_api_compat's `device`, the standard's way to ask where an array lives",
    },
    "losses/classes.py": {"one_hot": "array_api_compat's `device`, as in keep_mask"},
}
"""Functions of these modules that name a library, each with its reason; their arrays never meet the device's."""

FOR_PEOPLE_AND_FILES = {
    "optimizers/annealing.py": "schedules: learning rates are numbers of the host",
    "callbacks/": "listens on the host",
    "arguments.py": "arguments",
    "cli/": "the command line",
    "distributed/": "arrays of the host on their way to other processes",
    "datasets/": "data that ships with bpx, in NumPy arrays",
    "core/file_rows.py": "rows of mapped files are copied on the host, on their way to the device",
    "core/evaluation.py": "metrics are computed on the host from predictions that are fetched once",
    "explanation/": "numbers for people, fetched from the device",
    "files/": "safetensors, state dicts and ONNX hold NumPy arrays",
    "gradient_check.py": "central differences are taken on NumPy in float64, whatever the network runs on",
    "health/": "statistics of a training, on the host",
    "layers/initializers.py": "draws from NumPy's generators, so that no device changes them",
    "core/samples.py": "what comes in may be a list: it becomes an array of the host on its way to the device",
    "metrics/": "scores of predictions on the host",
    "notebook.py": "the notebook's own loop, kept as it was",
    "optional.py": "says how to install what is missing",
    "plot/": "pictures",
    "recipes/": "rows of the host are dealt and binned; what computes is the network",
    "optimizers/schedules.py": "learning rates are numbers of the host",
    "sklearn/": "scikit-learn's interface takes and gives NumPy arrays",
    "display.py": "shapes multiplied for a table",
    "tables/": "tables and files",
    "training/": "orders of samples, losses and weights of the host; the device is left to core and the backend",
    "core/state.py": "learning rates are computed on the host in double precision",
    "core/model.py": "parameters are placed from the host, and shapes multiplied",
    "network.py": "state dicts are NumPy arrays",
}
"""Modules that may use NumPy on the host, each with its reason. None of them may name another library."""


def _modules():
    return sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


def _tree(module: str) -> ast.Module:
    return _without_annotations(ast.parse((PACKAGE / module).read_text("utf-8")))


def _without_annotations(tree: ast.Module) -> ast.Module:
    """Return code without its annotations, which name types and compute nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return the names under which a module knows a library or a part of one, with the library's name."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if (library := alias.name.partition(".")[0]) in LIBRARIES:
                    names[alias.asname or library] = library
        elif (
            isinstance(node, ast.ImportFrom) and node.module and (library := node.module.partition(".")[0]) in LIBRARIES
        ):
            names.update({alias.asname or alias.name: library for alias in node.names})
    return names


def _users(tree: ast.Module) -> dict[str, set[str]]:
    """Return which functions (``Class.method``) use an imported library, or import one, with the libraries."""
    names, found = _imported(tree), {}

    def look(node: ast.AST, inside: str) -> None:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            inside = f"{inside}.{node.name}" if inside else node.name
        library = None
        if isinstance(node, ast.Name):
            library = names.get(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom) and inside:
            library = next(iter(_imported(node).values()), None)
        if library:
            found.setdefault(inside or "the module itself", set()).add(library)
        for child in ast.iter_child_nodes(node):
            look(child, inside)

    look(tree, "")
    return found


def test_every_module_is_a_backend_or_computes_or_is_for_people():
    unknown = [
        module
        for module in _modules()
        if not module.startswith("backend/")
        and module not in COMPUTES
        and not any(module.startswith(host) for host in FOR_PEOPLE_AND_FILES)
        and _users(_tree(module))
    ]
    assert not unknown, "these name an array library: list them here with a reason, or call `xp` instead"


@pytest.mark.parametrize("module", COMPUTES)
def test_what_computes_names_a_library_only_where_its_numbers_are_the_hosts(module):
    users = _users(_tree(module))
    assert sorted(users) == sorted(set(users) & set(ON_THE_HOST.get(module, {}))), users
    assert all(libraries <= {"numpy", "array_api_compat"} for libraries in users.values())


def test_what_is_listed_is_there():
    for module, functions in ON_THE_HOST.items():
        assert set(functions) <= _functions(_tree(module)), module
    for path in FOR_PEOPLE_AND_FILES:
        assert any(module.startswith(path) for module in _modules()), path
    assert set(COMPUTES) <= set(_modules())


def _functions(tree: ast.Module) -> set[str]:
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


PASSES = {"forward", "backward", "next_state", "probabilities", "scale", "term", "apply", "update"}


def test_no_forward_backward_or_update_is_among_the_hosts():
    for functions in ON_THE_HOST.values():
        assert not {name.rpartition(".")[2] for name in functions} & PASSES


def test_no_module_but_the_backends_names_a_gpu_library():
    for module in _modules():
        if not module.startswith("backend/"):
            for function, libraries in _users(_tree(module)).items():
                assert libraries <= {"numpy", "array_api_compat"}, f"{module}: {function}"


def test_every_function_of_xp_is_one_of_the_standards(strict):
    used = {module: _called_of_xp(_tree(module)) for module in _modules() if not module.startswith("backend/")}
    assert {module: names - set(strict.__all__) for module, names in used.items() if names - set(strict.__all__)} == {}
    assert sum(map(len, used.values())) > 50


def _called_of_xp(tree: ast.Module) -> set[str]:
    """Return what a module takes from ``xp``, or from the ``xp`` of an object."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "attr", getattr(node.value, "id", "")) == "xp"
    }


def test_the_reader_finds_what_it_is_to_find():
    code = """
import numpy as np
from torch import nn as layers
from array_api_compat import device

class Layer:
    def forward(self, xp, params, x: np.ndarray) -> np.ndarray:
        y: np.ndarray = xp.exp(x)
        return y

    def backward(self, xp, cache, dy):
        return np.exp(dy)

def helper(x):
    import cupy
    return device(x), layers.Linear, self.xp.linspace(0, 1)
"""
    tree = _without_annotations(ast.parse(code))
    assert _imported(tree) == {"np": "numpy", "layers": "torch", "device": "array_api_compat", "cupy": "cupy"}
    assert _users(tree) == {"Layer.backward": {"numpy"}, "helper": {"cupy", "array_api_compat", "torch"}}
    assert _called_of_xp(tree) == {"exp", "linspace"}


def test_everything_runs_where_nothing_but_the_standard_is(strict):
    """All layers, losses, optimizers, penalties and limits in trainings on a device that refuses NumPy."""
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        np.asarray(strict.asarray([1.0], device=strict.Device("device1")))
    block = [bpx.LayerNorm(4), bpx.Linear(4, 4), bpx.GELU(), bpx.Dropout(0.2)]
    keeping = {type(case.layer): case.layer for case in LAYER_CASES if not case.layer.param_names}
    between = [layer for layer in keeping.values() if layer.output_shape((4,)) == (4,)]
    beside = [bpx.Embedding(4, 2), bpx.Periodic(1, 2, 2), bpx.PBLD(2), bpx.PiecewiseLinear([[0, 1], [0, 1, 2]])]
    first = [
        bpx.Flatten(),
        bpx.Columns([1, 1, 2, 2], beside),
        bpx.NTKLinear(16, 4),
        bpx.BatchNorm(4),
        bpx.Residual(block),
    ]
    between += [bpx.Scale(4), bpx.Parametric("mish", 4)]
    layers = [*first, *between, bpx.Linear(4, 2)]
    many = [*first, bpx.Members(4, 3), bpx.MemberLinear(4, 4, 3), bpx.MemberLinear(4, 2, 3, own=("weight", "bias"))]
    dealt = [*first, bpx.MemberColumns([1, 1], [True, False], 3), bpx.MemberLinear(2, 2, 3)]
    used = {type(layer) for layer in (*layers, *many, *dealt, *block, *beside)}
    assert used == {cls for cls in LAYERS.values() if cls.__module__.startswith("bpx.")}
    place = bpx.get_backend("array-api-strict:device1")
    x = place.asarray(np.random.default_rng(0).normal(size=(7, 2, 3)))
    weight = place.asarray(np.linspace(0.1, 1.0, 7))
    y = place.asarray(np.eye(2)[np.arange(7) % 2])
    optimizers = [bpx.SGD(0.1), bpx.SGD(0.1, 0.9), bpx.SGD(0.1, 0.9, True), "adam", "adamw", "rmsprop"]
    assert {type(bpx.optimizers.get_optimizer(o)) for o in optimizers} == set(OPTIMIZERS.values())
    of_members = bpx.MeanOverMembers(loss=bpx.CrossEntropy())
    for loss, chain in (*((loss, layers) for loss in LOSSES), (of_members, many), (of_members, dealt)):
        net = bpx.Network(chain, loss=loss, dtype="float64", backend=place)
        for optimizer in optimizers:
            settings = {"penalties": [bpx.L1(0.1), bpx.L2(0.1, True)], "clip": bpx.ClipNorm(1.0), "batch_size": 3}
            settings |= {"sample_weight": weight, "validation_data": (x, y), "optimizer": optimizer}
            assert np.isfinite(net.fit(x, y, epochs=2, **settings).loss).all()
        net.fit(x, y, epochs=1, clip=bpx.ClipValue(0.1))
        assert np.isfinite(net.evaluate(x, y)["loss"])
        assert bpx.backend.transfer.backend_of(net.predict(x)) == place
    assert {cls for cls in Penalty.__subclasses__() if cls.__module__.startswith("bpx.")} == {bpx.L1, bpx.L2}
    assert {cls for cls in Clip.__subclasses__() if cls.__module__.startswith("bpx.")} == {bpx.ClipNorm, bpx.ClipValue}
