"""docs/the-standard.md against the code: it lists what bpx asks of the array API standard, no less and no more."""

from __future__ import annotations

import ast
import os
import re
import warnings
from pathlib import Path

import all_work
import numpy as np
import pytest
from backend_cases import STRICT_VERSION
from recorded import ATTRIBUTES, KINDS, OPERATORS, OUTSIDE, PACKAGE, VERSIONS, Recording, Use, recording

import bpx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "the-standard.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""

needs_the_page = pytest.mark.skipif(not TEXT, reason="needs the checkout, for the page")

Row = tuple[str, str, str]
"""Least version, parts of bpx that ask, and what for."""

ADVICE = (
    "Either compute it with what docs/the-standard.md lists ('Before a row is added' shows how), or add the row there, "
    "with the reason in its last column"
)


def read_tables(text: str) -> dict[str, dict[str, Row]]:
    """Return the rows of the page: ``tables[kind][name]``."""
    tables = {}
    for kind, section in re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL):
        rows = re.findall(r"^\| (\S.*?) \| (\d{4}\.\d\d) \| (.*?) \| *(.*?) *\|$", section, flags=re.MULTILINE)
        names = [name for name, *_ in rows]
        assert len(names) == len(set(names)), f"{kind}: a name is listed twice"
        tables[kind] = {name: tuple(rest) for name, *rest in rows}
    return tables


def make_rows(recorded: Recording) -> dict[str, dict[str, Row]]:
    """Return what was asked for as the rows of the page, but for what each is for."""
    return {
        kind: {
            name if kind == "Indices" else f"`{name}`".replace("|", "\\|"): (
                use.since,
                ", ".join(sorted(use.parts)),
                "",
            )
            for name, use in uses.items()
        }
        for kind, uses in recorded.uses.items()
    }


def find_faults(tables: dict[str, dict[str, Row]], asked: dict[str, dict[str, Row]]) -> list[str]:
    """Return what is wrong with the page, one sentence each."""
    faults = []
    for kind in KINDS:
        listed = tables.get(kind, {})
        for name, (since, parts, _) in sorted(asked[kind].items()):
            row = f"| {name} | {since} | {parts} |"
            if name not in listed:
                faults.append(f"{kind}: bpx asks for {name}, which has no row: {row} what for |. {ADVICE}")
            elif listed[name][:2] != (since, parts):
                faults.append(f"{kind}: the row of {name} is {row} now")
            elif not listed[name][2]:
                faults.append(f"{kind}: the row of {name} does not say what it is for")
        faults += [f"{kind}: {name} has a row, and nothing asks for it" for name in listed if name not in asked[kind]]
    return faults


def find_least(text: str) -> str:
    """Return the least version of the standard that the page names."""
    return re.search(r"\*\*The least version of the standard is (\S+)\*\*", text)[1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Recording:
    """Return what bpx asked for in all of its work, which is done at the least version, without what is optional."""
    library = pytest.importorskip("array_api_strict")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed, and the estimators ask for some of it")
    least = find_least(TEXT)
    nothing_optional = {"boolean_indexing": False, "data_dependent_shapes": False, "enabled_extensions": ()}
    with pytest.MonkeyPatch.context() as patch, recording(library) as record:
        patch.setenv("SCIPY_ARRAY_API", "1")
        place = bpx.get_backend("array-api-strict:device1")
        with library.ArrayAPIStrictFlags(api_version=least, **nothing_optional):
            try:
                all_work.do_all(place, tmp_path_factory.mktemp("work"))
            except Exception as error:
                error.add_note(f"This came at version {least} of the standard, with all that is optional off. {ADVICE}")
                raise
        with library.ArrayAPIStrictFlags(api_version=least), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few iterations end nowhere
            all_work.use_estimators(place)  # scikit-learn itself asks for what is optional
    return record


@needs_the_page
@pytest.mark.slow
def test_the_page_lists_what_is_asked_for_and_nothing_else(recorded):
    faults = find_faults(read_tables(TEXT), make_rows(recorded))
    assert not faults, "\n".join(faults)


@needs_the_page
@pytest.mark.slow
def test_the_least_version_is_the_largest_of_the_rows(recorded):
    least = find_least(TEXT)
    assert max(row[0] for rows in read_tables(TEXT).values() for row in rows.values()) == least
    assert max(use.since for uses in recorded.uses.values() for use in uses.values()) == least
    for script in (".ci/run", "CONTRIBUTING.md"):
        if (ROOT / script).is_file():
            assert f"{STRICT_VERSION}={least} " in (ROOT / script).read_text("utf-8"), f"{script} runs the tests at it"


@needs_the_page
@pytest.mark.slow
def test_all_of_it_is_in_the_standard(recorded, strict):
    beyond = {name for name in strict.__all__ if "array_api_strict" in name.lower() or "ArrayAPIStrict" in name}
    assert set(recorded.uses["Functions"]) <= set(strict.__all__) - beyond
    assert set(recorded.uses["Operators"]) <= set(OPERATORS.values())
    assert set(recorded.uses["Attributes"]) <= set(ATTRIBUTES)
    assert "boolean array" not in recorded.uses["Indices"], "a mask's shape depends on the data: JAX cannot compile it"


@needs_the_page
@pytest.mark.slow
def test_the_work_calls_every_function_that_the_source_names(recorded):
    """What the source could ask for and all_work.py does not make it ask for would be on no list."""
    missing, seen = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        if file.startswith("backend/") and file != "backend/base.py":
            continue  # a library's own file, or for backends that record
        if file == "files/onnx_training.py":
            continue  # it computes with ndonnx's arrays alone
        part = file.partition("/")[0].removesuffix(".py")
        for name in list_named(path.read_text("utf-8")):
            use = recorded.uses["Functions"].get(name)
            seen += 1
            if name not in recorded.uses["Dtypes"] and (use is None or part not in use.parts):
                missing.append(f"{file}: xp.{name}")
    assert not missing, "let tests/all_work.py reach these"
    assert seen > 100


def list_named(code: str) -> list[str]:
    """Return what code takes from ``xp``, or from the ``xp`` of an object."""
    attributes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    return [node.attr for node in attributes if getattr(node.value, "attr", getattr(node.value, "id", "")) == "xp"]


# -- the recording and the comparison ------------------------------------------------------------------------

ASKING = """
def ask(xp, x):
    y = xp.floor(x)
    y //= 2.0
    xp.clip(x % 3.0, 0.0, 1.0)
    xp.maximum(x, x)
    xp.broadcast_shapes(x.shape, (1,))
    row = xp.asarray([1, 0])
    x[row, row], x[x > 0.0], x[::2, None, :]
    x[0, 0] = 7.0
    return float(xp.sum(x)), x.mT, abs(x), 2.0 ** x, xp.pi, xp.uint8, xp.floor
"""


def _ask(path: Path, record: Recording) -> dict[str, dict[str, Use]]:
    """Let code that seems to stand in a file ask for this and that; return what was recorded."""
    names: dict = {}
    exec(compile(ASKING, str(path), "exec"), names)
    place = bpx.get_backend("array-api-strict:device1")
    with record.library.ArrayAPIStrictFlags(api_version=VERSIONS[-1]):
        names["ask"](place.xp, place.asarray(np.ones((2, 2)), "float32"))
    return record.uses


def test_a_recording_has_what_code_of_bpx_asks_for(strict):
    with recording(strict) as record:
        uses = _ask(PACKAGE / "layers" / "made_up.py", record)
    functions = {name: use.since for name, use in uses["Functions"].items()}
    assert functions == {
        "floor": "2022.12", "clip": "2023.12", "maximum": "2023.12", "broadcast_shapes": "2025.12",
        "asarray": "2022.12", "sum": "2023.12", "pi": "2022.12",
    }  # fmt: skip
    assert set(uses["Operators"]) == {
        "x //= y", "x % y", "x > y", "x[i]", "x[i] = y", "float(x)", "abs(x)", "x ** y",
    }  # fmt: skip
    assert set(uses["Attributes"]) == {"shape", "mT"}
    indices = {name: use.since for name, use in uses["Indices"].items()}
    assert indices == {
        "integer array": "2024.12", "boolean array": "2022.12", "slice with a step": "2022.12", "slice": "2022.12",
        "`None`": "2022.12", "integer": "2022.12",
    }  # fmt: skip
    assert set(uses["Dtypes"]) == {"float32", "int64", "bool", "uint8"}
    assert all(use.parts == {"layers"} for part in uses.values() for use in part.values())


def test_a_recording_has_nothing_of_anybody_else(strict, tmp_path):
    with recording(strict) as record:
        for path in (tmp_path / "made_up.py", PACKAGE / "backend" / "strict_backend.py"):
            assert _ask(path, record) == {kind: {} for kind in KINDS}
    _ask(PACKAGE / "made_up.py", record)
    assert record.uses == {kind: {} for kind in KINDS}, "it ends with its block"


def test_the_operators_of_the_library_are_all_known(strict):
    methods = {name for name in vars(type(strict.asarray(0))) if not name.startswith("_") or name.startswith("__")}
    of_python = {
        "__module__",
        "__annotations__",
        "__doc__",
        "__slots__",
        "__new__",
        "__reduce__",
        "__repr__",
        "__str__",
    }
    assert methods - {*of_python, "__weakref__", "__hash__", "__static_attributes__", "__firstlineno__"} <= {
        *OPERATORS, *ATTRIBUTES, *OUTSIDE,
    }  # fmt: skip
    assert OPERATORS["__radd__"] == "x + y"
    assert OPERATORS["__iadd__"] == "x += y"
    assert OPERATORS["__ifloordiv__"] == "x //= y"


SMALL = """
## Functions

| name | since | asked by | for |
|---|---|---|---|
| `exp` | 2022.12 | layers | sigmoids |

## Operators

| `x \\| y` | 2022.12 | rng | bits |
"""


def test_a_row_too_few_one_too_many_and_a_wrong_one_are_found():
    asked: dict = {kind: {} for kind in KINDS}
    asked["Functions"] = {"`exp`": ("2022.12", "layers", "")}
    asked["Operators"] = {"`x \\| y`": ("2022.12", "rng", "")}
    assert find_faults(read_tables(SMALL), asked) == []
    asked["Functions"]["`cbrt`"] = ("2025.12", "layers", "")
    (fault,) = find_faults(read_tables(SMALL), asked)
    assert "bpx asks for `cbrt`, which has no row: | `cbrt` | 2025.12 | layers | what for |" in fault
    assert "Before a row is added" in fault
    del asked["Functions"]["`cbrt`"], asked["Operators"]["`x \\| y`"]
    assert find_faults(read_tables(SMALL), asked) == ["Operators: `x \\| y` has a row, and nothing asks for it"]
    asked["Operators"]["`x \\| y`"] = ("2022.12", "layers, rng", "")
    (fault,) = find_faults(read_tables(SMALL), asked)
    assert fault == "Operators: the row of `x \\| y` is | `x \\| y` | 2022.12 | layers, rng | now"
    asked["Operators"]["`x \\| y`"] = ("2022.12", "rng", "")
    (fault,) = find_faults(read_tables(SMALL.replace("bits", "")), asked)
    assert fault == "Operators: the row of `x \\| y` does not say what it is for"


# -- the version that a run of the tests was told ----------------------------------------------------------


def test_array_api_strict_is_the_version_that_this_run_was_told(strict):
    told, version = os.environ.get(STRICT_VERSION), strict.get_array_api_strict_flags()["api_version"]
    assert strict.__array_api_version__ == version
    assert version == told or (told is None and version >= VERSIONS[-1]), "the newest, unless told otherwise"
    if version < VERSIONS[-1]:
        with pytest.raises(RuntimeError, match="requires API version 2025.12 or later"):
            strict.broadcast_shapes((1,), (1,))
    else:
        assert strict.broadcast_shapes((1,), (2,)) == (2,)
