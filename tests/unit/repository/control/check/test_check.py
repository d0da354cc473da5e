"""A check beside others who write, expire and prune, and what it says of each kind of trouble."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import msgspec
import pytest
from typing_extensions import override

from tests.sampling import some_of
from tests.unit.repository.control.check_bench import (
    Stored,
    Whole,
    chain_of,
    changed,
    filled,
)
from tests.unit.repository.control.log_bench import MemoryHeads, run, wanting
from tests.unit.repository.control.repository_bench import finish_all
from vmbackup_core.errors import TransientError
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.check import CheckReport, Finding
from vmbackup_core.repository.control.commits.commits import find_commit, seal_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.control.log.log_entries import Bad, Healed
from vmbackup_core.repository.control.retention.expire import begin_expire
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune import execute
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan, Pruning, plan_prune
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.primitives.identities import (
    HEALING_SLOT,
    IndexId,
    PackId,
    WritingSession,
    draw,
)
from vmbackup_core.repository.primitives.names import (
    commit_name,
    index_name,
    log_name,
    manifest_name,
    pack_name,
    prefix_of_folder,
)
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import Buffer, ObjectUnreadable, StoredObject


@cache
def undamaged() -> Whole:
    return filled()


def words(report: CheckReport) -> list[tuple[str, str]]:
    return [(each.object, each.what) for each in report.findings]


def only(report: CheckReport) -> Finding:
    (finding,) = report.findings
    return finding


@dataclass
class Moments:
    """Lets another act before the call of a store that has a number."""

    act: Callable[[], object]
    at: int
    count: Iterator[int] = field(default_factory=itertools.count)
    acted: bool = False

    def pass_by(self) -> None:
        if next(self.count) == self.at:
            self.acted = True
            self.act()


class Watched(Stored):
    """The same objects as *inner*, seen by somebody who is disturbed."""

    def __init__(self, inner: Stored, moments: Moments) -> None:
        self.__dict__.update(inner.__dict__)
        self._moments = moments

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        self._moments.pass_by()
        return super().get(name, most=most)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        self._moments.pass_by()
        yield from super().list(prefix, limit=limit)


def expire(whole: Whole, number: int) -> None:
    """Let the point of run *number* go, and prune both chains."""
    begin_expire(whole.log(), [entry_of(whole.entry_of(number))])
    finish_all(whole.log(), whole.data)
    ring = whole.control.ring
    for index in (0, 1):
        pruning = Pruning(whole.log(), whole.data, StoredManifests(whole.data, ring, 1))
        planned = plan_prune(pruning, chain_of(index))
        assert isinstance(planned, PrunePlan), planned
        execute(pruning, planned, lambda: None)


def checked_while(whole: Whole, act: Callable[[], object], at: int) -> CheckReport:
    """Return what is found where *act* is done before the check's call of that number."""
    moments = Moments(act, at)
    report = watched(whole, moments)
    assert moments.acted
    return report


def watched(whole: Whole, moments: Moments) -> CheckReport:
    data, control = Watched(whole.data, moments), Watched(whole.store, moments)
    return whole.check(log=whole.log(store=control), data=data)


@cache
def calls_of_a_check() -> int:
    """Return how many calls a check makes that nobody disturbs."""
    moments = Moments(lambda: None, -1)
    assert watched(undamaged(), moments).good
    calls = next(moments.count)
    assert calls > 100
    return calls


@pytest.mark.parametrize("number", [1, 3])
def test_what_expires_and_is_pruned_meanwhile_is_no_damage(number: int) -> None:
    for at in some_of(range(1, calls_of_a_check(), 31)):
        whole = undamaged().copy()
        report = checked_while(whole, lambda: expire(whole, number), at)  # noqa: B023 - in this turn
        assert report.findings == (), at


def test_a_backup_that_commits_meanwhile_is_no_damage() -> None:
    for at in some_of(range(1, calls_of_a_check(), 37)):
        whole = undamaged().copy()
        contents = [changed(each, 900, 1) for each in whole.contents[run(4)]]
        whole.contents = dict(whole.contents)
        report = checked_while(whole, lambda: whole.back_up(5, *contents), at)  # noqa: B023
        assert report.findings == (), at


def test_what_is_under_way_is_no_damage() -> None:
    whole = undamaged().copy()
    chain, session = chain_of(0), WritingSession(draw())
    for name in (
        pack_name(chain, PackId(CommitSlot(5), session, 0)),
        index_name(chain, IndexId(CommitSlot(5), session, 0)),
        manifest_name(chain, CommitSlot(5), session),
        pack_name(chain, PackId(HEALING_SLOT, session, 0)),
        pack_name(chain, PackId(CommitSlot(2), session, 0)),  # of somebody who lost the slot
        "a/reserved",
    ):
        whole.data.put_new(name, b"half of it")
    whole.log().append(
        wanting(Healed(chain=chain, phase="begun", session=session, run=run(9), heals=(), packs=()))
    )

    report = whole.check()

    assert report.findings == ()
    assert report.unreferenced_packs == 1


def test_names_of_nobody_are_told_in_both_places() -> None:
    whole = undamaged().copy()
    whole.data.put_new("c/README", b"x")
    whole.store.put_new(f"c/{chain_of(0)}/k/00000/000", b"x")  # no slot has this number

    assert words(whole.check()) == [
        ("c/README", "foreign"),
        (f"c/{chain_of(0)}/k/00000/000", "foreign"),
    ]


def test_a_log_without_the_head_that_was_written_down_was_rolled_back() -> None:
    whole = undamaged().copy()
    head = Head(5, "a" * 64)
    assert whole.log().read().number == head.number

    finding = only(whole.check(expect_head=head))

    assert (finding.object, finding.place, finding.what) == (log_name(5), "control", "rolledBack")
    right = whole.log().read()
    assert right.sha256 is not None
    assert whole.check(expect_head=Head(right.number, right.sha256)).good


def test_a_log_that_has_lost_its_end_is_told_to_the_last_object() -> None:
    whole, heads = undamaged().copy(), MemoryHeads()
    last = whole.log(heads).read().number
    for number in range(last - 2, last + 1):
        whole.store.delete(log_name(number))

    said = {each.object: each.what for each in whole.check(log=whole.log(heads)).findings}

    assert {
        log_name(number): said.get(log_name(number)) for number in range(last - 2, last + 1)
    } == {
        log_name(last - 2): "logDamaged",
        log_name(last - 1): "logDamaged",
        log_name(last): "rolledBack",
    }


def test_a_head_that_is_far_away_names_no_more_than_can_be_read() -> None:
    whole = undamaged().copy()
    last = whole.log().read().number
    head = Head(2**39 - 1, "a" * 64)

    report = whole.check(expect_head=head)

    of_log = [each for each in report.findings if each.what in {"logDamaged", "rolledBack"}]
    assert len(of_log) == 1001
    (told,) = (each for each in of_log if each.what == "rolledBack")
    assert told.object == log_name(head.number)
    assert f"the newest log object is number {last}" in told.found


def test_a_check_remembers_no_head() -> None:
    heads = MemoryHeads()
    undamaged().check(log=undamaged().log(heads))

    assert heads.held is None


def with_a_pointless_commit() -> Whole:
    """Return a repository whose newest commits are of no point: the log has no digest of them."""
    whole = undamaged().copy()
    whole.back_up(5, *(changed(each, 900, 1) for each in whole.contents[run(4)]), recorded=False)
    return whole


def test_a_list_that_is_not_what_tables_say_is_told_and_not_believed() -> None:
    whole = with_a_pointless_commit()
    control, chain = whole.control, chain_of(0)
    found = find_commit(control, chain, CommitSlot(5))
    assert found is not None
    assert found.commit is not None
    entries = [each for part in OpenList.of(control, found.commit, chain).parts() for each in part]
    refs = put_list(OpenList.of(control, None, chain), entries[1:], CommitSlot(5), 1)
    whole.store.delete(commit_name(chain, CommitSlot(5)))
    control.put(seal_commit(control, msgspec.structs.replace(found.commit, pack_list=refs), 1))
    by_slot = PackId(entries[0].session.slot, entries[0].session.session, entries[0].number)
    whole.data.delete(pack_name(chain, by_slot))

    report = whole.check()

    said = dict(words(report))
    assert said[f"c/{chain}/{refs[0].name}"] == "listDiffers"
    assert said[pack_name(chain, by_slot)] == "missing"


class Refusing(Stored):
    """The same objects as *inner*, some of which cannot be read now."""

    def __init__(self, inner: Stored, refused: str, *, listed: bool = False) -> None:
        self.__dict__.update(inner.__dict__)
        self._refused = refused
        self._listed = listed

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        if name == self._refused:
            raise ObjectUnreadable(f"{name}: archived", reason="BlobArchived")
        return super().get(name, most=most)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        for number, each in enumerate(super().list(prefix, limit=limit)):
            if self._listed and prefix == self._refused and number == 1:
                raise TransientError("the network is gone")
            yield each

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        raise AssertionError("a check writes nothing")


@pytest.mark.parametrize("place", ["data", "control"])
def test_what_cannot_be_read_now_is_said_and_all_else_is_looked_at(place: str) -> None:
    names = (undamaged().data if place == "data" else undamaged().store).in_order()
    for name in some_of(names[::3]):
        whole = undamaged().copy()
        if place == "data":
            report = whole.check(data=Refusing(whole.data, name))
        else:
            report = whole.check(log=whole.log(store=Refusing(whole.store, name)))

        assert (name, "unreadable") in words(report)
        assert {what for _, what in words(report)} <= {"unreadable"}


@pytest.mark.parametrize("folder", ["p", "i", "m"])
def test_a_listing_that_breaks_off_says_of_no_object_that_it_is_missing(folder: str) -> None:
    whole = undamaged().copy()
    prefix = prefix_of_folder(chain_of(0), folder)  # type: ignore[arg-type]  # of the three

    report = whole.check(data=Refusing(whole.data, prefix, listed=True))

    assert words(report) == [(prefix, "unreadable")]


def test_a_commit_of_a_kind_to_come_is_not_understood() -> None:
    whole = with_a_pointless_commit()
    control, name = whole.control, commit_name(chain_of(1), CommitSlot(5))
    payload = control.payload("COMM", control.get("COMM", name))
    whole.store.delete(name)
    control.put(control.seal_bytes("COMM", name, payload.replace(b'"backup"', b'"later"'), 1))

    assert words(whole.check()) == [(name, "notUnderstood")]


def test_what_the_log_has_as_bad_is_told_without_reading_it() -> None:
    whole = undamaged().copy()
    chain = chain_of(0)
    name = next(each for each in whole.data.in_order() if f"{chain}/p/" in each)
    pack = parse_data(name)
    assert isinstance(pack, PackName)
    footer, size = read_footer(whole.data, whole.reader_keys(0), pack.pack)
    offset = footer.records.offsets()[2]
    content = bytearray(whole.data.get(name))
    content[offset + 3] ^= 1
    whole.data.overwrite(name, bytes(content))
    bad = Bad(
        chain=chain,
        object="pack",
        id=pack.pack.packed().hex(),
        size=size,
        what="damaged",
        parts=(offset,),
    )
    assert whole.check(read_data=False).good
    whole.log().append(wanting(bad))

    finding = only(whole.check(read_data=False))

    assert (finding.object, finding.what, finding.parts) == (name, "damaged", (offset,))
    assert finding.points == (run(1), run(2), run(3), run(4))
    assert finding.hurt[0].lost_bytes == 4096


def test_a_bad_that_costs_nothing_is_no_finding() -> None:
    whole = undamaged().copy()
    pack = PackId(CommitSlot(1), WritingSession(draw()), 3)
    bad = Bad(
        chain=chain_of(0),
        object="pack",
        id=pack.packed().hex(),
        size=1,
        what="missing",
        parts=None,
    )
    whole.log().append(wanting(bad))

    assert whole.check().good
