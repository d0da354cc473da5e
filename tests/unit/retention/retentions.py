"""Retentions, points and zones as tests draw them, and which points a plain reading keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from vmbackup_core.retention.rules import Retention

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)

#: With clocks that change at midnight, a minute behind it, by half an hour, twice within a month;
#: with a day that never was, and with half and three quarters of an hour to UTC.
ZONES = (
    "Etc/UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Amman",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)

#: In 2011 Apia left a day out and St. John's changed its clocks a minute behind midnight.
YEARS = (2011, 2017, 2026)

few = st.integers(0, 4)
zones = st.sampled_from(ZONES)
retentions = st.builds(
    Retention,
    last=st.integers(1, 4),
    daily=few,
    weekly=few,
    monthly=few,
    yearly=few,
    hourly=few,
    within_days=few,
    min_successful=st.integers(1, 4),
    time_zone=zones,
)
moments = st.builds(
    lambda year, minutes: datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from(YEARS),
    st.integers(0, 366 * 24 * 60),
)


@st.composite
def series(draw: st.DrawFn, most: int = 30) -> list[datetime]:
    """Draw points some minutes to some weeks after each other, many of them about a day or hour."""
    moment, points = draw(moments), list[datetime]()
    gaps = st.one_of(
        st.sampled_from([30, 60, 61, 6 * 60, 23 * 60, 24 * 60, 25 * 60, 7 * 24 * 60]),
        st.integers(1, 40 * 24 * 60),
    )
    for gap in draw(st.lists(gaps, max_size=most)):
        points.append(moment)
        moment += timedelta(minutes=gap)
    return points


#: What a calendar calls the period, written down: the offset tells an hour that comes twice.
CALENDAR = {
    "hourly": "%Y-%m-%dT%H%z",
    "daily": "%Y-%m-%d",
    "weekly": "%G-W%V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}


def newest_by_calendar(
    points: Sequence[datetime], line: str, count: int, zone: str
) -> set[datetime]:
    """Return the newest point of each of the newest *count* periods, by their written names."""
    newest: dict[str, datetime] = {}
    for point in sorted(points):
        newest[point.astimezone(ZoneInfo(zone)).strftime(CALENDAR[line])] = point
    return set(sorted(newest.values())[-count:] if count else ())
