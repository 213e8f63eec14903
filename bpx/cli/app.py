"""The commands of ``bpx``, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from bpx._version import __version__
from bpx.cli.backends_command import backends
from bpx.cli.evaluate_command import evaluate
from bpx.cli.explain_command import explain
from bpx.cli.export_command import export
from bpx.cli.group import Command, Commands, SharedCommand
from bpx.cli.predict_command import predict
from bpx.cli.show_command import show
from bpx.cli.train_command import train
from bpx.cli.xor_command import xor

__all__ = ["app"]

app = typer.Typer(
    name="bpx",
    cls=Commands,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Feed-forward networks trained by backpropagation that one can read, on NumPy, CuPy, PyTorch, JAX and MLX.",
    epilog="'bpx COMMAND --help' lists the options of a command. A mistake ends with one line and exit code 2.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"bpx {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Feed-forward networks trained by backpropagation that one can read, on NumPy, CuPy, PyTorch, JAX and MLX."""
    if context.invoked_subcommand is None:
        text = context.get_help()
        if text:  # with rich, help is printed where it is made
            print(text)


for command in (xor, train, predict, evaluate, show, explain, export, backends):
    app.command(cls=SharedCommand if command is train else Command)(command)
