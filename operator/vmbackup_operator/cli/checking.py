"""``vmbackup repository check``."""

from __future__ import annotations

from vmbackup_core.repository.control.check import CheckReport, Finding
from vmbackup_core.repository.control.heads import Head
from vmbackup_operator.cli.commands import Check
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine, counted

#: How many recovery points are named beside one object.
MOST_NAMED = 8


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
        "findings": [_finding_as_json(each) for each in report.findings],
        "healed": [_finding_as_json(each) for each in report.healed],
        "leftOut": report.left_out,
        "head": None if head is None else _text(head),
        "points": report.points,
        "chains": report.chains,
        "commits": report.commits,
        "indexes": report.indexes,
        "packs": report.packs,
        "unreferencedPacks": report.unreferenced_packs,
        "readBytes": report.read_bytes,
    }


def _finding_as_json(finding: Finding) -> dict[str, object]:
    return {
        "object": f"{finding.place}/{finding.object}",
        "what": finding.what,
        "found": finding.found,
        "points": list(finding.points),
        "hurt": [
            {
                "disk": each.disk,
                "chain": each.chain,
                "lostBytes": each.lost_bytes,
                "extents": [
                    {"offset": extent.offset, "length": extent.length} for extent in each.extents
                ],
                "points": list(each.points),
            }
            for each in finding.hurt
        ],
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
    if read_data:
        console.write_line(f"read {size(report.read_bytes)}")
    if head is not None:
        console.write_line(f"head {_text(head)}")
    for each in report.healed:
        console.write_line(f"HEALED {each.place}/{each.object}: {each.found}")
    for each in report.findings:
        console.write_line(f"DAMAGED {each.place}/{each.object}: {each.found}{_hurt(each)}")
    if report.left_out:
        console.write_line(f"and {report.left_out} more")
    console.write_line(_sum(report))


def _hurt(finding: Finding) -> str:
    named, more = finding.points[:MOST_NAMED], len(finding.points) - MOST_NAMED
    if not named:
        return "; no recovery point refers to it"
    lost = "".join(f"; {size(each.lost_bytes)} of {each.disk} lost" for each in finding.hurt)
    runs = f"; referred to by {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
    return lost + runs


def _sum(report: CheckReport) -> str:
    if report.good:
        return "nothing found"
    hurt = {run for each in report.findings for run in each.points}
    damaged = number_of(len(report.findings), "damaged object")
    return f"{damaged}, referred to by {number_of(len(hurt), 'recovery point')}"
