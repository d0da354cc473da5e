"""How few sights tell how long anything has been expiring, whatever the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vmbackup_operator.model.backup_repository import Sight
from vmbackup_operator.upkeep.sights import APART, MOST, WAIT, with_sight

START = datetime(2026, 11, 22, tzinfo=UTC)
#: Passes: minutes since the one before, and how far the log has grown since.
PASSES = st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 5)), max_size=80)


def seen_for(sights: tuple[Sight, ...], number: int, now: datetime) -> timedelta:
    """Return for how long the entry of that number has been seen at the least."""
    times = [each.time for each in sights if each.number >= number and each.time <= now]
    return max((now - time for time in times), default=timedelta(0))


@given(PASSES)
def test_nothing_is_said_to_be_seen_for_longer_than_it_was_and_nothing_waits_for_ever(
    passes: list[tuple[int, int]],
) -> None:
    sights: tuple[Sight, ...] = ()
    now, number = START, 1
    first_seen: dict[int, datetime] = {}
    for minutes, growth in passes:
        now += timedelta(minutes=minutes)
        for entry in range(number, number + growth + 1):
            first_seen.setdefault(entry, now)
        number += growth
        sights = with_sight(sights, number, now)

        assert len(sights) <= MOST
        for entry, moment in first_seen.items():
            told = seen_for(sights, entry, now)
            assert told <= now - moment
            # Told at most APART too late, and never forgotten once it may go.
            if now - moment >= WAIT + APART + timedelta(minutes=3000):
                assert told >= WAIT


def test_a_sight_ahead_of_now_is_dropped() -> None:
    ahead = Sight(5, START + timedelta(days=300))

    assert with_sight((Sight(3, START), ahead), 6, START + timedelta(hours=5)) == (
        Sight(3, START),
        Sight(6, START + timedelta(hours=5)),
    )


def test_a_sight_of_a_longer_log_is_dropped() -> None:
    sights = with_sight((), 9, START)

    later = START + timedelta(days=2)
    assert with_sight(sights, 4, later) == (Sight(4, later),)


def test_a_log_that_has_not_grown_needs_no_other_sight() -> None:
    sights = with_sight((), 5, START)

    assert with_sight(sights, 5, START + timedelta(days=9)) == sights
