"""The job Verify: a BackupSession for one VM after the other, the longest due first.

Sessions are the memory: those of a pass have its minute in their names, so a VM that had its turn
in a pass has none again, and after a crash the one that runs is found.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_repository import BackupRepository, JobOutcome, RunningJob
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionSpec, VerifySpec
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    REPOSITORY_LABEL,
    Metadata,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import (
    ArmId,
    minute_text,
    repository_label,
    same_id,
    session_name_of_verify,
)
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.upkeep.occasions import period_ends
from vmbackup_operator.upkeep.ports import DueMachine
from vmbackup_operator.upkeep.surroundings import Surroundings

#: How soon a session that runs is looked at where nobody says that it has ended; its end does.
SESSION_AGAIN_S = 300.0
#: So many sessions a message names, and so many findings are worth an Event.
MOST_NAMED = 5
#: In so many pieces old packs are read where nobody remembers the last one: weekly within 90 days.
ROUNDS = 13
#: So many ended sessions of each VM stay, and the newest that read old packs: it tells what is
#: due next.
KEPT_OF_VM = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """A session reads back what is due of a VM."""

    session: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """All that was due has had its turn, or the pass's time is over."""

    outcome: JobOutcome
    message: str
    events: tuple[str, ...] = ()


async def verify(
    around: Surroundings, repository: BackupRepository, running: RunningJob
) -> Reading | Verified | Waiting:
    """Wait for the session that runs, begin the next one, or say what came of all of them."""
    sessions = await around.sessions.of_repository(repository.metadata.key)
    now, ends = around.clock.now(), period_ends(repository, running)
    under_way = next((each for each in sessions if each.status.outcome is None), None)
    if ends is not None and now >= ends:
        left = under_way.metadata.name if under_way else ""
        return await _conclude(around, repository, running, sessions, left)
    if under_way is not None:
        return Reading(under_way.metadata.name, _reads_back(under_way))
    wanted = repository.spec.upkeep
    due = await around.due.due(
        repository,
        timedelta(days=wanted.verify_new_within_days),
        timedelta(days=wanted.verify_all_within_days),
        now,
        verified := last_rota(sessions),
    )
    if isinstance(due, Waiting):
        return due
    there = {each.metadata.name for each in sessions}
    for machine in due:
        share = _share(repository, machine, verified, now)
        session = _wanted(around, repository, running, ArmId(machine.vm_id), share)
        if session.metadata.name in there:
            continue
        made = await around.sessions.create(session)
        if made.status.outcome is None and _is_ours(made, session):
            return Reading(made.metadata.name, _reads_back(made))
    return await _conclude(around, repository, running, sessions, None)


def _reads_back(session: BackupSession) -> str:
    name = session.spec.virtual_machine_id.rsplit("/", 1)[-1]
    return f"BackupSession {session.metadata.name} reads back what is stored of {name}"


def _wanted(
    around: Surroundings,
    repository: BackupRepository,
    running: RunningJob,
    vm_id: ArmId,
    share: int,
) -> BackupSession:
    key = repository.metadata.key
    return BackupSession(
        metadata=Metadata(
            name=session_name_of_verify(key.name, vm_id, running.pass_since),
            namespace=key.namespace,
            labels={
                APPLIANCE_LABEL: around.appliance_id,
                REPOSITORY_LABEL: repository_label(key.name),
                **EXCLUDE_FROM_CLUSTER_BACKUP,
            },
        ),
        spec=BackupSessionSpec(
            virtual_machine_id=vm_id,
            repository_ref=ObjectReference(key.name, key.namespace),
            type="Verify",
            verify=VerifySpec(reread_per_mille=share),
            start_before=period_ends(repository, running),
        ),
    )


def last_rota(sessions: Sequence[BackupSession]) -> dict[str, datetime]:
    """Return when old packs of each VM, by its id in lower case, were last read back."""
    last: dict[str, datetime] = {}
    for each in sessions:
        moment, asked = each.status.start_time, each.spec.verify
        is_rota = asked is None or asked.reread_per_mille > 0
        if each.status.outcome == "Succeeded" and moment is not None and is_rota:
            vm = folded(each.spec.virtual_machine_id)
            last[vm] = max(moment, last.get(vm, moment))
    return last


def _share(
    repository: BackupRepository,
    machine: DueMachine,
    verified: Mapping[str, datetime],
    now: datetime,
) -> int:
    """Return how many in a thousand of the VM's old packs are read, so that all are in their time.

    That is the share of the time that has passed since some of them were read the last time; where
    nobody remembers that, the share of a week or so.
    """
    if not machine.rota:
        return 0
    whole = timedelta(days=repository.spec.upkeep.verify_all_within_days)
    passed, last = whole / ROUNDS, verified.get(folded(machine.vm_id))
    if last is not None and last <= now:
        passed = now - last
    return min(max(math.ceil(1000 * (passed / whole)), 1), 1000)


def _is_ours(made: BackupSession, wanted: BackupSession) -> bool:
    """Tell whether the object of the wanted name is the session that is wanted."""
    namespace = made.metadata.namespace
    return (
        made.spec.type == "Verify"
        and same_id(made.spec.virtual_machine_id, wanted.spec.virtual_machine_id)
        and made.spec.stored_in.key_from(namespace) == wanted.spec.stored_in.key_from(namespace)
    )


async def _conclude(
    around: Surroundings,
    repository: BackupRepository,
    running: RunningJob,
    sessions: Sequence[BackupSession],
    left: str | None,
) -> Verified:
    """Delete old sessions, and say what came of those of this pass."""
    for each in beyond_history(sessions, repository, around.clock.now()):
        await around.sessions.delete(each)
    of_pass = [
        each
        for each in sessions
        if each.metadata.name.endswith(f"-{minute_text(running.pass_since)}")
        and each.status.outcome is not None
    ]
    return concluded(of_pass, left)


def concluded(of_pass: Sequence[BackupSession], left: str | None) -> Verified:
    """Return what came of the ended sessions *of_pass*.

    Where the pass's time is over, *left* still runs, if it names any; else it is None.
    """
    found = [each for each in of_pass if has_findings(each)]
    failed = [each for each in of_pass if each.status.outcome != "Succeeded"]
    if not of_pass and left is None:
        return Verified("Succeeded", "nothing was due to be read back")
    if not of_pass and not left:
        return Verified("Left", "the next pass is due, before anything was read back")
    parts = [f"{counted(len(of_pass), 'BackupSession')} read back what was due"]
    if found:
        parts.append(f"{len(found)} found damage: {_named(found)}")
    if failed:
        parts.append(f"{len(failed)} could not: {_named(failed)}")
    if not found and not failed:
        parts.append("nothing was found")
    parts += _not_read(of_pass)
    if left is not None:
        parts.append("the next pass is due")
    if left:
        parts.append(f"{left} goes on")
    outcome: JobOutcome = "Findings" if found else "Failed" if failed else "Succeeded"
    events = tuple(f"{_reads_back(each)}: {each.status.message}" for each in found[:MOST_NAMED])
    return Verified(outcome, "; ".join(parts), events)


def _not_read(of_pass: Sequence[BackupSession]) -> list[str]:
    archived = sum(each.status.verified.archived for each in of_pass if each.status.verified)
    packs = counted(archived, "pack")
    return [f"{packs} in the Archive tier, and not read"] if archived else []


def has_findings(session: BackupSession) -> bool:
    """Tell whether the session found something wrong with what is stored."""
    verified = session.status.verified
    return verified is not None and verified.bad + verified.differing + len(verified.findings) > 0


def beyond_history(
    sessions: Sequence[BackupSession], repository: BackupRepository, now: datetime
) -> list[BackupSession]:
    """Return the ended sessions whose objects serve nobody any more."""
    oldest = now - 2 * timedelta(days=repository.spec.upkeep.verify_all_within_days)
    counts: Counter[str] = Counter()
    rotas = last_rota(sessions)
    beyond: list[BackupSession] = []
    for each in sorted(sessions, key=_ended_at, reverse=True):
        if each.status.outcome is None:
            continue
        vm = folded(each.spec.virtual_machine_id)
        counts[vm] += 1
        tells = each.status.start_time is not None and each.status.start_time == rotas.get(vm)
        if _ended_at(each) < oldest or (counts[vm] > KEPT_OF_VM and not tells):
            beyond.append(each)
    return beyond


def _ended_at(session: BackupSession) -> datetime:
    moment = session.status.completion_time or session.metadata.creation_timestamp
    if moment is None:
        raise AssertionError(f"{session.metadata.key} was created at no time")
    return moment


def _named(sessions: Sequence[BackupSession]) -> str:
    names = [each.metadata.name for each in sessions]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
