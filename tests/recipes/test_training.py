import dataclasses

import numpy as np
import pytest

import bpx
from bpx.files import save
from bpx.network import load_with_extra
from bpx.recipes import training
from bpx.recipes.building import build_network
from bpx.recipes.presets import Recipe, choose_recipe
from bpx.recipes.selection import measure_predictions
from bpx.recipes.settings import Variant
from bpx.recipes.training import Rows, average_histories, count_aside, deal_folds, train_network
from bpx.training.history import History

NUMPY = bpx.get_backend("numpy")
RECIPE = Recipe((8,), 6, 1e-2, loss="cross_entropy", batch_size=16, bins=3)


def make(classes=True, n=150):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=n) > 0).astype(np.int64)
    return Rows(x, y, classes=y) if classes else Rows(x, (x[:, :1] ** 2))


def train(settings, rows, **how):
    n_out = 1 if rows.classes is None else 2
    return train_network(
        settings, rows, lambda i: build_network(settings, rows.x, (True, True), n_out, "identity", NUMPY, i), **how
    )


def decide(**changes):
    return dataclasses.replace(RECIPE.decide(), **changes)


def test_rows_are_dealt_like_cards():
    classes = np.repeat([0, 1, 2], [7, 20, 3])
    folds = deal_folds(30, 4, 0, classes)
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(30))
    for label in range(3):
        counts = [(classes[fold] == label).sum() for fold in folds]
        assert max(counts) - min(counts) <= 1
    assert not np.array_equal(folds[0], deal_folds(30, 4, 1, classes)[0])


def test_without_patience_one_network_learns_from_all_rows():
    rows = make()
    settings = decide()
    found = train(settings, rows)
    net = build_network(settings, rows.x, (True, True), 2, "identity", NUMPY)
    history = net.fit(rows.x, rows.y, epochs=6, batch_size=16, optimizer=settings.optimizer)
    assert found.history.loss == history.loss
    np.testing.assert_array_equal(found.network.predict(rows.x), net.predict(rows.x))
    assert (len(found.aside), found.temperature) == (0, 1.0)


def test_several_networks_set_every_row_aside_once():
    rows = make()
    found = train(decide(patience=3, members=5), rows)
    assert np.array_equal(found.aside, np.arange(150))
    assert found.outputs.shape == (150, 2)
    assert found.network.output_shape == (5, 2)
    right = (found.outputs.argmax(axis=1) == rows.y).mean()
    assert right > 0.55  # of rows that the network never learned from
    np.testing.assert_allclose(found.outputs.sum(axis=1), 1.0)


def test_what_is_foretold_comes_of_networks_that_did_not_learn_from_the_row(monkeypatch):
    """Targets of one fold are turned around: only the networks that learn from it change."""
    settings, rows = decide(patience=6, members=5), make()
    monkeypatch.setattr(training, "_JUDGED_BY", 10**9)
    fold = deal_folds(150, 5, 1, rows.classes)[2]
    turned = rows.y.copy()
    turned[fold] = 1 - turned[fold]
    first, second = train(settings, rows), train(settings, Rows(rows.x, turned, classes=rows.classes))
    before, after = (net.params[-1]["weight"] for net in (first.network, second.network))
    kept = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert not any(kept[i] for i in (0, 1, 3, 4))  # the third stopped by that fold, so its best epoch may be another


def test_members_beyond_the_folds_are_dealt_anew():
    settings = decide(patience=3, members=12, epochs=1)
    each = list(training._deal(settings, make()))
    assert len(each) == 12
    assert np.array_equal(np.sort(np.concatenate(each[:10])), np.arange(150))
    assert not np.array_equal(each[0], each[10])


def test_the_temperature_fits_the_rows_that_were_set_aside():
    rows = make()
    found = train(decide(patience=6, members=5), rows)
    assert found.temperature != 1.0

    def loss(t):
        p = found.outputs ** (1.0 / t)
        return -np.log((p / p.sum(axis=1, keepdims=True))[np.arange(150), rows.y]).mean()

    assert loss(1.0) <= min(loss(1.05), loss(0.95))
    assert train(decide(patience=6, members=5, class_weight="balanced"), rows).temperature == 1.0
    assert train(decide(patience=6, members=5, loss="squared_error"), make(classes=False)).temperature == 1.0


def test_few_rows_are_all_learned_from():
    rows = make(n=19)
    found = train(decide(patience=3, members=3), rows)
    assert (len(found.aside), found.network.output_shape) == (0, (3, 2))
    assert count_aside(decide(patience=3, members=3), 19) == 0


@pytest.mark.parametrize(("members", "aside"), [(1, 15), (5, 30), (8, 19), (10, 15), (24, 15)])
def test_how_many_are_set_aside_is_known_before(members, aside):
    settings = decide(patience=3, members=members)
    assert count_aside(settings, 150) == aside == max(map(len, training._deal(settings, make())))


def test_a_training_of_several_goes_on_where_it_was_left(tmp_path, monkeypatch):
    settings, rows = decide(patience=6, members=3), make()
    whole = train(settings, rows)
    look, seen = bpx.EarlyStopping.on_epoch_end, []

    def stop(self, run):
        look(self, run)
        seen.append(run.epoch)
        if len(seen) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(bpx.EarlyStopping, "on_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        train(settings, rows, checkpoint=tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "network-1" / "trained.safetensors").is_file()
    assert not (tmp_path / "network-2" / "trained.safetensors").is_file()
    again = train(settings, rows, checkpoint=tmp_path, resume=tmp_path)
    np.testing.assert_array_equal(again.network.predict(rows.x), whole.network.predict(rows.x))
    assert again.history.loss == whole.history.loss
    assert again.temperature == whole.temperature


def test_networks_of_other_settings_are_not_taken_for_those_of_this_training(tmp_path):
    settings, rows = decide(patience=3, members=2), make()
    train(settings, rows, checkpoint=tmp_path)
    train(settings, rows, resume=tmp_path)
    other = dataclasses.replace(settings, optimizer=bpx.AdamW(2e-3))
    said = r"network-1/trained.safetensors is of another training, .*settings.optimizer is .*0.002.* here and .*0.01"
    with pytest.raises(bpx.InputError, match=said):
        train(other, rows, resume=tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y, w: (x[:, ::-1], y, w), "data.x holds other numbers"),
        (lambda x, y, w: (x, 1 - y, w), "data.y holds other numbers"),
        (lambda x, y, w: (x, y, w[::-1]), "data.sample_weight holds other numbers"),
        (lambda x, y, w: (x, y, None), "data.sample_weight is None here and"),
        (lambda x, y, w: (x[::-1], y[::-1], w[::-1]), "data.x holds other numbers; data.y holds other numbers"),
        (lambda x, y, w: (x[:80], y[:80], w[:80]), r"data.x.shape\[0\] is 80 here and 150 in the file"),
    ],
)
def test_networks_that_learned_from_other_data_are_not_taken(tmp_path, change, said):
    """No network is trained, or has weights, before it is refused."""
    settings, plain = decide(patience=3, members=2), make()
    weight = np.linspace(0.5, 1.5, 150)
    train(settings, Rows(plain.x, plain.y, weight, plain.y), checkpoint=tmp_path)
    x, y, w = change(plain.x, plain.y, weight)
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(bpx.InputError, match=f"trained.safetensors is of another training, .*{said}"):
        train(settings, Rows(x, y, w, y), checkpoint=tmp_path, resume=tmp_path)
    assert sorted(tmp_path.rglob("*")) == files


def test_rows_that_were_set_aside_count_as_data(tmp_path, monkeypatch):
    settings, rows = decide(patience=3, members=2), make()
    train(settings, rows, checkpoint=tmp_path)
    monkeypatch.setattr(training, "deal_folds", lambda *given: deal_folds(*given)[::-1])
    with pytest.raises(bpx.InputError, match=r"is of another training, .*data.aside holds other numbers"):
        train(settings, rows, resume=tmp_path)


@pytest.mark.parametrize("lacking", ["settings", "data"])
def test_networks_that_do_not_say_what_they_learned_from_are_not_taken(tmp_path, lacking):
    settings, rows = decide(patience=3, members=2), make()
    train(settings, rows, checkpoint=tmp_path)
    path = tmp_path / "network-1" / "trained.safetensors"
    network, extra = load_with_extra(path, "numpy")
    del extra[lacking]
    save(network, path, extra=extra)
    with pytest.raises(bpx.InputError, match=r"network-1/trained.safetensors was trained by an earlier bpx"):
        train(settings, rows, resume=tmp_path)


def test_histories_are_averaged_over_those_that_were_not_over():
    first = History(loss=[4.0, 2.0], validation_loss=[1.0, 1.0], epoch=[1, 2], seconds=1.0)
    second = History(loss=[2.0, 1.0, 0.5], validation_loss=[3.0, 2.0, 1.0], epoch=[1, 2, 3], seconds=2.0)
    found = average_histories([first, second])
    assert (found.loss, found.validation_loss) == ([3.0, 1.5, 0.5], [2.0, 1.5, 1.0])
    assert (found.epoch, found.seconds) == ([1, 2, 3], 3.0)


def test_weights_of_rows_count():
    rows = make()
    weight = np.where(rows.y == 1, 50.0, 1.0)
    plain, weighted = (train(decide(epochs=3), Rows(rows.x, rows.y, w, rows.y)) for w in (None, weight))
    share = [(found.network.predict(rows.x)[:, 1]).mean() for found in (plain, weighted)]
    assert share[1] > share[0] + 0.1


VARIANTS = (Variant(), Variant(bins=False), Variant(dropout=0.2))


def test_variants_share_out_the_members():
    settings = decide(members=8, patience=3, variants=VARIANTS)
    parts = settings.split()
    assert [(part.members, part.bins, part.dropout) for part in parts] == [(3, 3, 0.0), (3, 0, 0.0), (2, 3, 0.2)]
    assert [settings.of_network(i).bins for i in range(8)] == [3, 3, 3, 0, 0, 0, 3, 3]
    assert [settings.of_network(i).dropout for i in (0, 3, 6, 7)] == [0.0, 0.0, 0.2, 0.2]
    assert [part.members for part in dataclasses.replace(settings, members=2).split()] == [1, 1]


def test_what_a_person_decides_holds_for_all_variants():
    recipe = dataclasses.replace(RECIPE, variants=(Variant(dropout=0.3), Variant(loss="huber", bins=False)))
    assert recipe.change(dropout=None, loss=None, epochs=None) == recipe
    changed = recipe.change(dropout=0.0, epochs=9)
    assert (changed.epochs, changed.dropout) == (9, 0.0)
    assert changed.variants == (Variant(), Variant(loss="huber", bins=False))
    assert recipe.change(loss="squared_error").variants == (Variant(dropout=0.3), Variant(bins=False))
    twice = dataclasses.replace(RECIPE, variants=(Variant(dropout=0.3), Variant(dropout=0.1), Variant(bins=False)))
    assert twice.change(dropout=0.2).variants == (Variant(), Variant(bins=False))


def test_the_best_preset_has_variants_that_differ_and_longer_trainings():
    for classes in (True, False):
        default, best = (choose_recipe(preset, 1000, classes=classes) for preset in ("default", "best"))
        assert (default.epochs, default.patience, default.variants) == (60, 15, (Variant(),))
        assert (best.epochs, best.patience) == (200, 50)
        parts = best.decide().split()
        assert len(parts) == len(best.variants) > 1
        assert {part.bins for part in parts} == {0, default.bins}
        assert {part.loss for part in parts} == ({"cross_entropy"} if classes else {"squared_error", "huber"})
        assert best.decide().optimizer.learning_rate.length == 200


def test_patience_is_a_quarter_of_the_epochs_that_are_made():
    for preset, rows, epochs, patience in (
        ("default", 100_000, 27, 6),
        ("default", 200_000, 16, 5),
        ("best", 100_000, 89, 22),
        ("best", 3_000_000, 3, 5),
        ("fast", 1000, 100, 25),
    ):
        recipe = choose_recipe(preset, rows, classes=True)
        assert (recipe.epochs, recipe.patience) == (epochs, patience)
    recipe = choose_recipe("default", 1000, classes=True)
    assert recipe.change(epochs=400).patience == 100
    assert recipe.change(epochs=8).patience == 5
    assert recipe.change(epochs=400, patience=7).patience == 7
    assert recipe.change(epochs=None).patience == 15
    assert RECIPE.change(epochs=400).patience is None


def test_numbers_with_a_long_tail_are_right_on_average():
    """The Huber loss foretells less than the mean of targets of which few are large; what is predicted is shifted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    y = np.where(rng.random((300, 1)) < 0.1, 10.0, 0.0) + 0.1 * rng.normal(size=(300, 1))
    rows = Rows(x, (y - y.mean()) / y.std())
    recipe = dataclasses.replace(RECIPE, loss="squared_error", epochs=20, patience=20, members=5)
    robust = dataclasses.replace(recipe, variants=(Variant(loss="huber"),))
    plain, asked, shifted = (train(one.decide(), rows) for one in (recipe, robust.change(loss="huber"), robust))
    assert abs(shifted.outputs.mean()) < 1e-6
    assert abs(plain.outputs.mean()) > 1e-6  # what learned by the squared error stays as it is
    assert asked.outputs.mean() < -0.1  # and so does the Huber loss where a person asked for it
    by = shifted.network.predict(x) - asked.network.predict(x)
    np.testing.assert_allclose(by, -asked.outputs.mean(), rtol=1e-4)
    assert (shifted.network.loss.loss, asked.network.loss.loss) == (bpx.SquaredError(), bpx.Huber())


def test_networks_that_learned_by_other_losses_are_chosen_and_joined_by_that_of_the_settings(monkeypatch):
    rows = make(classes=False)
    variants = (Variant(loss="huber", dropout=0.1), Variant(), Variant(loss="huber", bins=False))
    settings = decide(patience=6, members=15, variants=variants, loss="squared_error")
    seen = []
    monkeypatch.setattr(training, "select_groups", lambda outputs, loss, *_: seen.append(loss) or (0, 1, 2))
    found = train(settings, rows)
    assert seen == [bpx.SquaredError()]
    assert found.network.loss.loss == bpx.SquaredError()
    assert not any(isinstance(layer, bpx.Dropout) for layer in found.network.layers)
    each = []
    for choice in ((0,), (1,), (2,)):
        monkeypatch.setattr(training, "select_groups", lambda *_, choice=choice: choice)
        each.append(train(settings, rows))
    assert found.history.loss == each[1].history.loss  # curves of one loss, where there are some of it
    assert found.history.loss not in (each[0].history.loss, each[2].history.loss)
    mean = np.mean([one.network.predict(rows.x) for one in each], axis=0)
    np.testing.assert_allclose(found.network.predict(rows.x), mean, rtol=1e-4, atol=1e-6)


def test_all_variants_are_dealt_the_same_folds(monkeypatch):
    seen = []

    def foretell(networks, each, rows, made=training._foretell):
        seen.append(each)
        return made(networks, each, rows)

    monkeypatch.setattr(training, "_foretell", foretell)
    train(decide(patience=2, members=8, variants=VARIANTS), make())
    assert [len(each) for each in seen] == [3, 3, 2]
    for each in seen[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(each, seen[0], strict=False))
    assert count_aside(decide(patience=2, members=8, variants=VARIANTS), 150) == 30 == len(seen[0][0])


@pytest.mark.parametrize("classes", [True, False])
def test_the_variants_are_kept_whose_mean_is_best(classes, monkeypatch):
    """With those that were not kept taken out, it is the network that a training of the others alone makes."""
    rows = make(classes)
    settings = decide(patience=6, members=15, variants=VARIANTS, loss="cross_entropy" if classes else "squared_error")
    each = {}
    for choice in ((0,), (1,), (0, 1, 2), (1, 2)):
        monkeypatch.setattr(training, "select_groups", lambda *_, choice=choice: choice)
        each[choice] = train(settings, rows)
    first, second, whole = (each[choice].network.predict(rows.x) for choice in ((0,), (1,), (0, 1, 2)))
    assert [found.network.output_shape[0] for found in each.values()] == [5, 5, 15, 10]
    third = 2.0 * each[1, 2].network.predict(rows.x) - second
    np.testing.assert_allclose(whole, (first + second + third) / 3.0, rtol=1e-4, atol=1e-6)
    outputs = (each[0,].outputs + each[1,].outputs + 2.0 * each[1, 2].outputs - each[1,].outputs) / 3.0
    np.testing.assert_allclose(each[0, 1, 2].outputs, outputs, rtol=1e-4, atol=1e-6)
    monkeypatch.undo()
    found = train(settings, rows)
    assert len(found.aside) == 150
    losses = {
        choice: measure_predictions(one.outputs, one.network.loss.loss, rows.y, rows.classes)
        for choice, one in each.items()
    }
    assert measure_predictions(found.outputs, found.network.loss.loss, rows.y, rows.classes) <= min(losses.values())


def test_all_variants_are_kept_where_too_few_rows_say_which():
    for changes, n in (({"members": 3}, 90), ({"members": 3, "class_weight": "balanced"}, 150), ({"members": 3}, 15)):
        found = train(decide(patience=3, variants=VARIANTS, **changes), make(n=n))
        assert found.network.output_shape == (3, 2)


def test_a_training_of_variants_goes_on_where_it_was_left(tmp_path):
    settings, rows = decide(patience=4, members=6, variants=VARIANTS), make()
    whole = train(settings, rows, checkpoint=tmp_path)
    (tmp_path / "network-4" / "trained.safetensors").unlink()
    again = train(settings, rows, checkpoint=tmp_path, resume=tmp_path)
    np.testing.assert_array_equal(again.network.predict(rows.x), whole.network.predict(rows.x))
