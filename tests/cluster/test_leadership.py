"""Several operators of one appliance on a real API server: one works, another takes over.

Time passes where a test turns the clock: how long the API server takes to answer decides nothing.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.worlds.turned_clock import TurnedClock
from tools.local_cloud.control_plane import ControlPlane
from vmbackup_core.clock import Clock, SystemClock
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.leadership import Leadership, LeadershipLost, Terms

pytestmark = pytest.mark.control_plane

NAMESPACE = "vmbackup-system"
#: Looked at often, and longer than any test may take.
LONG = Terms(duration_s=3600, renew_deadline_s=1200, retry_s=0.1)
LIMIT_S = 120


def contender(
    connection: Connection, lease: str, instance: str, clock: Clock | None = None
) -> Leadership:
    return Leadership(connection, clock or SystemClock(), (NAMESPACE, lease), instance, LONG)


async def acquired(leadership: Leadership, holders: list[str] | None = None) -> None:
    """Return once it leads; whom it waited for is in *holders*, once for each look."""
    told = [] if holders is None else holders
    async with asyncio.timeout(LIMIT_S):
        await leadership.acquire(told.append)


async def looks(holders: list[str], count: int = 2) -> None:
    """Return when who waits has looked *count* times more: once after this was called, at least."""
    until = len(holders) + count
    async with asyncio.timeout(LIMIT_S):
        while len(holders) < until:  # noqa: ASYNC110 - the one that waits tells nobody else
            await asyncio.sleep(0.01)


def version(plane: ControlPlane, lease: str) -> str:
    found = plane.administrator.get("lease", lease, "-n", NAMESPACE)
    return str(found["metadata"]["resourceVersion"])


async def renewed(plane: ControlPlane, lease: str) -> None:
    """Return when the Lease has been renewed after this was called."""
    before = await asyncio.to_thread(version, plane, lease)
    async with asyncio.timeout(LIMIT_S):
        while await asyncio.to_thread(version, plane, lease) == before:
            pass


async def test_one_holds_it_and_the_other_waits_and_says_for_whom(
    connection: Connection, installed: ControlPlane
) -> None:
    clock, holders = TurnedClock(), list[str]()
    one, two = contender(connection, "waits", "one"), contender(connection, "waits", "two", clock)
    await acquired(one)
    one.check()
    keeping = asyncio.create_task(one.keep())

    waiting = asyncio.create_task(acquired(two, holders))
    for _ in range(3):  # more than its whole length in all, and never so long without a renewal
        await renewed(installed, "waits")
        await looks(holders)
        clock.turn(LONG.duration_s * 2 / 3)

    assert not waiting.done()
    with pytest.raises(LeadershipLost):
        two.check()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await one.release()
    await waiting
    assert set(holders) == {"one"}
    two.check()


async def test_what_is_given_back_is_taken_over_at_once(connection: Connection) -> None:
    one, two = (contender(connection, "given-back", name) for name in ("one", "two"))
    await acquired(one)

    await one.release()
    await acquired(two)  # long before its length has passed

    with pytest.raises(LeadershipLost):
        one.check()


async def replaced(one: Leadership, two: Leadership, clock: TurnedClock) -> None:
    """Let *two* take over from *one*, which was killed; *clock* is that of both."""
    holders: list[str] = []
    await acquired(one)
    waiting = asyncio.create_task(acquired(two, holders))
    await looks(holders)
    clock.turn(LONG.renew_deadline_s)
    with pytest.raises(LeadershipLost):
        one.check()
    await looks(holders)
    assert not waiting.done()

    clock.turn(LONG.duration_s - LONG.renew_deadline_s + 1)
    await waiting


async def test_one_that_was_killed_is_replaced_only_after_it_has_stopped_counting_as_holder(
    connection: Connection,
) -> None:
    clock = TurnedClock()
    one, two = (contender(connection, "killed", name, clock) for name in ("one", "two"))

    await replaced(one, two, clock)

    with pytest.raises(LeadershipLost):
        one.check()
    two.check()


async def test_one_that_sleeps_through_its_term_learns_that_it_leads_no_more(
    connection: Connection, installed: ControlPlane
) -> None:
    clock = TurnedClock()
    one, two = (contender(connection, "slept", name, clock) for name in ("one", "two"))
    await replaced(one, two, clock)

    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(one.keep(), LIMIT_S)

    lease = installed.administrator.get("lease", "slept", "-n", NAMESPACE)
    assert lease["spec"]["holderIdentity"] == "two"
    assert lease["spec"]["leaseTransitions"] == 1


async def test_started_again_under_its_name_it_goes_on_at_once(connection: Connection) -> None:
    await acquired(contender(connection, "again", "one"))

    await acquired(contender(connection, "again", "one"))  # long before its length has passed
