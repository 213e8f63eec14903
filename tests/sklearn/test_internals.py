"""scikit-learn's private names are in one module."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import bpx

HOME = Path(bpx.__file__).parent
ROOT = Path(__file__).resolve().parents[2]


def find_private(path: Path) -> list[str]:
    """Return what a module imports of scikit-learn, or calls of its estimators, that is not public."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sklearn":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "sklearn"]
        elif isinstance(node, ast.Attribute) and node.attr.startswith(("_skl_", "_init_callback", "_callback_fit")):
            names = [f"._{node.attr}"]
        else:
            continue
        found += [name for name in names if any(part.startswith("_") for part in name.split("."))]
    return found


def test_private_names_of_scikit_learn_are_in_one_module():
    found = {path.relative_to(HOME).as_posix() for path in HOME.rglob("*.py") if find_private(path)}
    assert found == {"sklearn/internals.py"}


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the checkout")
def test_the_metadata_have_a_ceiling_until_the_next_release_is_proven():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert "scikit-learn>=1.9,<1.10" in extras["sklearn"]


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="needs the checkout")
def test_a_job_that_may_fail_tries_the_next_release():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    job = text.partition("\n  scikit-learn-next:")[2].partition("\n\n  ")[0]
    assert "continue-on-error: true" in job
    assert "scikit-learn/scikit-learn" in job
    assert "pytest tests/sklearn" in job
