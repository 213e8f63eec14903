"""The notebook's recipe as a function: its numbers to the bit, what it leaves alone, and what it says of itself."""

import numpy as np
import pytest
from notebook_loop import notebook_loop, sigmoid, start

import bpx
from bpx.notebook import notebook_xor

PUBLISHED = [0.4249319, 0.52282867, 0.47875044, 0.28315585]
WITH_BIASES = [0.01927422, 0.98335907, 0.98335520, 0.01724087]


@pytest.mark.slow
def test_as_published_equals_the_notebooks_loop_to_the_bit():
    run = notebook_xor(as_published=True, backend="numpy")
    assert run.predictions.dtype == np.float64
    assert [p.hex() for p in run.predictions.tolist()] == [p.hex() for p in notebook_loop().tolist()]
    np.testing.assert_allclose(run.predictions, PUBLISHED, rtol=0, atol=1e-8)
    assert not run.solved
    assert len(run.losses) == 10_000


@pytest.mark.slow
def test_with_its_biases_trained_it_learns_xor():
    run = notebook_xor(backend="numpy")
    np.testing.assert_allclose(run.predictions, WITH_BIASES, rtol=0, atol=1e-7)
    assert run.solved
    assert run.explanation == ""


@pytest.mark.parametrize("epochs", [1, 2, 301])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_predictions_are_those_of_the_last_forward_pass(epochs, seed):
    run = notebook_xor(as_published=True, epochs=epochs, seed=seed, learning_rate=0.7, backend="numpy")
    expected = notebook_loop(epochs, seed, 0.7)
    assert run.predictions.tolist() == expected.tolist()
    assert run.loss == pytest.approx(((expected - [0, 1, 1, 0]) ** 2).sum() / 2, rel=1e-14)
    assert len(run.losses) == epochs


def test_the_last_update_is_made_nevertheless():
    run = notebook_xor(epochs=300, backend="numpy")
    x, _ = bpx.datasets.xor()
    np.testing.assert_allclose(run.network.predict(x)[:, 0], notebook_loop(301, biases=True), rtol=1e-13)


def test_on_every_backend(backend):
    if not backend.has_float64:
        with pytest.raises(bpx.BackendError, match="float64"):
            notebook_xor(epochs=2, backend=backend.spec)
        return
    for as_published in (True, False):
        run = notebook_xor(as_published=as_published, epochs=100, backend=backend.spec)
        assert isinstance(run.predictions, np.ndarray)
        np.testing.assert_allclose(run.predictions, notebook_loop(100, biases=not as_published), rtol=1e-12)


def test_the_biases_stay_as_they_were_drawn_only_as_published():
    _, _, b1, b2 = start()
    for as_published in (True, False):
        hidden, _, output, _ = notebook_xor(as_published=as_published, epochs=5, backend="numpy").network.params
        assert np.array_equal(hidden["bias"], b1[0]) == as_published
        assert np.array_equal(output["bias"], b2[0]) == as_published


def test_numpys_global_random_state_is_neither_read_nor_moved():
    np.random.seed(3)  # noqa: NPY002 - the legacy state is what this is about
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = notebook_xor(epochs=3, backend="numpy").predictions
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    assert notebook_xor(epochs=3, backend="numpy").predictions.tolist() == first.tolist()


def test_the_explanation_says_what_cannot_move():
    run = notebook_xor(as_published=True, epochs=50, backend="numpy")
    assert "cannot learn XOR" in run.explanation
    assert "never updates its biases" in run.explanation
    # The hidden layer's answer at 00, and the output's bias, from the numbers that were drawn.
    _, _, b1, b2 = start()
    assert "({:.3f}, {:.3f})".format(*sigmoid(b1[0])) == "(0.608, 0.709)"
    assert "(0.608, 0.709)" in run.explanation
    assert f"{b2[0, 0]:+.3f}" in run.explanation
    wrong = [row for row, p, y in zip(("00", "01", "10", "11"), run.predictions, (0, 1, 1, 0), strict=True)
             if (p > 0.5) != y]  # fmt: skip
    assert wrong
    assert all(f"{row} at 0." in run.explanation for row in wrong)


def test_at_00_the_hidden_layer_answers_the_same_before_and_after():
    for as_published in (True, False):
        run = notebook_xor(as_published=as_published, epochs=400, backend="numpy")
        hidden = run.network.params[0]
        answer = sigmoid(np.zeros((1, 2)) @ hidden["weight"] + hidden["bias"])
        assert np.array_equal(answer, sigmoid(start()[2])) == as_published


def test_weights_that_solve_xor_exist_beside_any_biases():
    """The construction in the docstring's Notes."""
    x, y = bpx.datasets.xor()
    for seed in range(30):
        _, _, b1, b2 = start(seed)
        (b, c), b2 = b1[0], b2[0, 0]
        u = 1.0
        while sigmoid(b) * (sigmoid(c + u) + sigmoid(c + 2 * u)) / 2 >= sigmoid(c):
            u /= 2
        middle = (sigmoid(c + u) + sigmoid(c + 2 * u)) / 2
        v = 1e5
        w1, w2 = np.array([[50.0, u], [50.0, u]]), np.array([[v * middle - b2], [-v]])
        with np.errstate(over="ignore"):
            p = sigmoid(sigmoid(x @ w1 + b1) @ w2 + b2)
        np.testing.assert_allclose(p, y, atol=1e-6, err_msg=str(seed))


@pytest.mark.slow
def test_two_hidden_units_can_get_stuck_and_drawn_biases_can_suit():
    assert not notebook_xor(seed=10, backend="numpy").solved
    lucky = notebook_xor(seed=5, as_published=True, backend="numpy")
    assert lucky.solved
    assert "happen to suit" in lucky.explanation
    assert "cannot" not in lucky.explanation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 2**32}, "seed must be below 2**32"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite"),
        ({"backend": "nunpy"}, "did you mean 'numpy'?"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(bpx.InputError) as caught:
        notebook_xor(**options)
    assert message in str(caught.value)


def test_a_rate_that_is_too_large_still_ends_in_finite_numbers():
    run = notebook_xor(learning_rate=1e6, epochs=20, backend="numpy")
    assert np.isfinite(run.losses).all()  # the sigmoids saturate; nothing overflows
