"""How passes over a region are shared."""

from __future__ import annotations

import asyncio

import msgspec

from tests.unit.environments.conftest import REPOSITORY, SUBSCRIPTION, Appliance, disk_access_of
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import EnvironmentTag
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting

KEY = ObjectKey("vmbackup", "westeurope")
OTHER = ArmId(REPOSITORY.replace("repository01", "repository02"))


def requests(appliance: Appliance) -> int:
    return len(appliance.arm.finds) + appliance.arm.lists


def forget_requests(appliance: Appliance) -> None:
    appliance.arm.finds.clear()
    appliance.arm.lists = 0


async def ask(appliance: Appliance, region: str, *accounts: ArmId) -> object:
    return (await appliance.regions.ensure(SUBSCRIPTION, region, accounts)).outcome


async def test_a_pass_serves_every_session_of_the_next_minute(appliance: Appliance) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    forget_requests(appliance)

    for _ in range(59):
        assert isinstance(await ask(appliance, "westeurope", REPOSITORY), Done)
        assert isinstance(await ask(appliance, "northeurope", REPOSITORY), Done)
        assert isinstance(await ask(appliance, "northeurope"), Done)
        appliance.clock.turn(1)
    assert requests(appliance) == 0

    appliance.clock.turn(2)
    await ask(appliance, "northeurope", REPOSITORY)
    assert requests(appliance) > 0


async def test_the_objects_own_look_is_the_same_pass(appliance: Appliance) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    forget_requests(appliance)

    await appliance.reconciler.reconcile(KEY)
    assert requests(appliance) == 0
    assert appliance.objects.stored[KEY].status.repository_accounts == (REPOSITORY,)

    appliance.later()
    await appliance.reconciler.reconcile(KEY)
    forget_requests(appliance)
    await ask(appliance, "westeurope", REPOSITORY)
    assert requests(appliance) == 0


async def test_a_pass_looks_at_every_account_that_the_region_is_used_for(
    appliance: Appliance,
) -> None:
    appliance.arm.add("StorageAccount", OTHER, {"location": "westeurope"})
    await appliance.ready("westeurope", REPOSITORY)
    await ask(appliance, "westeurope", OTHER)
    appliance.later()
    await ask(appliance, "westeurope", OTHER)
    forget_requests(appliance)

    await ask(appliance, "westeurope", REPOSITORY)
    await ask(appliance, "westeurope", REPOSITORY, OTHER)

    assert requests(appliance) == 0


async def test_one_repositorys_trouble_is_nobody_elses(appliance: Appliance) -> None:
    missing = ArmId(f"{REPOSITORY}x")

    outcomes = await asyncio.gather(
        ask(appliance, "westeurope", REPOSITORY),
        ask(appliance, "westeurope", missing),
        ask(appliance, "westeurope"),
    )

    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]


async def test_one_pass_is_in_flight_at_a_time_whoever_asks_for_what(appliance: Appliance) -> None:
    appliance.arm.add("StorageAccount", OTHER, {"location": "westeurope"})
    appliance.arm.lag_s = 0.01
    asked = [(), (REPOSITORY,), (OTHER,), (REPOSITORY, OTHER)] * 10

    outcomes = await asyncio.gather(
        *(ask(appliance, "westeurope", *accounts) for accounts in asked)
    )

    assert {type(outcome) for outcome in outcomes} == {Done}
    # The first one begins with what was asked by then; all others share the next one.
    assert appliance.arm.lists <= 2
    written = [identity for _, identity in appliance.arm.puts]
    assert len(written) == len(set(written))


async def test_whoever_stops_waiting_does_not_stop_the_others(appliance: Appliance) -> None:
    appliance.arm.lag_s = 0.05
    impatient = asyncio.create_task(appliance.regions.ensure(SUBSCRIPTION, "westeurope", ()))
    patient = asyncio.create_task(appliance.regions.ensure(SUBSCRIPTION, "westeurope", ()))
    await asyncio.sleep(0.02)

    impatient.cancel()

    assert isinstance((await patient).outcome, Done)


async def test_a_wait_is_shared_until_it_is_over(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount"}
    await appliance.ensure()
    forget_requests(appliance)

    assert isinstance(await ask(appliance, "westeurope"), Waiting)
    assert requests(appliance) == 0

    appliance.arm.finish()
    appliance.clock.turn(2)
    assert isinstance(await ask(appliance, "westeurope"), Done)


async def test_after_a_lost_attempt_what_was_seen_before_it_counts_no_more(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    appliance.clock.turn(5)
    lost_at = appliance.clock.now()
    (endpoint,) = [
        identity
        for identity, body in appliance.arm.bodies.items()
        if "/privateendpoints/" in identity and "repository01" in str(body)
    ]
    del appliance.arm.bodies[endpoint]
    appliance.clock.turn(5)

    for _ in range(3):
        forget_requests(appliance)
        await appliance.regions.ensure(SUBSCRIPTION, "westeurope", (REPOSITORY,), lost_at)

    assert endpoint in appliance.arm.bodies
    assert requests(appliance) == 0


async def test_azures_wish_for_patience_is_obeyed_by_everybody(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    appliance.later()
    appliance.arm.unreachable = TransientError("too many requests", retry_after_s=303)
    assert isinstance(await ask(appliance, "westeurope"), Waiting)
    forget_requests(appliance)

    appliance.clock.turn(300)
    assert isinstance(await ask(appliance, "westeurope"), Waiting)
    appliance.arm.unreachable = None
    assert requests(appliance) == 0

    appliance.clock.turn(4)
    assert isinstance(await ask(appliance, "westeurope"), Done)


async def test_another_wish_is_looked_at_at_once(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    await appliance.reconciler.reconcile(KEY)
    stored = appliance.objects.stored[KEY]
    spec = msgspec.structs.replace(stored.spec, tags=(EnvironmentTag("cost", "1"),))
    appliance.objects.stored[KEY] = msgspec.structs.replace(stored, spec=spec)
    appliance.arm.puts.clear()

    await appliance.reconciler.reconcile(KEY)

    assert appliance.arm.puts


async def test_a_disk_access_is_looked_at_once_a_minute_and_only_it(appliance: Appliance) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    access = disk_access_of("northeurope")
    await appliance.regions.ensure_disk_access(SUBSCRIPTION, "northeurope", access)
    forget_requests(appliance)

    for _ in range(10):
        await appliance.regions.ensure_disk_access(SUBSCRIPTION, "northeurope", access)
    assert requests(appliance) == 0

    appliance.later()
    await appliance.regions.ensure_disk_access(SUBSCRIPTION, "northeurope", access)
    assert requests(appliance) == 3
