"""Do to bpx what the world does to programs, and count what it cannot bear: ``python scripts/faults.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the bpx of this checkout, installed or not

from fault_trials.command_line import main

if __name__ == "__main__":
    sys.exit(main())
