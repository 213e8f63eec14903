"""Which warnings end a test run: those of bpx's own lines, and no other library's."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent / "pyproject.toml"

TESTS = '''
import threading
import types

SOURCE = """
import warnings

def warn(category, level):
    warnings.warn("of old", category, level)
"""


def warn(module, category, level=1):
    """Warn of a line of the named module, or (level 2) of the line here that calls it."""
    made = types.ModuleType(module)
    exec(compile(SOURCE, f"{module}.py", "exec"), vars(made))
    made.warn(category, level)


def test_another_deprecates():
    warn("another", DeprecationWarning)

def test_another_will_deprecate():
    warn("another.part", PendingDeprecationWarning)

def test_another_will_change():
    warn("another", FutureWarning)

def test_a_name_that_begins_alike():
    warn("bpxtras.core", DeprecationWarning)

def test_numpy_deprecates():
    warn("numpy.lib", DeprecationWarning)

def test_another_deprecates_what_a_test_calls():
    warn("another", DeprecationWarning, 2)

def test_another_has_something_to_say():
    warn("another", UserWarning)


def test_bpx_deprecates():
    warn("bpx.core.model", DeprecationWarning)

def test_bpx_computes():
    warn("bpx", RuntimeWarning)

def test_numpy_computes():
    warn("numpy.linalg", RuntimeWarning)

def test_bpx_tells_the_line_that_calls_it():
    warn("bpx.callbacks", UserWarning, 2)

def test_a_thread_dies():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
'''


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return the outcome of each test above, run with the filters of this project in a process of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_one.py").write_text(TESTS)
    options = ["-rA", "--tb=no", "-p", "no:cacheprovider", "-c", str(PROJECT), f"--rootdir={folder}", "tests"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    ends = [line.split() for line in ran.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    return {words[1].partition("::test_")[2]: words[0] for words in ends} | {"shown": ran.stdout}


@pytest.mark.parametrize(
    "test",
    [
        "another_deprecates", "another_will_deprecate", "another_will_change", "a_name_that_begins_alike",
        "numpy_deprecates", "another_deprecates_what_a_test_calls", "another_has_something_to_say",
    ],
)  # fmt: skip
def test_what_another_library_warns_of_turns_no_run_red(test, outcomes):
    assert outcomes[test] == "PASSED", outcomes["shown"]
    assert "DeprecationWarning: of old" in outcomes["shown"]  # it is shown all the same


@pytest.mark.parametrize(
    "test",
    ["bpx_deprecates", "bpx_computes", "numpy_computes", "bpx_tells_the_line_that_calls_it", "a_thread_dies"],
)
def test_what_comes_of_the_lines_of_bpx_is_an_error(test, outcomes):
    assert outcomes[test] == "FAILED", outcomes["shown"]
