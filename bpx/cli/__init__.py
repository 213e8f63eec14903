"""The command line: ``bpx`` and ``python -m bpx``. It needs the extra ``cli``, typer and rich."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bpx.optional import advise_install

__all__ = ["main"]

_LIBRARIES = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands behind ``bpx``; by default those of the process.

    Raises
    ------
    SystemExit
        Always. The code is 0 after a success, 2 after a mistake of the user's, which one line on standard error names,
        130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP.
    """
    try:
        from bpx.cli.app import app

        app(args=None if arguments is None else list(arguments), prog_name="bpx")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _LIBRARIES:
            raise
        needed = f"the command line needs {error.name}, which is not installed: {advise_install('cli')}"
        print(f"bpx: {needed}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # before a command has begun; afterwards the commands see to it
        print("bpx: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
