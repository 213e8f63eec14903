"""Trainings that are killed, and trainings that are asked to end by a signal."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import bpx
from bpx.training.checkpoints.folder import list_checkpoints
from fault_trials.tally import Tally, start_python, summarize
from fault_trials.training import train

SIGNALS = {name: getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


def kill_trainings(folder: Path, kills: int, seed: int) -> Tally:
    """Kill a training again and again with SIGKILL at random moments; it goes on each time from its checkpoints."""
    tally = Tally("SIGKILL at a random moment", "the training ends with the bits of one that was let alone")
    draw, alone = random.Random(seed), train(None)
    runs, killed = folder / "killed", 0
    while killed < kills or runs.exists():
        child = start_python("fault_trials.training", runs, 0.004)
        if killed < kills:
            before = [path.name for path in list_checkpoints(runs)]
            moment = time.monotonic() + 20.0
            while [path.name for path in list_checkpoints(runs)] == before and child.poll() is None:
                if time.monotonic() > moment:
                    break
                time.sleep(0.002)
            time.sleep(draw.uniform(0.0, 0.15))
            child.kill()
        out, said = child.communicate()
        if child.returncode == -signal.SIGKILL:
            killed += 1
            tally.count(_read_newest(runs))
            continue
        right = child.returncode == 0 and out.strip() == alone
        tally.count(None if right else f"code {child.returncode}, other numbers than alone, {said.strip()[-200:]!r}")
        shutil.rmtree(runs)
    return tally


def _read_newest(folder: Path) -> str | None:
    """Return what is wrong with the newest checkpoint of a folder."""
    found = list_checkpoints(folder)
    try:
        if found:
            bpx.load(found[-1])
    except Exception as error:
        return f"the newest checkpoint after a kill: {summarize(error)}"
    return None


def signal_trainings(folder: Path, times: int, seed: int) -> Tally:
    """Send the signals that end a program to ``bpx train``."""
    tally = Tally(
        ", ".join(SIGNALS),
        "the batch is finished, a checkpoint written, the line that resumes printed, the exit code 128 + its number",
    )
    draw = random.Random(seed)
    for number in SIGNALS.values():  # children hear what nohup, or a start in the background, has us not hear
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for i in range(times):
        name, number = list(SIGNALS.items())[i % len(SIGNALS)]
        runs = folder / f"signalled{i}"
        child = start_python(
            "bpx", "train", "xor", "--epochs", 1_000_000, "--checkpoint", runs, "--checkpoint-every", "5000"
        )
        moment = time.monotonic() + 60.0
        while not list_checkpoints(runs) and child.poll() is None and time.monotonic() < moment:
            time.sleep(0.01)
        time.sleep(draw.uniform(0.0, 0.2))
        child.send_signal(number)
        try:
            _, said = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            tally.count(f"{name}: still running after 60 s")
            continue
        wrong = _read_newest(runs)
        if child.returncode != 128 + number:
            wrong = f"exit code {child.returncode}"
        elif "--resume" not in said:
            wrong = f"no line that resumes in {said[-200:]!r}"
        elif not list_checkpoints(runs):
            wrong = "no checkpoint"
        tally.count(None if wrong is None else f"{name}: {wrong}")
        shutil.rmtree(runs)
    return tally


def start_two_trainings(folder: Path, times: int) -> Tally:
    """Start two trainings at once in one folder of checkpoints."""
    tally = Tally("two trainings in one folder", "one of them trains, the other is told who holds the folder")
    alone = train(None)
    for i in range(times):
        runs = folder / f"shared{i}"
        children = [start_python("fault_trials.training", runs, 0.01) for _ in range(2)]
        outs = [child.communicate() for child in children]
        codes = sorted(child.returncode for child in children)
        right = [out.strip() for out, _ in outs if out.strip()]
        told = [said for _, said in outs if "InputError" in said or "CheckpointError" in said]
        if codes != [0, 1] or right != [alone] or len(told) != 1:
            tally.count(f"exit codes {codes}, {json.dumps([said[-160:] for _, said in outs])}")
        else:
            tally.count()
        shutil.rmtree(runs, ignore_errors=True)
    return tally
