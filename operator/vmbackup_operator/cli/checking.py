"""``vmbackup repository check``."""

from __future__ import annotations

from vmbackup_core.repository import CheckReport
from vmbackup_operator.cli.arguments import Check
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, size
from vmbackup_operator.cli.progress import ProgressLine


def check(asked: Check, console: Console) -> int:
    """Print what is not as it was written."""
    repository = open_at(asked.where, console).repository
    with ProgressLine("read", console, quiet=asked.where.quiet) as line:
        report = repository.check(read_data=asked.read_data, progress=line.show)
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
        "findings": [{"object": each.object, "found": each.found} for each in report.findings],
        "points": report.points,
        "chains": report.chains,
        "commits": report.commits,
        "indexes": report.indexes,
        "packs": report.packs,
        "unreferencedPacks": report.unreferenced_packs,
        "readBytes": report.read_bytes,
    }


def _write_report(report: CheckReport, console: Console, *, read_data: bool) -> None:
    looked = f"every byte of {report.packs} packs" if read_data else f"{report.packs} packs' sizes"
    console.write_line(
        f"{report.points} recovery points, {report.chains} disks, {report.commits} commits,"
        f" {report.indexes} indexes, {looked} ({report.unreferenced_packs} not referred to)"
    )
    if read_data:
        console.write_line(f"read {size(report.read_bytes)}")
    for each in report.findings:
        console.write_line(f"DAMAGED {each.object}: {each.found}")
    console.write_line(
        "nothing found" if report.good else f"{len(report.findings)} objects are damaged"
    )
