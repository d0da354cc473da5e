"""``vmbackup repository expire --dry-run``: why each recovery point is kept, and which would go.

Without a cluster there are no policies: points are judged by what is written on them, as they are
when their policy is gone, or by a retention that is tried on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from typing_extensions import override

from vmbackup_core.repository.control.retention.expire_plan import JudgedPoint, Letting, Rules
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.cli.commands import Expire
from vmbackup_operator.cli.complaints import DAMAGE, GOOD, complaint_of
from vmbackup_operator.cli.opening import complain_of_log, open_at
from vmbackup_operator.cli.printing import Console, number_of

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: So many points are read side by side between two looks.
_AT_ONCE = 256


class JudgedRow(msgspec.Struct, frozen=True, rename="camel"):
    """A point as ``--output json`` has it: docs/operations.md promises these fields."""

    run_id: str
    vm_id: str
    created_at: datetime
    policy_namespace: str
    policy_name: str
    kept: bool
    because: list[str]


@dataclass(frozen=True, slots=True)
class _Tried(Rules):
    """Every policy says the same and has said it for long; None: there is no policy."""

    retention: Retention | None

    @override
    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        return None if self.retention is None else LiveRule(self.retention, _LONG_AGO)


def expire(asked: Expire, console: Console) -> int:
    """Print why each point is kept or that it would go, the oldest of each VM first."""
    repository, book = open_at(asked.where, console), PointBook()
    repository.reading().check_history()
    for _left in repository.upkeep.read_points(book, _AT_ONCE):
        pass
    letting = Letting(_Tried(asked.retention), timedelta(0), datetime.now(UTC))
    judged = [
        each
        for each in repository.upkeep.judge_points(book, letting)
        if asked.vm is None or _is_of(each, asked.vm)
    ]
    if asked.where.output == "json":
        console.write_json([_row(each) for each in judged])
    else:
        _write(judged, console)
    unreadable = repository.upkeep.unreadable_points(book)
    for entry in unreadable:
        damage = book.damage(entry)
        if damage is not None:
            console.complain(complaint_of(damage))
    return DAMAGE if complain_of_log(repository, console) or unreadable else GOOD


def _is_of(judged: JudgedPoint, vm: str) -> bool:
    return folded(vm) in {_vm_id(judged), _vm_name(judged)}


def _vm_id(judged: JudgedPoint) -> str:
    """Return the VM's ARM id; its points are judged together whatever the case of it is."""
    return judged.counted.known.group[2]


def _vm_name(judged: JudgedPoint) -> str:
    return _vm_id(judged).rsplit("/", 1)[-1]


def _row(judged: JudgedPoint) -> JudgedRow:
    namespace, policy, vm_id = judged.counted.known.group
    return JudgedRow(
        run_id=judged.counted.entry.run,
        vm_id=vm_id,
        created_at=_made(judged),
        policy_namespace=namespace or "",
        policy_name=policy or "",
        kept=bool(judged.whys),
        because=list(map(str, judged.whys)),
    )


def _made(judged: JudgedPoint) -> datetime:
    moment = judged.counted.entry.created_at
    return datetime.combine(moment.date(), moment.time(), UTC)


def _write(judged: Sequence[JudgedPoint], console: Console) -> None:
    rows = [
        (
            each.counted.entry.run,
            _vm_name(each),
            f"{_made(each):%Y-%m-%dT%H:%M:%SZ}",
            "/".join(part for part in each.counted.known.group[:2] if part),
            "kept" if each.whys else "goes",
            ", ".join(map(str, each.whys)),
        )
        for each in judged
    ]
    console.write_table(("RUN", "VM", "CREATED", "POLICY", "WOULD BE", "BECAUSE"), rows)
    going = sum(not each.whys for each in judged)
    points = number_of(len(judged), "recovery point")
    console.write_line(f"{points}, {going} of which would go")
