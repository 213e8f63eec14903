"""A release whose version is not the same everywhere, or of which nothing is said, is none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("check_release", ROOT / "scripts" / "check_release.py")
check_release = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_release)

CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-05-06

### Added

- Something.

## [1.1.0] - 2026-01-02

- More.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bpx").mkdir()
    (tmp_path / "bpx" / "_version.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\ndate-released: 2026-05-06\n")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_a_version_that_is_the_same_everywhere_is_ready(folder):
    assert check_release.find_faults("1.2.0", folder) == []
    assert check_release.find_notes(CHANGELOG, "1.2.0") == ("2026-05-06", "### Added\n\n- Something.")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("bpx/_version.py", "1.2.0", "1.1.0", "bpx/_version.py says 1.1.0"),
        ("CITATION.cff", "version: 1.2.0", "version: 1.1.0", "CITATION.cff says version 1.1.0"),
        ("CITATION.cff", "2026-05-06", "2026-05-07", "CITATION.cff says 2026-05-07, and CHANGELOG.md 2026-05-06"),
        ("CHANGELOG.md", "[1.2.0] - 2026-05-06", "[1.2.0]", "CHANGELOG.md has no section"),
        ("CHANGELOG.md", "### Added\n\n- Something.\n", "", "CHANGELOG.md says nothing of 1.2.0"),
    ],
)
def test_one_that_is_not_is_told(folder, file, old, new, said):
    path = folder / file
    path.write_text(path.read_text().replace(old, new, 1))
    (fault,) = check_release.find_faults("1.2.0", folder)
    assert fault.startswith(said)


@pytest.mark.skipif(not (ROOT / "CITATION.cff").is_file(), reason="needs the checkout, for the citation")
def test_the_citation_names_the_version_of_the_source():
    import bpx

    assert f"\nversion: {bpx.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
