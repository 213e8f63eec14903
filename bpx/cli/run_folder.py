"""A training that can be resumed: the checkpoints, which ``fit`` writes, and beside them what the command was told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpx.arguments import check_choice, check_count
from bpx.cli.train_options import REPEATABLE, TrainOptions
from bpx.errors import FileFormatError, InputError
from bpx.training.checkpoints.checkpointer import parse_interval
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.writing import write_whole

__all__ = ["CHANGEABLE", "Plan", "check_new", "read_plan", "write_plan"]

FORMAT, VERSION, FILE = "bpx-run", 1, "command.json"

CHANGEABLE = ("epochs", "backend", "output", "checkpoint_every", "keep", "on_checkpoint_error")
"""Options that may be given again when a training is resumed."""


@dataclass(frozen=True)
class Plan:
    """What ``bpx train`` was asked for, beside the training itself.

    Attributes
    ----------
    options : TrainOptions
    backend : str or None
    output : str or None
        Where the model goes.
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
    output: str | None = None
    plot: str | None = None
    checkpoint: str | None = None
    checkpoint_every: str = "1"
    keep: int = 3
    on_checkpoint_error: str = "warn"

    def __post_init__(self) -> None:
        self.interval()
        check_count("--keep", self.keep)
        check_choice("way to treat checkpoints that cannot be written", self.on_checkpoint_error, ("raise", "warn"))

    def interval(self) -> int | str:
        """Return the distance between two checkpoints as ``fit`` takes it."""
        every = int(self.checkpoint_every) if self.checkpoint_every.strip().isdigit() else self.checkpoint_every
        try:
            parse_interval(every)
        except InputError as error:
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
    if (path / FILE).exists() or list_checkpoints(path):
        raise InputError(
            f"--checkpoint {folder} holds a training already; go on with it by 'bpx train --resume {folder}', or name "
            "another folder"
        )


def write_plan(plan: Plan) -> None:
    """Keep in a run's folder what the training was asked for, with paths that hold from everywhere.

    Raises
    ------
    InputError
        If it cannot be written there.
    """
    assert plan.checkpoint is not None
    folder = Path(plan.checkpoint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--checkpoint {folder}: cannot make the folder: {error.strerror or error}") from error
    kept = dataclasses.asdict(plan)
    kept["options"] = plan.options.to_dict()
    del kept["checkpoint"]  # the folder itself, which may be moved
    if Path(plan.options.dataset).exists():
        kept["options"]["dataset"] = str(Path(plan.options.dataset).absolute())
    for name in ("output", "plot"):
        if kept[name] is not None:
            kept[name] = str(Path(kept[name]).absolute())
    content = {"format": FORMAT, "version": VERSION, **kept}
    write_whole(folder / FILE, (json.dumps(content, indent=2) + "\n").encode())


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
        If there is no training in the folder.
    FileFormatError
        If what it was asked for cannot be read.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        what = f"holds no {FILE}, which 'bpx train --checkpoint' writes" if Path(folder).is_dir() else "is no folder"
        raise InputError(f"there is no training to go on with: {folder} {what}")
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("format") != FORMAT or content.pop("version") != VERSION:
            raise FileFormatError(f"{path} is of another format or version; use the bpx that wrote it")
        options = {"text": [], "number": [], "category": []} | content.pop("options")  # which older runs lack
        if "epochs" in changes:
            options["epochs"] = changes["epochs"]
        content |= {name: value for name, value in changes.items() if name != "epochs"}
        options = TrainOptions(**options | {name: tuple(options[name]) for name in REPEATABLE})
        return Plan(options=options, checkpoint=folder, **content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, (FileFormatError, InputError)):
            raise
        raise FileFormatError(f"{path} is not what 'bpx train --checkpoint' wrote: {error}") from error
