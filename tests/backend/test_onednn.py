"""Products by oneDNN: right for every way a matrix can lie in memory, and taken only where they pay."""

import builtins
import io
import platform

import numpy as np
import pytest

import bpx
from bpx.backend import onednn
from bpx.backend.torch_backend import TorchBackend

torch = pytest.importorskip("torch", reason="torch is not installed")

ROWS, INNER, COLUMNS = 96, 512, 256
assert ROWS * INNER * COLUMNS >= onednn.LEAST_WORK


@pytest.fixture
def operator():
    found = onednn._operator(torch)
    if found is None:
        pytest.skip("this PyTorch has no products by oneDNN")
    return found


@pytest.fixture
def watched(operator):
    """The function under test, and the shapes of what oneDNN was asked for."""
    calls = []

    def counted(x, weight, *rest):
        calls.append((tuple(x.shape), tuple(weight.T.shape)))
        return operator(x, weight, *rest)

    return onednn.products(torch, counted), calls


def _matrix(rows, columns, seed, dtype=torch.float32):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((rows, columns))).to(dtype)


def _holds(product, a, b):
    exact = a.double() @ b.double()
    assert product.shape == exact.shape
    assert product.dtype == a.dtype
    assert product.is_contiguous()
    torch.testing.assert_close(product.double(), exact, rtol=0.0, atol=2e-4)


@pytest.mark.parametrize("left", ["by rows", "by columns"])
@pytest.mark.parametrize("right", ["by rows", "by columns"])
def test_large_products_are_onednns_and_right(watched, left, right):
    matmul, calls = watched
    a = _matrix(ROWS, INNER, 0) if left == "by rows" else _matrix(INNER, ROWS, 0).T
    b = _matrix(INNER, COLUMNS, 1) if right == "by rows" else _matrix(COLUMNS, INNER, 1).T
    _holds(matmul(a, b), a, b)
    assert calls == [((ROWS, INNER), (INNER, COLUMNS))]


def _apart(matrix):
    """Return the matrix with a gap after each row."""
    wide = torch.zeros(matrix.shape[0], matrix.shape[1] + 3)
    wide[:, :-3] = matrix
    return wide[:, :-3]


LEFT_ALONE = {
    "small": lambda: (_matrix(32, 64, 0), _matrix(64, 32, 1)),
    "float64": lambda: (_matrix(ROWS, INNER, 0, torch.float64), _matrix(INNER, COLUMNS, 1, torch.float64)),
    "one row": lambda: (_matrix(1, 4096, 0), _matrix(4096, 1024, 1)),
    "left with gaps": lambda: (_apart(_matrix(ROWS, INNER, 0)), _matrix(INNER, COLUMNS, 1)),
    "right with gaps": lambda: (_matrix(ROWS, INNER, 0), _apart(_matrix(INNER, COLUMNS, 1))),
    "one row for all": lambda: (_matrix(1, INNER, 0).expand(ROWS, -1), _matrix(INNER, COLUMNS, 1)),
    "by columns, few columns": lambda: (_matrix(512, 784, 0).T, _matrix(512, 64, 1)),
    "vectors": lambda: (_matrix(1, 4096, 0)[0], _matrix(1, 4096, 1)[0]),
    "a vector on the right": lambda: (_matrix(4096, 1024, 0), _matrix(1, 1024, 1)[0]),
    "a stack": lambda: (_matrix(2 * ROWS, INNER, 0).reshape(2, ROWS, INNER), _matrix(INNER, COLUMNS, 1)),
    "nothing": lambda: (_matrix(0, INNER, 0), _matrix(INNER, COLUMNS, 1)),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_other_products_are_pytorchs(watched, name):
    matmul, calls = watched
    a, b = LEFT_ALONE[name]()
    assert torch.equal(matmul(a, b), torch.matmul(a, b))
    assert calls == []


@pytest.mark.parametrize("shapes", [((ROWS, INNER), (INNER + 1, COLUMNS)), ((4096, 4096), (4095, 4096))])
def test_wrong_shapes_are_pytorchs_error(watched, shapes):
    (rows, inner), (more, columns) = shapes
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        watched[0](_matrix(rows, inner, 0), _matrix(more, columns, 1))


def test_pytorchs_own_switch_turns_it_off(watched, monkeypatch):
    matmul, calls = watched
    a, b = _matrix(ROWS, INNER, 0), _matrix(INNER, COLUMNS, 1)
    with monkeypatch.context() as within:
        within.setattr(torch.backends.mkldnn, "enabled", False)
        matmul(a, b)
    assert calls == []
    matmul(a, b)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("capability", "amd", "taken"),
    [("AVX512", True, True), ("AVX512", False, False), ("AVX2", True, False), ("DEFAULT", False, False)],
)
def test_only_where_it_was_measured_to_pay(operator, monkeypatch, capability, amd, taken):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(onednn, "on_amd", lambda: amd)
    assert (onednn.matmul(torch) is not torch.matmul) == taken


def test_the_backend_on_the_cpu_uses_it(monkeypatch):
    monkeypatch.setattr(onednn, "matmul", lambda library: (library, "chosen"))
    assert TorchBackend("cpu").xp.matmul == (torch, "chosen")


def _fails(*arguments):
    raise RuntimeError("could not create a primitive")


@pytest.mark.parametrize("answer", [_fails, lambda x, *rest: x], ids=["fails", "is wrong"])
def test_an_operator_that_does_not_work_is_not_used(monkeypatch, answer):
    class Operators:
        class mkldnn:
            class _linear_pointwise:
                default = staticmethod(answer)

    monkeypatch.setattr(torch, "ops", Operators)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(onednn, "on_amd", lambda: True)
    assert onednn.matmul(torch) is torch.matmul


def test_a_pytorch_without_the_operator(monkeypatch):
    monkeypatch.setattr(torch, "ops", object())
    assert onednn._operator(torch) is None


@pytest.mark.parametrize(
    ("text", "amd"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\n", True),
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", False),
        ("", False),
    ],
)
def test_the_processors_maker(monkeypatch, text, amd):
    monkeypatch.setattr(builtins, "open", lambda *arguments, **options: io.StringIO(text))
    assert onednn.on_amd() is amd


def test_the_processors_maker_where_there_is_no_such_file(monkeypatch):
    def missing(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr(platform, "processor", lambda: "AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD")
    monkeypatch.setattr(builtins, "open", missing)
    assert onednn.on_amd()
    monkeypatch.setattr(platform, "processor", lambda: "Intel64 Family 6 Model 158 Stepping 10, GenuineIntel")
    assert not onednn.on_amd()


@pytest.fixture
def net(watched):
    """A network on PyTorch whose products are watched, whatever the processor."""
    net = bpx.mlp([INNER, COLUMNS, 10], seed=0, backend="torch")
    net.backend.xp.matmul, before = watched[0], net.backend.xp.matmul
    yield net
    net.backend.xp.matmul = before


def test_a_network_learns_by_it_what_it_learns_on_numpy(net, watched):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2 * ROWS, INNER)).astype(np.float32), rng.integers(10, size=2 * ROWS)
    on_numpy = bpx.mlp([INNER, COLUMNS, 10], seed=0, backend="numpy")
    losses = [one.fit(x, y, epochs=3, batch_size=ROWS, optimizer="adam").loss for one in (net, on_numpy)]
    assert ((ROWS, INNER), (INNER, COLUMNS)) in watched[1]
    assert ((INNER, ROWS), (ROWS, COLUMNS)) in watched[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_two_fits_go_on_to_the_bit(net, watched):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2 * ROWS, INNER)).astype(np.float32), rng.integers(10, size=2 * ROWS)
    whole = net.fit(x, y, epochs=4, batch_size=ROWS)
    net.reset()
    parts = [net.fit(x, y, epochs=2, batch_size=ROWS) for _ in range(2)]
    assert list(whole.loss) == [*parts[0].loss, *parts[1].loss]
    assert len(watched[1]) > 0
