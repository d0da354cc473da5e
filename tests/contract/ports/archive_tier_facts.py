"""What the Archive tier of a store promises, wherever that is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.stores.archive_tier import OFFLINE, ArchiveTier, Priority
from vmbackup_core.stores.port import NotStored, ObjectUnreadable, Store

PRIORITIES: tuple[Priority, ...] = ("Standard", "High")


@dataclass(frozen=True)
class ArchivePlace:
    """A store and its tier; *put* stores and archives, *wait* lets so much time pass."""

    store: Store
    tier: ArchiveTier
    put: Callable[[str, bytes], None]
    wait: Callable[[Priority], None]
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def copy(self) -> str:
        return f"{self.name}-copy"

    def why_unreadable(self, name: str) -> str:
        with pytest.raises(ObjectUnreadable) as refused:
            self.store.get_range(name, 0, 1)
        return refused.value.reason

    def listed(self) -> dict[str, bool]:
        """Return whether what belongs to this test is archived, by its name."""
        return {each.name: each.archived for each in self.store.list(self.name)}


class ArchiveTierFacts(Suite):
    """Gets *place*."""

    ports = (ArchiveTier,)

    def test_what_is_in_the_tier_is_listed_and_not_read(self, place: ArchivePlace) -> None:
        place.put(place.name, b"cold")

        assert place.why_unreadable(place.name) in OFFLINE
        assert place.listed() == {place.name: True}

    @pytest.mark.parametrize("priority", PRIORITIES)
    def test_a_copy_is_read_when_its_time_is_over_and_its_source_stays(
        self, place: ArchivePlace, priority: Priority
    ) -> None:
        place.put(place.name, b"cold")

        place.tier.bring_back(place.name, place.copy, priority)

        assert place.why_unreadable(place.copy) in OFFLINE
        assert place.listed() == {place.name: True, place.copy: True}
        place.wait(priority)
        assert place.store.get(place.copy) == b"cold"
        assert place.listed() == {place.name: True, place.copy: False}

    def test_a_copy_that_is_there_is_not_begun_again(self, place: ArchivePlace) -> None:
        place.put(place.name, b"cold")
        place.tier.bring_back(place.name, place.copy, "High")

        place.tier.bring_back(place.name, place.copy, "Standard")
        place.wait("High")
        place.tier.bring_back(place.name, place.copy, "Standard")

        assert place.store.get(place.copy) == b"cold"

    def test_a_copy_on_its_way_is_deleted_and_begun_again(self, place: ArchivePlace) -> None:
        place.put(place.name, b"cold")
        place.tier.bring_back(place.name, place.copy, "Standard")

        place.store.delete(place.copy)
        assert place.listed() == {place.name: True}
        place.tier.bring_back(place.name, place.copy, "Standard")

        assert place.listed() == {place.name: True, place.copy: True}

    def test_what_is_not_there_is_not_brought_back(self, place: ArchivePlace) -> None:
        with pytest.raises(NotStored):
            place.tier.bring_back(place.name, place.copy, "High")

    def test_what_is_put_away_is_in_the_tier_however_often(self, place: ArchivePlace) -> None:
        place.store.put_new(place.name, b"warm")

        place.tier.put_away(place.name)
        place.tier.put_away(place.name)

        assert place.why_unreadable(place.name) in OFFLINE
        assert place.listed() == {place.name: True}

    def test_what_was_put_away_is_read_from_a_copy(self, place: ArchivePlace) -> None:
        place.store.put_new(place.name, b"warm")
        place.tier.put_away(place.name)

        place.tier.bring_back(place.name, place.copy, "High")
        place.wait("High")

        assert place.store.get(place.copy) == b"warm"

    def test_what_was_put_away_is_deleted(self, place: ArchivePlace) -> None:
        place.store.put_new(place.name, b"warm")
        place.tier.put_away(place.name)

        place.store.delete(place.name)

        assert place.listed() == {}

    def test_what_is_not_there_is_not_put_away(self, place: ArchivePlace) -> None:
        with pytest.raises(NotStored):
            place.tier.put_away(place.name)

    def test_a_copy_on_its_way_is_not_put_away(self, place: ArchivePlace) -> None:
        place.put(place.name, b"cold")
        place.tier.bring_back(place.name, place.copy, "High")

        with pytest.raises(ObjectUnreadable) as refused:
            place.tier.put_away(place.copy)

        assert refused.value.reason == "BlobBeingRehydrated"
