"""An exported disk is asked 500 times a second, and no more often."""

from __future__ import annotations

import pytest

from azure_simulator.disks.rates import MOST_PER_SECOND, Rates
from azure_simulator.storage.wire import StorageError


class Clock:
    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


def test_what_is_above_500_requests_in_a_second_is_refused_as_azure_does() -> None:
    clock = Clock()
    rates = Rates(clock)
    for _ in range(MOST_PER_SECOND):
        rates.count("/disks/One")

    with pytest.raises(StorageError) as refused:
        rates.count("/disks/one")
    assert (refused.value.status, refused.value.code) == (503, "ServerBusy")
    rates.count("/disks/two")


def test_who_asks_on_is_refused_on_and_who_waits_a_second_is_served() -> None:
    clock = Clock()
    rates = Rates(clock)
    for _ in range(MOST_PER_SECOND):
        rates.count("/disks/one")
    clock.now += 0.5
    for _ in range(MOST_PER_SECOND):
        with pytest.raises(StorageError):
            rates.count("/disks/one")
    clock.now += 0.75
    with pytest.raises(StorageError):
        rates.count("/disks/one")
    clock.now += 1
    rates.count("/disks/one")
