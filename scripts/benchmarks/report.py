"""The report: plain text for a terminal, Markdown for the documentation, and one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring import Case, Line, Spread
from benchmarks.targets import NOT_RUN, Verdict, judge, targets

Run = Mapping[str, Case]
HEADINGS = ("target", "at most", "measured", "quartiles", "holds")


def header(machine: Mapping[str, Any]) -> list[str]:
    """Return the lines that name the machine, the libraries and the threads."""
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in machine["versions"].items())
    load = "" if machine["load"] is None else f", load {machine['load']}"
    return [
        f"Date       {machine['date']}",
        f"Machine    {machine['system']}, {machine['cpu']}, {machine['cpus']} CPUs{load}",
        f"CUDA       {machine['cuda'] or 'no CUDA device'}",
        f"Libraries  Python {machine['python']}, {versions} (Keras on {machine['keras_backend']})",
        f"BLAS       NumPy built with {machine['blas']}",
        f"Threads    {machine['threads']} for each library",
        *(f"           {pool}" for pool in machine["pools"]),
        f"Waiting    {machine['waited']} s for processors near each other; {machine['repeated']} rounds made again",
    ]


def verdict_rows(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return group and cells of the targets whose cases were run; of several runs, each figure and if they agree."""
    rows: list[tuple[str, list[str]]] = []
    for target in targets():
        verdicts = [judge(target, run) for run in runs]
        if all(verdict.reason == NOT_RUN for verdict in verdicts):
            continue
        limit = f"{target.limit:g}" if target.limit != 1 or target.fact or not target.wherever else "below 1"
        measured = " ".join(_figure(verdict.value) for verdict in verdicts)
        rows.append((target.group, [target.text, limit, measured, _quartiles(verdicts), holds(verdicts)]))
    return rows


def holds(verdicts: Sequence[Verdict]) -> str:
    """Return "yes", "no", why it is not known, or that the runs do not agree."""
    answers = [verdict.reason if verdict.holds is None else "yes" if verdict.holds else "no" for verdict in verdicts]
    if len(set(answers)) > 1:
        return f"runs disagree: {', '.join(answers)}"
    reasons = [verdict.reason for verdict in verdicts if verdict.holds and verdict.reason]
    return f"{answers[0]} ({'; '.join(reasons)})" if reasons else answers[0]


def text(runs: Sequence[Run], machine: Mapping[str, Any]) -> str:
    """Return the whole report as plain text."""
    parts = ["\n".join(header(machine)), _text_cases(runs)]
    parts.append("\n".join(_aligned([list(HEADINGS), *_grouped(verdict_rows(runs))], "<>>><")))
    return "\n\n".join(parts) + "\n"


def markdown(runs: Sequence[Run], machine: Mapping[str, Any]) -> str:
    """Return the machine and the table of targets as Markdown."""
    lines = [
        "```text",
        *header(machine),
        "```",
        "",
        f"| {' | '.join(('', *HEADINGS))} |",
        "|---|---|---:|---:|---:|---|",
    ]
    previous = ""
    for group, cells in verdict_rows(runs):
        lines.append(f"| {group if group != previous else ''} | {' | '.join(cells)} |")
        previous = group
    lines += ["", "| case | peer | median | quartiles | of bpx | final loss |", "|---|---|---:|---:|---:|---:|"]
    for case in runs[0].values():
        title = f"{case.title}, {case.unit}"
        for name in case.lines:
            lines.append(f"| {title} | {' | '.join(_cells(case, name))} |")
            title = ""
    return "\n".join(lines) + "\n"


def as_json(runs: Sequence[Run], machine: Mapping[str, Any], quick: bool) -> dict[str, Any]:
    """Return everything that was measured, ready for `json.dumps`."""
    return {
        "schema": 1,
        "quick": quick,
        "machine": dict(machine),
        "runs": [{"cases": [_case_json(case) for case in run.values()]} for run in runs],
        "targets": [
            {
                "group": target.group,
                "target": target.text,
                "case": target.case,
                "limit": target.limit,
                "runs": [_verdict_json(judge(target, run)) for run in runs],
            }
            for target in targets()
        ],
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    value = verdict.value
    figures = {} if value is None else {"ratio": value.median, "low": value.low, "high": value.high}
    return figures | {"holds": verdict.holds, "reason": verdict.reason}


def _case_json(case: Case) -> dict[str, Any]:
    lines = [
        {"peer": line.peer, "seconds": line.seconds, "loss": line.loss, "note": line.note}
        for line in case.lines.values()
    ]
    return {
        "name": case.name,
        "title": case.title,
        "unit": case.unit,
        "scale": case.scale,
        "peers": lines,
        "missing": case.missing,
        "facts": case.facts,
        "disagreement": case.disagreement,
    }


def _text_cases(runs: Sequence[Run]) -> str:
    blocks = []
    for number, run in enumerate(runs, 1):
        for case in run.values():
            title = f"{case.title} [{case.unit}]" + (f", run {number}" if len(runs) > 1 else "")
            table = [["  peer", "median", "quartiles", "of bpx", "final loss"]]
            table += [["  " + cells[0], *cells[1:]] for cells in (_cells(case, name) for name in case.lines)]
            lines = [title, *(_aligned(table, "<>>>>") if case.lines else [])]
            lines += [f"  {fact}: {value:.4g}" for fact, value in case.facts.items()]
            lines += [f"  missing: {name} ({reason})" for name, reason in case.missing.items()]
            lines += [f"  WARNING: {case.disagreement}"] if case.disagreement else []
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _cells(case: Case, name: str) -> list[str]:
    line: Line = case.lines[name]
    loss = "" if line.loss is None else f"{line.loss:.6g}"
    label = f"{name} ({line.note})" if line.note else name
    if not line.seconds:
        return [label, "", "", "", loss]
    spread = Spread.of([case.scale * seconds for seconds in line.seconds])
    bpx = next((other for other in case.lines if other.startswith("bpx")), name)
    against = case.ratio(name, bpx) if len(line.seconds) == len(case.lines[bpx].seconds) else None
    ratio = "" if against is None else f"{against.median:.2f}"
    return [label, f"{spread.median:.4g}", f"{spread.low:.4g}-{spread.high:.4g}", ratio, loss]


def _figure(value: Spread | None) -> str:
    return "-" if value is None else f"{value.median:.3g}"


def _quartiles(verdicts: Sequence[Verdict]) -> str:
    known = [verdict.value for verdict in verdicts if verdict.value is not None]
    return f"{min(v.low for v in known):.3g}-{max(v.high for v in known):.3g}" if known else "-"


def _grouped(rows: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    lines: list[list[str]] = []
    previous = ""
    for group, cells in rows:
        if group != previous:
            lines.append([group, "", "", "", ""])
        lines.append(["  " + cells[0], *cells[1:]])
        previous = group
    return lines


def _aligned(table: Sequence[Sequence[str]], sides: str) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
