"""Damaged and hostile files: single flipped bits, and thousands of files spoiled by structure.

    python -m fault_trials.damage READER FOLDER FIRST COUNT

reads spoiled files number FIRST to FIRST + COUNT - 1 of a kind, and prints a line of JSON for each. It is a process of
its own, so that a file that crashes a reader takes none of the others with it.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
import warnings
from pathlib import Path
from types import FrameType

import bpx
from fault_trials.readers import READERS, CommandFault
from fault_trials.tally import Tally, start_python, summarize

SECONDS, BYTES = 10, 2**30
"""What the reading of one small file may take, memory on top of what the process has already."""

AT_ONCE = 500


def flip_bits(folder: Path, kind: str, most: int, seed: int) -> Tally:
    """Flip single bits of a model or checkpoint; with at least as many tries as bits, each of them."""
    tally = Tally(f"a flipped bit in a {kind}", "`bpx.load` raises FileFormatError")
    data = READERS[kind].make(folder)
    bits = range(8 * len(data))
    chosen = bits if most >= len(bits) else random.Random(seed).sample(bits, most)
    path = folder / f"flipped_{kind}.safetensors"
    for bit in chosen:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            bpx.load(path)
        except bpx.FileFormatError:
            tally.count()
        except Exception as error:
            tally.count(f"bit {bit}: {summarize(error)}")
        else:
            tally.count(f"bit {bit} of {len(bits)}: loaded in silence")
    return tally


def read_hostile(folder: Path, kind: str, files: int, seed: int) -> Tally:
    """Read spoiled files of a kind, in processes of some hundreds of files each."""
    tally = Tally(
        f"a hostile {kind} file",
        f"it is read, or a documented error says what is wrong, within {SECONDS} s and {BYTES // 2**20} MB",
    )
    first, end = seed, seed + files
    while first < end:
        count = min(AT_ONCE, end - first)
        child = start_python("fault_trials.damage", kind, folder, first, count)
        out, said = child.communicate()
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        done = max((line["done"] for line in lines), default=0)
        tally.tries += done
        tally.failures += [f"file {line['file']}: {line['wrong']}" for line in lines if "wrong" in line]
        if done < count:
            tally.count(f"file {first + done}: the process died with code {child.returncode}: {said[-200:]!r}")
            done += 1
        first += done
    return tally


def read_some(kind: str, folder: Path, first: int, count: int) -> None:
    """Read spoiled files; see this module's text."""
    reader = READERS[kind]
    work = folder / f"{kind}{first}".replace(" ", "_")
    work.mkdir(parents=True)
    good = reader.make(work)
    path = work / f"spoiled{reader.suffix}"
    path.write_bytes(good)
    reader.read(path)  # imports what it needs, before memory is limited
    _limit_memory()
    warnings.simplefilter("ignore")
    for number in range(first, first + count):
        path.write_bytes(reader.mutate(good, random.Random(number)))
        line: dict[str, object] = {"done": number - first + 1}
        start = time.perf_counter()
        _set_alarm(SECONDS)
        try:
            reader.read(path)
        except bpx.BpxError:
            pass
        except (Exception, CommandFault) as error:
            line |= {"file": number, "wrong": f"{summarize(error)} after {time.perf_counter() - start:.1f} s"}
        except BaseException as error:
            line |= {"file": number, "wrong": f"not even an Exception: {summarize(error)}"}
        _set_alarm(0)
        print(json.dumps(line), flush=True)  # each file: the process may die of the next one


class TooSlow(BaseException):
    """The reading of a file took too long."""


def _set_alarm(seconds: int) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s")

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, end)
        signal.alarm(seconds)


def _limit_memory() -> None:
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    except (ImportError, OSError):
        return  # not on this system: time is limited, memory is not


if __name__ == "__main__":
    read_some(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
