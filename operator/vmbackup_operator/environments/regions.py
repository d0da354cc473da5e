"""Regions made ready: what sessions, repositories and the reconciler ask of environments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments import disk_accesses
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.discovery import Discovery
from vmbackup_operator.environments.environment import Environment, Report
from vmbackup_operator.environments.objects import from_settings, speaking_for
from vmbackup_operator.environments.plan import BLOB_ZONE, Plan
from vmbackup_operator.environments.ports import RegionEnvironments, ResourceManager
from vmbackup_operator.environments.service import LOOK_AGAIN_S
from vmbackup_operator.environments.table import TABLE
from vmbackup_operator.environments.walk import Line, Walk, whole
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.settings import Settings

# What one pass saw ready is not looked at again by the next passes of the same building, unless
# that takes longer than this: somebody may have deleted it.
_CONFIRMED_FOR_S = 60.0

# The right that is missing where only the account's owner may let endpoints in.
_APPROVAL_RIGHT = "privateendpointconnectionsapproval"


@dataclass(slots=True)
class _Building:
    """What was seen ready since an environment was last whole, and who asked for which accounts."""

    since_s: float
    confirmed: dict[ArmId, Body] = field(default_factory=dict)


class Regions:
    """Every region environment of the appliance.

    *wake* is called with an object's key whenever its status may have something to tell.
    """

    def __init__(
        self,
        settings: Settings,
        manager: ResourceManager,
        objects: RegionEnvironments,
        clock: Clock,
        wake: Callable[[ObjectKey], None],
    ) -> None:
        self._settings = settings
        self._manager = manager
        self._objects = objects
        self._clock = clock
        self._wake = wake
        self._buildings: dict[str, _Building] = {}
        self._accounts: dict[str, dict[str, ArmId]] = {}
        self._by_hand: frozenset[ArmId] = frozenset()
        self._passes: dict[tuple[str, ...], asyncio.Task[Report]] = {}

    async def ensure(
        self, subscription_id: str, region: str, repository_accounts: Collection[ArmId] = ()
    ) -> Report:
        """Look at Azure, take the next step, and tell how the environment stands.

        The object that speaks for the region is written where there is none. Passes that are asked
        for while an equal one runs are that one.
        """
        environment = await self._object(subscription_id, region)
        report = await self.ensure_object(environment, repository_accounts)
        asked_more = self._asked_more(environment, repository_accounts, report)
        if asked_more or not isinstance(report.outcome, Done):
            self._wake(environment.metadata.key)
        return report

    async def ensure_object(
        self, environment: RegionEnvironment, repository_accounts: Collection[ArmId] = ()
    ) -> Report:
        """Do the same for the object itself."""
        accounts = sorted({account.lower(): account for account in repository_accounts}.items())
        spec = environment.spec
        key = (spec.subscription_id.lower(), spec.region, *(lower for lower, _ in accounts))
        running = self._passes.get(key)
        if running is None:
            wanted = [account for _, account in accounts]
            running = asyncio.create_task(self._pass(environment, wanted))
            self._passes[key] = running
            running.add_done_callback(lambda _: self._passes.pop(key, None))
        # Whoever stops waiting does not stop the others.
        return await asyncio.shield(running)

    async def close(self) -> None:
        """Stop looking, whoever waits for it."""
        passes = list(self._passes.values())
        for running in passes:
            running.cancel()
        await asyncio.gather(*passes, return_exceptions=True)

    def accounts_in_use(self, environment: RegionEnvironment) -> tuple[ArmId, ...]:
        """Return the repositories' accounts that anybody asked the region for since the start."""
        return tuple(self._accounts.get(_key(environment), {}).values())

    async def ensure_disk_access(
        self, subscription_id: str, region: str, number: int
    ) -> tuple[ArmId, Report]:
        """Have the region's disk access *number* made with its endpoint and its name's record."""
        environment = await self._object(subscription_id, region)
        spec, home = environment.spec, await self._home()
        looking = Discovery(self._settings, self._manager)
        plan = await looking.plan(spec, home.spec, (), self._by_hand)
        plan = replace(plan, disk_access=plan.place.disk_access_id(number))
        if plan.disk_access is None:
            raise AssertionError("a disk access was planned")
        lines = await Walk(self._manager, plan, disk_accesses.TABLE, {}, {}).run()
        return plan.disk_access, Report(whole(lines), tuple(lines))

    async def ensure_home_object(self) -> RegionEnvironment:
        """Return the home region's object, written where there is none."""
        return await self._home()

    async def _home(self) -> RegionEnvironment:
        appliance = self._settings.appliance
        return await self._object(appliance.subscription_id, appliance.region)

    async def _object(self, subscription_id: str, region: str) -> RegionEnvironment:
        found = speaking_for(await self._objects.list(), subscription_id, region)
        if found is not None:
            return found
        made = from_settings(self._settings, subscription_id, region)
        await self._objects.create(made)
        return made

    def _asked_more(
        self, environment: RegionEnvironment, accounts: Collection[ArmId], report: Report
    ) -> bool:
        """Remember *accounts* as used from the region, and tell whether any of them is another.

        One that *report* could not find, or may not see, is for whoever named it to correct: it
        says nothing about the region, which would be found wanting for a slip in a user's object.
        """
        known = self._accounts.setdefault(_key(environment), {})
        before = set(known)
        failed = {line.id.lower() for line in report.lines if isinstance(line.outcome, Failed)}
        for account in accounts:
            if account.lower() in failed:
                known.pop(account.lower(), None)
            else:
                known[account.lower()] = account
        return set(known) != before

    async def _pass(self, environment: RegionEnvironment, accounts: Sequence[ArmId]) -> Report:
        home = await self._home()
        looking = Discovery(self._settings, self._manager)
        plan = await looking.plan(environment.spec, home.spec, accounts, self._by_hand)
        building = self._building(_key(environment))
        walk = Walk(self._manager, plan, TABLE, building.confirmed, looking.looked_at)
        lines = self._allow_by_hand(await walk.run())
        outcome = whole(lines)
        if not isinstance(outcome, Done):
            return Report(outcome, lines)
        # An equal region asked for with other accounts may have come up first.
        self._buildings.pop(_key(environment), None)
        account = building.confirmed[plan.place.account_id]
        ready = _environment(self._settings, environment, plan, account)
        return Report(outcome, lines, ready)

    def _building(self, key: str) -> _Building:
        now = self._clock.monotonic_s()
        building = self._buildings.get(key)
        if building is None or now - building.since_s > _CONFIRMED_FOR_S:
            building = self._buildings[key] = _Building(now)
        return building

    def _allow_by_hand(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """Remember endpoints that we may not approve ourselves: the next pass asks their owner."""
        refused = {
            line.id
            for line in lines
            if line.kind == "PrivateEndpoint"
            and isinstance(line.error, PermanentError)
            and _APPROVAL_RIGHT in str(line.error).lower()
            and line.id not in self._by_hand
        }
        self._by_hand |= refused
        asked = Waiting(LOOK_AGAIN_S, "the account's owner will be asked", "ApprovalPending")
        return tuple(replace(line, outcome=asked) if line.id in refused else line for line in lines)


def _key(environment: RegionEnvironment) -> str:
    return f"{environment.spec.subscription_id.lower()}/{environment.spec.region}"


def _environment(
    settings: Settings, environment: RegionEnvironment, plan: Plan, account: Body
) -> Environment:
    place, spec = plan.place, environment.spec
    defaults = settings.region_environments
    name = name_of(place.account_id)
    urls = {
        service: text_at(account, "properties", "primaryEndpoints", service).rstrip("/")
        or f"https://{name}.{service}.core.windows.net"
        for service in ("blob", "queue")
    }
    return Environment(
        name=environment.metadata.name,
        subscription_id=place.subscription_id,
        region=place.region,
        resource_group=place.names.resource_group,
        virtual_network_id=place.network.virtual_network_id,
        worker_subnet_id=place.network.worker_subnet_id,
        endpoint_subnet_id=place.network.endpoint_subnet_id,
        network_security_group_id=place.network.network_security_group_id,
        blob_zone_id=place.zone_id(BLOB_ZONE),
        storage_account_id=place.account_id,
        blob_url=urls["blob"],
        queue_url=urls["queue"],
        worker_size=spec.worker.vm_size or defaults.worker_vm_size,
        worker_image=spec.worker.image or defaults.worker_image,
        max_workers=spec.worker.max_count or 1,
        private=spec.private_network,
    )
