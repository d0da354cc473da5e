"""Which bundles of earlier versions are deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vmbackup_operator.services.bundles import outdated

T = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = {name: T + timedelta(days=day) for day, name in enumerate("abcd")}


@pytest.mark.parametrize(
    ("there", "current", "gone"),
    [
        ("", "a", []),
        ("a", "a", []),
        ("ab", "b", []),
        ("abc", "c", ["a"]),
        ("abcd", "d", ["b", "a"]),
        ("abcd", "c", []),
        ("abcd", "a", []),
    ],
)
def test_the_newest_two_stay_and_all_while_an_older_one_is_in_use(
    there: str, current: str, gone: list[str]
) -> None:
    assert outdated({name: TIMES[name] for name in there}, current) == gone
