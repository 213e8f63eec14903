"""``bpx backends``: what works on this machine, on which devices, and why not."""

from __future__ import annotations

from bpx.cli.group import BackendOption, JsonOption, choose_backend
from bpx.cli.printing import Printer
from bpx.errors import BpxError

__all__ = ["backends"]


def backends(backend: BackendOption = None, json: JsonOption = False) -> None:
    """List the backends: what works here, on which devices, in which version, and why not.

    With --backend, end with an error if that one does not work here.
    """
    printer = Printer(json=json)
    from bpx.backend import backends as every

    try:
        default, note = choose_backend(backend).spec, ""
    except BpxError as error:
        if backend is not None:
            raise
        default, note = None, f"BPX_BACKEND names a backend that cannot be used here: {error}"
    found = every()
    printer.table(
        ("backend", "works", "devices", "version", "why not"),
        [
            (
                one.name,
                "yes" if one.available else "no",
                ", ".join(one.devices),
                one.version or "",
                " ".join(one.reason.removeprefix(f"backend {one.name!r} cannot be used: ").split()),
            )
            for one in found
        ],
        left=range(5),
    )
    printer.line()
    if note:
        printer.notes([note])
    else:
        printer.line(f"Commands compute on {default}{'' if backend else ', unless --backend says otherwise'}.")
    printer.result({"backends": [one._asdict() for one in found], "default": default})
