"""Which backend is meant: the argument, then the with-block, then set_backend, then BPX_BACKEND, then NumPy."""

import threading

import pytest

import bpx

A, B, C, D = ("array-api-strict", "array-api-strict:device1", "array-api-strict:no_float64", "numpy")


def _spec(spec=None):
    return bpx.get_backend(spec).spec


def test_numpy_is_the_default():
    assert _spec() == "numpy"
    assert bpx.mlp([2, 1], loss="squared_error").backend.spec == "numpy"


def test_each_way_to_choose_gives_way_to_the_one_before(strict, monkeypatch):
    monkeypatch.setenv("BPX_BACKEND", A)
    assert _spec() == "array-api-strict:CPU_DEVICE"
    bpx.set_backend(B)
    assert _spec() == B
    with bpx.use_backend(C) as block:
        assert block.spec == C
        assert _spec() == C
        assert _spec("numpy") == "numpy"
        assert bpx.mlp([2, 1]).backend.spec == C
        assert bpx.mlp([2, 1], backend="numpy").backend.spec == "numpy"
        with bpx.use_backend("numpy"):
            assert _spec() == "numpy"
        assert _spec() == C
    assert _spec() == B
    bpx.set_backend(None)
    assert _spec() == "array-api-strict:CPU_DEVICE"
    monkeypatch.delenv("BPX_BACKEND")
    assert _spec() == "numpy"


def test_a_block_ends_with_an_error_too(strict):
    with pytest.raises(ZeroDivisionError), bpx.use_backend(B):
        raise ZeroDivisionError
    assert _spec() == "numpy"


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("BPX_BACKEND", "")
    assert _spec() == "numpy"


def test_a_backend_stands_for_itself(strict):
    backend = bpx.get_backend(B)
    assert bpx.get_backend(backend) is backend
    with bpx.use_backend(backend):
        assert bpx.get_backend() is backend
    bpx.set_backend(backend)
    assert bpx.get_backend() is backend
    assert bpx.mlp([2, 1], backend=backend).backend is backend


def test_a_network_stays_where_it_was_made(strict):
    with bpx.use_backend(B):
        net = bpx.mlp([2, 1], loss="squared_error")
    assert net.backend.spec == B
    assert net.fit([[0.0, 1.0]], [1.0], epochs=1).loss[0] > 0.0


def test_a_block_counts_in_its_own_thread_only(strict):
    seen, inside, done = {}, threading.Event(), threading.Event()

    def with_a_block():
        with bpx.use_backend(B):
            inside.set()
            assert done.wait(10)
            seen["in the block"] = _spec()

    thread = threading.Thread(target=with_a_block)
    thread.start()
    assert inside.wait(10)
    seen["beside it"] = _spec()
    done.set()
    thread.join()
    assert seen == {"in the block": B, "beside it": "numpy"}


def test_set_backend_counts_in_every_thread(strict):
    bpx.set_backend(B)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_spec()))
    thread.start()
    thread.join()
    assert seen == [B]


def test_threads_train_side_by_side_as_they_would_alone():
    def train(seed):
        x = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
        net = bpx.mlp([2, 8, 1], activation="tanh", loss="squared_error", dropout=0.2, dtype="float64", seed=seed)
        return net.fit(x, [0.0, 1.0, 1.0, 0.0], epochs=60, batch_size=3).loss

    alone = [train(seed) for seed in range(4)]
    together = [None] * 4
    threads = [threading.Thread(target=lambda seed=seed: together.__setitem__(seed, train(seed))) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


@pytest.mark.parametrize("choose", [bpx.get_backend, bpx.set_backend, lambda spec: bpx.use_backend(spec).__enter__()])
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "numppy",
            "unknown backend 'numppy'; did you mean 'numpy'? Valid: 'array-api-strict', 'auto', 'cupy', 'jax', ",
        ),
        (
            "tensorflow",
            "unknown backend 'tensorflow'; valid: 'array-api-strict', 'auto', 'cupy', 'jax', 'mlx', 'numpy', 'torch'",
        ),
        ("gpu", "unknown backend 'gpu'"),
        ("", "unknown backend ''"),
        (3, "a backend is named by a text such as 'numpy' or 'cupy:0', got int"),
        (bpx, "a backend is named by a text such as 'numpy' or 'cupy:0', got module"),
    ],
)
def test_an_unknown_backend_is_refused_with_the_names_there_are(choose, spec, message):
    with pytest.raises(bpx.InputError) as error:
        choose(spec)
    assert message in str(error.value)
    assert _spec() == "numpy"


def test_an_unknown_backend_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("BPX_BACKEND", "toroh")
    with pytest.raises(bpx.InputError, match="unknown backend 'toroh'; did you mean 'torch'"):
        bpx.mlp([2, 1])


def test_an_unknown_device_is_refused_with_those_there_are(backend):
    if backend.backend.name == "numpy":
        known, bad = "'cpu'", ["numpy:gpu", "numpy:1"]
    else:
        known, bad = backend.spec.split(":")[1], [f"{backend.backend.name}:{device}" for device in ("tpu9", "cpu:99")]
    for spec in bad:
        with pytest.raises(bpx.BackendError) as error:
            bpx.get_backend(spec)
        assert repr(spec.split(":", 1)[1]) in str(error.value) or repr(spec) in str(error.value)
        assert known in str(error.value) or "a CuPy device is a number" in str(error.value)


def test_a_spec_leads_back_to_its_backend(backend):
    again = bpx.get_backend(backend.spec)
    assert again == backend.backend
    assert hash(again) == hash(backend.backend)
    assert repr(again) == f"Backend({backend.spec!r})"
    assert again != bpx.get_backend("numpy") or backend.spec == "numpy"
    assert bpx.get_backend(f" {backend.spec} ") == again
