"""Imports point one way: every import of bpx against the table of rows that CONTRIBUTING shows."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import bpx

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = ("bpx", "bpx.__main__", "bpx._version")
"""Modules that the table leaves out: the list of public names, ``python -m bpx``, and the version."""

BY_NAME = ("bpx.backend.generic", "bpx.backend.registry", "bpx.naming", "bpx.optional", "bpx.sklearn")
"""Modules that may import by a text: array libraries, backends, classes of pickles, optional libraries, estimators."""

pytestmark = pytest.mark.skipif(not (ROOT / "CONTRIBUTING.md").is_file(), reason="needs the checkout, for its table")


def read_rows(text: str) -> list[list[str]]:
    """Return the parts of bpx in each row of the table, from top to bottom, that which others may import first."""
    section = text.partition("## Where things live")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [re.findall(r"`(\w+)`", cell) for cell in cells]


def list_modules(package: Path) -> dict[str, Path]:
    """Return the modules of a package by name."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def list_imports(module: str, path: Path, modules: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Yield line and name of each module of bpx that one imports: anywhere in it, for types alone too."""
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                above = inside.split(".")[: len(inside.split(".")) - node.level + 1]
                home = ".".join([*above, *([node.module] if node.module else [])])
            found = [f"{home}.{alias.name}" for alias in node.names]
            found = [name if name in modules else home for name in found]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and module not in BY_NAME:
            found = find_named(node.value, module, modules)
        else:
            continue
        yield from ((node.lineno, name) for name in found if name.partition(".")[0] == "bpx")


def find_named(text: str, module: str, modules: dict[str, Path]) -> list[str]:
    """Return the module that a text such as ``"bpx.core.model.Model"`` names, unless it is the reader's own package."""
    if not re.fullmatch(r"bpx(\.\w+)+", text):
        return []
    parts = text.split(".")
    homes = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return [home for home in homes if home in modules and not f"{module}.".startswith(f"{home}.")][-1:]


def list_imports_by_name(path: Path) -> Iterator[int]:
    """Yield the lines in which a module imports by a text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Name, ast.Attribute, ast.alias)):
            name = (
                node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else node.name
            )
            if name in ("import_module", "__import__"):
                yield node.lineno


def find_faults(package: Path, rows: list[list[str]]) -> list[str]:
    """Return what is wrong with a package's imports, a line each."""
    row_of = {part: i for i, row in enumerate(rows) for part in row}
    modules = list_modules(package)
    faults, arrows = [], {name: set() for name in modules}
    for module, path in modules.items():
        if module in OUTSIDE:
            continue
        part = module.split(".")[1]
        if part not in row_of:
            faults.append(f"{module}: {part!r} is in no row of the table")
            continue
        if module not in BY_NAME:
            place = path.relative_to(package)
            faults += [f"{place}:{line}: imports by a text" for line in list_imports_by_name(path)]
        for line, name in list_imports(module, path, modules):
            if name == "bpx._version":
                continue
            place = f"{path.relative_to(package)}:{line}: imports {name}"
            if name in OUTSIDE:
                faults.append(f"{place}, which stands above all rows")
                continue
            arrows[module].add(name)
            other = name.split(".")[1]
            if other == part:
                continue
            if other not in row_of:
                faults.append(f"{place}: {other!r} is in no row of the table")
            elif row_of[other] > row_of[part]:
                faults.append(f"{place}, which is in a lower row")
            elif row_of[other] == row_of[part] and other != rows[row_of[part]][0]:
                faults.append(f"{place}, which is beside it, and not the first of the row")
    return faults + [f"a circle: {' -> '.join(circle)}" for circle in find_circles(arrows)]


def find_circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return circles of modules, one for each that is met on a walk along all arrows."""
    circles, done = [], set()

    def walk(module: str, way: list[str]) -> None:
        if module in way:
            circles.append([*way[way.index(module) :], module])
        elif module not in done:
            for name in sorted(arrows.get(module, ())):
                walk(name, [*way, module])
            done.add(module)

    for module in arrows:
        walk(module, [])
    return circles


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    return read_rows((ROOT / "CONTRIBUTING.md").read_text("utf-8"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the package, to plant faults in."""
    target = tmp_path / "bpx"
    shutil.copytree(Path(bpx.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__", "data", "*.html"))
    return target


def test_the_table_names_every_part_once(rows):
    parts = [part for row in rows for part in row]
    assert len(rows) == 11
    assert len(parts) == len(set(parts))
    assert set(parts) == {name.split(".")[1] for name in list_modules(Path(bpx.__file__).parent) if name not in OUTSIDE}


def test_every_import_points_up_and_none_in_a_circle(rows):
    assert find_faults(Path(bpx.__file__).parent, rows) == []


def test_more_than_a_thousand_imports_are_read():
    modules = list_modules(Path(bpx.__file__).parent)
    found = [name for module, path in modules.items() for _, name in list_imports(module, path, modules)]
    assert len(modules) > 150
    assert len(found) > 700
    assert {"bpx.training.fit", "bpx.core.model", "bpx.optimizers.schedules"} <= set(found)


PLANTED = {
    "at the top": ("layers/linear.py", "from bpx.core.model import Model\n", "imports bpx.core.model, .* lower row"),
    "inside a function": (
        "core/step.py",
        "def late():\n    from bpx.training.fit import fit\n    return fit\n",
        "imports bpx.training.fit, .* lower row",
    ),
    "for types alone": (
        "training/loop.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bpx.network import Network\n",
        "imports bpx.network, .* lower row",
    ),
    "beside it": ("rng.py", "import bpx.metrics\n", "imports bpx.metrics, which is beside it"),
    "from the top package": ("plot/curves.py", "from bpx import mlp\n", "imports bpx, which stands above all rows"),
    "relative": ("files/onnx.py", "from ..health import diagnose\n", "imports bpx.health, .* lower row"),
    "a circle of modules": (
        "explanation/symbols.py",
        "def later():\n    import bpx.explanation.trace\n",
        "a circle: bpx.explanation.symbols -> bpx.explanation.trace -> bpx.explanation.symbols",
    ),
    "a circle of two": ("losses/base.py", "from bpx.losses.values import Huber\n", "a circle: bpx.losses.base -> "),
    "a part without a row": ("helpers/__init__.py", "X = 1\n", "bpx.helpers: 'helpers' is in no row"),
    "a module without a row": ("stray.py", "import bpx.errors\n", "bpx.stray: 'stray' is in no row"),
    "by a text": (
        "core/step.py",
        "import importlib\nlate = importlib.import_module('..net' + 'work', __package__)\n",
        "core/step.py:.*: imports by a text",
    ),
    "by a text under another name": (
        "core/step.py",
        "from importlib import import_module as load\n",
        "core/step.py:.*: imports by a text",
    ),
    "by what is loaded": (
        "layers/base.py",
        "import sys\ndef late():\n    return sys.modules['bpx.training.fit']\n",
        "imports bpx.training.fit, .* lower row",
    ),
    "in an annotation": (
        "layers/base.py",
        "def late(net: 'bpx.network.Network') -> None: ...\n",
        "imports bpx.network, .* lower row",
    ),
    "into a part without a row": ("errors.py", "from bpx.unknown import x\n", "'unknown' is in no row"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_arrow_is_found(kind, copy, rows):
    module, code, said = PLANTED[kind]
    path = copy / module
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text("utf-8") if path.exists() else "") + "\n" + code, "utf-8")
    faults = find_faults(copy, rows)
    assert len([fault for fault in faults if re.search(said, fault)]) == 1, faults


def test_a_row_that_is_missing_from_the_table_is_found(rows):
    package = Path(bpx.__file__).parent
    assert any("'core' is in no row" in fault for fault in find_faults(package, [r for r in rows if "core" not in r]))
    assert any("lower row" in fault for fault in find_faults(package, rows[::-1]))


def test_no_module_is_a_fragment():
    """What is under 40 lines is a thing of its own, or the front of a package."""
    own = {"layers/erfc.py", "optional.py", "_version.py", "__main__.py"}
    package = Path(bpx.__file__).parent
    short = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and len(path.read_text("utf-8").splitlines()) < 40
    }
    assert short <= own
