"""Every loss of the table: its gradient is its derivative, on every backend; weights, reductions, extreme logits."""

import dataclasses
import math

import numpy as np
import pytest
from cases import LOSS_CASES, ROWS
from closeness import assert_close
from differences import central_differences

import bpx
from bpx.losses import LOSSES, get_loss, loss_from_config, one_hot

WEIGHT = np.array([0.5, 2.0, 0.0, 1.0, 3.0])

every_loss = pytest.mark.parametrize("case", LOSS_CASES, ids=lambda case: case.name)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum"])
every_weight = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])


def _both_passes(loss, backend, z, y, weight, dtype=None):
    """Return value and gradient on the backend."""
    w = None if weight is None else backend.array(weight, dtype)
    with backend.backend.computing():
        value, cache = loss.forward(backend.xp, backend.array(z, dtype), backend.array(y, dtype), w)
        return value, loss.backward(backend.xp, cache)


def assert_gradient_is_the_derivative(case, loss, backend, generator, weight):
    z = case.z(generator)
    y = case.targets(generator, z)
    value, dz = _both_passes(loss, backend, z, y, weight)

    def total(moved):
        reference = backend.numpy(_both_passes(loss, backend, moved["z"], y, weight)[0]) if backend.has_float64 else (
            loss.forward(bpx.get_backend("numpy").xp, moved["z"], y, weight)[0]
        )  # fmt: skip
        return float(reference)

    assert_close(backend, value, total({"z": z}), backend.either(1e-12, 1e-6))
    assert_close(backend, dz, central_differences(total, {"z": z})["z"], backend.either(1e-6, 1e-5))


@every_weight
@every_reduction
@every_loss
def test_gradient_agrees_with_central_differences(case, reduction, weight, backend, generator):
    loss = dataclasses.replace(case.loss, reduction=reduction)
    assert_gradient_is_the_derivative(case, loss, backend, generator, weight)


@every_weight
@every_reduction
@every_loss
def test_value_and_gradient_agree_with_pytorch(case, reduction, weight, backend, generator, torch):
    z = case.z(generator)
    y = case.targets(generator, z)
    leaf = torch.tensor(z, requires_grad=True)
    each = case.reference(torch, leaf, torch.tensor(y))
    each = each.sum(dim=1) if each.ndim == 2 else each
    w = torch.ones(ROWS, dtype=torch.float64) if weight is None else torch.tensor(weight)
    theirs = (w * each).sum() / (w.sum() if reduction == "mean" else 1.0)
    theirs.backward()
    value, dz = _both_passes(dataclasses.replace(case.loss, reduction=reduction), backend, z, y, weight)
    assert_close(backend, value, theirs.item(), backend.either(1e-10, 1e-5))
    assert_close(backend, dz, leaf.grad.numpy(), backend.either(1e-10, 1e-5))


@every_weight
@every_loss
def test_a_slightly_wrong_gradient_is_caught(case, weight, on_numpy, generator):
    class Wrong:
        forward = staticmethod(case.loss.forward)

        @staticmethod
        def backward(xp, cache):
            return case.loss.backward(xp, cache) * 1.00001

    with pytest.raises(AssertionError):
        assert_gradient_is_the_derivative(case, Wrong, on_numpy, generator, weight)


def test_every_loss_of_the_package_is_in_the_table():
    assert {type(case.loss) for case in LOSS_CASES} == set(LOSSES.values())
    ours = {cls for cls in _all_subclasses(bpx.Loss) if cls.__module__.startswith("bpx.losses")}
    assert ours - set(LOSSES.values()) == {bpx.MeanOverMembers}, "tests/test_members.py has those of this one"


def _all_subclasses(cls):
    return {cls for child in cls.__subclasses__() for cls in (child, *_all_subclasses(child))}


def test_the_targets_of_the_table_are_off_the_kinks(generator):
    for case in LOSS_CASES:
        if isinstance(case.loss, (bpx.AbsoluteError, bpx.Huber, bpx.Quantile)):
            z = case.z(generator)
            distance = np.abs(z - case.targets(generator, z))
            assert distance.min() > (0.01 if case.name == "quantile-several" else 0.1)
            assert np.abs(distance - getattr(case.loss, "delta", 0.0)).min() > 0.05


@every_loss
def test_both_passes_write_into_no_input_and_keep_the_precision(case, backend, generator):
    z = case.z(generator)
    y = case.targets(generator, z)
    arrays = {"z": backend.array(z, "float32"), "y": backend.array(y, "float32"), "w": backend.array(WEIGHT, "float32")}
    before = {name: backend.numpy(array).copy() for name, array in arrays.items()}
    for w in (None, arrays["w"]):
        value, cache = case.loss.forward(backend.xp, arrays["z"], arrays["y"], w)
        dz = case.loss.backward(backend.xp, cache)
        assert str(value.dtype).endswith("float32")
        assert str(dz.dtype).endswith("float32")
    for name, was in before.items():
        np.testing.assert_array_equal(backend.numpy(arrays[name]), was, err_msg=name)


# -- far out ----------------------------------------------------------------------------------------------

FAR = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4]])
NO = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

STABLE = ("squared_error", "absolute_error", "huber", "cross_entropy", "binary_cross_entropy")


@every_weight
@pytest.mark.parametrize("dtype", ["float32", "widest"])
@pytest.mark.parametrize("name", STABLE)
def test_extreme_logits_give_finite_losses_and_gradients_without_warnings(name, dtype, weight, backend):
    loss, dtype = get_loss(name), backend.dtype if dtype == "widest" else dtype
    z, y = backend.array(FAR, dtype), backend.array(NO, dtype)
    w = None if weight is None else backend.array(weight[[0, 1, 3]], dtype)
    value, cache = loss.forward(backend.xp, z, y, w)  # outside of `computing`, so that a warning is an error
    dz = loss.backward(backend.xp, cache)
    assert math.isfinite(float(value))
    assert float(value) > 0.0
    assert np.isfinite(backend.numpy(dz)).all()
    assert np.isfinite(backend.numpy(loss.probabilities(backend.xp, z))).all()


def test_extreme_logits_give_the_limits(backend):
    value, dz = _both_passes(bpx.CrossEntropy(reduction="sum"), backend, FAR, np.array([1, 0, 2]), None)
    assert_close(backend, value, 2e4 + 2e4 + math.log(3.0), backend.either(1e-14, 1e-6))
    third = 1 / 3
    assert_close(backend, dz, [[1, -1, 0], [-1, 0, 1], [third, third, third - 1]], backend.either(1e-15, 1e-7))
    value, dz = _both_passes(bpx.BinaryCrossEntropy(reduction="sum"), backend, FAR[:1], NO[:1], None)
    assert_close(backend, value, 2e4 + math.log(2.0), backend.either(1e-14, 1e-6))
    assert_close(backend, dz, [[1, -1, 0.5]], 0.0)


def test_poisson_is_finite_for_the_smallest_rates_and_for_counts_of_zero(backend):
    value, dz = _both_passes(bpx.Poisson(), backend, [[-1e4, -50.0]], [[0.0, 0.0]], None)
    assert_close(backend, value, np.exp(-50.0), backend.either(1e-14, 1e-6))
    assert np.isfinite(backend.numpy(dz)).all()


# -- reductions, weights, targets -------------------------------------------------------------------------


@every_reduction
@every_loss
def test_whole_weights_are_repeated_samples(case, reduction, backend, generator):
    times = np.array([1, 3, 0, 2, 1])
    loss = dataclasses.replace(case.loss, reduction=reduction)
    z = case.z(generator)
    y = case.targets(generator, z)
    weighted, dz = _both_passes(loss, backend, z, y, times.astype(float))
    repeated, each = _both_passes(loss, backend, np.repeat(z, times, axis=0), np.repeat(y, times, axis=0), None)
    rtol = backend.either(1e-13, 1e-5)
    assert_close(backend, weighted, backend.numpy(repeated), rtol)
    owner = np.repeat(np.arange(ROWS), times)
    summed = np.zeros_like(backend.numpy(dz))
    np.add.at(summed, owner, backend.numpy(each))
    assert_close(backend, dz, summed, rtol)


@every_reduction
@every_loss
def test_weights_of_one_change_nothing_but_the_last_bits(case, reduction, backend, generator):
    loss = dataclasses.replace(case.loss, reduction=reduction)
    z = case.z(generator)
    y = case.targets(generator, z)
    plain, dz = _both_passes(loss, backend, z, y, None)
    weighted, same = _both_passes(loss, backend, z, y, np.ones(ROWS))
    assert_close(backend, weighted, backend.numpy(plain), backend.either(1e-14, 1e-5))
    assert_close(backend, same, backend.numpy(dz), backend.either(1e-14, 1e-5))


@every_loss
def test_the_mean_is_the_sum_over_the_samples(case, backend, generator):
    z = case.z(generator)
    y = case.targets(generator, z)
    mean, _ = _both_passes(case.loss, backend, z, y, None)
    total, _ = _both_passes(dataclasses.replace(case.loss, reduction="sum"), backend, z, y, None)
    assert_close(backend, mean, backend.numpy(total) / ROWS, backend.either(1e-14, 1e-6))


@every_loss
def test_a_batch_whose_samples_all_have_weight_0_costs_nothing(case, backend, generator):
    z = case.z(generator)
    value, dz = _both_passes(case.loss, backend, z, case.targets(generator, z), np.zeros(ROWS))
    assert float(value) == 0.0
    assert not backend.numpy(dz).any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_and_their_one_hot_rows_are_the_same(smoothing, backend, generator):
    loss, z, ids = (
        bpx.CrossEntropy(label_smoothing=smoothing),
        generator.normal(size=(ROWS, 4)),
        np.array([3, 0, 0, 2, 1]),
    )
    value, dz = _both_passes(loss, backend, z, ids, WEIGHT)
    same, again = _both_passes(loss, backend, z, np.eye(4)[ids], WEIGHT)
    assert float(value) == float(same)
    assert_close(backend, dz, backend.numpy(again), 0.0)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
def test_one_hot_takes_every_integer_dtype(dtype, backend):
    rows = one_hot(backend.xp, backend.array(np.array([2, 0], dtype=dtype)), 3, getattr(backend.xp, "float32"))  # noqa: B009
    assert_close(backend, rows, [[0, 0, 1], [1, 0, 0]], 0.0, dtype="float32")


def test_probabilities_are_what_the_losses_mean(backend):
    z = backend.array([[0.0, math.log(3.0)]])
    for name, expected in {
        "cross_entropy": [[0.25, 0.75]],
        "binary_cross_entropy": [[0.5, 0.75]],
        "poisson": [[1.0, 3.0]],
        "squared_error": [[0.0, math.log(3.0)]],
    }.items():
        assert_close(backend, get_loss(name).probabilities(backend.xp, z), expected, backend.either(1e-14, 1e-6))


def test_half_the_squared_error_is_summed_over_outputs_and_averaged_over_samples(backend):
    value, _ = _both_passes(bpx.SquaredError(), backend, [[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 4.0]], None)
    assert float(value) == (0.5 * 5.0 + 0.5 * 16.0) / 2


def test_the_absolute_error_has_gradient_0_at_its_kink(backend):
    _, dz = _both_passes(bpx.AbsoluteError(), backend, [[1.0]], [[1.0]], None)
    assert_close(backend, dz, [[0.0]], 0.0)


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_name_gives_its_loss_and_a_loss_itself(name):
    loss = get_loss(name)
    assert type(loss) is LOSSES[name]
    assert loss.reduction == "mean"
    assert get_loss(loss) is loss


@every_loss
def test_survives_as_plain_data(case):
    assert loss_from_config(case.loss.config()) == case.loss


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "expected a loss with a 'kind', got None"),
        ({}, "unknown loss None"),
        ({"kind": "hubert"}, "unknown loss 'hubert'; did you mean 'huber'?"),
        ({"kind": "huber", "delta": 0.0}, "loss: delta must be above 0.0, got 0"),
        ({"kind": "huber", "gamma": 1.0}, "loss: .*gamma"),
        ({"kind": "huber", "reduction": "max"}, "loss: unknown reduction 'max'; valid: 'mean', 'sum'"),
    ],
)
def test_data_that_describes_no_loss_is_refused(config, message):
    with pytest.raises(bpx.FileFormatError, match=message):
        loss_from_config(config)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bpx.SquaredError(reduction="average"), "unknown reduction 'average'; valid: 'mean', 'sum'"),
        (lambda: bpx.SquaredError(reduction="means"), "did you mean 'mean'?"),
        (lambda: bpx.Huber(delta=-1.0), "delta must be above 0.0, got -1"),
        (lambda: bpx.Quantile(1.0), "q must be above 0.0 and below 1.0, got 1"),
        (lambda: bpx.Quantile("0.5"), "q must be a number"),
        (lambda: bpx.Quantile((0.5, 0.0)), "each q must be above 0.0"),
        (lambda: bpx.Quantile(()), "q must be a number above 0 and below 1, or several, got none"),
        (
            lambda: bpx.Network([bpx.Linear(4, 2)], loss=bpx.Quantile((0.1, 0.5, 0.9))),
            "3 quantiles need as many outputs of the network, got 2",
        ),
        (lambda: bpx.CrossEntropy(label_smoothing=1.0), "label_smoothing must be at least 0.0 and below 1.0, got 1"),
        (lambda: bpx.CrossEntropy(label_smoothing=-0.1), "label_smoothing must be at least 0.0"),
        (lambda: get_loss(3), "a loss is a name or a Loss, got 3"),
        (lambda: get_loss(bpx.Huber), "a loss is a name or a Loss, got <class"),
        (
            lambda: get_loss("crossentropy"),
            "unknown loss 'crossentropy'; did you mean 'cross_entropy'? Valid: 'absolute",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(bpx.InputError) as error:
        make()
    assert message in str(error.value)


@pytest.mark.parametrize("config", [{"kind": "mean_over_members"}, {"kind": "mean_over_members", "loss": {}}])
def test_a_description_that_lacks_a_setting_is_a_fault_of_the_file(config):
    with pytest.raises(bpx.FileFormatError, match="is missing"):
        loss_from_config(config)
