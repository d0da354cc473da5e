"""Reconciles RegionEnvironments: one pass, and what it saw in the object's status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from vmbackup_core.clock import Clock
from vmbackup_operator.environments.environment import Report
from vmbackup_operator.environments.objects import speaking_for
from vmbackup_operator.environments.ports import RegionEnvironments
from vmbackup_operator.environments.regions import Environments
from vmbackup_operator.environments.table import TABLE
from vmbackup_operator.environments.waits import resources_of
from vmbackup_operator.environments.walk import UNCLEAR, conditions_of
from vmbackup_operator.model.conditions import (
    Standing,
    Statement,
    as_ready,
    as_reconciling,
    as_stalled,
    with_conditions,
)
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import (
    RegionEnvironment,
    RegionEnvironmentStatus,
)
from vmbackup_operator.reconciling.outcome import Done, Failed, Outcome, Waiting
from vmbackup_operator.settings import Settings

#: How often a region is looked at that needs somebody's hand: nothing tells us when it was there.
STALLED_AGAIN_S = 60.0

# The schema's bounds: a home has a few resources for each region and repository.
_RESOURCES = 128
_KEYS = 32


class EnvironmentReconciler:
    """Looks at one RegionEnvironment at a time, and writes its status where that differs."""

    def __init__(
        self,
        settings: Settings,
        objects: RegionEnvironments,
        regions: Environments,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._regions = regions
        self._clock = clock

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Take one step towards the environment; Done where it is ready or the object is gone."""
        environment = await self._objects.find(key.namespace, key.name)
        if environment is None or environment.metadata.deletion_timestamp is not None:
            return Done()
        claimed_by = environment.status.appliance_id
        if claimed_by not in {None, self._settings.appliance.id}:
            return Done()
        described = await self._objects.list()
        refusal = self._refusal(environment, described)
        report = await self._look(environment, refusal)
        keys = () if refusal else self._regions.keys_needed(environment, described)
        await self._write(environment, report, keys[:_KEYS])
        if isinstance(report.outcome, Failed):
            return Waiting(STALLED_AGAIN_S, "waits for somebody")
        return report.outcome

    async def _look(self, environment: RegionEnvironment, refusal: Failed | None) -> Report:
        if refusal is not None:
            return Report(refusal, ())
        return await self._regions.ensure_object(environment)

    def _refusal(
        self, environment: RegionEnvironment, described: Sequence[RegionEnvironment]
    ) -> Failed | None:
        """Return why the object speaks for no region, or None."""
        metadata, spec = environment.metadata, environment.spec
        if metadata.namespace != self._settings.namespace:
            return Failed(
                "NotHonoured",
                f"region environments are honoured in namespace {self._settings.namespace} only",
            )
        first = speaking_for(described, spec.subscription_id, spec.region)
        if first is not None and first.metadata.name != metadata.name:
            return Failed(
                "AlreadyDescribed",
                f"{spec.region} of subscription {spec.subscription_id} is described by"
                f" {first.metadata.name}",
            )
        return None

    async def _write(
        self, environment: RegionEnvironment, report: Report, keys: tuple[str, ...]
    ) -> None:
        status = self._status(environment, report)
        status = msgspec.structs.replace(status, keys_needed=keys)
        if status != environment.status:
            await self._objects.write_status(msgspec.structs.replace(environment, status=status))

    def _status(self, environment: RegionEnvironment, report: Report) -> RegionEnvironmentStatus:
        before, generation = environment.status, environment.metadata.generation
        now = self._clock.now()
        said = (*_standing(report.outcome), *_parts(conditions_of(report.lines)))
        conditions = with_conditions(before.conditions, said, now=now, generation=generation)
        status = msgspec.structs.replace(
            before,
            observed_generation=generation,
            appliance_id=self._settings.appliance.id,
            conditions=conditions,
            resources=resources_of(report.lines, before.resources, now)[:_RESOURCES]
            or before.resources,
            repository_accounts=report.accounts()[:_RESOURCES]
            if report.lines
            else before.repository_accounts,
        )
        ready = report.environment
        if ready is None:
            return status
        return msgspec.structs.replace(
            status,
            resource_group=ready.resource_group,
            storage_account_id=ready.storage_account_id,
            virtual_network_id=ready.virtual_network_id,
            worker_subnet_id=ready.worker_subnet_id,
            endpoint_subnet_id=ready.endpoint_subnet_id,
        )


def _standing(outcome: Outcome) -> Standing:
    match outcome:
        case Done():
            return as_ready("workers can run here")
        case Waiting(message=message, reason=reason):
            # Nothing comes of waiting alone where somebody has to decide.
            standing = as_stalled if reason == UNCLEAR else as_reconciling
            return standing(reason, message)
        case Failed(reason=reason, message=message):
            return as_stalled(reason, message)


def _parts(outcomes: Mapping[str, Outcome]) -> Iterator[Statement]:
    for condition in dict.fromkeys(service.condition for service in TABLE):
        match outcomes.get(condition):
            case Done():
                yield Statement(condition, "True", "Ready")
            case Waiting(message=message, reason=reason):
                yield Statement(condition, "False", reason, message)
            case Failed(reason=reason, message=message):
                yield Statement(condition, "False", reason, message)
            case None:
                continue
