"""``bpx backends``: what works here, on which devices, and why not."""

import bpx

NAMES = ["numpy", "cupy", "torch", "jax", "mlx", "array-api-strict"]


def test_json_says_what_the_library_says(as_json):
    data = as_json("backends")
    assert [one["name"] for one in data["backends"]] == NAMES
    assert data["backends"] == [{**one._asdict(), "devices": list(one.devices)} for one in bpx.backends()]
    assert data["default"] == "numpy"


def test_a_person_sees_each_backend_and_why_not(command):
    result = command("backends")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for one in bpx.backends():
        (line,) = [line for line in lines if line.split()[:1] == [one.name]]
        assert line.split()[1] == ("yes" if one.available else "no")
        if one.version:
            assert one.version[:8] in line
    text = " ".join(result.stdout.split())
    assert "not installed" in text or all(one.version for one in bpx.backends())
    assert "Commands compute on numpy, unless --backend says otherwise." in text


def test_a_backend_that_is_asked_for_has_to_work(as_json, mistake):
    assert as_json("backends", "--backend", "array-api-strict:device1")["default"] == "array-api-strict:device1"
    assert "did you mean 'numpy'?" in mistake("backends", "--backend", "nunpy")
    broken = [one for one in bpx.backends() if not one.available]
    for one in broken:
        assert "cannot be used" in mistake("backends", "--backend", one.name)


def test_a_broken_default_does_not_hide_the_table(command, as_json):
    env = {"BPX_BACKEND": "no-such-backend"}
    assert as_json("backends", env=env)["default"] is None
    text = " ".join(command("backends", env=env).stdout.split())
    assert "BPX_BACKEND names a backend that cannot be used here: unknown backend 'no-such-backend'" in text
    assert "numpy yes" in text
