"""Regions made ready: what sessions, repositories and the reconciler ask of environments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments import disk_accesses
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.described import described, size_of_workers
from vmbackup_operator.environments.discovery import Discovery
from vmbackup_operator.environments.environment import Report
from vmbackup_operator.environments.objects import from_settings, speaking_for
from vmbackup_operator.environments.outposts import find_outpost
from vmbackup_operator.environments.passes import Passes
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.ports import (
    RegionEnvironments,
    ResourceManager,
    SealedKind,
)
from vmbackup_operator.environments.seals import (
    INCOMPLETE,
    RegionKey,
    RegionSeals,
    accounts_of,
    region_key,
)
from vmbackup_operator.environments.service import LOOK_AGAIN_S
from vmbackup_operator.environments.storage_accounts import NAME_TAKEN
from vmbackup_operator.environments.table import TABLE
from vmbackup_operator.environments.waits import APPROVAL_PENDING, with_ends
from vmbackup_operator.environments.walk import Line, Walk, whole
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentSpec
from vmbackup_operator.naming import ArmId, name_of, same_id, subscription_of
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting, reason_of
from vmbackup_operator.settings import Settings

log = logging.getLogger(__name__)

# What one pass saw ready is not looked at again by the next passes of the same building, unless
# that takes longer than this: somebody may have deleted it.
_CONFIRMED_FOR_S = 60.0

# A region's ids hardly ever change: for so long a plan serves who needs no more than them.
_PLANNED_FOR_S = 300.0

# Azure's bad minute, where it did not say how long.
_RETRY_S = 5.0

# The right that is missing where only the account's owner may let endpoints in.
_APPROVAL_RIGHT = "privateendpointconnectionsapproval"


@dataclass(frozen=True, slots=True)
class Owner:
    """The appliance as its regions need it: its settings, what is its own, and by which keys."""

    settings: Settings
    ownership: Ownership
    seals: RegionSeals


@dataclass(slots=True)
class _Building:
    """What was seen ready since an environment was last whole."""

    since_s: float
    confirmed: dict[ArmId, Body] = field(default_factory=dict)


class Environments:
    """Every region environment of the appliance.

    *wake* is called with an object's key whenever its status may have something to tell.
    """

    def __init__(
        self,
        owner: Owner,
        manager: ResourceManager,
        objects: RegionEnvironments,
        clock: Clock,
        wake: Callable[[ObjectKey], None],
    ) -> None:
        self._owner = owner
        self._settings = owner.settings
        self._manager = manager
        self._objects = objects
        self._clock = clock
        self._wake = wake
        self._passes = Passes(clock)
        self._buildings: dict[str, _Building] = {}
        self._plans: dict[str, tuple[float, Plan]] = {}
        self._by_hand: frozenset[ArmId] = frozenset()
        self._taken: frozenset[str] = frozenset()
        self._named: dict[RegionKey, ObjectKey] = {}
        owner.seals.tell(self._wake_for)

    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId] = (),
        not_before: datetime | None = None,
    ) -> Report:
        """Look at Azure, take the next step, and tell how the environment stands.

        What a pass saw within the last minute serves everybody, unless it began before
        *not_before*. The object that speaks for the region is written where there is none.
        """
        key = _key(subscription_id, region)
        if not_before is not None and self._passes.forget(key, not_before):
            self._buildings.pop(key, None)
        recent = self._passes.recent(key, repository_accounts)
        if recent is not None:
            return recent.for_accounts(repository_accounts)
        environment = await self._object(subscription_id, region)
        known = {folded(account) for account in environment.status.repository_accounts}
        report = await self._share(environment, repository_accounts)
        used = {folded(account) for account in self._passes.accounts_of(key)}
        if used - known or not isinstance(report.for_region().outcome, Done):
            self._wake(environment.metadata.key)
        return report.for_accounts(repository_accounts)

    async def ensure_object(self, environment: RegionEnvironment) -> Report:
        """Do the same for the object itself, with every repository that the region is used for."""
        return (await self._share(environment, ())).for_region()

    def keys_needed(
        self, environment: RegionEnvironment, described: Iterable[RegionEnvironment]
    ) -> tuple[str, ...]:
        """Return the ids of the keys that still seal something in the object's region.

        The home region answers for those as well that none of *described* speaks for.
        """
        own, seals = _place(environment.spec), self._owner.seals
        places = {own}
        appliance = self._settings.appliance
        if own == region_key(appliance.subscription_id, appliance.region):
            places |= seals.places() - {_place(each.spec) for each in described}
        return tuple(sorted({key for place in places for key in seals.needed(place)}))

    async def close(self) -> None:
        """Stop looking, whoever waits for it."""
        await self._passes.close()

    async def ensure_disk_access(self, subscription_id: str, region: str, access: ArmId) -> Report:
        """Have the disk access made, with its endpoint and its name's record, for the region.

        One in another subscription has its network there, which is peered with the workers'.
        """
        plan = await self._plan_of(subscription_id, region)

        async def look(_accounts: Sequence[ArmId]) -> Report:
            wanted = replace(plan, disk_access=access, by_hand=self._by_hand)
            looked_at: Mapping[ArmId, Body] = {}
            where = subscription_of(access)
            if where != folded(plan.place.subscription_id):
                outpost, looked_at = await find_outpost(
                    self._settings, self._manager, plan.place, where
                )
                wanted = replace(wanted, outpost=outpost)
            walk = Walk(self._manager, wanted, disk_accesses.TABLE, {}, looked_at)
            lines = self._allow_by_hand(await walk.run())
            return Report(whole(lines), lines)

        return await self._passes.share(folded(access), (), access, look)

    async def exports_refused(self, region: str) -> str:
        """Say why data of other subscriptions may not be exported in the region, empty if it may.

        What is said is how the region is described, or will be where it is not yet. Nothing is
        written, and nothing is asked of Azure.
        """
        environment = await self._speaking(region)
        spec, named = environment.spec, f"RegionEnvironment {environment.metadata.name}"
        if spec.cross_subscription_export != "DiskAccess":
            return f"{named} says crossSubscriptionExport: {spec.cross_subscription_export}"
        if not spec.private_network:
            return f"{named} has no private network for crossSubscriptionExport: DiskAccess"
        return ""

    async def worker_size(self, region: str) -> str:
        """Return the size of the appliance's workers in the region, as it is described."""
        return size_of_workers(self._settings, (await self._speaking(region)).spec)

    async def _speaking(self, region: str) -> RegionEnvironment:
        """Return how the appliance's environment is described there, or will be."""
        own = self._settings.appliance.subscription_id
        found = speaking_for(await self._objects.list(), own, folded(region))
        return found or from_settings(self._settings, own, region)

    async def ensure_home_object(self) -> RegionEnvironment:
        """Return the home region's object, written where there is none."""
        appliance = self._settings.appliance
        return await self._object(appliance.subscription_id, appliance.region)

    async def _share(self, environment: RegionEnvironment, accounts: Collection[ArmId]) -> Report:
        spec = environment.spec
        key = _key(spec.subscription_id, spec.region)
        self._named[_place(spec)] = environment.metadata.key
        asked = (*map(ArmId, environment.status.repository_accounts), *accounts)

        async def look(wanted: Sequence[ArmId]) -> Report:
            return await self._look(environment, wanted)

        return await self._passes.share(key, asked, spec, look)

    async def _look(self, environment: RegionEnvironment, accounts: Sequence[ArmId]) -> Report:
        """Make one pass; what keeps it from beginning is said as what it found."""
        try:
            return await self._pass(environment, accounts)
        except PermanentError as error:
            return Report(Failed(error.reason, str(error)), ())
        except TransientError as error:
            seconds = error.retry_after_s or _RETRY_S
            return Report(Waiting(seconds, str(error), reason_of(error)), ())

    async def _pass(self, environment: RegionEnvironment, accounts: Sequence[ArmId]) -> Report:
        spec = environment.spec
        key = _key(spec.subscription_id, spec.region)
        home = await self.ensure_home_object()
        if spec.private_network != home.spec.private_network:
            return Report(Failed("PrivateNetworkDiffers", _differs(environment, home)), ())
        looking = self._discovery()
        plan = await looking.plan(spec, home.spec, accounts, self._by_hand)
        self._plans[key] = (self._clock.monotonic_s(), plan)
        missing = await self._missing_keys(environment, plan, looking)
        if missing:
            return Report(Failed(INCOMPLETE, missing), ())
        building = self._building(key)
        walk = Walk(self._manager, plan, TABLE, building.confirmed, looking.looked_at)
        walked = self._allow_by_hand(await walk.run())
        self._remember_taken(walked)
        lines = with_ends(walked, environment.status.resources, self._clock.now())
        outcome = whole(lines)
        if isinstance(outcome, Done):
            del self._buildings[key]
        account = building.confirmed.get(plan.place.account_id)
        if account is not None:
            # As it is sealed since: the pass may have done that anew.
            self._note_accounts(environment, plan, (*_others(looking, plan), account))
        ready = None if account is None else described(self._settings, environment, plan, account)
        return Report(outcome, lines, ready)

    async def _missing_keys(
        self, environment: RegionEnvironment, plan: Plan, looking: Discovery
    ) -> str:
        """Note what is sealed in the region; say which keys are missing for it, empty where none.

        Lists that anybody made before serve, unless a key is missing: it may be so no more.
        """
        spec, seals = environment.spec, self._owner.seals
        self._note_accounts(environment, plan, looking.accounts_of(spec.subscription_id))
        seals.note_launches()
        own, *others = self._settings.snapshot_groups
        workers = (spec.subscription_id, plan.place.names.resource_group)
        lists: tuple[tuple[SealedKind, tuple[str, str]], ...] = (
            ("VirtualMachine", workers),
            ("Snapshot", own),
            *(("Snapshot", each) for each in others),
        )
        for kind, where in lists:
            if seals.missing(_place(spec)) or not seals.knows(kind, *where):
                try:
                    seals.note_list(kind, *where, await self._manager.sealed(kind, *where))
                except VmbackupError as error:
                    if where not in others:
                        raise
                    # Where we may not look, nothing is written: no region is the worse.
                    log.warning("snapshots of subscription %s are not seen: %s", where[0], error)
        return seals.missing(_place(spec))

    def _note_accounts(
        self, environment: RegionEnvironment, plan: Plan, accounts: Iterable[Body]
    ) -> None:
        place, recorded = _place(environment.spec), environment.status.storage_account_id
        known = {plan.place.account_id, recorded or plan.place.account_id}
        where = plan.place
        own = accounts_of(
            accounts, place, where.resource_group_id, where.names.storage_accounts, known
        )
        self._owner.seals.note_accounts(place, own)

    def _wake_for(self, place: RegionKey) -> None:
        """Have the object looked at that speaks for the place: its needed keys are others now."""
        key = self._named.get(place)
        if key is not None:
            self._wake(key)

    def _discovery(self) -> Discovery:
        owner = self._owner
        return Discovery(owner.settings, owner.ownership, self._manager, self._taken)

    async def _plan_of(self, subscription_id: str, region: str) -> Plan:
        """Return the region's plan as a pass made it lately, else made now."""
        key = _key(subscription_id, region)
        at_s, plan = self._plans.get(key, (0.0, None))
        if plan is not None and self._clock.monotonic_s() - at_s < _PLANNED_FOR_S:
            return plan
        environment = await self._object(subscription_id, region)
        home = await self.ensure_home_object()
        return await self._discovery().plan(environment.spec, home.spec, (), self._by_hand)

    async def _object(self, subscription_id: str, region: str) -> RegionEnvironment:
        found = speaking_for(await self._objects.list(), subscription_id, region)
        if found is not None:
            return found
        made = from_settings(self._settings, subscription_id, region)
        await self._objects.create(made)
        return made

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
            and _APPROVAL_RIGHT in folded(str(line.error))
        }
        self._by_hand |= refused
        asked = Waiting(LOOK_AGAIN_S, "its owner will be asked", APPROVAL_PENDING)
        return tuple(
            replace(line, outcome=asked, waiting_for=APPROVAL_PENDING)
            if line.id in refused
            else line
            for line in lines
        )

    def _remember_taken(self, lines: Sequence[Line]) -> None:
        """Remember names of accounts that are somebody else's: the next pass tries others."""
        self._taken |= {
            name_of(line.id)
            for line in lines
            if isinstance(line.error, PermanentError) and line.error.reason in NAME_TAKEN
        }


def _differs(environment: RegionEnvironment, home: RegionEnvironment) -> str:
    """Return what is said of a region whose workers have another kind of way out than the home's.

    The queues are at home, behind private endpoints or open to public addresses: never both.
    """
    says, said = ("true", "false") if environment.spec.private_network else ("false", "true")
    return (
        f"privateNetwork is {says} here, and {said} of the home region's RegionEnvironment "
        f"{home.metadata.name}, where the queues of all workers are: have both say the same"
    )


def _place(spec: RegionEnvironmentSpec) -> RegionKey:
    return region_key(spec.subscription_id, spec.region)


def _others(looking: Discovery, plan: Plan) -> list[Body]:
    """Return the subscription's accounts without the one that *plan* is about."""
    own = plan.place.account_id
    listed = looking.accounts_of(plan.place.subscription_id)
    return [body for body in listed if not same_id(text_at(body, "id"), own)]


def _key(subscription_id: str, region: str) -> str:
    return f"{folded(subscription_id)}/{folded(region)}"
