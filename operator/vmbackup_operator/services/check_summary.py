"""What a check found, in a few words: how much, of which kinds, and what is worst; pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.check import CheckReport, Finding
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.upkeep.ports import JobDone

#: The worst are named, so many in the message and so many in Events of their own.
_NAMED: Final = 3
_EVENTS: Final = 5
_NAMED_CHARACTERS: Final = 250
_DISKS: Final = 2


def summed_up(report: CheckReport) -> JobDone:
    """Return what people are told of *report*."""
    looked = (
        f"{counted(report.points, 'recovery point')}, {counted(report.chains, 'disk chain')}, "
        f"{counted(report.commits, 'commit')} and {counted(report.packs, 'pack')} looked at"
    )
    if report.archived_packs:
        looked += f" ({counted(report.archived_packs, 'pack')} of them in the Archive tier)"
    healed = f"; {counted(len(report.healed), 'damaged object')} healed" if report.healed else ""
    if report.good:
        return JobDone(f"{looked}: nothing found{healed}")
    worst = sorted(report.findings, key=_gravity, reverse=True)
    named = "; ".join(_named(each) for each in worst[:_NAMED])
    kinds = Counter(each.what for each in report.findings)
    total = counted(len(report.findings) + report.left_out, "finding")
    by_kind = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    hurt = {run for each in report.findings for run in each.points}
    message = (
        f"{total} ({by_kind}), {counted(len(hurt), 'recovery point')} hurt: {named}{healed}; "
        f"{looked}; vmbackup repository check lists all"
    )
    return JobDone(
        cut(message, MAX_MESSAGE), findings=True, events=tuple(map(_named, worst[:_EVENTS]))
    )


def _gravity(finding: Finding) -> tuple[int, int, str]:
    lost = sum(hurt.lost_bytes for hurt in finding.hurt)
    return len(finding.points), lost, finding.object


def _named(finding: Finding) -> str:
    """Return the object, what is wrong with it, and which disks and points that hurts."""
    disks = sorted({(hurt.disk, hurt.lost_bytes, hurt.extents[:1]) for hurt in finding.hurt})
    told = [_lost(disk, lost, extents) for disk, lost, extents in disks[:_DISKS]]
    if len(disks) > _DISKS:
        told.append(f"{len(disks) - _DISKS} more")
    hurt = f", hurts {', '.join(told)}" if told else ""
    points = f" in {counted(len(finding.points), 'recovery point')}" if finding.points else ""
    said = f"{finding.object} in {finding.place}: {finding.what}{hurt}{points}"
    return cut(said if hurt or points else f"{said}: {finding.found}", _NAMED_CHARACTERS)


def _lost(disk: str, lost_bytes: int, extents: tuple[Extent, ...]) -> str:
    at = f" from byte {extents[0].offset}" if extents else ""
    return f"{amount(lost_bytes)} of disk {disk}{at}"
