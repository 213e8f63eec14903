"""What ``bpx train`` does: prepare, train, keep, report; and end well where it is interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

import typer

from bpx.cli.group import INTERRUPTED, choose_backend, complain
from bpx.cli.model_files import check_place, save_model
from bpx.cli.pictures import check_picture, draw_training
from bpx.cli.prepared_training import PreparedTraining
from bpx.cli.printing import Printer
from bpx.cli.run_folder import CHANGEABLE, Plan, check_new, read_plan, write_plan
from bpx.cli.train_options import TrainOptions
from bpx.cli.train_report import announce, conclude
from bpx.datasets import names
from bpx.errors import CheckpointWarning, InputError, Interrupted

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
    typer.Exit
        With code 130, after Ctrl-C.
    """
    plan = _plan_new(dataset, training, around) if resume is None else _plan_resumed(resume, dataset, training | around)
    if plan.output is not None:
        check_place(plan.output, "--output", plan.options.dataset)
    if plan.plot is not None:
        check_picture(plan.plot)
    if resume is None and plan.checkpoint is not None:
        check_new(plan.checkpoint)
    backend = choose_backend(plan.backend)
    prepared = PreparedTraining.prepare(plan.options, backend)
    announce(printer, prepared)
    if plan.checkpoint is not None:
        write_plan(dataclasses.replace(plan, backend=backend.spec))
    try:
        with _print_warnings():
            prepared.train(curves=plan.plot is not None, **plan.fit_options(resume=resume is not None))
    except Interrupted as interrupted:
        complain(_advise_resume(plan, interrupted))
        raise typer.Exit(INTERRUPTED) from None
    if plan.output is not None:
        save_model(plan.output, prepared.model)
    if plan.plot is not None:
        draw_training(plan.plot, prepared)
    conclude(printer, prepared, plan.output, plan.plot)


def _plan_new(dataset: str | None, training: dict[str, Any], around: dict[str, Any]) -> Plan:
    if dataset is None:
        raise InputError(f"which data set? One of {', '.join(names())}, or a file: bpx train data.csv --target COLUMN")
    return Plan(TrainOptions(dataset, **training), **around)


def _plan_resumed(folder: str, dataset: str | None, given: dict[str, Any]) -> Plan:
    fixed = [f"--{name.replace('_', '-')}" for name in given if name not in CHANGEABLE]
    if dataset is not None:
        fixed.insert(0, f"DATASET ({dataset})")
    if fixed:
        raise InputError(
            f"--resume goes on with a training as it was begun, so {', '.join(fixed)} cannot be given; what can be: "
            f"{', '.join('--' + name.replace('_', '-') for name in CHANGEABLE)}"
        )
    return read_plan(folder, given)


def _advise_resume(plan: Plan, interrupted: Interrupted) -> str:
    where = str(interrupted).partition(";")[0]
    if plan.checkpoint is None:
        return f"{where}; nothing is kept (--checkpoint FOLDER keeps what it takes to go on)"
    if interrupted.checkpoint is None:
        return f"{where}; no checkpoint could be written to {plan.checkpoint}"
    return f"{where}; go on with: bpx train --resume {plan.checkpoint}"


@contextlib.contextmanager
def _print_warnings() -> Iterator[None]:
    """Write warnings about checkpoints as a line each on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, CheckpointWarning):
                print(f"bpx: warning: {message}", file=sys.stderr)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
