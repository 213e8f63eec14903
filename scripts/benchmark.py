"""Time bpx beside the libraries its users would pick instead: ``python scripts/benchmark.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the bpx of this checkout, installed or not

from benchmarks.command_line import main

if __name__ == "__main__":
    sys.exit(main())
