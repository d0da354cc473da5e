"""What a repository's jobs do, piece by piece, over restarts, kills and running backups."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.contract.ports.point_facts import NOON, settled
from tests.sampling import some_of
from tests.worlds.memory_points import USER_KEY
from tests.worlds.upkept_repository import POLICY, UpkeptRepository
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.log.log_entries import Claimed
from vmbackup_core.repository.primitives.names import commit_name
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_repository import Sight
from vmbackup_operator.upkeep.ports import Job, JobDone

DAY_S = 86_400
#: More puts and deletions than a pass makes.
MANY = 100_000
PIECES: tuple[Job, ...] = ("Catalog", "Expire", "Prune", "Lists")


@pytest.fixture(params=[1.0, 0.0], ids=["at once", "in pieces"])
def upkept(request: pytest.FixtureRequest) -> UpkeptRepository:
    """Return a repository whose pieces are long or as small as they can be."""
    return UpkeptRepository(piece_s=request.param)


def data(upkept: UpkeptRepository) -> list[str]:
    return [each.name for each in upkept.points.containers.container("backups").list("c/")]


def in_folder(upkept: UpkeptRepository, folder: str) -> int:
    return sum(f"/{folder}/" in name for name in data(upkept))


async def let_go_and_delete(upkept: UpkeptRepository) -> str:
    """Have Expire let go what the rules do not keep, and delete it two days later."""
    await upkept.through("Expire")
    upkept.clock.turn(2 * DAY_S)
    return (await upkept.through("Expire")).message


async def test_a_point_goes_a_day_after_it_stopped_to_count_and_prune_takes_the_rest(
    upkept: UpkeptRepository,
) -> None:
    runs = await upkept.back_up(3)

    first = await upkept.through("Expire")
    counted = set(upkept.points.points)
    upkept.clock.turn(DAY_S - 60)
    early = await upkept.through("Expire")
    manifests = in_folder(upkept, "m")
    upkept.clock.turn(60)
    late = await upkept.through("Expire")
    packs = in_folder(upkept, "p")
    pruned = await upkept.through("Prune")

    assert "2 recovery points no longer kept" in first.message
    assert "2 to be deleted when 24 hours are over" in first.message
    assert counted == {runs[2]}
    assert "2 to be deleted" in early.message
    assert manifests == 3
    assert "2 deleted after a day or more" in late.message
    assert in_folder(upkept, "m") == 1
    assert "deleted" in pruned.message
    assert in_folder(upkept, "p") < packs
    assert (await upkept.through("Prune")).message == "nothing to delete"
    assert (await upkept.through("Check")).findings is False
    assert set(upkept.points.points) == {runs[2]}


async def test_what_goes_in_one_piece_is_said_in_one_object_of_the_log() -> None:
    upkept = UpkeptRepository()
    await upkept.back_up(5)
    await upkept.through("Expire")
    upkept.clock.turn(2 * DAY_S)
    before = upkept.points.open().reading().number

    await upkept.through("Expire")

    reading = upkept.points.open().reading()
    assert (reading.number, reading.state.expiring) == (before + 1, {})


async def test_the_day_is_counted_over_restarts(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    await upkept.through("Expire")
    for _ in range(4):
        upkept.restart()
        upkept.clock.turn(DAY_S / 4)

    done = await upkept.through("Expire")

    assert "1 deleted after a day" in done.message


async def test_a_day_that_nobody_saw_is_not_believed(upkept: UpkeptRepository) -> None:
    """Whoever claims a repository waits from its own first sight (S16)."""
    await upkept.back_up(2)
    await upkept.through("Expire")
    upkept.sights = ()
    upkept.clock.turn(30 * DAY_S)

    done = await upkept.through("Expire")

    assert "1 to be deleted when 24 hours are over" in done.message
    assert in_folder(upkept, "m") == 2


async def test_a_sight_of_a_longer_log_is_of_another_history(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    await upkept.through("Expire")
    upkept.sights = (Sight(99, NOON - timedelta(days=400)),)

    done = await upkept.through("Expire")

    assert "1 to be deleted when 24 hours are over" in done.message


async def test_a_shorter_live_rule_waits_and_a_longer_one_does_not(
    upkept: UpkeptRepository,
) -> None:
    await upkept.back_up(3)
    longer = LiveRule(Retention(2, 0, 0, 0, 0), NOON)
    upkept.rules = {(POLICY.namespace, POLICY.name): longer}

    done = await upkept.through("Expire")

    assert "1 recovery point no longer kept" in done.message


async def test_a_commit_without_point_goes_when_its_run_is_over(upkept: UpkeptRepository) -> None:
    await upkept.committed()
    await upkept.back_up(1)

    busy = await upkept.through("Expire")
    upkept.busy_runs.clear()
    over = await upkept.through("Expire")

    assert "commit" not in busy.message
    assert "1 commit without point let go" in over.message


async def test_what_cannot_go_yet_says_why(upkept: UpkeptRepository) -> None:
    """A commit whose manifest the newest commit names stays until there is a newer one."""
    await upkept.committed()
    upkept.busy_runs.clear()

    message = await let_go_and_delete(upkept)

    assert "1 cannot be deleted yet" in message
    assert "is the newest of chain" in message


async def test_a_point_that_was_never_logged_is_recorded(upkept: UpkeptRepository) -> None:
    runs = await upkept.back_up(2)
    upkept.put_back()
    upkept.restart()

    done = await upkept.through("Catalog")
    again = await upkept.through("Catalog")

    assert done.message == "1 recovery point: found unrecorded, and recorded"
    assert again.message == "the log and what lies there agree"
    assert set(upkept.points.points) == set(runs)


async def test_a_damaged_point_that_was_never_logged_is_a_finding(
    upkept: UpkeptRepository,
) -> None:
    await upkept.back_up(2)
    upkept.put_back()
    upkept.restart()
    counted = {each.point.run_id for each in upkept.points.open().points()}
    names = [each.name for each in upkept.points.control.list("v/")]
    (unlogged,) = (name for name in names if not any(run in name for run in counted))
    upkept.points.control.delete(unlogged)
    upkept.points.control.put_new(unlogged, b"VMBKPONT")

    done = await upkept.through("Catalog")

    assert done.findings
    assert "damaged" in done.message
    assert len(done.events) == 1


async def test_a_point_that_counts_and_does_not_open_is_left_and_said(
    upkept: UpkeptRepository,
) -> None:
    runs = await upkept.back_up(2)
    (name,) = (each.name for each in upkept.points.control.list("v/") if runs[0] in each.name)
    upkept.points.control.delete(name)
    upkept.points.control.put_new(name, b"VMBKPONT")

    done = await upkept.through("Expire")

    assert done.findings
    assert f"the recovery point of run {runs[0]} cannot be opened" in done.message
    assert "0 recovery points no longer kept" in done.message


async def test_a_chain_with_damage_is_left_alone_and_named(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    (chain,) = upkept.points.commits
    first = upkept.points.commits[chain][0]
    upkept.points.control.delete(commit_name(chain, first.slot))

    done = await upkept.through("Prune")

    assert done.findings
    assert f"chain {chain}: the commit in slot 1 is lost" in done.message
    assert done.events


async def test_a_fence_that_is_closed_lets_nothing_be_deleted(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    await let_go_and_delete(upkept)
    before = data(upkept)

    def closed() -> None:
        raise PermanentError("another operator leads", reason="LeaseLost")

    upkept.fence = closed
    upkept.restart()

    with pytest.raises(PermanentError, match="another operator leads"):
        await upkept.through("Prune")
    assert data(upkept) == before


async def test_lists_are_proven_once_and_a_wrong_one_is_a_finding(
    upkept: UpkeptRepository,
) -> None:
    await upkept.back_up(3)

    done = await upkept.through("Lists")
    again = await upkept.through("Lists")
    await upkept.back_up(1)
    (chain,) = upkept.points.commits
    newest = upkept.points.commits[chain][-1]
    name = f"c/{chain}/{newest.pack_list[0].name}"
    upkept.points.control.delete(name)
    wrong = await upkept.through("Lists")

    assert done.message == "3 pack lists recounted and right"
    assert again.message == "0 pack lists recounted and right"
    assert wrong.findings
    assert f"slot {newest.slot} of chain {chain}" in wrong.message
    assert "is missing" in wrong.message


async def test_a_check_names_what_is_worst(upkept: UpkeptRepository) -> None:
    runs = await upkept.back_up(2)
    pack = next(name for name in data(upkept) if "/p/" in name)
    upkept.points.containers.container("backups").delete(pack)

    done = await upkept.through("Check")

    assert done.findings
    assert "1 missing" in done.message
    assert f"{pack} in data: missing, hurts" in done.message
    assert "of disk os" in done.message
    assert len(done.events) == 1
    assert len(runs) == 2


async def test_a_check_expects_the_head_that_is_remembered(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    await settled(lambda: upkept.jobs.log_number(upkept.repository, USER_KEY))
    upkept.put_back()

    done = await upkept.through("Check")

    assert "1 rolledBack" in done.message


async def test_the_repository_of_another_is_left_alone(upkept: UpkeptRepository) -> None:
    await upkept.back_up(2)
    opened = upkept.points.open()
    claim = Claimed(appliance="fabrikam", from_=opened.owner)
    opened.log.append(lambda _: [claim])
    before = data(upkept)
    for job in PIECES:
        with pytest.raises(PermanentError) as refused:
            await upkept.through(job)
        assert refused.value.reason == "ReadOnly"

    assert data(upkept) == before


async def test_a_kill_at_any_put_or_deletion_is_healed_by_the_next_pass() -> None:
    """Whatever was done when the operator ended, the next one begins the jobs anew."""
    unharmed, _ = await expired()
    every = await met_in_pass(unharmed, MANY)
    assert 10 < every < MANY

    for killed_at in some_of(range(every + 1)):
        upkept, last = await expired()
        assert await met_in_pass(upkept, killed_at) == killed_at
        upkept.restart()
        for job in PIECES:
            await upkept.through(job)
        upkept.clock.turn(2 * DAY_S)
        for job in PIECES:
            await upkept.through(job)

        assert set(upkept.points.points) == {last}
        assert not (await upkept.through("Check")).findings
        assert (await upkept.through("Prune")).message == "nothing to delete"


async def expired() -> tuple[UpkeptRepository, RunId]:
    """Return a repository of three points of which the last is kept, two days after Expire."""
    upkept = UpkeptRepository(piece_s=0)
    (*_, last) = await upkept.back_up(3)
    await upkept.committed()
    upkept.busy_runs.clear()
    await upkept.through("Expire")
    upkept.clock.turn(2 * DAY_S)
    return upkept, last


async def met_in_pass(upkept: UpkeptRepository, most: int) -> int:
    """Do a pass that is killed around the put or deletion behind *most*; return how many it met."""
    met = 0

    def meet(_what: str) -> None:
        nonlocal met
        if met == most:
            raise PermanentError("the operator ends here", reason="Killed")
        met += 1

    containers = upkept.points.containers.all()
    for each in containers:
        each.meets = each.meets_deletion = meet
    try:
        for job in PIECES:
            await upkept.through(job)
    except PermanentError as error:
        if error.reason != "Killed":
            raise
    finally:
        for each in containers:
            each.meets = each.meets_deletion = lambda _what: None
    return met


async def test_backups_have_their_turn_between_pieces() -> None:
    """While upkeep goes on piece by piece, a disk is backed up and its point counts."""
    upkept = UpkeptRepository(piece_s=0)
    await upkept.back_up(3)

    async def upkeep() -> list[JobDone]:
        return [await upkept.through(job) for job in (*PIECES, *PIECES)]

    async def backups() -> list[RunId]:
        return [run for _ in range(3) for run in await upkept.back_up(1)]

    done, runs = await asyncio.gather(upkeep(), backups())

    assert not any(each.findings for each in done)
    assert runs[-1] in upkept.points.points
    assert not (await upkept.through("Check")).findings


async def test_a_chain_that_was_left_for_a_new_one_goes_once_a_person_retires_it(
    upkept: UpkeptRepository,
) -> None:
    """Its points expire as ever; its newest backup is kept, as every chain's is, until then."""
    await upkept.back_up()
    (old,) = upkept.points.commits
    begun = upkept.points.open().begin_anew(upkept.disk.unique_id, RunId("a" * 32), "said so")
    (run,) = await upkept.back_up()
    for _ in range(2):
        await let_go_and_delete(upkept)
    await upkept.through("Prune")
    assert set(upkept.points.points) == {run}
    assert [name for name in data(upkept) if old in name]

    upkept.points.open().repairs.retire(old)
    for _ in range(2):
        await let_go_and_delete(upkept)
    await upkept.through("Prune")

    assert [name for name in data(upkept) if old in name] == []
    assert [name for name in data(upkept) if begun.chain in name]
    assert (await upkept.through("Check")).findings is False
