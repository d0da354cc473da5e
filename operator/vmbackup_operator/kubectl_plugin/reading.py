"""The commands that show what is there: status, sessions, points, and what a policy will do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.kubectl_plugin import plan as planning
from vmbackup_operator.kubectl_plugin.answers import (
    points_table,
    sessions_table,
    status_text,
)
from vmbackup_operator.kubectl_plugin.any_session import AnySession, machine_of
from vmbackup_operator.kubectl_plugin.call import Call, object_list
from vmbackup_operator.kubectl_plugin.complaints import GOOD
from vmbackup_operator.kubectl_plugin.manifests import is_point_of
from vmbackup_operator.kubectl_plugin.objects_as_text import as_manifest
from vmbackup_operator.kubectl_plugin.standing import Objects, Standing, standing_of
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import POLICY_LABEL
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.model.restore_session import RestoreSession

if TYPE_CHECKING:
    from vmbackup_operator.kubectl_plugin.cluster_access import Cluster

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def show_status(call: Call) -> int:
    """Answer ``status``."""

    async def find(cluster: Cluster) -> Standing:
        there = Objects(
            await cluster.listed_if_allowed(BackupPolicy),
            await cluster.listed_if_allowed(BackupSession),
            await cluster.listed_if_allowed(RestoreSession),
            await cluster.listed_if_allowed(BackupRepository),
            await cluster.listed_if_allowed(RegionEnvironment),
        )
        cluster.refuse_blindness(kinds=5)
        return standing_of(there, call.now, cluster.left_out)

    standing = call.ask(find)
    if call.output == "table":
        text = status_text(standing, call.now, call.terminal, call.place.listed)
        call.console.write(text)
    else:
        call.write(standing)
    for each in standing.left_out:
        call.console.complain(f"left out: {each}")
    return GOOD


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are asked for; None and False say nothing."""

    policy: str | None = None
    vm: str | None = None
    failed: bool = False
    running: bool = False

    def has(self, session: AnySession) -> bool:
        """Tell whether the session is among them."""
        outcome = session.status.outcome
        if self.vm is not None and folded(machine_of(session)) != folded(self.vm):
            return False
        if self.policy is not None and self.policy != policy_of(session):
            return False
        states = [outcome == "Failed"] * self.failed + [outcome is None] * self.running
        return any(states) or not states


def policy_of(session: AnySession) -> str | None:
    """Return the policy that the session is of, None of one that is nobody's."""
    if isinstance(session, BackupSession) and session.spec.policy_ref is not None:
        return session.spec.policy_ref.name
    return session.metadata.labels.get(POLICY_LABEL)


def show_sessions(call: Call, wanted: Wanted) -> int:
    """Answer ``sessions``."""

    async def find(cluster: Cluster) -> tuple[list[AnySession], list[str]]:
        backups = await cluster.listed_if_allowed(BackupSession)
        restores = await cluster.listed_if_allowed(RestoreSession)
        cluster.refuse_blindness(kinds=2)
        every: list[AnySession] = [*backups, *restores]
        return in_order(each for each in every if wanted.has(each)), cluster.left_out

    found, left_out = call.ask(find)
    call.write(
        object_list([as_manifest(each) for each in found]),
        sessions_table(found, call.now, everywhere=call.asked.everywhere),
    )
    if not found and call.output == "table":
        call.console.complain("there is no such session")
    for each in left_out:
        call.console.complain(f"left out: {each}")
    return GOOD


def in_order(sessions: Iterable[AnySession]) -> list[AnySession]:
    """Return *sessions* in the order in which they were made."""
    return sorted(
        sessions,
        key=lambda each: (each.metadata.creation_timestamp or _LONG_AGO, each.metadata.key),
    )


def show_points(call: Call, vm: str | None) -> int:
    """Answer ``points``."""

    async def find(cluster: Cluster) -> list[RecoveryPoint]:
        points = await cluster.listed(RecoveryPoint)
        named = [each for each in points if vm is None or is_point_of(each, vm)]
        return sorted(named, key=lambda each: (each.metadata.namespace,
                      folded(each.spec.virtual_machine_name), each.spec.created_at))  # fmt: skip

    found = call.ask(find)
    call.write(
        object_list([as_manifest(each) for each in found]),
        points_table(found, call.now, everywhere=call.asked.everywhere),
    )
    if not found and call.output == "table":
        call.console.complain("there is no such recovery point")
    return GOOD


def show_plan(call: Call, name: str, slots: int) -> int:
    """Answer ``policy plan``."""
    slots = planning.checked_count(slots)

    async def find(cluster: Cluster) -> planning.Plan:
        policy = await cluster.get(BackupPolicy, name)
        sessions = await cluster.listed_if_allowed(BackupSession)
        return planning.plan_of(policy, sessions, call.now, slots)

    plan = call.ask(find)
    if call.output == "table":
        call.console.write(planning.plan_text(plan, call.now, call.terminal))
    else:
        call.write(plan)
    return GOOD
