"""Several operators of one appliance on a real API server: one works, another takes over."""

from __future__ import annotations

import asyncio
import time

import pytest

from tools.local_cloud.control_plane import ControlPlane
from vmbackup_core.clock import SystemClock
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.leadership import Leadership, LeadershipLost, Terms

pytestmark = pytest.mark.control_plane

NAMESPACE = "vmbackup-system"
QUICK = Terms(duration_s=3, renew_deadline_s=2.0, retry_s=0.2)


def contender(connection: Connection, lease: str, instance: str) -> Leadership:
    return Leadership(connection, SystemClock(), (NAMESPACE, lease), instance, QUICK)


async def acquired(leadership: Leadership, limit_s: float = 20) -> list[str]:
    """Return once it leads; whom it waited for."""
    holders: list[str] = []
    await asyncio.wait_for(leadership.acquire(holders.append), limit_s)
    return holders


async def test_one_holds_it_and_the_other_waits_and_says_for_whom(connection: Connection) -> None:
    one, two = (contender(connection, "waits", name) for name in ("one", "two"))
    await acquired(one)
    one.check()
    keeping = asyncio.create_task(one.keep())

    waiting = asyncio.create_task(acquired(two))
    await asyncio.sleep(4)

    assert not waiting.done()
    with pytest.raises(LeadershipLost):
        two.check()
    keeping.cancel()
    await one.release()
    assert set(await waiting) == {"one"}
    two.check()


async def test_what_is_given_back_is_taken_over_at_once(connection: Connection) -> None:
    one, two = (contender(connection, "given-back", name) for name in ("one", "two"))
    await acquired(one)

    await one.release()
    began = time.monotonic()
    await acquired(two)

    assert time.monotonic() - began < QUICK.duration_s
    with pytest.raises(LeadershipLost):
        one.check()


async def test_one_that_was_killed_is_replaced_only_after_it_has_stopped_counting_as_holder(
    connection: Connection,
) -> None:
    one, two = (contender(connection, "killed", name) for name in ("one", "two"))
    await acquired(one)

    await acquired(two)

    with pytest.raises(LeadershipLost):
        one.check()
    two.check()


async def test_one_that_sleeps_through_its_term_learns_that_it_leads_no_more(
    connection: Connection, installed: ControlPlane
) -> None:
    one, two = (contender(connection, "slept", name) for name in ("one", "two"))
    await acquired(one)
    await acquired(two)

    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(one.keep(), 10)

    lease = installed.administrator.get("lease", "slept", "-n", NAMESPACE)
    assert lease["spec"]["holderIdentity"] == "two"
    assert lease["spec"]["leaseTransitions"] == 1


async def test_started_again_under_its_name_it_goes_on_at_once(connection: Connection) -> None:
    await acquired(contender(connection, "again", "one"))

    began = time.monotonic()
    await acquired(contender(connection, "again", "one"))

    assert time.monotonic() - began < QUICK.duration_s
