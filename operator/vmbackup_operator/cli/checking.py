"""``vmbackup repository check``."""

from __future__ import annotations

from vmbackup_core.repository import CheckReport, Finding
from vmbackup_operator.cli.arguments import Check
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine, counted

#: How many recovery points are named beside one object.
MOST_NAMED = 8


def check(asked: Check, console: Console) -> int:
    """Print what is not as it was written."""
    repository = open_at(asked.where, console).repository
    line = ProgressLine("check", console, quiet=asked.where.quiet)
    with counted(line, "look") as one_more:
        # Bytes tell more than looks, where bytes are read.
        on_look = None if asked.read_data else one_more
        report = repository.check(read_data=asked.read_data, progress=line.show, on_look=on_look)
    if asked.where.output == "json":
        console.write_json(_as_json(report, read_data=asked.read_data))
    else:
        _write_report(report, console, read_data=asked.read_data)
    return GOOD if report.good else DAMAGE


def _as_json(report: CheckReport, *, read_data: bool) -> dict[str, object]:
    """Return the report with the fields that docs/operations.md promises."""
    return {
        "good": report.good,
        "readData": read_data,
        "findings": [
            {"object": each.object, "found": each.found, "points": list(each.points)}
            for each in report.findings
        ],
        "points": report.points,
        "chains": report.chains,
        "commits": report.commits,
        "indexes": report.indexes,
        "packs": report.packs,
        "unreferencedPacks": report.unreferenced_packs,
        "readBytes": report.read_bytes,
    }


def _write_report(report: CheckReport, console: Console, *, read_data: bool) -> None:
    looked = ("every byte of " if read_data else "the sizes of ") + number_of(report.packs, "pack")
    console.write_line(
        f"{number_of(report.points, 'recovery point')}, {number_of(report.chains, 'disk')},"
        f" {number_of(report.commits, 'commit')}, {number_of(report.indexes, 'index')}, {looked}"
        f" ({report.unreferenced_packs} not referred to)"
    )
    if read_data:
        console.write_line(f"read {size(report.read_bytes)}")
    for each in report.findings:
        console.write_line(f"DAMAGED {each.object}: {each.found}{_hurt(each)}")
    console.write_line(_sum(report))


def _hurt(finding: Finding) -> str:
    named, more = finding.points[:MOST_NAMED], len(finding.points) - MOST_NAMED
    if not named:
        return "; no recovery point refers to it"
    return f"; referred to by {', '.join(named)}" + (f" and {more} more" if more > 0 else "")


def _sum(report: CheckReport) -> str:
    if report.good:
        return "nothing found"
    hurt = {run for each in report.findings for run in each.points}
    damaged = number_of(len(report.findings), "damaged object")
    return f"{damaged}, referred to by {number_of(len(hurt), 'recovery point')}"
