"""What the log says does not depend on whether it was read from a state or from entries."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.control.log.entries_drawn import ENTRIES, KINDS, applied
from tests.unit.repository.control.log_bench import (
    MOMENT,
    chain,
    digest,
    expiring,
    numbered,
    pointless,
    recorded,
)
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.log_conditions import refusal
from vmbackup_core.repository.control.log.log_entries import KINDS as KNOWN_KINDS
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    Dropped,
    Entry,
    Healed,
    LogObject,
    NewEpoch,
    Proven,
    StatePartRef,
    decode_log_object,
)
from vmbackup_core.repository.control.log.log_parts import StatePart, parts_of, state_from
from vmbackup_core.repository.control.log.log_state import LogState, places_of
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import Time, encode, parsed


def by_way_of_parts(state: LogState, *, entries: int = 16_384, size_bytes: int = 2**20) -> LogState:
    parts = [
        parsed("part", encode(part), StatePart)
        for part in parts_of(state, 1000, entries=entries, size_bytes=size_bytes)
    ]
    return state_from("state", parts, 1000)


@given(ENTRIES, st.integers(0, 60), st.integers(1, 9), st.integers(100, 2000))
def test_a_state_and_what_follows_say_what_all_entries_say(
    entries: list[Entry], cut: int, most: int, size_bytes: int
) -> None:
    from_parts = by_way_of_parts(
        applied(LogState(), entries[:cut]), entries=most, size_bytes=size_bytes
    )

    assert applied(from_parts, entries[cut:]) == applied(LogState(), entries)


@given(ENTRIES)
def test_a_copy_goes_its_own_way(entries: list[Entry]) -> None:
    state = applied(LogState(), entries)
    before = by_way_of_parts(state)

    applied(state.copy(), entries[::-1])

    assert state == before


@given(ENTRIES)
def test_no_place_counts_twice_or_counts_and_expires(entries: list[Entry]) -> None:
    state = applied(LogState(), entries)

    counted = [place for entry in state.counted.values() for place in entry.places]
    going = [place for entry in state.expiring.values() for place in entry.places]
    assert sorted(counted) == sorted(state.counted_places)
    assert sorted(going) == sorted(state.expiring_places)
    assert not set(counted) & set(going)


@given(ENTRIES)
def test_the_highest_slot_is_of_all_that_was_ever_named(entries: list[Entry]) -> None:
    state, named = LogState(), set()
    for entry in entries:
        if refusal(state, entry) is None:
            state.apply(entry)
            named |= set(places_of(entry))

    for number in range(3):
        slots = [slot for each, slot in named if each == chain(number)]
        assert by_way_of_parts(state).highest_slot(chain(number)) == max(slots, default=0)


@pytest.mark.parametrize("kind", sorted(KNOWN_KINDS))
def test_every_kind_is_read_as_it_was_written(kind: str) -> None:
    @given(KINDS[kind])
    def read(entry: Entry) -> None:
        value = LogObject(
            7, digest(1), Time.of(MOMENT), "cli", (entry,), (StatePartRef("s/x", digest(2)),)
        )
        assert decode_log_object("l/x", encode(value)) == value
        assert msgspec.json.decode(encode(entry))["kind"] == kind

    read()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param((b'"recorded"', b'"expiring"'), id="another kind"),
        pytest.param((b'"slot":1', b'"slot":0'), id="slot 0"),
        pytest.param((b'"mandatory":true,', b""), id="a field that is missing"),
        pytest.param((b'"vm":"0', b'"vm":"g'), id="no id"),
        pytest.param((b'"disks":[{', b'"disks":[],"x":[{'), id="no disk"),
    ],
)
def test_an_entry_that_is_not_as_the_page_says_is_damaged(spoil: tuple[bytes, bytes]) -> None:
    value = LogObject(1, None, Time.of(MOMENT), "cli", (recorded(1, 1),), None)
    payload = encode(value)
    assert spoil[0] in payload

    with pytest.raises(CorruptRepository):
        decode_log_object("l/x", payload.replace(*spoil, 1))


def test_a_part_of_another_state_is_damaged() -> None:
    (part,) = parts_of(LogState(), 2000)

    with pytest.raises(CorruptRepository, match="says that it is 0 of 2000"):
        state_from("state", [part], 1000)


def test_bad_parts_are_added_to_those_said_before() -> None:
    state = applied(LogState(), [bad(64), bad(4176), bad(64)])

    assert [entry.parts for entry in state.bad_of(chain(0))] == [(64, 4176)]
    assert applied(state, [bad(None), bad(9)]).bad_of(chain(0))[0].parts is None


def bad(offset: int | None) -> Bad:
    parts = None if offset is None else (offset,)
    return Bad(chain=chain(0), object="pack", id="0" * 48, size=1, what="damaged", parts=parts)


def healed(phase: str) -> Healed:
    return Healed(
        chain=chain(0),
        phase="begun" if phase == "begun" else "done",
        session=WritingSession(numbered(5)),
        run=recorded(1, 1).run,
        heals=(),
        packs=(),
    )


def dropped(what: str, slot: int = 1) -> Dropped:
    return Dropped(
        chain=chain(0),
        slot=CommitSlot(slot),
        what="healing" if what == "healing" else "commit",
        session=WritingSession(numbered(5)),
        why="lost",
    )


def epoch(number: int, *ended: int) -> NewEpoch:
    return NewEpoch(epoch=number, master_id=numbered(number), ended=ended)


ONE = recorded(1, 1)
LIST = Proven(chain=chain(0), slot=CommitSlot(1), what="list", up_to=None, amount=0)


@pytest.mark.parametrize(
    ("before", "entry", "why"),
    [
        pytest.param([], ONE, None, id="recorded"),
        pytest.param([ONE], ONE, "counts already", id="recorded twice"),
        pytest.param([ONE], recorded(2, 1), "in the point of run", id="two points of a slot"),
        pytest.param([ONE, expiring(ONE)], ONE, "is expiring", id="recorded while expiring"),
        pytest.param(
            [ONE, expiring(ONE)], recorded(2, 1), "is expiring", id="a slot that is expiring"
        ),
        pytest.param([pointless(1)], ONE, "is expiring", id="a pointless slot"),
        pytest.param([dropped("commit")], ONE, "is dropped", id="a dropped slot"),
        pytest.param([dropped("commit", 2)], ONE, None, id="another dropped slot"),
        pytest.param(
            [ONE, expiring(ONE), expiring(ONE, "done")], ONE, None, id="after it has gone"
        ),
        pytest.param([], expiring(ONE), "no point that counts", id="expiring what does not count"),
        pytest.param([ONE, expiring(ONE)], expiring(ONE), "already", id="expiring twice"),
        pytest.param(
            [ONE], expiring(recorded(1, 2)), "other slots", id="expiring with other slots"
        ),
        pytest.param([ONE], pointless(1), "in the point of run", id="pointless though counted"),
        pytest.param([pointless(1, 2)], pointless(2), "already", id="pointless twice"),
        pytest.param([ONE], expiring(ONE, "done"), "not expiring", id="done without begun"),
        pytest.param([pointless(1)], pointless(2, phase="done"), "not expiring", id="done others"),
        pytest.param([bad(64)], bad(64), "known to be bad", id="bad twice"),
        pytest.param([bad(64)], bad(65), None, id="more that is bad"),
        pytest.param([bad(None)], bad(65), "known to be bad", id="bad in full"),
        pytest.param([healed("begun")], healed("begun"), "is known", id="a session twice"),
        pytest.param([], healed("done"), "not begun", id="healed without begun"),
        pytest.param(
            [healed("begun"), healed("done")], healed("done"), "it is done", id="healed twice"
        ),
        pytest.param(
            [healed("begun"), dropped("healing")], healed("done"), "dropped", id="healed late"
        ),
        pytest.param([], dropped("healing"), "not begun", id="dropping no session"),
        pytest.param(
            [healed("begun"), healed("done")], dropped("healing"), "done", id="dropping too late"
        ),
        pytest.param([], epoch(2), None, id="the next epoch"),
        pytest.param([epoch(3)], epoch(2), "newer", id="an earlier epoch"),
        pytest.param([epoch(2)], epoch(2), "is known", id="the same epoch"),
        pytest.param([epoch(2)], epoch(2, 1), None, id="an epoch ends"),
        pytest.param([epoch(2, 1)], epoch(2), "is known", id="an end is taken back"),
    ],
)
def test_the_conditions_of_each_kind(before: list[Entry], entry: Entry, why: str | None) -> None:
    state = LogState()
    for each in before:
        assert refusal(state, each) is None
        state.apply(each)

    found = refusal(state, entry)

    assert found is None if why is None else found is not None and why in found


def test_a_list_is_proven_until_its_manifest_has_gone() -> None:
    state = applied(LogState(), [ONE, LIST])
    assert state.is_list_proven(chain(0), CommitSlot(1))

    applied(state, [expiring(ONE), expiring(ONE, "done")])

    assert not state.is_list_proven(chain(0), CommitSlot(1))
    assert state.highest_slot(chain(0)) == 1
