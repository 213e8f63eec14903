"""Pieces of mathematics as they are written on paper, which layers, losses and optimizers carry beside their code."""

from __future__ import annotations

from typing import Any, NamedTuple


class Formula(NamedTuple):
    """A piece of mathematics, for a terminal and for typesetting.

    Attributes
    ----------
    text : str
        In Unicode characters.
    latex : str
        In LaTeX, without delimiters; KaTeX and MathJax read it.
    """

    text: str
    latex: str

    def fill(self, settings: dict[str, Any], **symbols: Formula) -> Formula:
        """Return the formula with settings and symbols in the places that ``$name`` marks."""
        from string import Template

        latex = {name: f"{{{symbol.latex}}}" for name, symbol in symbols.items()}
        return Formula(
            Template(self.text).substitute(settings, **{name: symbol.text for name, symbol in symbols.items()}),
            Template(self.latex).substitute(settings, **latex),
        )


def find_definer(cls: type, *computing: str) -> type | None:
    """Return the nearest class, itself or a parent, that defines one of the methods named in ``computing``."""
    return next((parent for parent in cls.__mro__ if any(name in vars(parent) for name in computing)), None)


def find_declared(cls: type, attribute: str, *computing: str) -> Any:
    """Return what a class declares of itself in an attribute, or None.

    What a parent declares holds for a subclass only as long as that does not compute something else: as long as it
    defines none of the methods named in ``computing``.
    """
    for parent in cls.__mro__:
        if attribute in vars(parent):
            return vars(parent)[attribute]
        if any(name in vars(parent) for name in computing):
            return None
    return None
