"""JAX without double precision, as it is unless told otherwise: float64 is an error, float32 works."""

import os
import subprocess
import sys

from bpx.backend.jax_backend import JaxBackend

CODE = """
import numpy as np
import bpx

def refused(call):
    try:
        call()
    except bpx.BackendError as error:
        return "JAX_ENABLE_X64=1" in str(error) and "jax_enable_x64" in str(error) and "dtype='float32'" in str(error)
    return False

x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
double = bpx.mlp([4, 3], dtype="float64")
assert refused(lambda: bpx.mlp([4, 3], dtype="float64", backend="jax"))
assert refused(lambda: double.to("jax"))
assert refused(lambda: bpx.get_backend("jax").asarray(x))
assert double.backend.spec == "numpy"

nets = [bpx.mlp([4, 8, 3], dropout=0.3, backend=spec) for spec in ("numpy", "jax")]
losses = [net.fit(x, y, epochs=30, batch_size=10, optimizer="sgd").loss for net in nets]
np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
assert nets[1].params[0]["weight"].dtype == np.float32
assert nets[1].predict(x).dtype == np.float32
assert bpx.check_gradients(nets[1], x, y)

import jax
jax.config.update("jax_enable_x64", True)
assert bpx.mlp([4, 3], dtype="float64", backend="jax").params[0]["weight"].dtype == np.float64
print("as it should be")
"""


def test_without_x64_float64_is_refused_and_float32_agrees_with_numpy(jax):
    variables = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"}
    command = [sys.executable, "-W", "error::UserWarning", "-c", CODE]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "as it should be"


def test_on_a_gpu_float32_is_computed_in_float32(jax, monkeypatch):
    """JAX left alone multiplies float32 in TF32 there; a precision that the user has set stays."""
    place = JaxBackend("cpu")
    with place.computing():
        assert jax.config.jax_default_matmul_precision is None
    monkeypatch.setattr(place, "platform", "gpu")
    with place.computing():
        assert jax.config.jax_default_matmul_precision == "highest"
    with jax.default_matmul_precision("tensorfloat32"), place.computing():
        assert jax.config.jax_default_matmul_precision == "tensorfloat32"
