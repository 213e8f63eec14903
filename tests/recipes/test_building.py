import numpy as np
import pytest

import bpx
from bpx.recipes.building import build_network, choose_width, find_bins, find_edges
from bpx.recipes.presets import PRESETS, Recipe, choose_recipe

NUMPY = bpx.get_backend("numpy")


def build(x, numbers, i=0, codes=(), **changes):
    settings = Recipe((8,), 3, 1e-2, bins=4).decide(**changes)
    return build_network(settings, x, numbers, 2, "identity", NUMPY, i, codes=codes)


def test_edges_hold_as_many_rows_each():
    values = np.random.default_rng(0).exponential(size=1000)
    edges = find_edges(values, 5)
    counts = np.histogram(values, edges)[0]
    assert len(edges) == 6
    assert counts.min() >= 199
    assert counts.max() <= 201


def test_edges_that_are_equal_count_once():
    assert find_edges(np.repeat([0.0, 1.0, 5.0], [50, 30, 21]), 10) == [0.0, 1.0, 5.0]
    assert find_edges(np.zeros(10), 3) == [0.0, 1.0]
    assert find_edges(np.full(10, 4.0), 3) == [4.0, 8.0]
    close = find_edges(np.array([1.0, 1.0 + 1e-9, 1.0 + 2e-9, 3.0]), 3)
    assert close == [1.0, 3.0]  # others are the same number in float32


def test_edges_of_many_rows_come_of_a_part_of_them(monkeypatch):
    values = np.random.default_rng(0).normal(size=5000)
    whole = find_edges(values, 8)
    monkeypatch.setattr("bpx.recipes.building._ROWS_LOOKED_AT", 1000)
    part = find_edges(values, 8)
    assert part != whole
    np.testing.assert_allclose(part[1:-1], whole[1:-1], atol=0.2)


def test_only_numbers_are_put_in_bins():
    x = np.random.default_rng(0).normal(size=(50, 4))
    net = build(x, (True, False, True, True))
    first = net.layers[0]
    assert first.widths == (1, 1, 2)
    assert [type(layer) for layer in first.layers] == [bpx.PiecewiseLinear, bpx.Identity, bpx.PiecewiseLinear]
    assert all(layer.dense for layer in first.layers if isinstance(layer, bpx.PiecewiseLinear))
    assert net.input_shape == (4,)
    assert net.layers[1].n_in == 5 + 1 + 2 * 5


def test_without_numbers_or_bins_it_is_a_perceptron():
    x = np.random.default_rng(0).normal(size=(50, 2))
    assert isinstance(build(x, (False, False)).layers[0], bpx.Linear)
    assert isinstance(build(x, (True, True), bins=0).layers[0], bpx.Linear)
    assert isinstance(build(x, (True, True)).layers[0], bpx.PiecewiseLinear)


def test_codes_become_vectors_and_nothing_else_is_done_to_them():
    x = np.random.default_rng(0).normal(size=(50, 5))
    x[:, 1], x[:, 2] = np.arange(50) % 30, np.arange(50) % 3
    codes = (0, 30, 3, 0, 0)
    for bins, kinds in ((4, (bpx.PiecewiseLinear, bpx.Identity)), (0, (bpx.Identity,))):
        net = build(x, (True, False, False, True, False), bins=bins, codes=codes)
        first = net.layers[0]
        assert [type(layer) for layer in first.layers] == [kinds[0], bpx.Embedding, bpx.Embedding, *kinds]
        assert [(e.n_categories, e.n_out) for e in first.layers[1:3]] == [(n, choose_width(n)) for n in (30, 3)]
        moved = x.copy()
        moved[:, 1] = 29 - moved[:, 1]
        assert not np.allclose(net.predict(moved), net.predict(x))
    net = build(x[:, 1:2], (False,), codes=(30,))
    assert type(net.layers[0]) is bpx.Embedding
    assert net.predict([[7.0], [-1.0]]).shape == (2, 2)


def test_each_of_several_networks_starts_elsewhere():
    x = np.random.default_rng(0).normal(size=(50, 2))
    first, again, other = (build(x, (True, True), i).params[1]["weight"] for i in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("preset", PRESETS)
def test_more_rows_have_fewer_epochs_larger_batches_and_fewer_members(preset):
    small, large, huge = (choose_recipe(preset, rows, classes=True) for rows in (500, 100_000, 1_000_000))
    assert small.epochs > large.epochs > huge.epochs == (10 if preset == "best" else 3)
    assert small.batch_size < large.batch_size < huge.batch_size
    assert small.members >= large.members >= huge.members == 1
    assert choose_recipe(preset, 500, classes=False).loss == "squared_error"


def test_presets_differ_in_members():
    fast, default, best = (choose_recipe(preset, 1000, classes=True).members for preset in PRESETS)
    assert fast == 1 < default < best
    with pytest.raises(bpx.InputError, match="unknown preset 'quick'"):
        choose_recipe("quick", 1000, classes=True)


def test_several_networks_share_their_bins():
    x = np.random.default_rng(0).normal(size=(100, 3))
    settings = Recipe((8,), 3, 1e-2, bins=4).decide()
    numbers = (True, False, True)
    edges = find_bins(settings, x, numbers)
    assert edges == [find_edges(x[:, 0], 4), None, find_edges(x[:, 2], 4)]
    shared = build_network(settings, x[:5], numbers, 2, "identity", NUMPY, 1, edges=edges)
    alone = build(x, numbers, 1)
    assert shared.layers == alone.layers
    np.testing.assert_array_equal(shared.predict(x), alone.predict(x))


def test_the_bins_of_an_ensemble_are_found_once(monkeypatch, tmp_path):
    pl = pytest.importorskip("polars", reason="tables need polars: the extra table")
    pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.prepared_training import PreparedTraining
    from bpx.cli.train_options import TrainOptions
    from bpx.recipes import building

    x = np.random.default_rng(0).normal(size=(60, 2))
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(axis=1)}).write_csv(tmp_path / "t.csv")
    found, look = [], building.find_edges
    monkeypatch.setattr(building, "find_edges", lambda values, bins: found.append(bins) or look(values, bins))
    run = PreparedTraining.prepare(TrainOptions(str(tmp_path / "t.csv"), "y", epochs=1), NUMPY)
    run.train()
    assert run.settings.members == 8
    assert found == [24, 24]
