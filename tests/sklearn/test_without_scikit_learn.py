"""bpx without scikit-learn, or with an old one: everything but the estimators works, and they say what to install."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import bpx
from bpx.sklearn import require_sklearn


def test_importing_bpx_imports_no_scikit_learn_and_no_scipy():
    code = (
        "import sys, bpx, bpx.sklearn; assert 'MLPClassifier' in dir(bpx.sklearn); net = bpx.mlp([2, 1]); "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sklearn', 'scipy', 'pandas', 'joblib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_scikit_learn_is_said_with_the_line_that_installs_it():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try:\n    from bpx.sklearn import MLPClassifier\n"
        "except ImportError as error:\n    print(type(error).__mro__[1].__name__, '|', error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "InputError | the estimators of bpx.sklearn need scikit-learn, which is not installed: "
        'pip install "bpx-backprop[sklearn]"'
    )


def test_an_old_scikit_learn_is_refused(monkeypatch):
    old = ModuleType("sklearn")
    old.__version__ = "1.8.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", old)
    with pytest.raises(bpx.InputError, match=r"need scikit-learn 1.9 or newer, found 1.8.2: pip install"):
        require_sklearn()
    for version in ("1.9.0", "1.10.1", "2.0.dev0"):
        old.__version__ = version  # type: ignore[attr-defined]
        require_sklearn()


def test_a_broken_scikit_learn_is_not_said_to_be_missing(monkeypatch, tmp_path):
    (tmp_path / "sklearn.py").write_text("import bpx_its_own_need\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name == "sklearn" or name.startswith("sklearn.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match="bpx_its_own_need"):
        require_sklearn()


def test_there_is_nothing_else_in_the_module():
    with pytest.raises(AttributeError, match="module 'bpx.sklearn' has no attribute 'MLP'"):
        _ = bpx.sklearn.MLP
