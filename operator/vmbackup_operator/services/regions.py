"""Environments as sessions and repositories ask for them: ready, or still waiting for something."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments import regions
from vmbackup_operator.environments.differences import same_text
from vmbackup_operator.environments.environment import Environment
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.repositories.ports import Ways
from vmbackup_operator.sessions.region_ports import Regions
from vmbackup_operator.sessions.seen import Account, Region
from vmbackup_operator.settings import Appliance


class AzureRegions(Regions):
    """Regions for sessions."""

    def __init__(self, environments: regions.Environments) -> None:
        self._environments = environments

    @override
    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> Region | Waiting:
        report = await self._environments.ensure(
            subscription_id, region, repository_accounts, not_before
        )
        if isinstance(report.outcome, Failed):
            raise PermanentError(report.outcome.message, reason=report.outcome.reason)
        if isinstance(report.outcome, Waiting):
            return report.outcome
        if report.environment is None:
            raise AssertionError("an environment that is done is described")
        return seen(report.environment)

    @override
    async def exports_refused(self, region: str) -> str:
        return await self._environments.exports_refused(region)

    @override
    async def worker_size(self, region: str) -> str:
        return await self._environments.worker_size(region)


class AzureWays(Ways):
    """The appliance's ways to repositories' accounts: endpoints of the home environment."""

    def __init__(self, environments: regions.Environments, appliance: Appliance) -> None:
        self._environments = environments
        self._appliance = appliance

    @override
    async def ensure(self, storage_account_id: ArmId, region: str) -> Waiting | None:
        report = await self._environments.ensure(
            self._appliance.subscription_id, self._appliance.region, (storage_account_id,)
        )
        if isinstance(report.outcome, Failed):
            raise PermanentError(report.outcome.message, reason=report.outcome.reason)
        lies_in = report.region_of(storage_account_id)
        if lies_in and not same_text(lies_in, region):
            raise PermanentError(
                f"storage account {name_of(storage_account_id)} lies in {lies_in}, and spec.region"
                f" says {region}",
                reason="RegionDiffers",
            )
        return report.outcome if isinstance(report.outcome, Waiting) else None


def seen(environment: Environment) -> Region:
    """Return the environment in the sessions' words."""
    return Region(
        name=environment.name,
        subscription_id=environment.subscription_id,
        region=environment.region,
        resource_group=environment.resource_group,
        virtual_network_id=environment.virtual_network_id,
        worker_subnet_id=environment.worker_subnet_id,
        endpoint_subnet_id=environment.endpoint_subnet_id,
        blob_zone_id=environment.blob_zone_id,
        account=Account(
            environment.storage_account_id, environment.blob_url, environment.queue_url
        ),
        worker_size=environment.worker_size,
        worker_image=environment.worker_image,
        max_workers=environment.max_workers,
        private=environment.private,
        tags=environment.tags,
    )
