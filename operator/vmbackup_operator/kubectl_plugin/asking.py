"""What commands ask of the operator: backups, another attempt, an end. Each says what it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin.any_session import AnySession, machine_of, said_of, short_name
from vmbackup_operator.kubectl_plugin.cluster_access import Cluster
from vmbackup_operator.kubectl_plugin.machines import find_machine, machine_ids
from vmbackup_operator.kubectl_plugin.manifests import backup_manifest
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import RETRY_ANNOTATION, TRIGGER_ANNOTATION


async def run_policy(cluster: Cluster, name: str, now: datetime) -> str:
    """Ask for a backup of every VM of the policy."""
    policy = await cluster.get(BackupPolicy, name)
    if policy.spec.suspend:
        raise PermanentError(f"{_called(policy)} is suspended", reason="PolicySuspended")
    if policy.status.appliance_id is None:
        # The operator records what it finds at its first look, without acting on it.
        raise PermanentError(
            f"the operator has not looked at {_called(policy)} yet", reason="NotLookedAt"
        )
    await cluster.annotate(policy, TRIGGER_ANNOTATION, _token(now))
    shown = policy.status.virtual_machines
    count = 0 if shown is None else shown.count
    return (
        f"{_called(policy)}: a backup of {counted(count, 'VM')} is asked for; "
        f"kubectl vmbackup sessions --policy {name} shows them"
    )


async def run_machines(cluster: Cluster, name: str, machines: Sequence[str]) -> list[str]:
    """Create a session, as the policy would, for each of the *machines*; return their names."""
    policy = await cluster.get(BackupPolicy, name)
    sessions = await _sessions_in(cluster)
    known = machine_ids(policy, sessions)
    wanted = [find_machine(said, known, policy) for said in machines]
    made = [await cluster.create(BackupSession, backup_manifest(policy, each)) for each in wanted]
    return [short_name(BackupSession.kind, each) for each in made]


async def _sessions_in(cluster: Cluster) -> tuple[BackupSession, ...]:
    """Return the sessions of the namespace, whatever the lists are of."""
    return await cluster.listed_at(BackupSession, cluster.place.namespace)


async def retry(cluster: Cluster, name: str, now: datetime) -> str:
    """End the pause before the session's next attempt."""
    session = await cluster.get_session(name)
    _refuse_ended(session)
    if session.status.retry_time is None or session.status.step is not None:
        raise PermanentError(f"{said_of(session)}: it does not pause", reason="NotPausing")
    await cluster.annotate(session, RETRY_ANNOTATION, _token(now))
    return f"{_name(session)}: attempt {session.status.attempt} begins now"


async def cancel(cluster: Cluster, name: str) -> str:
    """Have the session end; what it made is undone."""
    session = await cluster.get_session(name)
    _refuse_ended(session)
    if not session.spec.cancel:
        await cluster.cancel(session)
    return f"{_name(session)} of {machine_of(session) or 'its VM'} is being cancelled"


def _refuse_ended(session: AnySession) -> None:
    if session.status.outcome is not None:
        raise PermanentError(f"{said_of(session)}: it has ended", reason="SessionEnded")


def _name(session: AnySession) -> str:
    return short_name(session.kind, session.metadata.name)


def _called(policy: BackupPolicy) -> str:
    return f"BackupPolicy {policy.metadata.key}"


def _token(now: datetime) -> str:
    """Return a value that the annotation has never had."""
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
