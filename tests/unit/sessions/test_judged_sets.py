"""Snapshot sets are verified once, and again when anything of them changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from tests.worlds.memory_world import World
from tests.worlds.samples import RING, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import RUN_TAG, ArmId
from vmbackup_operator.sessions.judged_sets import JudgedSets
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import SEALED_TAG

OTHER = ArmId(VM.replace("web-01", "db-01"))


class CountedKeys(dict[str, ApplianceKey]):
    """Counts how often a key is looked up: once for each seal that is opened."""

    lookups = 0

    @override
    def get(self, key: str, default: Any = None) -> Any:
        self.lookups += 1
        return super().get(key, default)


@pytest.fixture
async def sets() -> Mapping[str, Sequence[SnapshotSeen]]:
    world = World()
    world.sessions.put(session_of(ObjectKey("team", "one")))
    await world.run(ObjectKey("team", "one"))
    found = list(world.azure.snapshots.values())
    return {found[0].tags[RUN_TAG]: found}


def altered(snapshots: Sequence[SnapshotSeen]) -> list[SnapshotSeen]:
    tags = {**snapshots[0].tags, f"{SEALED_TAG}-0": "altered"}
    return [replace(snapshots[0], tags=tags), *snapshots[1:]]


def test_seals_are_opened_once(sets: Mapping[str, Sequence[SnapshotSeen]]) -> None:
    keys, judged = CountedKeys(RING.keys), JudgedSets()
    ring = KeyRing(RING.active, keys)

    first = judged.judge(ring, sets, VM, 0)
    opened = keys.lookups
    again = [judged.judge(ring, sets, vm, at_s) for vm in (VM, OTHER) for at_s in (1, 100)]

    assert [each.virtual_machine_id for each in first.values()] == [VM]
    assert opened == len(next(iter(sets.values())))
    assert keys.lookups == opened
    assert again == [first, first, {}, {}]


def test_what_is_altered_of_a_vms_own_sets_is_a_fault_at_once(
    sets: Mapping[str, Sequence[SnapshotSeen]],
) -> None:
    judged = JudgedSets()
    judged.judge(RING, sets, VM, 0)

    found = judged.judge(RING, {run: altered(them) for run, them in sets.items()}, VM, 1)

    assert [each.fault is None for each in found.values()] == [False]


def test_what_is_altered_of_another_vms_is_a_fault_within_a_minute(
    sets: Mapping[str, Sequence[SnapshotSeen]],
) -> None:
    judged = JudgedSets()
    judged.judge(RING, sets, VM, 0)
    changed = {run: altered(them) for run, them in sets.items()}

    assert judged.judge(RING, changed, OTHER, 59) == {}
    assert [each.fault is None for each in judged.judge(RING, changed, OTHER, 60).values()] == [
        False
    ]


def test_an_altered_set_that_is_new_is_a_fault_at_once(
    sets: Mapping[str, Sequence[SnapshotSeen]],
) -> None:
    judged = JudgedSets()
    judged.judge(RING, {}, VM, 0)

    found = judged.judge(RING, {run: altered(them) for run, them in sets.items()}, OTHER, 1)

    assert [each.fault is None for each in found.values()] == [False]
