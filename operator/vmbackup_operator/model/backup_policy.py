"""BackupPolicy: which VMs are backed up, when, into which repository, and how much is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal

import msgspec
from msgspec.structs import replace

from vmbackup_core.retention import rules as retentions
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.retention.keeping import InForce
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.exclusions import DiskScope, TagWanted
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import NONE, ObjectReference
from vmbackup_operator.model.retention import Retention

#: What a policy's occasions make: backups, or snapshot sets that stand alone.
PolicyType = Literal["Backup", "Snapshot"]


class Exclusion(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which VMs a selector leaves out: those with any of the tags, and those named by their ids."""

    tags: tuple[TagWanted, ...] = ()
    ids: tuple[str, ...] = ()


class Selector(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which VMs of subscriptions and resource groups: those that have all of the tags."""

    scopes: tuple[str, ...]
    tags: tuple[TagWanted, ...] = ()
    exclude: Exclusion = Exclusion()


class VirtualMachines(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which VMs: some by their ARM ids, some by what they are tagged with."""

    ids: tuple[str, ...] = ()
    selector: Selector | None = None


#: In the order of the week, which begins with Monday as Python's does.
Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class BlackoutWindow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A time of the day, as HH:MM, from *start* to before *end*; over midnight where *end* is less.

    *days* are those that it begins on, every day where none is said.
    """

    start: str
    end: str
    days: tuple[Weekday, ...] = ()


class Blackout(msgspec.Struct, frozen=True, rename="camel"):
    """When no slot begins; one in a window begins at its end, if that is not too long behind it."""

    windows: tuple[BlackoutWindow, ...]
    max_postponement_seconds: int = 86400


class Schedule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """When sessions are due: five cron fields read in an IANA time zone."""

    cron: str
    time_zone: str = "Etc/UTC"
    jitter_seconds: int = 0
    starting_deadline_seconds: int = 3600
    blackout: Blackout | None = None


class Retry(msgspec.Struct, frozen=True, rename="camel"):
    """How often a session tries again after a failure that may pass, and the first pause."""

    limit: int = 3
    backoff_seconds: int = 300


class SessionHistory(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How many ended sessions of each VM stay as objects, and for how long at most.

    Recovery points are another matter.
    """

    succeeded: int = 10
    failed: int = 5
    skipped: int = 5
    ttl_seconds_after_finished: int | None = None


#: Which points of a VM are copied: all, or the first of each period of the policy's time zone.
ArchivedPoints = Literal["All", "Weekly", "Monthly", "Yearly"]


class ArchiveWanted(msgspec.Struct, frozen=True, rename="camel"):
    """Where recovery points are copied to, for long; which of them, and how much is kept there."""

    repository_ref: ObjectReference
    retention: Retention
    points: ArchivedPoints = "All"


#: What a duration ends in.
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class BackupPolicySpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the user wants; one of type Snapshot names no repository."""

    virtual_machines: VirtualMachines
    retention: Retention
    repository_ref: ObjectReference | None = None
    type: PolicyType = "Backup"
    archive: ArchiveWanted | None = None
    schedule: Schedule | None = None
    rpo: str | None = None
    suspend: bool = False
    concurrency_policy: Literal["Forbid"] = "Forbid"
    max_concurrent_sessions: int = 5
    snapshots_to_keep: int = 1
    disks: DiskScope = "All"
    exclude_data_disk_luns: tuple[int, ...] = ()
    exclude_disk_tags: tuple[TagWanted, ...] = ()
    retry: Retry = Retry()
    session_history: SessionHistory = SessionHistory()

    @property
    def stored_in(self) -> ObjectReference:
        """The repository that is named; none of any name where there is none."""
        return self.repository_ref or NONE

    @property
    def objective(self) -> timedelta | None:
        """How old a VM's newest recovery point may get, None where *rpo* says nothing."""
        if self.rpo is None:
            return None
        return int(self.rpo[:-1]) * _UNITS[self.rpo[-1]]

    @property
    def rule(self) -> retentions.Retention:
        """What points are judged by: the retention, in the days of the schedule's time zone."""
        return self.retention.rule_in(self._time_zone)

    @property
    def archive_rule(self) -> retentions.Retention | None:
        """What copies of points are judged by; None where none are made."""
        return None if self.archive is None else self.archive.retention.rule_in(self._time_zone)

    @property
    def _time_zone(self) -> str:
        return retentions.UTC_NAME if self.schedule is None else self.schedule.time_zone


class Trigger(msgspec.Struct, frozen=True, rename="camel"):
    """The trigger annotation as it was last seen; an empty *token* means that it was taken off."""

    token: str
    first_seen: datetime


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """The schedule that the policy is judged by, and since when: no slot before that is due."""

    cron: str
    time_zone: str
    since: datetime


class ReplacedRetention(msgspec.Struct, frozen=True, rename="camel"):
    """A retention that the policy said *until* a moment, and whose days it counted."""

    rule: Retention
    until: datetime
    time_zone: str = retentions.UTC_NAME

    @staticmethod
    def of(replaced: InForce) -> ReplacedRetention:
        """Return what a status says of a retention that was said until a moment."""
        if replaced.until is None:
            raise AssertionError("what was replaced has an end")
        return ReplacedRetention(
            Retention.said_by(replaced.retention), replaced.until, replaced.retention.time_zone
        )

    @property
    def in_force(self) -> InForce:
        """What was said, and until when."""
        return InForce(self.rule.rule_in(self.time_zone), self.until)


class StandingRetention(msgspec.Struct, frozen=True, rename="camel"):
    """The retention that the policy says and whose days it counts, and since when it says so.

    *before* is what it said before: what keeps less waits for that, too.
    """

    rule: Retention
    since: datetime
    time_zone: str = retentions.UTC_NAME
    before: tuple[ReplacedRetention, ...] = ()

    @staticmethod
    def of(live: LiveRule) -> StandingRetention:
        """Return what a status says of what the policy says."""
        rule = Retention.said_by(live.retention)
        before = tuple(map(ReplacedRetention.of, live.before))
        return StandingRetention(rule, live.since, live.retention.time_zone, before)

    @property
    def said(self) -> retentions.Retention:
        """What points are judged by."""
        return self.rule.rule_in(self.time_zone)

    @property
    def live(self) -> LiveRule:
        """What repositories judge points by, beside what is written on them."""
        before = tuple(each.in_force for each in self.before)
        return LiveRule(self.said, self.since, before)


class StandingArchive(msgspec.Struct, frozen=True, rename="camel"):
    """Which points are archived where, and since when; no session that ended before that counts.

    *retention* is what the policy says of them, in the days of *time_zone*, since
    *retention_since*, and *retention_before* what it said before.
    """

    repository_ref: ObjectReference
    points: ArchivedPoints
    since: datetime
    retention: Retention
    retention_since: datetime
    time_zone: str = retentions.UTC_NAME
    retention_before: tuple[ReplacedRetention, ...] = ()

    @property
    def standing(self) -> StandingRetention:
        """What copies of points are judged by, since when, and by what before."""
        since, before = self.retention_since, self.retention_before
        return StandingRetention(self.retention, since, self.time_zone, before)

    def with_standing(self, standing: StandingRetention) -> StandingArchive:
        """Return the same with what copies are judged by."""
        return replace(
            self,
            retention=standing.rule,
            retention_since=standing.since,
            time_zone=standing.time_zone,
            retention_before=standing.before,
        )


class Occasion(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An occasion for sessions, a *slot* or a *trigger*, and which VMs have had their turn.

    VMs go in the order of their ids from behind *after*, around. Those up to *last* have had their
    turn, except *passed_over*, which were busy then and go first as soon as they are not.
    """

    slot: datetime | None = None
    trigger: Trigger | None = None
    start_before: datetime | None = None
    after: str | None = None
    last: str | None = None
    passed_over: tuple[str, ...] = ()
    ended: bool = False


class MachineFound(msgspec.Struct, frozen=True, rename="camel"):
    """A VM that the selector meets since *since*; it was not there before, or not tagged so."""

    name: str
    since: datetime


class Unprotected(msgspec.Struct, frozen=True, rename="camel"):
    """A VM that the policy means and that cannot be backed up, and why."""

    name: str
    reason: str
    message: str


class MachinesShown(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The VMs that the policy backs up, and those that it cannot.

    The lists have bounds, the counts have none.
    """

    count: int
    unprotected_count: int
    names: tuple[str, ...] = ()
    found: tuple[MachineFound, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()


class BlackoutShown(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The blackout window that it is in, *until* its end, and the newest slot that begins then."""

    until: datetime
    put_off_slot: datetime | None = None


class MachineObjective(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a VM stands to the policy's ``rpo``, and when it was or will be passed.

    *known_since* is what counts for one that has no recovery point yet.
    """

    name: str
    state: Literal["Met", "Breached"]
    breach_time: datetime
    last_recovery_point_time: datetime | None = None
    known_since: datetime | None = None


class ObjectiveShown(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How many VMs have no recovery point as young as ``rpo``, and the VMs, the worst off first."""

    breached_count: int
    virtual_machines: tuple[MachineObjective, ...] = ()


class BackupPolicyStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the operator found and did."""

    observed_generation: int = 0
    appliance_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    rule: Rule | None = None
    retention: StandingRetention | None = None
    archive: StandingArchive | None = None
    trigger: Trigger | None = None
    new_chain: Trigger | None = None
    occasion: Occasion | None = None
    last_slot: datetime | None = None
    next_start: datetime | None = None
    last_success_time: datetime | None = None
    last_session: str | None = None
    active_sessions: tuple[str, ...] = ()
    missed_slots: int = 0
    blackout: BlackoutShown | None = None
    blacked_out_slots: int = 0
    virtual_machines: MachinesShown | None = None
    rpo: ObjectiveShown | None = None


class BackupPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Which VMs are backed up, when, into which repository, and how much is kept."""

    kind: ClassVar[str] = "BackupPolicy"
    plural: ClassVar[str] = "backuppolicies"

    metadata: Metadata
    spec: BackupPolicySpec
    status: BackupPolicyStatus = BackupPolicyStatus()
