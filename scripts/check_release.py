#!/usr/bin/env python3
"""Check that a version is ready to be released, and print what the changelog says of it.

    python scripts/check_release.py 0.2.0

The version must be that of ``bpx/_version.py`` and of ``CITATION.cff``, and have a dated section of its own in
``CHANGELOG.md``. What is printed are the notes of the release.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def find_notes(changelog: str, version: str) -> tuple[str, str] | None:
    """Return the date and the text of a version's section, or None if it has none with a date."""
    found = re.search(
        rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found and (found[1], found[2].strip())


def find_faults(version: str, root: Path = ROOT) -> list[str]:
    """Return what keeps the version from being released."""
    said = re.search(r'^__version__ = "(.+)"$', (root / "bpx" / "_version.py").read_text("utf-8"), re.MULTILINE)
    citation = dict(re.findall(r"^([\w-]+): (\S+)$", (root / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    notes = find_notes((root / "CHANGELOG.md").read_text("utf-8"), version)
    faults = []
    if said is None or said[1] != version:
        faults.append(f"bpx/_version.py says {said[1] if said else 'no version'}, not {version}")
    if citation.get("version") != version:
        faults.append(f"CITATION.cff says version {citation.get('version')}, not {version}")
    if notes is None:
        faults.append(f"CHANGELOG.md has no section '## [{version}] - DATE'")
    elif not notes[1]:
        faults.append(f"CHANGELOG.md says nothing of {version}")
    elif citation.get("date-released") != notes[0]:
        faults.append(f"CITATION.cff says {citation.get('date-released')}, and CHANGELOG.md {notes[0]}")
    return faults


def main(arguments: list[str]) -> int:
    """Print the notes, or what is wrong, and return the exit code."""
    if len(arguments) != 1:
        print("usage: check_release.py VERSION", file=sys.stderr)
        return 2
    (version,) = arguments
    faults = find_faults(version)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    notes = find_notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    print(notes[1] if notes else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
