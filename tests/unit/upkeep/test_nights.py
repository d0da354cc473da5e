"""Nights of a real repository, kept up by the operator: what is let go, deleted and found."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_policies import policy
from tests.worlds.memory_upkeep import UpkeepWorld
from tests.worlds.samples import VM
from tests.worlds.upkept_repository import POLICY, UpkeptRepository
from vmbackup_operator.model.metadata import UPKEEP_ANNOTATION, ObjectKey
from vmbackup_operator.model.retention import Retention, SessionRetention
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.policies.occasions import with_retention
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.upkeep.ports import UpkeepJobs


class Nights(UpkeepWorld):
    """A repository that holds what backups wrote, and upkeep that does its jobs in there."""

    def __init__(self, piece_s: float) -> None:
        self.upkept = UpkeptRepository(piece_s=piece_s)
        super().__init__(self.upkept.clock)
        self.repositories.stored.clear()
        self.repositories.put(self.upkept.repository)
        self.make_policy()
        self.keep(1)

    def make_policy(self) -> None:
        """Have the policy made, which backs up nothing by itself."""
        wanted = policy(VM)
        self.policies.put(replace(wanted, metadata=replace(wanted.metadata, name=POLICY.name)))

    @override
    def worker(self) -> UpkeepJobs:
        self.upkept.restart()
        return self.upkept.jobs

    def keep(self, last: int, within_days: int = 0) -> None:
        """Have the policy keep so many points, and the operator see that now."""
        stored = self.policies.stored[POLICY]
        retention = Retention(last=last, within_days=within_days)
        self.policies.put(replace(stored, spec=replace(stored.spec, retention=retention)))
        stored = self.policies.stored[POLICY]
        status = with_retention(stored, stored.status, self.clock.now())
        self.policies.store(replace(stored, status=status))

    def manifests(self) -> int:
        names = self.upkept.points.containers.container("backups").list("c/")
        return sum("/m/" in each.name for each in names)

    @property
    def counted(self) -> int:
        return len(self.upkept.points.points)

    async def night(self) -> None:
        """Back up, and let the day pass; the operator is started anew in between."""
        await self.upkept.back_up()
        self.start()
        await self.pass_night()


@pytest.fixture(params=[1.0, 0.0], ids=["at once", "in pieces"])
def nights(request: pytest.FixtureRequest) -> Nights:
    return Nights(request.param)


async def test_a_policy_keeps_its_points_and_what_nothing_needs_goes(nights: Nights) -> None:
    await nights.settle()
    for _ in range(6):
        await nights.night()

    assert nights.counted == 1
    # A point of the night before waits, and one whose sight was a moment less than a day old.
    assert 2 <= nights.manifests() <= 3
    assert set(nights.outcomes().values()) == {"Succeeded"}
    assert nights.events.told == []
    assert "recovery point" in nights.record("Expire").message


async def test_a_retention_that_keeps_less_waits_for_its_days(nights: Nights) -> None:
    """Points are stamped with what kept them; a slip of the hand deletes nothing for a week."""
    nights.edit(retention_change_delay_days=4)
    nights.upkept.stamp = SessionRetention(last=3)
    nights.keep(3)
    await nights.settle()
    for _ in range(3):
        await nights.night()
    assert nights.counted == 3

    nights.keep(1)
    await nights.pass_time(3 * 24 * 3600)
    assert nights.counted == 3
    await nights.pass_time(2 * 24 * 3600)
    assert nights.counted == 1


async def test_a_longer_retention_with_which_nothing_was_backed_up_is_waited_for_too(
    nights: Nights,
) -> None:
    """A VM that is backed up no more: its history was to stay for a year, until somebody slips."""
    nights.upkept.stamp = SessionRetention(last=1, within_days=10)
    nights.keep(1, within_days=10)
    await nights.settle()
    for _ in range(3):
        await nights.night()
    nights.keep(1, within_days=365)
    await nights.pass_time(20 * 24 * 3600)
    assert nights.counted == 3

    nights.keep(1, within_days=10)
    nights.start()
    await nights.pass_time(6 * 24 * 3600)
    assert nights.counted == 3
    await nights.pass_time(2 * 24 * 3600)
    assert nights.counted == 1


@pytest.mark.parametrize("what", ["edited", "deleted", "made again"])
async def test_nobody_who_may_edit_policies_deletes_history_before_the_delay(
    nights: Nights, what: str
) -> None:
    """Backups that are made with the shorter retention change nothing of that."""
    nights.upkept.stamp = SessionRetention(last=3)
    nights.keep(3)
    await nights.settle()
    for _ in range(3):
        await nights.night()
    nights.upkept.stamp = SessionRetention(last=1)
    nights.keep(1)
    await nights.night()
    if what != "edited":
        nights.policies.stored.pop(POLICY)
    if what == "made again":
        nights.make_policy()
        nights.keep(1)

    for _ in range(6):
        await nights.night()
        assert nights.counted == 3

    for _ in range(3):
        await nights.night()
    assert nights.counted == 1


async def test_a_repository_that_was_put_back_loses_nothing_until_somebody_has_looked(
    nights: Nights,
) -> None:
    await nights.settle()
    await nights.upkept.back_up(3)
    found = nights.upkept.put_back()
    nights.say_ready("HistoryRolledBack")
    manifests = nights.manifests()
    await nights.pass_time(3 * 24 * 3600)
    assert nights.manifests() == manifests
    assert nights.record("Expire").outcome == "Left"

    nights.annotate(accept_history=f"{found.number}:{found.sha256}")
    await nights.settle()
    assert nights.repository.status.log is not None
    assert nights.repository.status.log.number >= found.number
    nights.say_ready("Ready")
    await nights.pass_time(4 * 24 * 3600)
    assert nights.counted == 1
    assert nights.manifests() < manifests


async def test_a_run_that_goes_on_keeps_its_commits(nights: Nights) -> None:
    await nights.settle()
    await nights.upkept.back_up()
    wanted = await nights.upkept.committed()
    nights.records.stored["x"] = UndoRecord(
        ObjectKey("team", "one"), "uid", wanted.run_id, VM, Resolved(), 3
    )
    await nights.pass_time(3 * 24 * 3600)

    await nights.upkept.place.record(wanted)
    assert wanted.run_id in nights.upkept.points.points


def test_the_annotation_is_the_one_that_is_documented() -> None:
    assert UPKEEP_ANNOTATION == "vmbackup.dev/upkeep"
