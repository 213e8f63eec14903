"""The reference of the documentation: every public name is in it, because it is made from the package."""

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import bpx

pytest.importorskip("sklearn", reason="needs scikit-learn: the estimators are in the reference")

SCRIPT = Path(__file__).parents[2] / "docs" / "_extensions" / "public_names.py"
if not SCRIPT.is_file():
    pytest.skip("needs the checkout, for the script", allow_module_level=True)
spec = importlib.util.spec_from_file_location("public_names", SCRIPT)
public_names = importlib.util.module_from_spec(spec)
spec.loader.exec_module(public_names)

NAMES = public_names.find_public_names()


def _ways():
    """Yield every way in which a user can write a public name."""
    for name in bpx.__all__:
        value = getattr(bpx, name)
        if isinstance(value, ModuleType):
            yield from ((f"bpx.{name}.{part}", getattr(value, part)) for part in value.__all__)
        elif not name.startswith("_"):
            yield f"bpx.{name}", value


@pytest.mark.parametrize("way, value", [pytest.param(way, value, id=way) for way, value in _ways()])
def test_every_public_name_is_in_one_group_of_the_reference(way, value):
    groups = public_names.group_public_names()
    pages = [public.name for members in groups.values() for public in members if public.value is value]
    assert len(pages) == 1
    assert pages[0] in {way, f"bpx.{way.rpartition('.')[2]}"}


def test_a_new_module_is_in_the_reference_before_it_has_a_group(monkeypatch):
    invented = ModuleType("bpx.invented")
    invented.__all__ = ["find"]
    invented.find = lambda: None
    monkeypatch.setattr(bpx, "invented", invented, raising=False)
    monkeypatch.setattr(bpx, "__all__", [*bpx.__all__, "invented"])
    groups = public_names.group_public_names()
    assert [public.name for public in groups["bpx.invented"]] == ["bpx.invented.find"]
    assert list(groups)[-1] == "bpx.invented"


def test_the_longest_prefix_decides():
    assert public_names.find_group("bpx.optimizers.annealing") == "Learning-rate schedules"
    assert public_names.find_group("bpx.optimizers.adaptive") == "Optimizers"
    assert public_names.find_group("bpx.layers_of_others") == "bpx.layers_of_others"


def _described(cls):
    return {member.name for member in public_names.find_members(cls)}


def test_a_page_has_the_methods_of_parents_that_have_no_page():
    assert {"fit", "predict", "predict_proba"} <= _described(bpx.sklearn.MLPClassifier)
    assert "set_fit_request" not in _described(bpx.sklearn.MLPClassifier)  # scikit-learn's own
    assert {"forward", "backward", "output_shape"} <= _described(bpx.Layer)
    assert "forward" not in _described(bpx.ReLU)  # as on the page of bpx.Layer


def test_a_class_s_own_methods_come_first():
    members = public_names.find_members(bpx.Network)
    own = [member.parent is bpx.Network for member in members]
    assert own == sorted(own, reverse=True)
    kinds = {member.name: member.is_property for member in members}
    assert (kinds["fit"], kinds["to"], kinds["params"]) == (False, False, True)


DOCUMENTED = [pytest.param(public, id=public.name) for public in NAMES if public.is_class or public.is_function]


@pytest.mark.parametrize("public", DOCUMENTED)
def test_every_class_and_function_has_an_example(public):
    """That it runs is for doctest to say."""
    assert "\n>>> " in inspect.cleandoc(public.value.__doc__).partition("\nExamples\n--------")[2]


@pytest.mark.parametrize("public", DOCUMENTED)
def test_every_class_and_function_names_its_neighbors_and_they_exist(public):
    _, _, behind = inspect.cleandoc(public.value.__doc__).partition("\nSee Also\n--------\n")
    neighbors = re.findall(r"^([\w.]+) : \w", behind.partition("\n\n")[0], flags=re.MULTILINE)
    assert neighbors
    for neighbor in neighbors:
        value = bpx
        for part in neighbor.removeprefix("bpx.").split("."):
            value = getattr(value, part)
        assert value is not public.value
