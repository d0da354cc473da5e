"""Makes the sessions that an occasion owes: real ones while there is room, Skipped ones at its end.

Making one again is no harm: its name is computed, and the one that is there is taken for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_operator.model.backup_policy import BackupPolicy, Occasion
from vmbackup_operator.model.backup_session import (
    TAKES_SNAPSHOTS,
    BackupSession,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Statement, with_condition
from vmbackup_operator.naming import ArmId, same_id
from vmbackup_operator.policies.occasions import name_of_occasion
from vmbackup_operator.policies.ports import PolicySessions
from vmbackup_operator.policies.standing import Finding
from vmbackup_operator.policies.turns import owed, with_begun, with_passed_over
from vmbackup_operator.policies.wanted import is_adoptable, skipped_session, wanted_session
from vmbackup_operator.reconciling.outcome import Conflict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """The occasion after sessions were made, and those of other content that bear their names."""

    occasion: Occasion
    refused: tuple[Finding, ...] = ()


class SessionMaker:
    """Makes policies' sessions, for one policy after another."""

    def __init__(self, appliance_id: str, clock: Clock, sessions: PolicySessions) -> None:
        self._appliance_id = appliance_id
        self._clock = clock
        self._sessions = sessions
        self._alone = asyncio.Lock()

    async def begin(
        self, policy: BackupPolicy, machines: Sequence[ArmId], occasion: Occasion
    ) -> Made:
        """Make as many of the sessions owed to *machines* as there is room for."""
        # Two policies that are due at one moment must see each other's sessions of a VM.
        async with self._alone:
            return await self._begin(policy, machines, occasion)

    async def _begin(
        self, policy: BackupPolicy, machines: Sequence[ArmId], occasion: Occasion
    ) -> Made:
        refused: list[Finding] = []
        active = {each.metadata.key: each for each in await self._sessions.unfinished()}
        room = policy.spec.max_concurrent_sessions
        backups = (each for each in active.values() if each.spec.type in TAKES_SNAPSHOTS)
        room -= sum(is_of_policy(policy, each) for each in backups)
        for vm_id in owed(occasion, machines):
            wanted = wanted_session(policy, vm_id, occasion, self._appliance_id)
            found = active.get(wanted.metadata.key)
            if found is None and room <= 0:
                break
            if found is None and not _is_busy(active.values(), vm_id):
                found = await self._sessions.create(wanted)
                room -= 1
                log.info("policy %s: session %s for %s", policy.metadata.key,
                         wanted.metadata.name, name_of_occasion(occasion))  # fmt: skip
            if found is not None and is_adoptable(found, wanted):
                occasion = with_begun(occasion, vm_id)
                continue
            if found is not None:
                message = f"BackupSession {wanted.metadata.key} is there and is another one"
                refused.append(Finding("AdoptionRefused", message))
            occasion = with_passed_over(occasion, vm_id)
        return Made(occasion, tuple(refused))

    async def skip(
        self, policy: BackupPolicy, machines: Sequence[ArmId], occasion: Occasion, why: str
    ) -> list[ArmId]:
        """Make a Skipped session for each of *machines* that had no turn, and return those."""
        without = owed(occasion, machines)
        for vm_id in without:
            await self._skip(wanted_session(policy, vm_id, occasion, self._appliance_id), why)
        return without

    async def _skip(self, wanted: BackupSession, why: str) -> None:
        """Make the session and end it; killed in between, it ends itself, being too late."""
        wanted = skipped_session(wanted, self._clock.now())
        found = await self._sessions.create(wanted)
        untouched = found.status.start_time is None and found.status.outcome is None
        if not untouched or found.spec.start_before != wanted.spec.start_before:
            return
        try:
            await self._sessions.write_status(replace(found, status=self._skipped(found, why)))
        except Conflict:
            log.info("session %s: is being ended already", found.metadata.key)

    def _skipped(self, session: BackupSession, why: str) -> BackupSessionStatus:
        message, now = f"it had no turn: {why}", self._clock.now()
        generation = session.metadata.generation
        said = Statement("Failed", "True", "Skipped", message)
        return BackupSessionStatus(
            observed_generation=generation,
            appliance_id=self._appliance_id,
            outcome="Skipped",
            completion_time=now.replace(microsecond=0),
            message=message,
            conditions=with_condition((), said, now=now, generation=generation),
        )


def is_of_policy(policy: BackupPolicy, session: BackupSession) -> bool:
    """Tell whether the session says that *policy* asked for it."""
    reference = session.spec.policy_ref
    return (
        reference is not None
        and reference.name == policy.metadata.name
        and session.metadata.namespace == policy.metadata.namespace
    )


def _is_busy(active: Iterable[BackupSession], vm_id: ArmId) -> bool:
    """Tell whether a session of the VM is under way, whoever asked for it: Forbid.

    One that reads back what is stored, or copies it, is in no backup's way.
    """
    others = (each for each in active if each.spec.type in TAKES_SNAPSHOTS)
    return any(same_id(each.spec.virtual_machine_id, vm_id) for each in others)
