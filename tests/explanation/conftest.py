"""Modules beside these tests are imported by name, and the tests of the page share one browser."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = ["bidi.py", "browser.py", "page_data.py", "page_reading.py", "random_networks.py"]


@pytest.fixture(scope="package")
def driver(tmp_path_factory):
    """Return a browser."""
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from browser import open_browser

    with open_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver
