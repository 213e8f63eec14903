"""A chart of the time of a step against the size of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backend_comparison.measuring import Row
from backend_comparison.sizes import SIZES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which people with any color vision can tell apart."""

MARKERS = "os^Dv<>"


def draw(rows: Sequence[Row], dtype: str) -> Figure:
    """Return a figure with one line a backend."""
    from matplotlib.figure import Figure

    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.median is not None:
            lines.setdefault(f"{row.backend} ({row.device})", []).append((SIZES[row.size].work, row.median))
    figure = Figure(figsize=(9.5, 5.4), layout="constrained")
    axes = figure.subplots()
    for i, (name, points) in enumerate(lines.items()):
        x, y = zip(*sorted(points), strict=True)
        axes.plot(
            x, y, color=COLORS[i % len(COLORS)], marker=MARKERS[i % len(MARKERS)], ms=7, lw=1.8, label=name,
            mec="white", mew=0.8,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = list(dict.fromkeys(row.size for row in rows if row.median is not None))
    axes.set_xticks([SIZES[name].work for name in shown], shown, rotation=30, ha="right", rotation_mode="anchor")
    axes.minorticks_off()
    axes.grid(color="#e2e4e8", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("layer sizes, placed by parameters times samples of a step (log scale)")
    axes.set_ylabel("microseconds a training step (log scale)")
    axes.set_title(f"bpx on its backends: {dtype}, median times", loc="left", fontsize=11)
    figure.legend(frameon=False, loc="outside right upper")
    return figure
