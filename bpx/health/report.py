"""What `diagnose` returns: findings, each with its numbers and what to try."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from bpx.markup import make_table

SEVERITIES = ("note", "warning", "severe")
"""From a thing to know of to one that stops learning."""


@dataclass(frozen=True)
class Finding:
    """One thing that goes wrong.

    Attributes
    ----------
    name : str
        Which illness: one of `bpx.health.CHECKS`.
    severity : str
        "note", "warning" or "severe".
    layer : int or None
        Number of the layer in ``net.layers``; None where it concerns the data or the whole network.
    message : str
        What was found, with the numbers that matter most.
    numbers : dict
        All numbers behind it, as plain data.
    advice : str
        What to try.

    See Also
    --------
    bpx.health.HealthReport : What was looked for and found.
    diagnose : Find what keeps a network from learning.

    Examples
    --------
    >>> import bpx
    >>> from bpx.notebook import notebook_xor
    >>> finding = bpx.diagnose(notebook_xor(as_published=True, epochs=100).network, *bpx.datasets.xor()).findings[0]
    >>> finding.name, finding.severity
    ('frozen_parameters', 'warning')
    """

    name: str
    severity: str
    layer: int | None
    message: str
    numbers: dict[str, Any]
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {
            "name": self.name, "severity": self.severity, "layer": self.layer, "message": self.message,
            "numbers": self.numbers, "advice": self.advice,
        }  # fmt: skip

    def __str__(self) -> str:
        where = "" if self.layer is None else f", layer {self.layer}"
        head = f"{self.severity.upper()} {self.name.replace('_', ' ')}{where}"
        body = [self.message, f"Try: {self.advice}"]
        wrap = {"width": 110, "initial_indent": "  ", "subsequent_indent": "  "}
        return "\n".join([head, *(line for text in body for line in textwrap.wrap(text, **wrap))])  # type: ignore[arg-type]


@dataclass(frozen=True)
class HealthReport:
    """What was looked for and what was found.

    Attributes
    ----------
    findings : tuple of Finding
        The worst first; empty for a healthy network.
    checked : tuple of str
        Names of the illnesses looked for.
    skipped : dict of str
        Names of those not looked for, with the reason.

    See Also
    --------
    bpx.health.Finding : One thing that goes wrong.
    diagnose : Find what keeps a network from learning.

    Examples
    --------
    >>> import bpx
    >>> from bpx.notebook import notebook_xor
    >>> report = bpx.diagnose(notebook_xor(as_published=True, epochs=100).network, *bpx.datasets.xor())
    >>> report.healthy, report.names
    (False, ('frozen_parameters',))
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what was found, each once."""
        return tuple(dict.fromkeys(finding.name for finding in self.findings))

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        raise TypeError("a report is neither true nor false; ask report.healthy, or report.findings for what was found")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "healthy": self.healthy, "findings": [finding.to_dict() for finding in self.findings],
            "checked": list(self.checked), "skipped": dict(self.skipped),
        }  # fmt: skip

    def to_json(self, indent: int | None = None) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        looked = f"Looked for {', '.join(name.replace('_', ' ') for name in self.checked)}."
        skipped = [f"Not looked for: {name.replace('_', ' ')} ({why})." for name, why in self.skipped.items()]
        found = [str(finding) for finding in self.findings] or ["Nothing found that hinders learning."]
        rest = [line for text in [looked, *skipped] for line in textwrap.wrap(text, 110)]
        return "\n\n".join([*found, "\n".join(rest)])

    def _repr_html_(self) -> str:
        if self.healthy:
            return f"<p><b>Healthy.</b> {escape(str(self).replace(chr(10), ' '))}</p>"
        header = ("severity", "finding", "layer", "numbers", "what to try")
        rows = [
            (f.severity, f.name.replace("_", " "), "" if f.layer is None else str(f.layer), f.message, f.advice)
            for f in self.findings
        ]
        return make_table(header, rows)
