"""Sessions that have ended are known as long as their objects are there, by whoever looks."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.unit.metrics.told import LAST_SLOT, POLICY, backup
from tests.worlds.memory_objects import MemorySessions
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    RestoreSession,
    RestoreSessionSpec,
    RestoreSessionStatus,
    RestoreTarget,
)
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions
from vmbackup_operator.sessions.ended import Bytes, EndedSessions, ended_session

OTHER = ObjectKey("team", "weekly")
EARLIER = LAST_SLOT - timedelta(days=1)


def keys(ended: EndedSessions) -> set[ObjectKey]:
    return {each.key for each in ended.all()}


def restore_of(session: BackupSession) -> RestoreSession:
    """Return a restore that succeeded, under the name of *session*."""
    target = RestoreTarget("subscription", "group", "westeurope")
    spec = RestoreSessionSpec(
        recovery_point_ref=ObjectReference("point"), mode="Disks", target=target
    )
    return RestoreSession(session.metadata, spec, RestoreSessionStatus(outcome="Succeeded"))


def test_a_list_of_a_policys_sessions_tells_which_of_them_have_gone() -> None:
    ended = EndedSessions()
    stays, goes = backup("web-01", LAST_SLOT), backup("web-01", EARLIER)
    foreign = backup("web-01", LAST_SLOT, policy_key=OTHER)
    for session in (stays, goes, foreign):
        ended.note(session)

    ended.take_list([stays], lambda each: each.policy == POLICY)

    assert keys(ended) == {stays.key, foreign.key}


def test_a_list_brings_what_nobody_had_told_and_leaves_out_what_goes_on() -> None:
    ended = EndedSessions()
    done, under_way = backup("web-01", EARLIER), backup("web-01", LAST_SLOT, None)

    ended.take_list([done, under_way], lambda each: each.policy == POLICY)

    assert keys(ended) == {done.key}


def test_a_session_that_takes_an_ended_ones_name_takes_its_place() -> None:
    ended = EndedSessions()
    first = backup("web-01", LAST_SLOT)
    ended.note(first)

    metadata = replace(first.metadata, uid="another")
    ended.note(replace(first, metadata=metadata, status=replace(first.status, outcome=None)))

    assert keys(ended) == set()


def test_what_the_watch_tells_late_takes_nothing_back() -> None:
    ended = EndedSessions()
    session = backup("web-01", LAST_SLOT)
    ended.note(session)

    ended.note(replace(session, status=replace(session.status, outcome=None)))

    assert keys(ended) == {session.key}


def test_a_restore_and_a_backup_of_one_name_are_two() -> None:
    ended = EndedSessions()
    session = backup("web-01", LAST_SLOT)
    restore = restore_of(session)
    ended.note(session)
    ended.note(restore)

    ended.take_list([], lambda each: each.type != "Restore")

    assert keys(ended) == {restore.key}


async def test_one_that_is_found_to_have_gone_is_forgotten() -> None:
    book, stored = SessionBook(), MemorySessions(TurnedClock())
    booked = BookedSessions(
        BackupSession, stored, book, Allocator(book, lambda _key: None), lambda: None
    )
    session = backup("web-01", LAST_SLOT)
    booked.seen(session)
    booked.gone(session.key)
    after_the_watch_has_lost_it = keys(book.ended)

    await booked.find(session.key)

    assert after_the_watch_has_lost_it == {session.key}
    assert keys(book.ended) == set()


def test_what_a_point_covers_is_its_first_snapshots_moment_or_its_slot() -> None:
    session = backup("web-01", LAST_SLOT - timedelta(seconds=2))
    of_slot = replace(session, spec=replace(session.spec, slot=LAST_SLOT))
    late = replace(session, spec=replace(session.spec, slot=EARLIER))
    pointless = replace(session, status=replace(session.status, recovery_point=None))

    covers = [ended_session(each) for each in (session, of_slot, late, pointless)]

    assert [each.covers for each in covers if each is not None] == [
        LAST_SLOT - timedelta(seconds=2),
        LAST_SLOT,
        LAST_SLOT - timedelta(seconds=2),
        None,
    ]


def test_what_was_moved_is_the_sum_of_the_disks() -> None:
    found = ended_session(backup("web-01", LAST_SLOT))

    assert found is not None
    assert found.moved == Bytes(read=600, stored=37, changed=400)
