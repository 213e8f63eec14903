"""A chart of every measured ratio beside its target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Run
from benchmarks.targets import Verdict, judge, targets

HOLDS, MISSED, BY_HAND = "#1b7f5c", "#c0392b", "#8a8f98"


def draw(runs: Sequence[Run], path: Path, machine: str) -> None:
    """Draw the ratios of the first run, each with its quartiles and its target, and save the picture.

    Parameters
    ----------
    runs : sequence of Run
        With several, the other runs are small rings beside the first one's dot.
    path : Path
        Its ending chooses the format.
    machine : str
        Named below the chart.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    chosen = [t for t in targets() if not t.fact and any(judge(t, run).value is not None for run in runs)]
    figure, axes = plt.subplots(figsize=(9.5, 1.9 + 0.235 * (len(chosen) + len({t.group for t in chosen}))))
    y, labels, ticks = 0.0, [], []
    previous = ""
    for target in chosen:
        if target.group != previous:
            y += 1.0
            axes.annotate(
                target.group, (0, y), xycoords=("axes fraction", "data"), xytext=(-6, 0), textcoords="offset points",
                ha="right", va="center", fontsize=9, fontweight="bold",
            )  # fmt: skip
            previous = target.group
            y += 1.0
        verdicts = [judge(target, run) for run in runs]
        for verdict in verdicts[1:]:
            if verdict.value is not None:
                axes.plot(verdict.value.median, y, "o", ms=4.5, mfc="none", color=_color(verdict), zorder=2)
        first = verdicts[0]
        if first.value is not None:
            axes.plot([first.value.low, first.value.high], [y, y], color=_color(first), lw=2.5, alpha=0.4, zorder=2)
            axes.plot(first.value.median, y, "o", ms=5.5, color=_color(first), zorder=3)
        if target.limit > 0:
            axes.plot([target.limit] * 2, [y - 0.4, y + 0.4], color="black", lw=1.8, zorder=4)
        labels.append(target.text)
        ticks.append(y)
        y += 1.0
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_ylim(y, 0)
    axes.set_xscale("log")
    marks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    axes.axvline(1.0, color="#b0b4ba", lw=0.8, zorder=1)
    axes.grid(axis="x", color="#e6e8eb", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"time (or memory) of bpx over the peer's, log scale; left is better\n{machine}", fontsize=8.5)
    handles = [
        Line2D([], [], marker="o", ls="", color=HOLDS, label="holds"),
        Line2D([], [], marker="o", ls="", color=MISSED, label="missed"),
        Line2D([], [], marker="o", ls="", color=BY_HAND, label="holds, as NumPy by hand is not below this peer either"),
        Line2D([], [], marker="|", ms=10, mew=1.8, ls="", color="black", label="target"),
    ]
    figure.legend(handles=handles, ncols=4, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.93))
    figure.suptitle("bpx beside its peers", fontsize=11, y=0.93, va="bottom")
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def _color(verdict: Verdict) -> str:
    return MISSED if not verdict.holds else BY_HAND if verdict.reason else HOLDS
