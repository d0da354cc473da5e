"""Where disk accesses are, and which of those that are met are ours."""

from __future__ import annotations

import pytest

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_regions import ready_region
from tests.worlds.samples import FOREIGN_GROUP, FOREIGN_SUBSCRIPTION, SETTINGS_ACROSS
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.naming import resource_group_of, subscription_of
from vmbackup_operator.sessions.access_places import access_place

REGION = ready_region(Azure(TurnedClock()), AWAY)
OWN = access_place(SETTINGS_ACROSS, REGION, SUBSCRIPTION)
THERE = access_place(SETTINGS_ACROSS, REGION, FOREIGN_SUBSCRIPTION)


def test_those_of_the_workers_subscription_are_in_the_regions_group() -> None:
    assert subscription_of(OWN.access(0)) == SUBSCRIPTION
    assert resource_group_of(OWN.access(0)) == REGION.resource_group


def test_those_of_another_subscription_are_in_the_group_that_the_settings_name() -> None:
    assert subscription_of(THERE.access(0)) == FOREIGN_SUBSCRIPTION
    assert resource_group_of(THERE.access(0)) == FOREIGN_GROUP


@pytest.mark.parametrize(
    "other",
    [
        OWN.access(3),
        f"{THERE.access(3)}x",
        THERE.access(3).replace(FOREIGN_GROUP, "others"),
        THERE.access(3).replace("-3", "-03"),
        "",
    ],
    ids=["of the other place", "no number", "of another group", "a leading zero", "nothing"],
)
def test_only_what_is_called_as_ours_is_found(other: str) -> None:
    assert THERE.find(THERE.access(3).upper()) == THERE.access(3)
    assert THERE.find(other) is None
