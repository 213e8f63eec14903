"""Checkpoints of a running training: when they are due, what if one cannot be written, and continuing from one."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from bpx.arguments import check_choice, check_count, check_number
from bpx.errors import CheckpointWarning, FileFormatError, InputError
from bpx.files.array_file import describe_fault, shorten
from bpx.files.network_file import describe_network, update_kinds
from bpx.training.checkpoints import folder as folders
from bpx.training.checkpoints.lock import FolderLock
from bpx.training.checkpoints.snapshot import Snapshot, restore, take_snapshot
from bpx.training.fit_run import FitRun
from bpx.writing import check_path

UNITS = ("epochs", "steps", "seconds")


def parse_interval(every: Any) -> tuple[float, str]:
    """Return a distance between checkpoints as number and unit.

    Parameters
    ----------
    every : int or str
        Epochs, or text such as "500 steps", "30 seconds", "2 epochs".

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> parse_interval(3), parse_interval("500 steps"), parse_interval("0.5 seconds")
    ((3, 'epochs'), (500, 'steps'), (0.5, 'seconds'))
    """
    if not isinstance(every, str):
        return check_count("checkpoint_every", every), "epochs"
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(epoch|step|second)s?\s*", every)
    if not match:
        raise InputError(
            f"checkpoint_every is a number of epochs, or text such as '500 steps' or '30 seconds', got {every!r}"
        )
    if match[2] == "second":
        return check_number("checkpoint_every", match[1] and float(match[1]), above=0.0), "seconds"
    if "." in match[1]:
        raise InputError(f"checkpoint_every must be a whole number of {match[2]}s, got {every!r}")
    return check_count("checkpoint_every", int(match[1])), f"{match[2]}s"


class Checkpointer:
    """Writes the checkpoints of one call of ``fit``, and reads the one that it continues from.

    Parameters
    ----------
    checkpoint, checkpoint_every, keep, on_checkpoint_error, resume
        As for ``fit``.

    Attributes
    ----------
    folder : Path
        Where checkpoints are written.
    last : Path or None
        The newest whole one of this training.
    """

    def __init__(
        self, checkpoint: Any, checkpoint_every: Any, keep: Any, on_checkpoint_error: Any, resume: Any
    ) -> None:
        self.every, self.unit = parse_interval(checkpoint_every)
        self.keep = sys.maxsize if keep is None else check_count("keep", keep)
        self.on_error = check_choice("on_checkpoint_error", on_checkpoint_error, ("warn", "raise"))
        self.resume = None if resume is None else check_path("resume", resume, "a folder")
        self.required = checkpoint is None
        if checkpoint is None:
            assert self.resume is not None
            self.folder = self.resume.parent if os.path.isfile(self.resume) else self.resume
        else:
            self.folder = check_path("checkpoint", checkpoint, "a folder")
            self.required = self.resume is not None and self.resume.absolute() != self.folder.absolute()
        self.last: Path | None = None
        self._lock: FolderLock | None = None
        self._saved: Any = None
        self._saved_at = time.monotonic()
        self._failing = False

    # -- before the first step ----------------------------------------------------------------------------

    def begin(self, run: FitRun) -> dict[str, Any] | None:
        """Make the folder, lock it, and put the run where its checkpoint was written; return what that holds, or None.

        The lock is held until `release`.

        Raises
        ------
        InputError
            If there is nothing to resume, the checkpoint is of another training or past the epochs asked for, or the
            folder holds checkpoints that are not of this one, or another training has it.
        FileFormatError
            If no checkpoint can be read.
        """
        try:
            self._lock_folder()
            return self._go_on(run)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others train in the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _lock_folder(self) -> None:
        """Lock the folder, if it is there and not locked yet."""
        if self._lock is None and self.folder.is_dir():
            lock = FolderLock(self.folder)
            lock.acquire()
            self._lock = lock

    def _go_on(self, run: FitRun) -> dict[str, Any] | None:
        """Put the run where its checkpoint was written; return what that holds, or None for a new training."""
        found = self._find()
        same = found is not None and found[0].parent.absolute() == self.folder.absolute()
        if not same:
            self._check_empty()
        if found is None:
            self._make_folder()
            return None
        path, snapshot, tree = found
        self._check_same(run, path, tree)
        _check_epochs(run, path, tree["counters"])
        later = [p for p in folders.list_checkpoints(self.folder) if folders.read_step(p) > folders.read_step(path)]
        if later and self.resume == path:
            raise InputError(
                f"{self.folder} holds checkpoints later than {path.name}; to go on from this one, write to another "
                "folder with checkpoint=, or remove the later ones"
            )
        self._make_folder()
        try:
            restore(run, snapshot, tree)
        except FileFormatError as error:
            raise describe_fault(path, f" cannot be resumed: {error}") from error
        if same:
            self.last, self._saved = path, self._mark(run)
        return tree

    def _find(self) -> tuple[Path, Snapshot, dict[str, Any]] | None:
        """Return path, snapshot and content of the checkpoint to continue from, or None to start from the beginning."""
        if self.resume is None:
            return None
        if os.path.isfile(self.resume):
            return self.resume, *folders.read_checkpoint(self.resume)
        found = folders.find_newest(self.resume)
        if found is None and self.required:
            what = "is neither a file nor a folder" if os.path.lexists(self.resume) else "does not exist"
            what = "holds no checkpoint" if os.path.isdir(self.resume) else what
            raise InputError(
                f"there is nothing to resume: {self.resume} {what}; to start a training that can be resumed, give "
                f"checkpoint={str(self.resume)!r}"
            )
        return found

    def _check_same(self, run: FitRun, path: Path, tree: dict[str, Any]) -> None:
        """Raise unless a checkpoint is of the same network, data and settings; says what differs."""
        unsaid = {"precision": "float32"}  # which files do not say
        here = {"network": unsaid | json.loads(describe_network(run.net)[0]["network"]), **run.describe()}
        network = update_kinds(run.net, tree["network"]) if tree["earlier"] else tree["network"]
        there = {"network": unsaid | network if isinstance(network, dict) else network, **tree["settings"]}
        _add_callback_settings(here["callbacks"], there.get("callbacks"))
        found = find_differences(here, there)
        if found:
            raise InputError(
                f"{path} is of another training, which cannot be resumed here: {shorten('; '.join(found))}"
            )
        if tree["backend"] != run.net.backend.spec:
            warnings.warn(
                f"the checkpoint was written on {tree['backend']}, and training continues on {run.net.backend.spec}: "
                "its numbers will agree to rounding, not to the bit",
                CheckpointWarning,
                stacklevel=2,
            )

    def _check_empty(self) -> None:
        """Raise if there are checkpoints in the folder, which are not of this training."""
        if folders.list_checkpoints(self.folder):
            raise InputError(
                f"{self.folder} holds the checkpoints of another training; go on with it by "
                f"resume={str(self.folder)!r}, or give another folder, or remove them"
            )

    def _make_folder(self) -> None:
        if self.folder.is_dir():
            folders.remove_left_over(self.folder)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._report_failure(f"cannot make the folder {self.folder}: {error.strerror or error}", None)
            return
        self._lock_folder()
        self._check_empty()  # another training may have made it, and ended, since it was looked for

    # -- between steps ------------------------------------------------------------------------------------

    def count_steps_left(self, run: FitRun) -> int:
        """Return how many steps may be made before the next look, so that a checkpoint is written where it is due."""
        every = int(self.every)
        if self.unit == "steps":
            return every - (run.training.step - run.first_step) % every
        if self.unit == "epochs" and run.whole_set:
            return every - run.done % every
        return sys.maxsize

    def save_if_due(self, run: FitRun, epoch_done: bool) -> None:
        """Write a checkpoint if one is due."""
        if self.unit == "seconds":
            due = time.monotonic() - self._saved_at >= self.every
        elif self.unit == "steps":
            due = (run.training.step - run.first_step) % int(self.every) == 0
        else:
            due = epoch_done and run.done % int(self.every) == 0
        if due:
            self.save(run)

    def save(self, run: FitRun) -> bool:
        """Write a checkpoint, unless this moment has one; tell whether it is there."""
        moment = self._mark(run)
        if moment == self._saved:
            return True
        path = folders.make_path(self.folder, run.training.step)
        self._saved_at = time.monotonic()
        snapshot = take_snapshot(run)  # raises where settings cannot be kept: that is no fault of a disk
        try:
            folders.write(path, snapshot)
        except InputError as error:
            self._report_failure(str(error), error)
            return False
        self._saved, self.last, self._failing = moment, path, False
        folders.remove_old(self.folder, path, self.keep)
        return True

    @staticmethod
    def _mark(run: FitRun) -> Any:
        """Return what tells one moment of a training from another."""
        return run.training.step, run.training.epoch, run.position, run.stop_reason

    def _report_failure(self, reason: str, error: Exception | None) -> None:
        """Raise or warn, as asked, about a checkpoint that cannot be written; warn once until one can be again."""
        kept = f"the last whole one is {self.last}" if self.last else "there is none yet"
        if self.on_error == "raise":
            raise InputError(f"{reason}; {kept}") from error
        if not self._failing:
            warnings.warn(f"{reason}; training goes on, {kept}", CheckpointWarning, stacklevel=2)
        self._failing = True


def _add_callback_settings(here: list[Any], there: Any) -> None:
    """Where a checkpoint has a callback's name alone, as an earlier bpx wrote it, take its settings from here."""
    if isinstance(there, list):
        for i, (mine, its) in enumerate(zip(here, there, strict=False)):
            if isinstance(mine, dict) and mine["kind"] == its:
                there[i] = mine


def _check_epochs(run: FitRun, path: Path, counters: dict[str, int]) -> None:
    """Raise if a checkpoint is past the epochs that are asked for: its network has learned for longer."""
    done, position = counters["epoch"] - counters["first_epoch"], counters["position"]
    if done + (position > 0) <= run.epochs:
        return
    part = f" and {position} batches of the next" if position else ""
    raise InputError(
        f"{path} is of a training that has done {done} epochs{part}, more than the {run.epochs} asked for; ask for at "
        f"least {done + (position > 0)} epochs in all, or train anew"
    )


def find_differences(
    here: Any, there: Any, name: str = "", places: tuple[str, str] = ("here", "in the checkpoint")
) -> list[str]:
    """Return what differs between two descriptions in plain data, one line of text each: ``name: here, there``.

    Parameters
    ----------
    here, there : plain data
        Dicts are compared key by key, lists of equal length item by item.
    name : str
        Where they come from.
    places : tuple of str
        What the two sides are called.
    """
    if isinstance(here, dict) and isinstance(there, dict) and here.get("kind") == there.get("kind"):
        keys = [*here, *(key for key in there if key not in here)]
        found = [
            find_differences(here.get(key), there.get(key), f"{name}.{key}" if name else str(key), places)
            for key in keys
        ]
        return [line for lines in found for line in lines]
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = enumerate(zip(here, there, strict=True))
        found = [find_differences(a, b, f"{name}[{i}]", places) for i, (a, b) in pairs]
        return [line for lines in found for line in lines]
    if here == there or (here != here and there != there):
        return []
    if name.endswith(".hash"):
        return [f"{name.removesuffix('.hash')} holds other numbers"]
    return [f"{name} is {_show(here)} {places[0]} and {_show(there)} {places[1]}"]


def _show(value: Any) -> str:
    if isinstance(value, dict) and "kind" in value:
        settings = ", ".join(f"{key}={_show(item)}" for key, item in value.items() if key != "kind")
        return f"{value['kind']}({settings})"
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    return repr(value)
