"""Print the peak memory of training one epoch with one peer: ``python -m benchmarks.peak_memory PEER ROWS``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from benchmarks.threads import set_threads, thread_count

MEGABYTE = 1e6


def peak() -> float:
    """Return the peak resident memory of this process in megabytes."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found.group(1)) * 1024 / MEGABYTE
    import resource

    scale = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / MEGABYTE


def forget_peak() -> None:
    """Let the peak start again from what is resident now, where the system can do that."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def main() -> None:
    """Train and print ``{"peak": MB, "added": MB}``."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    set_threads(thread_count())
    from benchmarks.peers import make_trainers
    from benchmarks.tasks import Task

    name, rows = sys.argv[1], int(sys.argv[2])
    small = Task((784, 128, 10), 128, 256, "sgd", 0.05, shuffle=True)
    task = Task((784, 128, 10), 128, rows, "sgd", 0.05, shuffle=True)
    made, missing = make_trainers((name,), small)
    if missing:
        sys.exit(missing[name])
    made[name].train(1)  # what a library loads on first use is not the data's doing
    trainer = make_trainers((name,), task)[0][name]
    forget_peak()
    before = peak()
    trainer.train(1)
    after = peak()
    print(json.dumps({"peak": after, "added": after - before}))


if __name__ == "__main__":
    main()
