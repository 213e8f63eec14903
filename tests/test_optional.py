"""A library that an extra brings is imported on use, and its absence is said with the line that installs it."""

import sys
from types import ModuleType

import pytest

import bpx
from bpx.optional import import_optional


def test_returns_the_module():
    assert import_optional("xml.dom", "tests", "xml") is sys.modules["xml.dom"]


@pytest.mark.parametrize("module", ["bpx_absent", "bpx_absent.inner"])
def test_says_how_to_install_what_is_missing(module):
    said = r'tests need bpx_absent, which is not installed: pip install "bpx-backprop\[absent\]"$'
    with pytest.raises(bpx.InputError, match=said):
        import_optional(module, "tests", "absent")


def test_a_library_without_the_module_counts_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "bpx_old", ModuleType("bpx_old"))
    with pytest.raises(bpx.InputError, match="tests need bpx_old"):
        import_optional("bpx_old.newer", "tests", "old")


def test_a_broken_library_is_not_said_to_be_missing(monkeypatch, tmp_path):
    (tmp_path / "bpx_broken.py").write_text("import bpx_its_own_need\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="bpx_its_own_need"):
        import_optional("bpx_broken", "tests", "broken")
