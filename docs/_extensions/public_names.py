"""Find every public name of bpx and the group that it belongs to. Nothing here lists names: the package does."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, NamedTuple

import bpx

GROUPS = {
    "Networks": ("bpx.network", "bpx.perceptron"),
    "Layers": ("bpx.layers",),
    "Losses": ("bpx.losses",),
    "Optimizers": ("bpx.optimizers",),
    "Learning-rate schedules": ("bpx.optimizers.annealing", "bpx.optimizers.schedules"),
    "Penalties and clipping": ("bpx.core.regularization",),
    "Training and callbacks": ("bpx.training", "bpx.callbacks"),
    "Metrics": ("bpx.metrics",),
    "Explanation": ("bpx.explanation", "bpx.gradient_check", "bpx.notebook"),
    "Diagnosis": ("bpx.health",),
    "Plots": ("bpx.plot",),
    "Estimators for scikit-learn": ("bpx.sklearn",),
    "Tables": ("bpx.tables",),
    "Data sets": ("bpx.datasets",),
    "Backends": ("bpx.backend",),
    "Several processes": ("bpx.distributed",),
    "Errors and warnings": ("bpx.errors",),
}
"""The groups in the order of the reference, each with the modules that it takes its names from.

The longest prefix decides. A public module that stands in no group is a group of its own, after these.
"""


class PublicName(NamedTuple):
    """A name that users may rely on.

    Attributes
    ----------
    name : str
        As users write it: ``bpx.ReLU``, ``bpx.plot.save``.
    value : object
        What it stands for.
    home : str
        The module that decides the group.
    """

    name: str
    value: Any
    home: str

    @property
    def is_class(self) -> bool:
        return inspect.isclass(self.value) and self.value.__module__.startswith("bpx")  # and no alias of another's

    @property
    def is_function(self) -> bool:
        return inspect.isroutine(self.value)


def find_public_modules() -> list[ModuleType]:
    """Return the modules among the public names, in the order of the list."""
    found = (getattr(bpx, name) for name in bpx.__all__)
    return [value for value in found if isinstance(value, ModuleType)]


def find_public_names() -> list[PublicName]:
    """Return every public name: those of bpx, then those of its public modules that bpx does not have itself."""
    names = []
    for name in bpx.__all__:
        value = getattr(bpx, name)
        if not isinstance(value, ModuleType) and not name.startswith("_"):
            names.append(PublicName(f"bpx.{name}", value, value.__module__))
    known = {id(public.value) for public in names}
    for module in find_public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if id(value) not in known:
                names.append(PublicName(f"{module.__name__}.{name}", value, module.__name__))
    return names


def find_group(home: str) -> str:
    """Return the title of the group that takes the names of a module."""
    prefixes = {prefix: title for title, group in GROUPS.items() for prefix in group}
    fitting = [prefix for prefix in prefixes if home == prefix or home.startswith(f"{prefix}.")]
    return prefixes[max(fitting, key=len)] if fitting else home


def group_public_names() -> dict[str, list[PublicName]]:
    """Return the public names by the titles of their groups, both in the order of the reference."""
    names = sorted(find_public_names(), key=lambda public: public.name.rpartition(".")[2].lower())
    titles = [*GROUPS, *sorted({find_group(public.home) for public in names} - set(GROUPS))]
    groups = {title: [public for public in names if find_group(public.home) == title] for title in titles}
    return {title: members for title, members in groups.items() if members}


class Member(NamedTuple):
    """A method or property that the page of a class describes.

    Attributes
    ----------
    name : str
    is_property : bool
    parent : type
        The class that defines it: the class of the page itself, or one that has no page.
    """

    name: str
    is_property: bool
    parent: type


def find_members(cls: type) -> list[Member]:
    """Return the methods and properties that the page of a class describes, its own first.

    They are those with a docstring of their own, in the class itself or in a parent of bpx that is not public: what a
    public parent describes is on that parent's page.
    """
    public = {public.value for public in find_public_names() if public.is_class}
    members: dict[str, Member] = {}
    for parent in cls.__mro__:
        if parent is not cls and (parent in public or not parent.__module__.startswith("bpx")):
            continue
        for name, value in vars(parent).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            own = inspect.isroutine(function) and function.__module__.startswith("bpx")
            if own and not name.startswith("_") and function.__doc__:
                members.setdefault(name, Member(name, isinstance(value, property), parent))
    return list(members.values())
