"""Verify workers that lie: nothing wrong is logged, and little is read for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from typing_extensions import override

from tests.unit.repository.opened.whole_bench import VM_ID
from tests.unit.repository.verify.verify_bench import (
    Session,
    VerifyBench,
    Worker,
    a_disk,
    asking,
)
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.verify.verify_judging import REFUTED_MOST
from vmbackup_core.repository.control.verify.verify_work import VerifyWork
from vmbackup_core.repository.data.verify_told import (
    OFFSETS_MOST,
    TOLD_MOST,
    Told,
    ToldIndex,
    ToldPack,
    VerifyTold,
)
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession
from vmbackup_core.repository.primitives.parsed_names import IndexName, parse_data
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore

Lie = Callable[[VerifyBench, VerifyWork], VerifyTold]


class Counting(MemoryStore):
    """The same objects as *inner*, and how many bytes were read of packs and index objects."""

    def __init__(self, inner: MemoryStore) -> None:
        self.__dict__.update(inner.__dict__)
        self.read = 0

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        content = super().get_range(name, offset, length)
        self.read += len(content)
        return content

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        content, found = super().get_end(name, length, size=size)
        self.read += len(content)
        return content, found


@pytest.fixture
def bench() -> VerifyBench:
    return VerifyBench().started(a_disk(1))


def packs_of(work: VerifyWork) -> list[PackId]:
    return [pack for run in work.packs for pack, _ in run.packs()]


def every_pack_is(what: Told, offsets: tuple[int, ...] = ()) -> Lie:
    def lie(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
        packs = packs_of(work)
        return VerifyTold(len(packs), tuple(ToldPack(pack, what, offsets) for pack in packs))

    return lie


def a_pack_of_another_chain(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    other = PackId(CommitSlot(1), WritingSession("ab" * 16), 0)
    return VerifyTold(len(packs_of(work)), (ToldPack(other, "missing"),))


def one_pack_many_times(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    told = ToldPack(packs_of(work)[0], "damaged", (64,))
    return VerifyTold(len(packs_of(work)), (told,) * TOLD_MOST)


def offsets_of_nothing(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    offsets = (65, 2**32 - 1, *range(OFFSETS_MOST))
    return VerifyTold(len(packs_of(work)), (ToldPack(packs_of(work)[0], "damaged", offsets),))


def more_than_was_asked(_bench: VerifyBench, _work: VerifyWork) -> VerifyTold:
    return VerifyTold(2**56)


def less_than_was_asked(_bench: VerifyBench, _work: VerifyWork) -> VerifyTold:
    return VerifyTold(0)


def samples_that_nobody_asked_for(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    return VerifyTold(len(packs_of(work)), sampled=500, differing=tuple(range(200)))


def sections_all_over(bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    (named,) = (
        each.index
        for name in bench.data.list("c/")
        if isinstance(each := parse_data(name.name), IndexName)
    )
    objects = tuple(ToldIndex(named, offset, "damaged") for offset in range(TOLD_MOST))
    return VerifyTold(len(packs_of(work)), objects=objects)


def an_index_object_of_nobody(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    index = IndexId(CommitSlot(7), WritingSession("ab" * 16), 0)
    return VerifyTold(len(packs_of(work)), objects=(ToldIndex(index, 0, "missing"),))


def an_index_object_that_has_no_name(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    index = IndexId(CommitSlot(2**32 - 1), WritingSession("ab" * 16), 0)
    return VerifyTold(len(packs_of(work)), objects=(ToldIndex(index, 0, "missing"),))


def blocks_all_over(_bench: VerifyBench, work: VerifyWork) -> VerifyTold:
    return VerifyTold(len(packs_of(work)), blocks=(0, 5, 680, 2**34 - 1, 650))


LIES = [
    pytest.param(every_pack_is("missing"), id="missing"),
    pytest.param(every_pack_is("resized"), id="resized"),
    pytest.param(every_pack_is("damaged"), id="damaged feet"),
    pytest.param(every_pack_is("damaged", (64,)), id="damaged records"),
    a_pack_of_another_chain,
    one_pack_many_times,
    offsets_of_nothing,
    more_than_was_asked,
    less_than_was_asked,
    samples_that_nobody_asked_for,
    sections_all_over,
    an_index_object_of_nobody,
    an_index_object_that_has_no_name,
    blocks_all_over,
]


def lied_to(bench: VerifyBench, lie: Lie) -> Session:
    return bench.session(worker=worker_of(bench, lie))


def worker_of(bench: VerifyBench, lie: Lie) -> Worker:
    return lambda work: lie(bench, work)


@pytest.mark.parametrize("lie", LIES)
def test_what_is_called_bad_and_is_not_leaves_no_trace_but_the_word(
    bench: VerifyBench, lie: Lie
) -> None:
    head = bench.opened().head()

    done = lied_to(bench, lie)

    assert bench.opened().head() == head
    assert done.sum("refuted") >= 1
    assert (done.sum("proven"), done.sum("bad"), done.sum("differing")) == (0, 0, 0)
    assert done.says != ""


@pytest.mark.parametrize("lie", LIES)
def test_the_next_honest_worker_reads_all_of_it(bench: VerifyBench, lie: Lie) -> None:
    lied_to(bench, lie)

    assert bench.session(asking(number=2)).sum("proven") == 3


@pytest.mark.parametrize("lie", LIES)
def test_little_is_read_for_a_liar(lie: Lie) -> None:
    bench = VerifyBench().started(a_disk(1))
    counting = Counting(bench.data)
    bench.places = Places(counting, bench.places.control)
    verification = bench.verification()
    work = verification.plan(VM_ID, asking())
    assert work is not None
    counting.read = 0

    judged = verification.judge(work, lie(bench, work))

    # A foot is 64 KiB, of which a record, a section and a table are a part.
    assert counting.read <= REFUTED_MOST * 3 * 65_536
    assert judged.refuted <= REFUTED_MOST
    assert len(judged.says) <= 20


def test_a_lie_beside_a_truth_has_the_truth_logged_and_nothing_else(bench: VerifyBench) -> None:
    bench.damage(bench.packs()[1])

    def lie(work: VerifyWork) -> VerifyTold:
        told = bench.honest(work)
        return replace(told, lost=(*told.lost, ToldPack(packs_of(work)[0], "damaged", (64,))))

    done = bench.session(worker=lie)

    assert (done.sum("bad"), done.sum("refuted"), done.sum("proven")) == (1, 1, 0)
    assert bench.proven("packs") == {}


def test_more_offsets_of_a_damaged_pack_than_are_damaged_are_not_logged(
    bench: VerifyBench,
) -> None:
    bench.damage(bench.packs()[1])

    def lie(work: VerifyWork) -> VerifyTold:
        (lost,) = bench.honest(work).lost
        offsets = tuple(64 + 4112 * number for number in range(OFFSETS_MOST))
        return VerifyTold(len(packs_of(work)), (replace(lost, offsets=offsets),))

    bench.session(worker=lie)

    (entry,) = bench.bad()
    assert entry.parts == (64,)


def test_what_is_called_whole_and_is_not_is_found_by_the_rota(bench: VerifyBench) -> None:
    bench.damage(bench.packs()[1])
    bench.session(worker=lambda work: VerifyTold(len(packs_of(work))))

    assert bench.bad() == []
    bench.session(asking(number=2, rota_share=1.0))
    assert len(bench.bad()) == 1


def test_what_is_called_unreadable_and_is_not_is_read_again(bench: VerifyBench) -> None:
    done = lied_to(bench, every_pack_is("unreadable"))

    assert bench.bad() == []
    assert (done.sum("proven"), bench.proven("packs")) == (0, {})
    assert bench.session(asking(number=2)).sum("proven") == 3


def test_whoever_finds_too_much_is_asked_for_the_rest_later() -> None:
    bench = VerifyBench().started(a_disk(1))

    def stops(work: VerifyWork) -> VerifyTold:
        return VerifyTold(1, stopped=True) if work.so_far.up_to is None else bench.honest(work)

    done = bench.session(worker=stops)

    assert [len(list(packs_of(work))) for work in done.works] == [3, 2]
    assert done.sum("proven") == 3


def test_an_answer_that_comes_after_another_session_has_read_on_moves_nothing_back() -> None:
    bench = VerifyBench().started(a_disk(1), a_disk(2))
    late, works = bench.verification(), []
    work = late.plan(VM_ID, asking())
    assert work is not None
    told = bench.honest(work)
    works = bench.session(asking(number=2)).works

    late.judge(work, told)

    assert len(works) == 2
    (entry,) = bench.proven("packs").values()
    assert entry.slot == 2
