"""Hostile files that a fuzzer makes, which watches what code each of them reaches; needs the package ``atheris``.

    python -m fault_trials.guided READER FOLDER RUNS

starts from a good file of a kind and reads RUNS others. The code is 0 only if each of them was read, or refused by a
documented error. What reads Parquet is no Python, so the fuzzer would see nothing of it.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

from fault_trials.tally import Tally, start_python

SECONDS, MEGABYTES = 10, 3072
"""What the reading of one file may take; the memory is that of the whole process."""


def guide_fuzzer(folder: Path, kind: str, runs: int) -> Tally:
    """Let atheris make files of a kind, in a process of its own."""
    tally = Tally(f"a {kind} file made by atheris", "it is read, or a documented error says what is wrong")
    if importlib.util.find_spec("atheris") is None:
        tally.skipped = "atheris is not installed"
        return tally
    child = start_python("fault_trials.guided", kind, folder, runs)
    _, said = child.communicate()
    wrong = [line for line in said.splitlines() if "Exception" in line or "Error" in line or "ERROR" in line]
    tally.tries = runs
    if child.returncode:
        tally.failures.append(f"code {child.returncode}: {' '.join(wrong)[-300:]!r}")
    return tally


def fuzz(kind: str, folder: Path, runs: int) -> None:
    """Read files that atheris makes; see this module's text."""
    import atheris

    with atheris.instrument_imports(include=["bpx"]):
        import bpx
        from fault_trials.readers import READERS
    reader = READERS[kind]
    work = folder / f"guided_{kind}"
    seeds = work / "seeds"
    seeds.mkdir(parents=True)
    (seeds / "good").write_bytes(reader.make(work))
    path = work / f"made{reader.suffix}"
    warnings.simplefilter("ignore")
    path.write_bytes((seeds / "good").read_bytes())
    reader.read(path)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            reader.read(path)
        except bpx.BpxError:
            return

    limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", "-max_len=65536", f"-artifact_prefix={work}/"]
    atheris.Setup([sys.argv[0], f"-runs={runs}", *limits, str(seeds)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
