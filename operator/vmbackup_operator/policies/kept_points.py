"""Why each point of a VM is kept and until when, by the policies that there are; pure.

It is what expire decides by, asked ahead of it, for people to see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.retention.expire_plan import Group
from vmbackup_core.retention.ends import Slots, kept_until, no_slots
from vmbackup_core.retention.in_force import LiveRule, Stamp, rules_in_force
from vmbackup_core.retention.keeping import Why, keep
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import BackupPolicy, StandingRetention
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.recovery_point import Kept
from vmbackup_operator.policies.keeping import slots_of

#: What is said of a point that no line keeps.
GOES = "nothing: it goes with the next pass of upkeep"


@dataclass(frozen=True, slots=True)
class PointFacts:
    """What decides about a point that counts."""

    run_id: RunId
    created_at: datetime
    group: Group
    stamp: Stamp
    is_hurt: bool = False


@dataclass(frozen=True, slots=True)
class Keeper:
    """What a policy says of its points in one repository, and when newer ones come there."""

    rule: LiveRule
    slots: Slots


@dataclass(frozen=True, slots=True)
class Keepers:
    """The policies that there are by namespace and name, and how long a shorter retention waits."""

    policies: Mapping[tuple[str, str], Keeper]
    delay: timedelta
    now: datetime

    def keeper_of(self, group: Group) -> Keeper | None:
        """Return what the policy says that made the points of *group*, while it is there."""
        namespace, name, _ = group
        return None if namespace is None or name is None else self.policies.get((namespace, name))


def keeper_of_backups(policy: BackupPolicy, now: datetime) -> Keeper:
    """Return what the policy says of what it backs up, and since when it is known to.

    A retention that its status does not have yet was edited just now.
    """
    return Keeper(_live(policy.spec.rule, policy.status.retention, now), slots_of(policy))


def keeper_of_archives(policy: BackupPolicy, now: datetime) -> Keeper | None:
    """Return the same of what the policy has copied; None where it has nothing copied.

    When the first point of the next week comes is not told: one may be made up for by a later one.
    """
    said, standing = policy.spec.archive_rule, policy.status.archive
    if policy.spec.archive is None or said is None:
        return None
    slots = slots_of(policy) if policy.spec.archive.points == "All" else no_slots
    return Keeper(_live(said, None if standing is None else standing.standing, now), slots)


def _live(said: Retention, standing: StandingRetention | None, now: datetime) -> LiveRule:
    """Return what a policy says of which *standing* is what its status has of it."""
    if standing is None:
        return LiveRule(said, now)
    live = standing.live
    return live if live.retention == said else live.replaced_by(said, now)


def kept_points(points: Iterable[PointFacts], keepers: Keepers) -> dict[RunId, Kept]:
    """Return why each of *points* is kept; none that is newer than any of them may be left out."""
    groups: defaultdict[Group, list[PointFacts]] = defaultdict(list)
    for each in sorted(points, key=lambda each: (each.created_at, each.run_id)):
        groups[each.group].append(each)
    return {run: kept for group in groups.values() for run, kept in _of_group(group, keepers)}


def newest_kept(facts: PointFacts, keeper: Keeper | None, delay: timedelta, now: datetime) -> Kept:
    """Return why the newest point of its group is kept, by what its policy says, while that is."""
    namespace, name, _ = facts.group
    policies: dict[tuple[str, str], Keeper] = {}
    if keeper is not None and namespace is not None and name is not None:
        policies[namespace, name] = keeper
    return kept_points((facts,), Keepers(policies, delay, now))[facts.run_id]


def _of_group(group: Sequence[PointFacts], keepers: Keepers) -> Iterable[tuple[RunId, Kept]]:
    newest, now = group[-1], keepers.now
    keeper = keepers.keeper_of(newest.group)
    live = None if keeper is None else keeper.rule
    rules = rules_in_force(live, newest.stamp, keepers.delay, now)
    made = [each.created_at for each in group]
    whys = keep(made, rules, now, lambda place: group[place].is_hurt)
    slots = no_slots if keeper is None else keeper.slots
    for place, each in enumerate(group):
        reasons = whys.get(place, ())
        behind = group[place + 1 :]
        newer = [other.created_at for other in behind]
        hurt = sum(other.is_hurt for other in behind)
        end = kept_until(reasons, each.created_at, newer, slots, now, hurt=hurt)
        yield each.run_id, Kept(_in_words(reasons), _to_the_second(end))


def _in_words(whys: Sequence[Why]) -> str:
    return cut(", ".join(map(str, whys)) or GOES, MAX_MESSAGE)


def _to_the_second(moment: datetime | None) -> datetime | None:
    """Return it as the API server keeps it."""
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)
