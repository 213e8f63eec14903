"""Figures come with a display and without, and a missing matplotlib is said with the line that installs it."""

import subprocess
import sys

import pytest

import bpx
from bpx.plot.style import COLORS, MARKERS, color, make_figure, marker

X, Y = bpx.datasets.xor()
NET = bpx.mlp([2, 2, 1], loss="binary_cross_entropy")
FOUND = bpx.find_learning_rate(NET, X, Y, steps=10)

USES = {
    "learning_curves": lambda: bpx.plot.learning_curves(bpx.History(loss=[1.0], epoch=[1])),
    "learning_rates": lambda: bpx.plot.learning_rates(FOUND),
    "confusion_matrix": lambda: bpx.plot.confusion_matrix([0, 1], [0, 1]),
    "decision_boundary": lambda: bpx.plot.decision_boundary(NET, X, Y),
    "weight_histograms": lambda: bpx.plot.weight_histograms(NET),
    "gradient_histograms": lambda: bpx.plot.gradient_histograms(NET, X, Y),
    "predictions": lambda: bpx.plot.predictions([0.0, 1.0], [0.0, 1.0]),
    "training_report": lambda: bpx.plot.training_report(NET, bpx.History(loss=[1.0], epoch=[1]), X, Y),
    "save": lambda: bpx.plot.save(None, "picture.png"),
}


def test_every_function_is_tried_here():
    assert sorted(USES) == bpx.plot.__all__


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_without_matplotlib_the_error_says_how_to_install_it(use, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = r'plots need matplotlib, which is not installed: pip install "bpx-backprop\[plot\]"$'
    with pytest.raises(bpx.InputError, match=said):
        use()


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, bpx; bpx.plot.save; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_window_that_cannot_be_opened_is_no_error(monkeypatch):
    from matplotlib import pyplot

    def no_display(**_):
        raise ImportError("Cannot load backend 'TkAgg' which requires the 'tk' interactive framework")

    monkeypatch.setattr(pyplot, "figure", no_display)
    ax = USES["confusion_matrix"]()
    assert ax.get_title() == "accuracy 100.0%, 2 of 2"
    assert pyplot.get_fignums() == []


def test_pyplot_knows_the_figures():
    from matplotlib import pyplot

    ax = USES["learning_curves"]()
    assert pyplot.gcf() is ax.figure
    assert make_figure((2.0, 3.0)).get_size_inches().tolist() == [2.0, 3.0]


def test_colors_and_markers_repeat_late():
    assert len({(color(i), marker(i)) for i in range(63)}) == 63
    assert len(set(COLORS)) == len(COLORS)
    assert len(set(MARKERS)) == len(MARKERS)


def test_colors_stand_out_from_white():
    from matplotlib.colors import to_rgb

    for each in COLORS:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(each)]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert 1.05 / (luminance + 0.05) > 2.0
