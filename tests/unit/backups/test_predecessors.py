"""From which snapshot a disk's changes are counted: the newest point's whose set is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec.structs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.memory_azure import APPLIANCE, SUBSCRIPTION, recased
from tests.worlds.samples import RING, VM
from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.backups.predecessors import (
    CHAIN_BREAKS_AT,
    Chosen,
    Known,
    all_anew,
    choose_predecessors,
)
from vmbackup_operator.model.session_findings import ResolvedDisk
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId, arm_id, snapshot_id
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import PointSeen, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen
from vmbackup_operator.sessions.tags import SEALED_TAG, MemberFacts, seal_tags

GIB = 2**30
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)

#: Snapshots by ARM id in lower case, as they are given to the decision.
There = dict[str, SnapshotSeen]


def disk_of(number: int, size_bytes: int = 8 * GIB, unique: str = "") -> ResolvedDisk:
    return ResolvedDisk(
        id=arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/disks", f"web-01-{number}"),
        name=f"web-01-{number}",
        unique_id=DiskUniqueId(unique or f"unique-{number}"),
        size_bytes=size_bytes,
        sku="Premium_LRS",
        lun=None if number == 0 else number - 1,
    )


DISKS = [disk_of(number) for number in range(3)]


def run_of(number: int) -> RunId:
    return RunId(f"{number:08x}" + 24 * "0")  # snapshots are called by its first digits


def facts_of(run: RunId, disks: Sequence[ResolvedDisk], position: int) -> MemberFacts:
    disk = disks[position]
    return MemberFacts(
        run_id=run,
        virtual_machine_id=VM,
        disk_id=ArmId(disk.id),
        disk_unique_id=disk.unique_id,
        lun=disk.lun,
        position=position,
        members=len(disks),
        policy="team/nightly",
    )


def snapshots_of(number: int, disks: Sequence[ResolvedDisk] = DISKS) -> list[SnapshotSeen]:
    """Return the snapshot set of a run, as Azure shows it."""
    run = run_of(number)
    ids = [snapshot_id(SUBSCRIPTION, "appliance", run, disk.lun) for disk in disks]
    return [
        SnapshotSeen(
            id=recased(each),
            source_disk_id=ArmId(disk.id),
            source_unique_id=disk.unique_id,
            unique_id=SnapshotUniqueId(f"{number}-{disk.position}"),
            size_bytes=disk.size_bytes,
            created_at=NOON + timedelta(hours=number),
            tags={
                APPLIANCE_TAG: APPLIANCE,
                RUN_TAG: run,
                **seal_tags(RING.active, each, facts_of(run, disks, position)),
            },
            ready=True,
            failure=None,
            network_access="DenyAll",
            public_access=False,
            disk_access_id=None,
            exported=False,
        )
        for position, (each, disk) in enumerate(zip(ids, disks, strict=True))
    ]


def point_of(number: int, disks: Sequence[ResolvedDisk] = DISKS) -> PointSeen:
    """Return the recovery point of a run."""
    run = run_of(number)
    return PointSeen(
        run_id=run,
        created_at=NOON + timedelta(hours=number),
        virtual_machine_id=VM,
        virtual_machine_name="web-01",
        virtual_machine_region="northeurope",
        disks=tuple(_point_disk(number, run, disk) for disk in disks),
    )


def _point_disk(number: int, run: RunId, disk: ResolvedDisk) -> PointDisk:
    return PointDisk(
        id=disk.id,
        name=disk.name,
        unique_id=disk.unique_id,
        lun=disk.lun,
        size_bytes=disk.size_bytes,
        snapshot_id=snapshot_id(SUBSCRIPTION, "appliance", run, disk.lun),
        snapshot_unique_id=SnapshotUniqueId(f"{number}-{disk.position}"),
        chain_id=ChainId(f"{(disk.lun or 0) + 7:032x}"),
        slot=CommitSlot(number),
        commit_sha256="c" * 64,
        manifest=f"m/00000/{number:03x}/{run}",
        manifest_sha256=f"{number:064x}",
        read_bytes=0,
        stored_bytes=0,
    )


def there_of(*sets: Sequence[SnapshotSeen]) -> There:
    return {folded(each.id): each for snapshots in sets for each in snapshots}


def known(there: Mapping[str, SnapshotSeen], *numbers: int) -> Known:
    """Return what is known where these runs have points, given in any order."""
    points = [point_of(number) for number in sorted(numbers, reverse=True)]
    return Known(APPLIANCE, RING, points, there)


def reasons(chosen: Chosen) -> dict[str, str]:
    return {each.disk: each.reason for each in chosen.full_reads}


def runs(chosen: Chosen) -> dict[str, RunId]:
    return {each.disk: each.run_id for each in chosen.predecessors}


def test_each_disk_goes_on_from_the_newest_point_whose_set_is_there() -> None:
    there = there_of(snapshots_of(1), snapshots_of(2))

    chosen = choose_predecessors(DISKS, known(there, 1, 2))

    assert runs(chosen) == {"os": run_of(2), "0": run_of(2), "1": run_of(2)}
    first, held = chosen.predecessors[0], point_of(2).disks[0]
    assert (first.snapshot_id, first.unique_id) == (held.snapshot_id, held.snapshot_unique_id)
    assert (first.manifest, first.manifest_sha256) == (held.manifest_name, held.manifest_sha256)
    assert first.slot == held.slot


def test_a_disk_that_no_point_has_has_no_predecessor() -> None:
    assert set(reasons(choose_predecessors(DISKS, known({}))).values()) == {"NoPredecessor"}
    more = [*DISKS, disk_of(9)]
    assert reasons(choose_predecessors(more, known(there_of(snapshots_of(1)), 1))) == {
        "8": "NoPredecessor"
    }


def test_without_one_snapshot_of_the_set_none_of_it_is_used() -> None:
    there = there_of(snapshots_of(1)[:2])

    chosen = choose_predecessors(DISKS, known(there, 1))

    assert set(reasons(chosen).values()) == {"PredecessorGone"}
    assert point_of(1).disks[2].snapshot_id in chosen.full_reads[0].message


def test_what_was_taken_anew_under_the_name_of_a_snapshot_is_none_of_the_point() -> None:
    made = snapshots_of(1)
    made[1] = replace(made[1], unique_id=SnapshotUniqueId("another"))

    assert set(reasons(choose_predecessors(DISKS, known(there_of(made), 1))).values()) == {
        "PredecessorGone"
    }


def test_an_older_set_serves_where_the_newest_is_gone() -> None:
    chosen = choose_predecessors(DISKS, known(there_of(snapshots_of(1)), 1, 2))

    assert set(runs(chosen).values()) == {run_of(1)}


def test_the_reason_is_that_of_the_newest_point() -> None:
    altered = [_altered(each, SEALED_TAG, "1 k1 1") for each in snapshots_of(1)]

    chosen = choose_predecessors(DISKS, known(there_of(altered), 1, 2))

    assert set(reasons(chosen).values()) == {"PredecessorGone"}


def test_a_disk_that_was_made_anew_is_a_replaced_one() -> None:
    anew = [DISKS[0], disk_of(1, unique="unique-of-another"), DISKS[2]]

    chosen = choose_predecessors(anew, known(there_of(snapshots_of(1)), 1))

    assert reasons(chosen) == {"0": "DiskReplaced"}
    assert set(runs(chosen)) == {"os", "1"}


@pytest.mark.parametrize(
    ("before", "after", "is_full"),
    [
        (8 * GIB, 16 * GIB, False),
        (CHAIN_BREAKS_AT - GIB, CHAIN_BREAKS_AT + GIB, True),
        (CHAIN_BREAKS_AT - GIB, CHAIN_BREAKS_AT, True),
        (CHAIN_BREAKS_AT, CHAIN_BREAKS_AT + GIB, True),
        (CHAIN_BREAKS_AT, CHAIN_BREAKS_AT, False),
        (CHAIN_BREAKS_AT + GIB, 2 * CHAIN_BREAKS_AT, False),
    ],
)
def test_a_resize_across_four_tebibytes_has_the_disk_read_whole(
    before: int, after: int, *, is_full: bool
) -> None:
    was = [disk_of(0, before)]
    facts = Known(APPLIANCE, RING, [point_of(1, was)], there_of(snapshots_of(1, was)))

    chosen = choose_predecessors([disk_of(0, after)], facts)

    assert reasons(chosen) == ({"os": "DiskResizedAcross4TiB"} if is_full else {})


def test_a_set_whose_run_has_no_point_is_said_where_nothing_else_is_known() -> None:
    left = SetSeen(run_of(5), tuple(snapshots_of(5)), policy="team/nightly")
    facts = Known(APPLIANCE, RING, [], there_of(snapshots_of(5)), [left])

    assert set(reasons(choose_predecessors(DISKS, facts)).values()) == {"PointNotCompleted"}


def test_a_disk_whose_changes_are_not_believed_is_read_whole_whatever_older_sets_say() -> None:
    made = snapshots_of(2)
    facts = msgspec.structs.replace(facts_of(run_of(2), DISKS, 1), changes_untrusted=True)
    plain = {APPLIANCE_TAG: APPLIANCE, RUN_TAG: run_of(2)}
    made[1] = replace(made[1], tags={**plain, **seal_tags(RING.active, made[1].id, facts)})

    chosen = choose_predecessors(DISKS, known(there_of(snapshots_of(1), made), 1, 2))

    assert reasons(chosen) == {"0": "ChangeTrackingOff"}
    assert runs(chosen) == {"os": run_of(2), "1": run_of(2)}


def test_new_chains_have_every_disk_read_whole() -> None:
    assert reasons(all_anew(DISKS)) == {"os": "NewChain", "0": "NewChain", "1": "NewChain"}


def test_what_a_lost_key_has_sealed_is_not_believed() -> None:
    other = KeyRing(ApplianceKey("k9", bytes(32)), {"k9": ApplianceKey("k9", bytes(32))})
    facts = replace(known(there_of(snapshots_of(1)), 1), ring=other)

    assert set(reasons(choose_predecessors(DISKS, facts)).values()) == {"TagsNotVerified"}


def _altered(snapshot: SnapshotSeen, name: str, value: str | None) -> SnapshotSeen:
    tags = {key: held for key, held in snapshot.tags.items() if key != name}
    return replace(snapshot, tags=tags if value is None else {**tags, name: value})


def _copied(snapshot: SnapshotSeen, other: SnapshotSeen) -> SnapshotSeen:
    return replace(snapshot, tags=dict(other.tags))


TAGS = sorted(snapshots_of(2)[1].tags)


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("value", [None, "other"], ids=["removed", "altered"])
def test_one_tag_that_is_altered_or_removed_spoils_the_whole_set_and_names_its_snapshot(
    name: str, value: str | None
) -> None:
    made = snapshots_of(2)
    made[1] = _altered(made[1], name, value)

    chosen = choose_predecessors(DISKS, known(there_of(made), 2))

    assert set(reasons(chosen).values()) == {"TagsNotVerified"}
    assert all(folded(made[1].id) in folded(each.message) for each in chosen.full_reads)


@pytest.mark.parametrize(
    "source",
    [lambda: snapshots_of(2)[0], lambda: snapshots_of(1)[1]],
    ids=["of another disk", "of an earlier run"],
)
def test_tags_that_were_copied_from_another_snapshot_prove_nothing(
    source: Callable[[], SnapshotSeen],
) -> None:
    made = snapshots_of(2)
    made[1] = _copied(made[1], source())

    chosen = choose_predecessors(DISKS, known(there_of(made), 2))

    assert set(reasons(chosen).values()) == {"TagsNotVerified"}
    assert all(folded(made[1].id) in folded(each.message) for each in chosen.full_reads)


def test_a_point_whose_set_says_other_disks_is_not_gone_on_from() -> None:
    made, point = snapshots_of(1), point_of(1)
    held = msgspec.structs.replace(point.disks[0], unique_id=DiskUniqueId("unique-of-another"))
    told = replace(point, disks=(held, *point.disks[1:]))

    chosen = choose_predecessors(DISKS, Known(APPLIANCE, RING, [told], there_of(made)))

    assert runs(chosen) == {}


@given(st.lists(st.sampled_from(["whole", "gone", "altered", "copied", "anew"]), max_size=5))
def test_it_is_always_the_newest_point_whose_set_is_whole(states: list[str]) -> None:
    spoil: Mapping[str, Callable[[list[SnapshotSeen]], list[SnapshotSeen]]] = {
        "whole": lambda made: made,
        "gone": lambda made: made[1:],
        "altered": lambda made: [_altered(made[0], f"{SEALED_TAG}-0", "x"), *made[1:]],
        "copied": lambda made: [_copied(made[0], made[1]), *made[1:]],
        "anew": lambda made: [replace(made[0], unique_id=SnapshotUniqueId("anew")), *made[1:]],
    }
    numbers = range(1, len(states) + 1)
    there = there_of(
        *(spoil[state](snapshots_of(n)) for n, state in zip(numbers, states, strict=True))
    )

    chosen = choose_predecessors(DISKS, known(there, *numbers))

    whole = [number for number, state in zip(numbers, states, strict=True) if state == "whole"]
    expected = {disk.position: run_of(max(whole)) for disk in DISKS} if whole else {}
    assert runs(chosen) == expected
    assert len(chosen.predecessors) + len(chosen.full_reads) == len(DISKS)
