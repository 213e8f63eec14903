"""Train the same networks on every usable backend, and compare times and numbers: ``--help`` lists the options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the bpx of this checkout, installed or not

from backend_comparison.command_line import main

if __name__ == "__main__":
    sys.exit(main())
