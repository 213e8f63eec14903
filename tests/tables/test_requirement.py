"""Polars is imported when a table is used, and its absence is said with the line that installs it."""

import subprocess
import sys

import pytest

from bpx.errors import InputError
from bpx.tables import Preprocessor, prepare, read_table, write_predictions

INSTALL = r'tables need polars, which is not installed: pip install "bpx-backprop\[table\]"$'


@pytest.mark.parametrize("module", ["bpx", "bpx.tables"])
def test_importing_does_not_import_polars(module):
    code = f"import sys, {module}; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_bpx_does_not_import_tables():
    code = "import sys, bpx; sys.exit('bpx.tables' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda: read_table("data.csv"),
        lambda: Preprocessor.fit(None, "y"),
        lambda: prepare(None, "y"),
        lambda: write_predictions("out.csv", None, None, None),
    ],
    ids=["read_table", "fit", "prepare", "write_predictions"],
)
def test_without_polars_the_error_says_how_to_install_it(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InputError, match=INSTALL):
        use()
