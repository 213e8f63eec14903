"""``python -m bpx``: the same command line as ``bpx``."""

from bpx.cli import main

if __name__ == "__main__":
    main()
