"""The chain rule of one parameter as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpx.explanation.text import number

if TYPE_CHECKING:
    from bpx.explanation.chain import Chain, Path

MAX_SHOWN = 12
"""Paths that are written out; the rest is one line."""


def chain_text(chain: Chain) -> str:
    """Return a chain as lines: each path's factors in symbols and in numbers, their products, and the sum."""
    share = "the batch" if chain.sample is None else f"sample {chain.sample}"
    paths = f"{chain.n_paths:,} path{'s' if chain.n_paths > 1 else ''}"
    if chain.grouped:
        paths += f" in {len(chain.paths):,} groups"
    lines = [f"∂L/∂{chain.symbol.text}, {chain.weight} = {number(chain.value)}, over {share}: {paths} to the loss"]
    largest = sorted(chain.paths, key=lambda path: -abs(path.product))
    several = len({path.sample for path in chain.paths}) > 1
    for path in chain.paths if len(chain.paths) <= MAX_SHOWN else largest[:MAX_SHOWN]:
        lines += _path_lines(path, several)
    rest = largest[MAX_SHOWN:]
    if rest:
        lines.append(f"  and {len(rest):,} smaller products, together {number(sum(path.product for path in rest))}")
    lines.append(f"  sum over the paths {chain.total!r}")
    lines.append(f"  backward pass      {chain.gradient!r}, relative difference {chain.difference:.1e}")
    return "\n".join(lines)


def _path_lines(path: Path, named: bool) -> list[str]:
    symbols = " · ".join(factor.symbol.text for factor in path.factors)
    values = " · ".join(f"({v})" if v.startswith("−") else v for v in (number(f.value) for f in path.factors))
    where = f"sample {path.sample}: " if named else ""
    return [f"  {where}{symbols}", f"    = {values} = {number(path.product)}"]
