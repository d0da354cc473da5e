"""What regions promise to sessions: their environments, and the bundle in their accounts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.ports import Bundles
from vmbackup_operator.sessions.region_ports import Regions
from vmbackup_operator.sessions.seen import BundleStored, Region


@dataclass(frozen=True)
class RegionPlace:
    """An appliance's regions; *account* is a repository's, *missing* is not there."""

    regions: Regions
    bundles: Bundles
    subscription: str
    name: str
    account: ArmId
    missing: ArmId
    until: Until

    async def ready(self, name: str = "", *accounts: ArmId) -> Region:
        async def seen() -> Region | None:
            answer = await self.regions.ensure(self.subscription, name or self.name, accounts)
            return None if isinstance(answer, Waiting) else answer

        region: Region = await self.until(seen)
        return region

    async def stored(self) -> BundleStored:
        region = await self.ready()
        bundle: BundleStored = await self.until(lambda: self.bundles.ensure(region))
        return bundle


class RegionFacts(Suite):
    """Gets *place*."""

    ports = (Regions,)

    async def test_one_is_the_same_each_time(self, place: RegionPlace) -> None:
        first = await place.ready("", place.account)
        again = await place.ready("", place.account)

        assert first == again
        assert first.region == place.name
        assert first.subscription_id == place.subscription
        network = first.virtual_network_id.lower()
        assert first.worker_subnet_id.lower().startswith(f"{network}/subnets/")
        assert first.endpoint_subnet_id.lower().startswith(f"{network}/subnets/")
        assert first.worker_subnet_id != first.endpoint_subnet_id
        for url in (first.account.blob_url, first.account.queue_url):
            assert url.startswith("https://")
            assert not url.endswith("/")

    async def test_a_repository_account_that_is_not_there_is_named(
        self, place: RegionPlace
    ) -> None:
        with pytest.raises(PermanentError, match=place.missing.rsplit("/", 1)[1]) as refused:
            await place.ready("", place.missing)

        assert refused.value.reason == "StorageAccountNotFound"

    async def test_nothing_crosses_from_other_subscriptions_where_nobody_said_so(
        self, place: RegionPlace
    ) -> None:
        assert "crossSubscriptionExport: Refuse" in await place.regions.exports_refused(place.name)

    async def test_the_size_of_its_workers_is_known_before_it_is_ready(
        self, place: RegionPlace
    ) -> None:
        before = await place.regions.worker_size(place.name)

        assert before == (await place.ready("", place.account)).worker_size


class BundleFacts(Suite):
    """Gets *place*."""

    ports = (Bundles,)

    async def test_it_is_stored_once_and_the_same_each_time(self, place: RegionPlace) -> None:
        first, again = await place.stored(), await place.stored()

        assert first == again
        assert first.container == "bundle"
        assert first.folder
        assert len(first.list_sha256) == 64
