"""``vmbackup repository check``."""

from __future__ import annotations

from vmbackup_core.repository.control.check import CheckReport
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_operator.cli.commands import Check
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.findings import cost_of, finding_as_json
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine, counted


def check(asked: Check, console: Console) -> int:
    """Print what is not as it was written."""
    repository = open_at(asked.where, console)
    line = ProgressLine("check", console, quiet=asked.where.quiet)
    with counted(line, "look") as one_more:
        # Bytes tell more than looks, where bytes are read.
        on_look = (lambda: None) if asked.read_data else one_more
        report = repository.check(
            read_data=asked.read_data,
            progress=line.show,
            on_look=on_look,
            expect_head=asked.expect_head,
        )
    head = repository.head()
    if asked.where.output == "json":
        console.write_json(_as_json(report, head, read_data=asked.read_data))
    else:
        _write_report(report, head, console, read_data=asked.read_data)
    return GOOD if report.good else DAMAGE


def _as_json(report: CheckReport, head: Head | None, *, read_data: bool) -> dict[str, object]:
    """Return the report with the fields that docs/operations.md promises."""
    return {
        "good": report.good,
        "readData": read_data,
        "findings": [finding_as_json(each) for each in report.findings],
        "healed": [finding_as_json(each) for each in report.healed],
        "leftOut": report.left_out,
        "head": None if head is None else _text(head),
        "points": report.points,
        "chains": report.chains,
        "commits": report.commits,
        "indexes": report.indexes,
        "packs": report.packs,
        "unreferencedPacks": report.unreferenced_packs,
        "archivedPacks": report.archived_packs,
        "readBytes": report.read_bytes,
        "copies": report.copies,
        "copiedBytes": report.copied_bytes,
    }


def _text(head: Head) -> str:
    return f"{head.number}:{head.sha256}"


def _write_report(
    report: CheckReport, head: Head | None, console: Console, *, read_data: bool
) -> None:
    looked = ("every byte of " if read_data else "the sizes of ") + number_of(report.packs, "pack")
    console.write_line(
        f"{number_of(report.points, 'recovery point')}, {number_of(report.chains, 'disk')},"
        f" {number_of(report.commits, 'commit')}, {number_of(report.indexes, 'index')}, {looked}"
        f" ({report.unreferenced_packs} not referred to)"
    )
    if report.archived_packs:
        packs = number_of(report.archived_packs, "pack")
        console.write_line(f"{packs} of these in the Archive tier: their sizes alone, nothing read")
    if read_data:
        console.write_line(f"read {size(report.read_bytes)}")
    if report.copies:
        copies = "1 copy" if report.copies == 1 else f"{report.copies} copies"
        console.write_line(
            f"{copies} ({size(report.copied_bytes)}) of packs in the Archive tier: a restore reads"
            " them, and whoever had them made removes them"
        )
    if head is not None:
        console.write_line(f"head {_text(head)}")
    for each in report.healed:
        console.write_line(f"HEALED {each.place}/{each.object}: {each.found}")
    for each in report.findings:
        console.write_line(f"DAMAGED {each.place}/{each.object}: {each.found}{cost_of(each)}")
    if report.left_out:
        console.write_line(f"and {report.left_out} more")
    console.write_line(_sum(report))


def _sum(report: CheckReport) -> str:
    if report.good:
        return "nothing found"
    hurt = {run for each in report.findings for run in each.points}
    damaged = number_of(len(report.findings), "damaged object")
    return f"{damaged}, referred to by {number_of(len(hurt), 'recovery point')}"
