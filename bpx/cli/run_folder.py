"""A training that can be resumed: the checkpoints, which ``fit`` writes, and beside them what the command was told."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpx.arguments import check_choice, check_count
from bpx.backend.threads import check_threads
from bpx.cli.seal import is_sealed, make_seal
from bpx.cli.train_options import REPEATABLE, TrainOptions
from bpx.datasets import names
from bpx.errors import FileFormatError, InputError
from bpx.training.checkpoints.checkpointer import parse_interval
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.training.checkpoints.lock import FolderLock
from bpx.writing import write_whole

__all__ = ["CHANGEABLE", "Plan", "check_new", "read_plan", "restore_plan", "write_plan"]

FORMAT, VERSION, FILE = "bpx-run", 1, "command.json"

CHANGEABLE = (
    "epochs", "backend", "threads", "output", "card", "plot", "checkpoint_every", "keep", "on_checkpoint_error",
)  # fmt: skip
"""Options that may be given again when a training is resumed."""

_FILES = ("output", "plot")
"""Options that name files to write."""

_LARGEST = 10_000_000
"""Bytes of a plan: more is none."""

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
}
"""What JSON has for the annotations of a plan."""


@dataclass(frozen=True)
class Plan:
    """What ``bpx train`` was asked for, beside the training itself.

    Attributes
    ----------
    options : TrainOptions
    backend : str or None
    threads : int or None
        To compute on, where the user said so: the last bits may depend on it.
    output : str or None
        Where the model goes.
    card : str or None
        Text about the model, to keep in its file.
    plot : str or None
        Where the picture of the training goes; then the held-out rows are looked at after each epoch.
    checkpoint : str or None
        The run's folder.
    checkpoint_every : str
        Epochs, or text such as "500 steps" or "30 seconds".
    keep : int
        How many checkpoints stay.
    on_checkpoint_error : str
        "warn" or "raise".
    """

    options: TrainOptions
    backend: str | None = None
    threads: int | None = None
    output: str | None = None
    card: str | None = None
    plot: str | None = None
    checkpoint: str | None = None
    checkpoint_every: str = "1"
    keep: int = 3
    on_checkpoint_error: str = "warn"

    def __post_init__(self) -> None:
        self.interval()
        check_count("--keep", self.keep)
        if self.threads is not None:
            check_threads("--threads", self.threads)
        check_choice("way to treat checkpoints that cannot be written", self.on_checkpoint_error, ("raise", "warn"))

    def interval(self) -> int | str:
        """Return the distance between two checkpoints as ``fit`` takes it."""
        try:
            every = int(self.checkpoint_every) if self.checkpoint_every.strip().isdecimal() else self.checkpoint_every
            parse_interval(every)
        except ValueError as error:  # InputError is one; a number of thousands of digits another
            raise InputError(str(error).replace("checkpoint_every", "--checkpoint-every")) from None
        return every

    def fit_options(self, *, resume: bool) -> dict[str, Any]:
        """Return what ``fit`` is told about checkpoints."""
        if self.checkpoint is None:
            return {}
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_every": self.interval(),
            "keep": self.keep,
            "on_checkpoint_error": self.on_checkpoint_error,
            **({"resume": self.checkpoint} if resume else {}),
        }


def check_new(folder: str) -> None:
    """Raise unless a new training can begin in a folder.

    Raises
    ------
    InputError
        If it is a file, or holds a training already.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise InputError(f"--checkpoint {folder} is a file; name a folder")
    if is_begun(folder) or list_checkpoints(path):
        with FolderLock(path):  # raises, and says who it is, if that training is running
            pass
        raise InputError(
            f"--checkpoint {folder} holds a training already; go on with it by 'bpx train --resume {folder}', or name "
            "another folder"
        )


def check_old(folder: str) -> None:
    """Raise unless a training was begun in a folder.

    Raises
    ------
    InputError
        If there is no training to go on with.
    """
    if not is_begun(folder):
        what = f"holds no {FILE}, which 'bpx train --checkpoint' writes" if Path(folder).is_dir() else "is no folder"
        raise InputError(f"there is no training to go on with: {folder} {what}")


def is_begun(folder: str) -> bool:
    """Tell whether a training was begun in a folder."""
    return (Path(folder) / FILE).is_file()


def make_folder(folder: str) -> Path:
    """Make a run's folder, if there is none.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--checkpoint {folder}: cannot make the folder: {error.strerror or error}") from error
    return path


def write_plan(plan: Plan) -> bytes | None:
    """Keep in a run's folder what the training was asked for, with paths that hold from everywhere.

    Returns
    -------
    bytes or None
        What was kept there before, for `restore_plan`.

    Raises
    ------
    InputError
        If it cannot be written there.
    """
    assert plan.checkpoint is not None
    folder = Path(plan.checkpoint)
    kept = dataclasses.asdict(plan)
    kept["options"] = plan.options.to_dict()
    del kept["checkpoint"]  # the folder itself, which may be moved
    if Path(plan.options.dataset).exists():
        kept["options"]["dataset"] = str(Path(plan.options.dataset).absolute())
    for name in _FILES:
        if kept[name] is not None:
            inside = _is_inside(folder, kept[name])
            path = os.path.relpath(os.path.realpath(kept[name]), os.path.realpath(folder)) if inside else kept[name]
            kept[name] = path if inside else str(Path(path).absolute())
    seal = make_seal({name: kept[name] for name in _FILES}) if any(kept[name] for name in _FILES) else None
    content = {"format": FORMAT, "version": VERSION, **kept, "seal": seal}
    before = (folder / FILE).read_bytes() if (folder / FILE).is_file() else None
    write_whole(folder / FILE, (json.dumps(content, indent=2) + "\n").encode())
    return before


def restore_plan(folder: str, before: bytes | None) -> None:
    """Put back what a run's folder kept before `write_plan`, where what it was asked for since cannot be done."""
    if before is None:
        (Path(folder) / FILE).unlink(missing_ok=True)
    else:
        write_whole(Path(folder) / FILE, before)


def read_plan(folder: str, changes: Mapping[str, Any]) -> Plan:
    """Return what the training in a folder was asked for, with some options given anew.

    Parameters
    ----------
    folder : str
    changes : mapping
        Options among `CHANGEABLE`, by name.

    Raises
    ------
    InputError
        If it cannot be opened, or names files outside the folder that somebody else chose.
    FileFormatError
        If what it was asked for cannot be read.
    """
    path = Path(folder) / FILE
    try:
        if path.stat().st_size > _LARGEST:
            raise FileFormatError(f"{path} is not what 'bpx train --checkpoint' wrote: it is too large")
        content = json.loads(path.read_text("utf-8"))
        if content.pop("format") != FORMAT or content.pop("version") != VERSION:
            raise FileFormatError(f"{path} is of another format or version; use the bpx that wrote it")
        options, seal = content.pop("options"), content.pop("seal", None)
        # Older runs lack these: columns had no declared types, and what is decided about them now was refused.
        options = {"text": [], "number": [], "category": [], "strict": options["dataset"] not in names()} | options
        if "preset" not in options and Path(options["dataset"]).suffix:
            raise InputError(
                f"{path}: this training of a table was begun by an earlier bpx, whose networks for tables were others; "
                "go on with that version, or train anew"
            )
        options = {"preset": None} | options
        _check_types(Plan, content)
        _check_types(TrainOptions, options)
        _check_files(path, content, changes, seal)
        if "epochs" in changes:
            options["epochs"] = changes["epochs"]
        content |= {name: value for name, value in changes.items() if name != "epochs"}
        options = TrainOptions(**options | {name: tuple(options[name]) for name in REPEATABLE})
        return Plan(options=options, checkpoint=folder, **content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, (FileFormatError, InputError)):
            raise
        raise FileFormatError(f"{path} is not what 'bpx train --checkpoint' wrote: {error}") from error


def _check_types(kind: type, values: dict[str, Any]) -> None:
    """Raise unless values that were read are of the types that a dataclass has, and its texts can name files."""
    for field in dataclasses.fields(kind):
        if field.name not in values or str(field.type) not in _TYPES:
            continue
        value = values[field.name]
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if type(value) not in _TYPES[str(field.type)] or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"--{field.name.replace('_', '-')} is {repr(value)[:60]}")
        for text in texts:
            if b"\0" in os.fsencode(text):
                raise ValueError(f"--{field.name.replace('_', '-')} is {repr(text)[:60]}")


def _check_files(path: Path, content: dict[str, Any], changes: Mapping[str, Any], seal: object) -> None:
    """Raise unless the files that a plan names are in its folder, or this user named them; find those in the folder.

    Raises
    ------
    InputError
        If a file elsewhere is named that has to be given again, or one is given that the training was not begun with.
    """
    if "plot" in changes and content.get("plot") is None:
        raise InputError("--plot cannot be given: the training was begun without it, and what it draws is not recorded")
    names = {name: content.get(name) for name in _FILES}
    given = {name: str(path.parent / file) for name, file in names.items() if file is not None}
    content.update(given)
    far = [name for name, file in given.items() if name not in changes and not _is_inside(path.parent, file)]
    if far and not is_sealed(names, seal):
        listed = ", ".join(f"--{name} {names[name]!r}" for name in far)
        raise InputError(
            f"{path} names files outside its folder, and nothing shows that you named them: {listed}; give these "
            "options again, with the same files or others"
        )


def _is_inside(folder: Path, path: str) -> bool:
    """Tell whether a file lies in a folder, links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
