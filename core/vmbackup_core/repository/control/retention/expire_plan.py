"""Which points and commits no longer need to count: planned on the log, nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.log.log_entries import Expiring, ExpiringDisk, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.retention.in_force import LiveRule, Stamp, rules_in_force
from vmbackup_core.retention.keeping import InForce, Why, keep
from vmbackup_core.stores.port import Store

#: Namespace and name of the policy (both None: made without one), and the VM's id in lower case.
Group = tuple["str | None", "str | None", str]


def group_named(namespace: str | None, policy: str | None, vm_arm_id: str) -> Group:
    """Return the group of points that are judged together: a VM's, by the policy that made them."""
    return namespace, policy, vm_arm_id.encode().lower().decode()


class Rules(Protocol):
    """What policies say of retention."""

    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        """Return the rule of a policy; None where there is no such policy any more."""


@dataclass(frozen=True, slots=True)
class KnownPoint:
    """What a point says that decides about it: with which it is judged, and its stamp."""

    group: Group
    stamp: Stamp

    @staticmethod
    def of(point: RecoveryPoint) -> KnownPoint:
        """Return what *point* says."""
        group = group_named(point.policy_namespace, point.policy_name, point.vm_id)
        return KnownPoint(group, point.retention.stamp)


@dataclass(frozen=True, slots=True)
class CountedPoint:
    """A point that counts and that opens."""

    entry: Recorded
    known: KnownPoint


@dataclass(frozen=True, slots=True)
class JudgedPoint:
    """A point, and all that keeps it: where nothing does, it goes."""

    counted: CountedPoint
    whys: tuple[Why, ...]


#: Tells that blocks of a point are lost.
IsHurt = Callable[[Recorded], bool]


@dataclass(frozen=True, slots=True)
class Letting:
    """Says when rules are applied: *delay* is how long a shorter one waits."""

    rules: Rules
    delay: timedelta
    now: datetime


def plan_points(
    points: Sequence[CountedPoint], letting: Letting, is_hurt: IsHurt = lambda _entry: False
) -> list[Expiring]:
    """Return the points that their rules no longer keep."""
    judged = judge_points(points, letting, is_hurt)
    return [entry_of(each.counted.entry) for each in judged if not each.whys]


def judge_points(
    points: Sequence[CountedPoint], letting: Letting, is_hurt: IsHurt = lambda _entry: False
) -> list[JudgedPoint]:
    """Return each of *points* with all that keeps it, group by group, the oldest of each first.

    *points* are all that count and open. One that does not open has no group: it goes by order of
    a person only, and it keeps none of the others from going. *is_hurt* is asked of few: of the
    newest, until enough of them are whole.
    """
    groups: defaultdict[Group, list[CountedPoint]] = defaultdict(list)
    for each in sorted(points, key=lambda each: (each.entry.created_at, each.entry.run)):
        groups[each.known.group].append(each)
    return [judged for group in groups.values() for judged in _judge(group, letting, is_hurt)]


def plan_pointless(
    control: Control,
    data: Store,
    state: LogState,
    chain: ChainId,
    has_ended: Callable[[RunId], bool],
) -> Iterator[Expiring]:
    """Yield the commits of *chain* whose manifests are there and whose runs made no point.

    *has_ended* tells that no session and no claim has the run any more. A run that records its
    point in between is seen when the entry is appended (S13).
    """
    for named in _manifests(data, chain):
        place = chain, named.slot
        if place in state.counted_places or place in state.expiring_places:
            continue
        found = find_commit(control, chain, named.slot)
        commit = None if found is None else found.commit
        if commit is None or commit.kind != "backup" or commit.run_id is None:
            continue
        if parse_data(commit.manifest_name or "") == named and has_ended(commit.run_id):
            yield Expiring(
                phase="begun", vm=None, run=None, disks=(ExpiringDisk(chain, named.slot),)
            )


def entry_of(counted: Recorded) -> Expiring:
    """Return the entry with which *counted* stops to count."""
    disks = tuple(ExpiringDisk(chain, slot) for chain, slot in counted.places)
    return Expiring(phase="begun", vm=counted.vm, run=counted.run, disks=disks)


def rules_of_group(newest: KnownPoint, letting: Letting) -> tuple[InForce, ...]:
    """Return the retentions that count for the group of which *newest* is the newest point."""
    namespace, policy, _ = newest.group
    live = None
    if namespace is not None and policy is not None:
        live = letting.rules.live_rule(namespace, policy)
    return rules_in_force(live, newest.stamp, letting.delay, letting.now)


def _judge(
    group: Sequence[CountedPoint], letting: Letting, is_hurt: IsHurt
) -> Iterator[JudgedPoint]:
    rules = rules_of_group(group[-1].known, letting)
    whys = keep(
        [each.entry.created_at for each in group],
        rules,
        letting.now,
        lambda place: is_hurt(group[place].entry),
    )
    yield from (JudgedPoint(each, whys.get(place, ())) for place, each in enumerate(group))


def _manifests(data: Store, chain: ChainId) -> Iterator[ManifestName]:
    for each in data.list(prefix_of_folder(chain, "m")):
        parsed = parse_data(each.name)
        if isinstance(parsed, ManifestName):
            yield parsed
