"""``--plot FILE``: a picture of a training, and of how good a network is."""

import json
import subprocess
import sys

import numpy as np
import pytest

import bpx

pytest.importorskip("matplotlib", reason="pictures need matplotlib: the extra plot")

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", ["xor", "moons", "digits"])
def test_a_training_is_drawn(as_json, tmp_path, name):
    picture = tmp_path / "training.png"
    data = as_json("train", name, "--epochs", 2, "--hidden", "4", "--plot", picture)
    assert data["plot"] == str(picture)
    assert picture.read_bytes().startswith(PNG)


def test_what_is_drawn(as_json, command, monkeypatch, tmp_path):
    import bpx.plot

    drawn = {}
    report = bpx.plot.training_report

    def told(net, history, x, y, **names):
        drawn.update(net=net, history=history, x=x, y=y, **names)
        return report(net, history, x, y, **names)

    monkeypatch.setattr(bpx.plot, "training_report", told)
    arguments = ("train", "moons", "--epochs", 3, "--loss", "binary_cross_entropy")
    data = as_json(*arguments, "--plot", tmp_path / "p.svg")
    assert drawn["x"].shape == (60, 2)
    assert drawn["y"].shape == (60, 1)
    assert drawn["history"].validation_loss[-1] == pytest.approx(data["held_out_loss"], rel=1e-6)
    assert drawn["history"].validation_metrics["accuracy"][-1] == pytest.approx(data["accuracy"])
    assert drawn["class_names"] == ("0", "1")
    assert drawn["feature_names"] == ["x1", "x2"]
    assert drawn["baseline"] == data["baseline"]["accuracy"]
    assert "held-out" in drawn["title"]
    # Drawing changes no number.
    without = as_json(*arguments)
    for one in (data, without):
        del one["seconds"], one["plot"]
    assert data == without
    assert f"drawn       {tmp_path / 'p.svg'}" in command(*arguments, "--plot", tmp_path / "p.svg").stdout


def test_a_run_that_goes_on_is_drawn_as_a_whole(as_json, monkeypatch, tmp_path):
    import bpx.plot

    lengths = []
    report = bpx.plot.training_report

    def told(net, history, *data, **names):
        lengths.append(len(history.validation_loss))
        return report(net, history, *data, **names)

    monkeypatch.setattr(bpx.plot, "training_report", told)
    folder, picture = tmp_path / "run", tmp_path / "training.png"
    as_json("train", "moons", "--epochs", 2, "--plot", picture, "--checkpoint", folder)
    picture.unlink()
    as_json("train", "--resume", folder, "--epochs", 5)
    assert picture.exists()
    assert lengths == [2, 5]


def test_an_evaluation_is_drawn(as_json, command, tmp_path):
    model, picture = tmp_path / "net.safetensors", tmp_path / "confusion.svg"
    as_json("train", "moons", "--epochs", 1, "-o", model)
    assert as_json("evaluate", model, "moons", "--plot", picture)["plot"] == str(picture)
    assert b"<svg" in picture.read_bytes()
    assert f"drawn: {picture}" in command("evaluate", model, "moons", "--plot", picture).stdout


def test_numbers_are_drawn_in_their_own_units(as_json, monkeypatch, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    import bpx.plot

    table, model = tmp_path / "data.csv", tmp_path / "net.safetensors"
    table.write_text("x,y\n" + "".join(f"{i},{1000 + i}.5\n" for i in range(50)))
    as_json("train", table, "--target", "y", "--epochs", 1, "-o", model, "--plot", tmp_path / "training.png")
    drawn = {}
    predictions = bpx.plot.predictions

    def told(y_true, y_pred, **names):
        drawn.update(y_true=y_true, y_pred=y_pred)
        return predictions(y_true, y_pred, **names)

    monkeypatch.setattr(bpx.plot, "predictions", told)
    as_json("evaluate", model, table, "--plot", tmp_path / "p.png")
    np.testing.assert_allclose(drawn["y_true"], 1000.5 + np.arange(50))
    assert 900 < drawn["y_pred"].mean() < 1100


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("p.pngg", "the ending must name a format of pictures"),
        ("p", "the ending must name a format of pictures"),
        ("no/p.png", "--plot no/p.png: there is no folder no"),
    ],
)
def test_bad_places_end_before_any_work(mistake, monkeypatch, tmp_path, picture, words):
    def refused(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bpx.Network, "fit", refused)
    assert words in mistake("train", "moons", "--plot", picture)
    assert words in mistake("evaluate", "net.safetensors", "moons", "--plot", picture)


def test_without_matplotlib_it_says_how_to_install_it(tmp_path):
    code = "import sys; sys.modules['matplotlib'] = None; from bpx.cli import main; main(sys.argv[1:])"

    def run(*arguments):
        command = [sys.executable, "-c", code, "train", "moons", "--epochs", "1", "--json", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    ran = run("--plot", tmp_path / "p.png")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert 'pip install "bpx-backprop[plot]"' in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert json.loads(run().stdout)["plot"] is None


def test_the_picture_of_a_table_has_its_names_units_and_baseline(as_json, monkeypatch, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    import bpx.plot

    figures = []
    monkeypatch.setattr(bpx.plot, "save", lambda figure, path: figures.append(figure))
    rng = np.random.default_rng(7)
    mass, age = rng.uniform(1000.0, 5000.0, 200), rng.integers(0, 90, 200)
    pairs = list(zip(mass, age, strict=True))
    rows = [f'{m:.0f} kg,{a},{"big" if m > 3000 else "small"},"${m * 2000:,.0f}"\n' for m, a in pairs]
    (tmp_path / "t.csv").write_text("mass,age,kind,price\n" + "".join(rows))
    options = ("--preset", "fast", "--epochs", 2, "--plot", tmp_path / "p.png")
    data = as_json("train", tmp_path / "t.csv", "--target", "kind", "--drop", "price", *options)
    ax = figures[0].axes[-1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mass (kg)", "age")
    ticks = {label.get_text(): place for label, place in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)}
    spread = ticks["4,000"] - ticks["2,000"]
    assert spread == pytest.approx(2000.0 / mass.std(), rel=0.1)
    labels = [text.get_text() for text in figures[0].axes[1].get_legend().get_texts()]
    assert labels[-1] == f"baseline: {data['baseline']['accuracy']:.3g}"
    data = as_json("train", tmp_path / "t.csv", "--target", "price", "--drop", "kind", *options)
    ax = figures[1].axes[-1]
    assert ax.get_xlabel() == "true price ($)"
    (said,) = ax.get_legend().get_texts()
    assert f"always {float(format(data['baseline']['answer'], '.4g')):,.10g}: off by " in said.get_text()
