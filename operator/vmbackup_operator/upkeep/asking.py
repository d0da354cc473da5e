"""Has a repository's job done: with its key, and with all that decides about it beside it."""

from __future__ import annotations

from collections.abc import Mapping

from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_repository import BackupRepository, RunningJob, Sight
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.upkeep.ports import GoOn, Job, JobAsked, JobDone
from vmbackup_operator.upkeep.rules import rules_of
from vmbackup_operator.upkeep.surroundings import Surroundings


async def work(
    around: Surroundings, repository: BackupRepository, job: Job, running: RunningJob
) -> JobDone | GoOn | Waiting:
    """Do a piece of the running *job* at the repository."""
    key = await find_key(around.secrets, repository)
    busy = await around.busy_runs.now()
    if isinstance(busy, Waiting):
        return busy
    asked = JobAsked(
        job=job,
        cursor=running.cursor,
        retention_delay=repository.retention_change_delay(around.clock.now()),
        rules=await _rules(around, repository, job),
        busy_runs=busy,
        sights=_sights(repository, around),
    )
    return await around.jobs.work(repository, key, asked)


async def _rules(
    around: Surroundings, repository: BackupRepository, job: Job
) -> Mapping[tuple[str, str], LiveRule]:
    if job != "Expire":
        return {}
    policies = await around.policies.all_readable()
    return rules_of(policies, around.twins.all_of(repository), around.clock.now())


def _sights(repository: BackupRepository, around: Surroundings) -> tuple[Sight, ...]:
    maintenance, now = repository.status.maintenance, around.clock.now()
    sights = () if maintenance is None else maintenance.sights
    return tuple(each for each in sights if each.time <= now)
