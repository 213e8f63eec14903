"""What ``bpx train`` does: prepare, train, keep, report; and end well where it is interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from bpx.cli.group import choose_backend
from bpx.cli.pictures import check_picture, draw_training
from bpx.cli.places import check_place
from bpx.cli.prepared_training import PreparedTraining
from bpx.cli.printing import Printer
from bpx.cli.ranks import Ranks
from bpx.cli.run_folder import (
    CHANGEABLE,
    Plan,
    check_new,
    check_old,
    is_begun,
    make_folder,
    read_plan,
    restore_plan,
    write_plan,
)
from bpx.cli.signals import Ended
from bpx.cli.train_options import TrainOptions
from bpx.cli.train_report import announce, conclude
from bpx.datasets import names
from bpx.distributed import rank
from bpx.errors import BpxError, InputError, Interrupted
from bpx.files.network_file import LARGEST_CARD
from bpx.recipes.model_file import save_model
from bpx.training.checkpoints.lock import FolderLock

__all__ = ["train"]


def train(
    printer: Printer, dataset: str | None, resume: str | None, training: dict[str, Any], around: dict[str, Any]
) -> None:
    """Train a network, from the beginning or from where a run was left.

    Parameters
    ----------
    printer : Printer
    dataset : str or None
        The data; None to resume a run.
    resume : str or None
        The folder of the run to resume.
    training : dict
        Options of the training that were given, as `TrainOptions` has them.
    around : dict
        The other options that were given, as `Plan` has them.

    Raises
    ------
    InputError
        If an option is not as it has to be, before any work.
    Ended
        After Ctrl-C, SIGTERM or SIGHUP; with the line that resumes.
    """
    if "card" in around:
        around = around | {"card": _read_card(around["card"])}
    with contextlib.ExitStack() as held:
        if resume is None:
            plan = _plan_new(dataset, training, around)
        else:
            given = training | around
            _check_resumed(dataset, given)
            check_old(resume)
            if rank() == 0:
                held.enter_context(FolderLock(Path(resume)))
            plan = read_plan(resume, given)
        try:
            _train(printer, plan, held, resumed=resume is not None, longer=resume is not None and "epochs" in training)
        except KeyboardInterrupt as interrupted:
            raise Ended(_advise_resume(plan, interrupted)) from None


def _train(printer: Printer, plan: Plan, held: contextlib.ExitStack, *, resumed: bool, longer: bool) -> None:
    """Do what is planned; ``held`` takes the lock of a new run's folder.

    Where a launcher started several processes, all train; what is printed and written is rank 0's.
    """

    def check() -> None:
        if plan.output is not None:
            check_place(plan.output, "--output", plan.options.dataset)
        elif plan.card is not None:
            raise InputError("--card is kept in the model's file; name one by --output")
        if plan.plot is not None:
            check_picture(plan.plot)
        if plan.checkpoint is not None and not resumed:
            check_new(plan.checkpoint)

    def begin() -> None:
        assert plan.checkpoint is not None
        if not resumed:
            held.enter_context(FolderLock(make_folder(plan.checkpoint)))
            check_new(plan.checkpoint)  # again: another training may have begun in it since
        before.append(write_plan(dataclasses.replace(plan, backend=backend.spec)))

    def keep() -> None:
        if plan.output is not None:
            save_model(plan.output, prepared.model, plan.card)
        if plan.plot is not None:
            draw_training(plan.plot, prepared)

    before: list[Any] = []
    ranks = Ranks.find(plan.backend, plan.threads)
    held.enter_context(ranks.calling())
    if not ranks.leads:
        printer.silence()
    ranks.lead(check)
    backend = choose_backend(plan.backend, plan.threads)
    prepared = ranks.together(lambda: PreparedTraining.prepare(plan.options, backend))
    if longer and prepared.settings.members > 1:
        raise InputError(
            f"--epochs cannot be given: the {prepared.settings.members} networks of this training each end with their "
            "schedule; train anew, with more epochs"
        )
    announce(printer, prepared)
    if ranks.note:
        printer.line(ranks.note)
    if plan.checkpoint is not None:
        ranks.lead(begin)
    try:
        prepared.train(curves=plan.plot is not None, **plan.fit_options(resume=resumed), **ranks.fit_options)
    except BpxError:
        if before and prepared.model.network.training is None:  # refused before the first step
            restore_plan(str(plan.checkpoint), before[0])
        raise
    ranks.lead(keep)
    conclude(printer, prepared, plan.output, plan.plot)


def _plan_new(dataset: str | None, training: dict[str, Any], around: dict[str, Any]) -> Plan:
    if dataset is None:
        known = ", ".join(names())
        raise InputError(f"no data set given; name one of {known}, or a file: bpx train data.csv --target COLUMN")
    return Plan(TrainOptions(dataset, **training), **around)


def _read_card(path: str) -> str:
    """Return the text of a model card.

    Raises
    ------
    InputError
        If there is no such file, or it holds no text, or more than a model's file takes.
    """
    try:
        if os.path.getsize(path) > 4 * LARGEST_CARD:  # a character has up to four bytes
            raise InputError(f"--card {path} is too large: a card has up to {LARGEST_CARD:,} characters")
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise InputError(f"--card {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--card {path} is no text in UTF-8: {error}") from error
    if len(text) > LARGEST_CARD:
        raise InputError(f"--card {path} is too large: a card has up to {LARGEST_CARD:,} characters")
    return text


def _check_resumed(dataset: str | None, given: dict[str, Any]) -> None:
    """Raise if something is given that a training cannot change on its way."""
    fixed = [f"--{name.replace('_', '-')}" for name in given if name not in CHANGEABLE]
    if dataset is not None:
        fixed.insert(0, f"DATASET ({dataset})")
    if fixed:
        raise InputError(
            f"--resume goes on with a training as it was begun, so {', '.join(fixed)} cannot be given; what can be: "
            f"{', '.join('--' + name.replace('_', '-') for name in CHANGEABLE)}"
        )


def _advise_resume(plan: Plan, interrupted: KeyboardInterrupt) -> str:
    """Return what a training that a signal ends says: where it stood, and the line that resumes it."""
    where = str(interrupted).partition(";")[0] if isinstance(interrupted, Interrupted) else "interrupted"
    if plan.checkpoint is None:
        return f"{where}; nothing is kept (--checkpoint FOLDER keeps what it takes to go on)"
    if not is_begun(plan.checkpoint):
        return f"{where}; the training had not begun"
    if isinstance(interrupted, Interrupted) and interrupted.checkpoint is None:
        return f"{where}; no checkpoint could be written to {plan.checkpoint}"
    folder = subprocess.list2cmdline([plan.checkpoint]) if os.name == "nt" else shlex.quote(plan.checkpoint)
    return f"{where}; go on with: bpx train --resume {folder}"
