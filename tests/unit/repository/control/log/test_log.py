"""The log is read past what is damaged, and appended to by its owner alone."""

from __future__ import annotations

import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    LogBench,
    MemoryHeads,
    chain,
    expiring,
    recorded,
    run,
    wanting,
)
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.heads import HistoryRolledBack
from vmbackup_core.repository.control.log.log import Log, ReadOnly
from vmbackup_core.repository.control.log.log_entries import (
    Claimed,
    Entry,
    Key,
    LogObject,
    NewEpoch,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.primitives.failures import NewerFormat, ObjectMalformed
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.names import LOG, STATES, log_name
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer


class BeatenStore(MemoryStore):
    """Lets another append just before the first log object that is put."""

    def __init__(self, inner: MemoryStore, faster: Log) -> None:
        self.__dict__.update(inner.__dict__)
        self._faster: Log | None = faster

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        faster = self._faster
        if faster is not None and name.startswith(LOG):
            self._faster = None
            faster.append(wanting(recorded(1, 1)))
        super().put_new(name, data)


def copied(store: MemoryStore, *without: str) -> MemoryStore:
    other = MemoryStore()
    for each in store.list(""):
        if each.name not in without:
            other.put_new(each.name, store.get(each.name))
    return other


def replace_object(bench: LogBench, number: int, content: bytes) -> None:
    bench.store.delete(log_name(number))
    bench.store.put_new(log_name(number), content)


def from_number_one(bench: LogBench) -> LogState:
    every = LogBench(copied(bench.store))
    return every.log().read().state


def test_what_is_appended_is_read_by_another() -> None:
    bench = LogBench().begun()
    bench.log().append(wanting(recorded(1, 1, 1)))

    reading = bench.log().read()

    assert reading.number == 2
    assert reading.findings == ()
    assert reading.state.owner == APPLIANCE
    assert list(reading.state.counted.values()) == [recorded(1, 1, 1)]
    assert (
        reading.state.commit_digest((chain(1), CommitSlot(1)))
        == recorded(1, 1, 1).disks[1].commit_sha256
    )


def test_an_empty_log_reads_as_nothing() -> None:
    reading = LogBench().log().read()

    assert (reading.number, reading.sha256, reading.state) == (0, None, LogState())


def test_a_foreign_name_below_the_log_is_passed_by() -> None:
    bench = LogBench().begun()
    bench.store.put_new(f"{LOG}0000000/000", b"foreign")

    assert bench.log().read().number == 1


def test_what_breaks_its_condition_is_not_appended_and_the_rest_is() -> None:
    bench = LogBench().begun()
    log = bench.log()

    appended = log.append(wanting(recorded(1, 1), recorded(2, 1), recorded(3, 2)))

    assert appended.entries == (recorded(1, 1), recorded(3, 2))
    assert [entry for entry, _ in appended.refused] == [recorded(2, 1)]
    assert bench.log().read().state == appended.state


def test_nothing_wanted_appends_nothing() -> None:
    bench = LogBench().begun()

    assert bench.log().append(wanting()).entries == ()
    assert bench.log().read().number == 1


@pytest.mark.parametrize("length", range(1, 13))
def test_the_state_and_what_follows_say_what_all_objects_say(length: int) -> None:
    bench = LogBench(state_every=5).begun()
    log = bench.log()
    for number in range(1, length):
        log.append(wanting(recorded(number, number)))
        if number % 3 == 0:
            log.append(wanting(expiring(recorded(number, number))))
            log.append(wanting(expiring(recorded(number, number), "done")))

    reading = bench.log().read()

    assert reading.findings == ()
    assert reading.state == from_number_one(bench)
    assert reading.state == log.read().state


def test_a_log_with_a_state_is_not_read_from_its_beginning() -> None:
    bench = LogBench(state_every=5).begun()
    log = bench.log()
    for number in range(1, 8):
        log.append(wanting(recorded(number, number)))
    for number in (1, 2, 3):
        bench.store.delete(log_name(number))

    reading = bench.log().read()

    assert reading.findings == ()
    assert len(reading.state.counted) == 7


@pytest.mark.parametrize("broken", ["part", "object", "missing part"])
def test_a_state_that_does_not_open_is_replaced_by_reading_more(broken: str) -> None:
    bench = LogBench(state_every=5).begun()
    log = bench.log()
    for number in range(1, 12):
        log.append(wanting(recorded(number, number)))
    (part,) = [each.name for each in bench.store.list(STATES) if "ffffff/ff5-" in each.name]
    bench.store.delete(part)
    if broken == "part":
        bench.store.put_new(part, b"x" * 200)
    if broken == "object":
        replace_object(bench, 10, b"x" * 200)

    reading = bench.log().read()

    assert {finding.trouble for finding in reading.findings} >= {"LogStateDamaged"}
    lost = {9} if broken == "object" else set()
    assert {entry.run for entry in reading.state.counted.values()} == {
        run(number) for number in range(1, 12) if number not in lost
    }


@pytest.mark.parametrize("how", ["missing", "short", "flipped", "of another name"])
def test_a_damaged_object_is_passed_over_aloud_and_its_bytes_still_chain(how: str) -> None:
    bench = LogBench().begun()
    log = bench.log()
    for number in range(1, 4):
        log.append(wanting(recorded(number, number)))
    stored = bench.store.get(log_name(3))
    bench.store.delete(log_name(3))
    spoilt = {
        "short": stored[:50],
        "flipped": stored[:-1] + bytes([stored[-1] ^ 1]),
        "of another name": bench.store.get(log_name(2)),
    }
    if how in spoilt:
        bench.store.put_new(log_name(3), spoilt[how])

    reading = bench.log().read()

    troubles = [(finding.number, finding.trouble) for finding in reading.findings]
    assert troubles[0] == (3, "LogDamaged")
    assert troubles[1:] == ([] if how == "missing" else [(4, "LogPreviousDiffers")])
    assert {entry.run for entry in reading.state.counted.values()} == {run(1), run(3)}


def test_an_append_after_a_damaged_newest_object_names_its_bytes() -> None:
    bench = LogBench().begun()
    bench.log().append(wanting(recorded(1, 1)))
    replace_object(bench, 2, b"damaged")
    bench.log().append(wanting(recorded(2, 2)))

    reading = bench.log().read()

    assert [finding.number for finding in reading.findings] == [2]
    assert len(reading.state.counted) == 1


def test_an_unknown_mandatory_entry_stops_every_reader() -> None:
    bench = LogBench().begun()
    control = bench.control()
    said = b'{"kind":"merged","mandatory":%s,"into":1}'
    for number, mandatory in ((2, b"false"), (3, b"true")):
        payload = (
            b'{"number":%d,"previous":null,"at":"2026-11-26T17:05:09.000000Z","by":"x",'
            b'"entries":[%s],"state":null}' % (number, said % mandatory)
        )
        control.put(control.seal_bytes("LOGO", log_name(number), payload, 1))
        if mandatory == b"false":
            assert bench.log().read().state.counted == {}

    with pytest.raises(NewerFormat, match="'merged'"):
        bench.log().read()


def test_who_loses_a_number_with_a_state_leaves_parts_that_nobody_names() -> None:
    bench = LogBench(state_every=2).begun()
    other = bench.log(store=BeatenStore(bench.store, bench.log()))

    other.append(wanting(recorded(2, 2)))

    names = [each.name for each in bench.store.list(STATES)]
    assert len(names) == 2
    assert bench.log().read().findings == ()
    assert bench.log().read().state == from_number_one(bench)
    control = bench.control()
    said = control.open("LOGO", control.get("LOGO", log_name(2)), LogObject)
    assert said.state is not None
    assert {ref.name for ref in said.state} < set(names)


class TestHistory:
    def test_a_log_that_lost_its_head_is_rolled_back(self) -> None:
        bench, heads = LogBench().begun(), MemoryHeads()
        bench.log(heads=heads).append(wanting(recorded(1, 1)))
        earlier = LogBench(copied(bench.store, log_name(2)))

        reading = earlier.log(heads=heads).read()

        assert reading.number == 1
        with pytest.raises(HistoryRolledBack):
            reading.check_history()

    def test_what_is_appended_to_a_rolled_back_log_does_not_hide_it(self) -> None:
        bench, heads = LogBench().begun(), MemoryHeads()
        bench.log(heads=heads).append(wanting(recorded(1, 1)))
        earlier = LogBench(copied(bench.store, log_name(2)))
        log = earlier.log(heads=heads)

        log.append(wanting(recorded(2, 2)))
        log.append(wanting(recorded(3, 3)))

        with pytest.raises(HistoryRolledBack):
            log.read().check_history()

    def test_a_reader_notices_what_is_rolled_back_under_it(self) -> None:
        bench = LogBench().begun()
        log = bench.log()
        log.append(wanting(recorded(1, 1)))
        bench.store.delete(log_name(2))
        bench.log().append(wanting(recorded(2, 2)))

        reading = log.read()

        assert reading.lost_head is not None
        assert [entry.run for entry in reading.state.counted.values()] == [run(2)]

    def test_a_head_further_back_is_no_alarm(self) -> None:
        bench, heads = LogBench().begun(), MemoryHeads()
        log = bench.log(heads=heads)
        log.append(wanting(recorded(1, 1)))
        restored = heads.held
        log.append(wanting(recorded(2, 2)))
        heads.held = restored

        bench.log(heads=heads).read().check_history()

    def test_a_person_accepts_the_history_as_it_is(self) -> None:
        bench, heads = LogBench().begun(), MemoryHeads()
        bench.log(heads=heads).append(wanting(recorded(1, 1)))
        earlier = LogBench(copied(bench.store, log_name(2)))
        log = earlier.log(heads=heads)

        log.reader.accept_history().check_history()

        log.read().check_history()


class TestOwner:
    def test_only_the_owner_appends(self) -> None:
        bench = LogBench().begun()

        with pytest.raises(ReadOnly, match="owned by appliance-a, not by appliance-b"):
            bench.log(appliance="appliance-b").append(wanting(recorded(1, 1)))

    def test_the_earlier_owner_stops_after_a_claim(self) -> None:
        bench = LogBench().begun()
        former = bench.log()
        former.append(wanting(recorded(1, 1)))
        other = bench.log(appliance="appliance-b")
        other.append(wanting(Claimed(appliance="appliance-b", from_=APPLIANCE)))

        with pytest.raises(ReadOnly):
            former.append(wanting(recorded(2, 2)))
        assert other.append(wanting(recorded(3, 3))).entries

    def test_a_claim_of_who_is_no_owner_is_refused(self) -> None:
        bench = LogBench().begun()
        claim = Claimed(appliance="appliance-b", from_="appliance-c")

        appended = bench.log(appliance="appliance-b").append(wanting(claim))

        assert appended.entries == ()
        assert bench.log().read().state.owner == APPLIANCE

    def test_the_last_claim_there_is_the_owner_though_one_before_is_damaged(self) -> None:
        bench = LogBench().begun()
        for former, owner in ((APPLIANCE, "b"), ("b", "c")):
            claim = Claimed(appliance=owner, from_=former)
            bench.log(appliance=owner).append(wanting(claim))
        replace_object(bench, 2, b"damaged")

        assert bench.log().read().state.owner == "c"


@pytest.mark.parametrize(
    "entry",
    [
        Claimed(appliance="a" * 1025, from_=APPLIANCE),
        Key(action="added", fingerprint=Fingerprint("0" * 32), label="\u00e4" * 513),
        NewEpoch(epoch=2, master_id="0" * 32, ended=(0,)),
    ],
    ids=["claimed", "key", "epoch"],
)
def test_an_entry_that_no_reader_would_take_is_not_appended(entry: Entry) -> None:
    bench = LogBench().begun()

    with pytest.raises(ObjectMalformed):
        bench.log().append(lambda _state: (entry,))

    assert bench.log().read().number == 1


def test_a_log_object_that_says_another_number_is_damaged() -> None:
    bench = LogBench().begun()
    control = bench.control()
    value = control.open("LOGO", control.get("LOGO", log_name(1)), LogObject)
    control.put(control.seal("LOGO", log_name(2), value, 1))

    assert [each.number for each in bench.log().read().findings] == [2]
