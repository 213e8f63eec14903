"""Pictures are written whole, or an error says why not."""

from xml.etree import ElementTree

import numpy as np
import pytest

import bpx

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "PNG": b"\x89PNG"}


@pytest.fixture
def ax():
    return bpx.plot.predictions([0.0, 1.0], [0.0, 1.0])


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_the_ending_names_the_format(ending, ax, tmp_path):
    path = tmp_path / f"picture.{ending}"
    bpx.plot.save(ax, path)
    assert path.read_bytes().startswith(BEGINNINGS[ending])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_takes_axes_figures_and_panels(ax, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    inner = figure.subfigures(1, 2)[0].subplots()
    panels = bpx.plot.weight_histograms(bpx.mlp([2, 3, 1]))
    for i, picture in enumerate((ax, ax.figure, figure, inner, panels, list(panels))):
        path = tmp_path / f"{i}.png"
        bpx.plot.save(picture, str(path))
        assert path.stat().st_size > 500


def test_pixels_an_inch(ax, tmp_path):
    for dpi in (50, 100):
        bpx.plot.save(ax, tmp_path / f"{dpi}.png", dpi=dpi)
    width, height = (int.from_bytes((tmp_path / "50.png").read_bytes()[i : i + 4], "big") for i in (16, 20))
    twice = (tmp_path / "100.png").read_bytes()
    assert [int.from_bytes(twice[i : i + 4], "big") for i in (16, 20)] == pytest.approx([2 * width, 2 * height], abs=1)


@pytest.mark.parametrize(
    "path, said",
    [
        ("picture", "the ending of .*picture must name a format of pictures: .*png"),
        ("picture.txt", "the ending of .*picture.txt must name a format"),
        ("nowhere/picture.png", "cannot write .*picture.png: No such file or directory"),
    ],
)
def test_where_it_cannot_be_written(path, said, ax, tmp_path):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.save(ax, tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_whole(ax, tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(ax.figure, "savefig", fail)
    with pytest.raises(MemoryError):
        bpx.plot.save(ax, path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("picture", [None, "picture", [], [1]])
def test_what_is_no_picture(picture, tmp_path):
    with pytest.raises(bpx.InputError, match="save takes a matplotlib Figure or Axes, got"):
        bpx.plot.save(picture, tmp_path / "picture.png")


def test_a_wrong_number_of_pixels(ax, tmp_path):
    with pytest.raises(bpx.InputError, match="dpi must be above 0"):
        bpx.plot.save(ax, tmp_path / "picture.png", dpi=0)


@pytest.mark.filterwarnings("error")
def test_no_name_puts_control_characters_into_a_picture(tmp_path):
    """XML must not hold them, and no font has them."""
    bad = "no\x1b[31m\x07\x9b\u202e"
    x, y = bpx.datasets.moons(60, seed=0)
    net = bpx.mlp([2, 4, 1], loss="binary_cross_entropy")
    history = net.fit(x, y, epochs=3, metrics=[(bad, lambda y, p: 0.5)], progress=False)
    pictures = [
        bpx.plot.confusion_matrix(y, net.predict(x), class_names=[bad, "yes"]),
        bpx.plot.confusion_matrix([bad, "yes"], [bad, bad]),
        bpx.plot.decision_boundary(net, x, y, class_names=[bad, "yes"], feature_names=["a", bad]),
        bpx.plot.predictions(np.ones((4, 2)), np.ones((4, 2)) * [[1.0, 2.0]], names=[bad, "b"]),
        bpx.plot.learning_curves(history, names=[bad]),
        bpx.plot.learning_curves(history, names=["loss", bad]),
        bpx.plot.training_report(net, history, x, y, class_names=[bad, "yes"], title=bad),
    ]
    for i, picture in enumerate(pictures):
        path = tmp_path / f"{i}.svg"
        bpx.plot.save(picture, path)
        text = path.read_text("utf-8")
        ElementTree.fromstring(text)
        assert not set("\x1b\x07\x9b\u202e") & set(text)
