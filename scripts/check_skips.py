#!/usr/bin/env python3
"""Fail if a test was skipped for any reason but a missing GPU.

    python -m pytest --junitxml=report.xml
    python scripts/check_skips.py report.xml

Where everything that can be installed is installed, a skip for another reason hides a test that could have run.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

NEEDS_A_GPU = re.compile(r"\b(cupy|cuda|gpu|mps)\b", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    """Print the reasons with their counts and return the exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print("usage: check_skips.py REPORT.xml, a report written by pytest --junitxml", file=sys.stderr)
        return 2
    cases = list(ElementTree.parse(arguments[0]).iter("testcase"))
    skips = Counter(skip.get("message", "") for case in cases for skip in case.iter("skipped"))
    print(f"{len(cases)} tests, {skips.total()} skipped")
    wrong = {reason for reason in skips if not NEEDS_A_GPU.search(reason)}
    for reason, count in sorted(skips.items()):
        print(f"{count:5}  {'NOT ABOUT A GPU: ' if reason in wrong else ''}{reason}")
    return int(bool(wrong) or not cases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
