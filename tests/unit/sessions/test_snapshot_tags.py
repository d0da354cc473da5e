"""Sealed tags: what they say comes back, and nothing that was moved, altered or lost passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import (
    SEALED_TAG,
    MemberFacts,
    TagsNotGenuine,
    open_tags,
    seal_tags,
    verified_set,
)

OLD = ApplianceKey("k1", bytes(32))
NEW = ApplianceKey("k2", bytes([1]) * 32)
RING = KeyRing(NEW, {"k1": OLD, "k2": NEW})
RUN = RunId("0123456789abcdef0123456789abcdef")
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"


def resource(kind: str, name: str) -> ArmId:
    return arm_id(SUBSCRIPTION, "some-group", f"Microsoft.Compute/{kind}", name)


def facts_of(position: int, members: int = 2) -> MemberFacts:
    return MemberFacts(
        run_id=RUN,
        virtual_machine_id=resource("virtualMachines", "web"),
        disk_id=resource("disks", f"disk-{position}"),
        disk_unique_id=DiskUniqueId(f"unique-{position}"),
        lun=None if position == 0 else position - 1,
        position=position,
        members=members,
        previous_snapshot_id=resource("snapshots", f"before-{position}"),
    )


def seen_of(facts: MemberFacts) -> SnapshotSeen:
    snapshot_id = resource("snapshots", f"vmb-{facts.position}")
    return SnapshotSeen(
        id=snapshot_id,
        source_disk_id=facts.disk_id,
        source_unique_id=facts.disk_unique_id,
        unique_id=SnapshotUniqueId("s"),
        size_bytes=2**30,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        tags={"owner": "somebody", **seal_tags(NEW, snapshot_id, facts)},
        ready=True,
        failure=None,
        network_access="DenyAll",
        public_access=False,
        disk_access_id=None,
        exported=False,
    )


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00/"), min_size=1, max_size=80)


@given(names, names, names, st.none() | st.integers(0, 63), st.integers(0, 64))
def test_what_is_sealed_comes_back(
    vm: str, disk: str, unique: str, lun: int | None, position: int
) -> None:
    facts = MemberFacts(
        run_id=RUN,
        virtual_machine_id=resource("virtualMachines", vm),
        disk_id=resource("disks", disk),
        disk_unique_id=DiskUniqueId(unique),
        lun=lun,
        position=position,
        members=65,
    )
    snapshot_id = resource("snapshots", "vmb-1")

    tags = seal_tags(NEW, snapshot_id, facts)

    assert open_tags(RING, snapshot_id, tags) == facts
    assert all(len(value) <= 256 for value in tags.values())
    assert all(name.startswith("vmbackup-") for name in tags)


@given(st.data())
def test_one_altered_character_anywhere_is_refused(data: st.DataObject) -> None:
    seen = seen_of(facts_of(0))
    sealed = sorted(name for name in seen.tags if name.startswith(SEALED_TAG))
    name = data.draw(st.sampled_from(sealed))
    at = data.draw(st.integers(0, len(seen.tags[name]) - 1))
    other = data.draw(st.sampled_from("ABCabc123 +/=").filter(lambda c: c != seen.tags[name][at]))
    altered = seen.tags[name][:at] + other + seen.tags[name][at + 1 :]

    with pytest.raises(TagsNotGenuine):
        open_tags(RING, seen.id, {**seen.tags, name: altered})


@pytest.mark.parametrize("unique", ["d", "di", "dis"], ids=["one", "two", "three"])
def test_bits_that_decode_to_nothing_are_noticed_when_altered(unique: str) -> None:
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    facts = msgspec.structs.replace(facts_of(0), disk_unique_id=DiskUniqueId(unique))
    snapshot_id = resource("snapshots", "vmb-1")
    tags = seal_tags(NEW, snapshot_id, facts)
    last = max(name for name in tags if name != SEALED_TAG)
    text = tags[last].rstrip("=")
    altered = text[:-1] + digits[digits.index(text[-1]) ^ 1] + "=" * (len(tags[last]) - len(text))

    with pytest.raises(TagsNotGenuine):
        open_tags(RING, snapshot_id, {**tags, last: altered})


def test_every_missing_tag_is_noticed() -> None:
    seen = seen_of(facts_of(0))
    for name in [name for name in seen.tags if name.startswith(SEALED_TAG)]:
        tags = {key: value for key, value in seen.tags.items() if key != name}
        with pytest.raises(TagsNotGenuine, match=f"{name}.* is missing") as caught:
            open_tags(RING, seen.id, tags)
        assert caught.value.reason == "TagsMissing"


def test_tags_copied_to_another_snapshot_do_not_verify_there() -> None:
    seen = seen_of(facts_of(0))

    with pytest.raises(TagsNotGenuine, match="another snapshot"):
        open_tags(RING, resource("snapshots", "other"), seen.tags)


def test_the_case_of_ids_and_tag_names_does_not_matter() -> None:
    seen = seen_of(facts_of(0))
    tags = {name.upper(): value for name, value in seen.tags.items()}

    assert open_tags(RING, ArmId(seen.id.upper()), tags) == facts_of(0)


def test_a_retired_key_opens_and_a_removed_one_is_named() -> None:
    snapshot_id = resource("snapshots", "vmb-1")
    tags = seal_tags(OLD, snapshot_id, facts_of(0))

    assert open_tags(RING, snapshot_id, tags) == facts_of(0)
    with pytest.raises(TagsNotGenuine, match="key k1, which the key ring does not hold"):
        open_tags(KeyRing(NEW, {"k2": NEW}), snapshot_id, tags)


def test_sealing_twice_gives_different_texts() -> None:
    snapshot_id = resource("snapshots", "vmb-1")

    assert seal_tags(NEW, snapshot_id, facts_of(0)) != seal_tags(NEW, snapshot_id, facts_of(0))


def test_what_would_not_fit_is_refused() -> None:
    facts = msgspec.structs.replace(facts_of(0), disk_id=ArmId("x" * 8000))

    with pytest.raises(PermanentError, match=r"takes 4\d tags"):
        seal_tags(NEW, resource("snapshots", "vmb-1"), facts)


def test_a_whole_set_verifies_whatever_order_it_comes_in() -> None:
    members = [seen_of(facts_of(1)), seen_of(facts_of(0))]

    found = verified_set(RING, members)

    assert (found.run_id, [facts.position for _, facts in found.members]) == (RUN, [0, 1])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_set_with_a_member_missing_is_no_set(lost: int) -> None:
    members = [seen_of(facts_of(position)) for position in (0, 1) if position != lost]

    with pytest.raises(TagsNotGenuine) as caught:
        verified_set(RING, members)
    assert caught.value.reason == "SetIncomplete"


def test_nothing_is_no_set() -> None:
    with pytest.raises(TagsNotGenuine, match="no snapshot"):
        verified_set(RING, [])


def test_members_of_two_runs_are_no_set() -> None:
    other = seen_of(msgspec.structs.replace(facts_of(1), run_id=RunId("f" * 32)))

    with pytest.raises(TagsNotGenuine) as caught:
        verified_set(RING, [seen_of(facts_of(0)), other])
    assert caught.value.reason == "SetMixed"


def test_a_snapshot_of_another_disk_than_its_tags_say_is_refused() -> None:
    changed = replace(seen_of(facts_of(1)), source_unique_id=DiskUniqueId("replaced"))

    with pytest.raises(TagsNotGenuine, match="its tags say"):
        verified_set(RING, [seen_of(facts_of(0)), changed])
