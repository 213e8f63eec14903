"""What all commands share: their options, and how they end, with an exit code and one line for a user's mistake."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from bpx.cli.advice import offer_options, translate
from bpx.cli.signals import Ended, Signals
from bpx.errors import BpxError, FileWarning, InputError
from bpx.markup import escape_controls

if TYPE_CHECKING:
    from bpx.backend import Backend
    from bpx.distributed.launchers import Launch

__all__ = [
    "DATA",
    "BackendOption",
    "Command",
    "Commands",
    "DecimalOption",
    "EncodingOption",
    "JsonOption",
    "SharedCommand",
    "SheetOption",
    "StrictOption",
    "ThreadsOption",
    "choose_backend",
    "complain",
]

DATA = "The data"
"""The panel of options about files of data."""

MISTAKE, NOBODY_READS = 2, 1
"""Exit codes: of a user's mistake, and of a pipe whose reader has gone."""

SECONDS_FOR_RANK_0 = 3.0
"""How long another rank waits with a mistake, which is probably rank 0's too."""


BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="numpy, cupy, torch, jax or mlx, with a device as in cupy:1 or torch:cuda:0; or auto, a CUDA device where "
        "one works. By default what BPX_BACKEND says, else numpy.",
    ),
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="Threads to compute on. By default as many as the array library was told (OMP_NUM_THREADS and its like, "
        "else all processors), and on numpy one for products too small to gain from more.",
    ),
]

EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Encoding of a file of text, such as cp1252 or utf-16; found by default.",
        rich_help_panel=DATA,
    ),
]

SheetOption = Annotated[
    str | None,
    typer.Option("--sheet", metavar="NAME", help="Sheet of a workbook; by default the first.", rich_help_panel=DATA),
]

DecimalOption = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar="MARK",
        help="What stands before decimals: a point or a comma; by default what the training was told, or found.",
        rich_help_panel=DATA,
    ),
]

StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse cells that cannot be read as in training, categories and classes that it never saw, and other "
        "spellings; by default a note tells what became of them.",
        rich_help_panel=DATA,
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def choose_backend(spec: str | None, threads: int | None = None) -> Backend:
    """Return the backend of the option ``--backend``, computing on the threads of ``--threads``.

    JAX has float64, and another number of threads, only if it is told so before it is first used. The command owns its
    process, so it tells it.

    Raises
    ------
    InputError, BackendError
        As `bpx.get_backend` does.
    """
    if threads is not None:
        from bpx.backend.threads import check_threads, set_threads

        set_threads(check_threads("--threads", threads))
        os.environ["NPROC"] = str(threads)  # what XLA reads
    name = spec or os.environ.get("BPX_BACKEND") or ""
    if name.strip().partition(":")[0] == "jax":
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    from bpx.backend import get_backend

    return get_backend(spec)


class Command(TyperCommand):
    """A command of bpx: one option is given once, and a mistake of the user's is told in words of the command.

    Where a launcher has started it several times, rank 0 alone does it.
    """

    shared = False
    """Whether several processes do it together."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments of the command.

        Raises
        ------
        InputError
            If an option is given twice that can be given once.
        """
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            options = [one for one in given if one.param_type_name == "option" and not one.is_eager]  # --help is eager
            for option in options:
                if options.count(option) > 1 and not option.multiple:
                    names = " or ".join(sorted(option.opts, key=len, reverse=True))
                    raise InputError(f"{names} is given {options.count(option)} times; give it once")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a mistake of the user's ends it with one line, in words of the command's own options."""
        launch = None if self.shared else _find_launch()
        if launch is not None and launch.rank:
            return None
        if launch is not None and launch.size != 1:
            count = "several" if launch.size is None else launch.size
            complain(f"note: started as {count} processes, of which rank 0 does this alone; bpx train is shared by all")
        with offer_options([name for option in self.params for name in option.opts]):
            try:
                return super().invoke(ctx)
            except BpxError as error:
                if not _is_told_elsewhere(error):
                    _tell_mistake(_describe(error))
                raise typer.Exit(MISTAKE) from error


class SharedCommand(Command):
    """A command that several processes do together, where a launcher has started them."""

    shared = True


class Commands(TyperGroup):
    """The commands of bpx, with one ending for all of them."""

    def main(  # type: ignore[override] # all further options are passed on
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Run a command; leave the process with its exit code, unless ``standalone_mode`` is false."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        _prepare_streams()
        code: Any = None
        try:
            code = super().main(args, standalone_mode=False, **extra)
            sys.stdout.flush()
        except BpxError as error:
            _tell_mistake(str(error))
            code = MISTAKE
        except OSError as error:
            if not code:  # a terminal that has gone takes nothing of an exit code that says so
                code = NOBODY_READS if isinstance(error, BrokenPipeError) else MISTAKE
                if code == MISTAKE:
                    complain(str(error))
            _drop_output()
        except Exception as error:
            # Typer's own errors of usage: older versions take their classes from click, later ones bring them along.
            if not hasattr(error, "format_message"):
                raise
            _tell_mistake(error.format_message(), getattr(error, "ctx", None))
            code = MISTAKE
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named; Ctrl-C, SIGTERM and SIGHUP end it with one line."""
        with Signals() as signals:
            try:
                with _print_warnings():
                    return super().invoke(ctx)
            except KeyboardInterrupt as error:
                if not _is_told_elsewhere(error):
                    complain((isinstance(error, Ended) and str(error)) or signals.describe())
                raise typer.Exit(signals.exit_code) from None


@contextlib.contextmanager
def _print_warnings() -> Iterator[None]:
    """Write warnings about files as a line each on standard error, of several processes rank 0's."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", FileWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, FileWarning):
                launch = _find_launch()
                if launch is None or not launch.rank:
                    complain(f"warning: {message}")
            else:
                usual(escape_controls(str(message), keep="\n"), category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _prepare_streams() -> None:
    """Make both streams take any text: one that is closed, and one that cannot show what a column's name holds."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Send what is left of standard output nowhere: Python writes it when it ends, and would fail again."""
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file has nothing to fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_told_elsewhere(error: BaseException | None) -> bool:
    """Tell whether an exception ends several processes, and another one than this tells people of it."""
    communicators = sys.modules.get("bpx.distributed.communicator")  # not imported: there is no other
    while error is not None and communicators is not None:
        if communicators.is_spoken_elsewhere(error):
            return True
        error = error.__context__
    return False


def _describe(error: BpxError) -> str:
    """Return the message of an error, and where it comes from: of several processes one that is not the first."""
    notes = (note for note in getattr(error, "__notes__", ()) if note.startswith("on rank "))
    return "; ".join([str(error), *(note for note in notes if not note.startswith("on rank 0 "))])


def _find_launch() -> Launch | None:
    """Return how a launcher has started this process; None where it has not, or those it started are strangers."""
    from bpx.distributed.launchers import find_launch

    try:
        return find_launch()
    except InputError:
        return None


def _tell_mistake(message: str, context: Any = None) -> None:
    """Write a mistake on standard error, on rank 0 at once.

    Processes that have not met yet make the same mistakes, and a launcher ends all at the first that ends: another rank
    waits for that, and tells its mistake if rank 0 has made none.
    """
    launch, communicators = _find_launch(), sys.modules.get("bpx.distributed.communicator")
    have_met = communicators is not None and communicators.find_place() is not None
    if launch is not None and launch.rank and not have_met:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to be told of it
        time.sleep(SECONDS_FOR_RANK_0)
    complain(message, context)


def complain(message: str, context: Any = None) -> None:
    """Write one line on standard error."""
    line = escape_controls(" ".join(translate(message).split("\n")).strip())
    help_line = "" if context is None else f" (see {context.command_path} --help)"
    with contextlib.suppress(OSError):  # a terminal that has gone
        print(f"bpx: {line}{help_line}", file=sys.stderr, flush=True)
