"""Damage, and backup workers that lied: what verify finds of it, and what the log then says."""

from __future__ import annotations

import pytest

from tests.unit.repository.control.repository_bench import UnreadableNow
from tests.unit.repository.opened.whole_bench import WholeBench
from tests.unit.repository.verify.lying_writers import (
    Lie,
    LyingBench,
    hashes_of_other_bytes,
    junk_in_records,
    other_bytes_than_the_disk,
    sections_that_name_other_records,
    zeros_instead_of_data,
)
from tests.unit.repository.verify.verify_bench import VerifyBench, a_disk, asking
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.primitives.reading import Places


@pytest.fixture
def bench() -> VerifyBench:
    return VerifyBench().started(a_disk(1))


def the_bad(bench: VerifyBench) -> Bad:
    (entry,) = bench.bad()
    return entry


def test_a_damaged_record_is_bad_by_its_offset(bench: VerifyBench) -> None:
    bench.damage(bench.packs()[1], 100)

    done = bench.session()

    assert (the_bad(bench).what, the_bad(bench).parts) == ("damaged", (64,))
    assert (done.sum("proven"), done.sum("bad"), done.sum("refuted")) == (2, 1, 0)
    assert "is damaged at 64" in done.says


def test_a_damaged_foot_is_the_whole_pack(bench: VerifyBench) -> None:
    name = bench.packs()[1]
    bench.damage(name, len(bench.data.get(name)) - 20)

    bench.session()

    assert (the_bad(bench).what, the_bad(bench).parts) == ("damaged", None)


def test_a_pack_in_ruins_is_bad_as_a_whole(bench: VerifyBench) -> None:
    name = bench.packs()[0]
    for at in range(100, 2**20 - 2**14, 2**13):
        bench.damage(name, at)

    bench.session()

    assert (the_bad(bench).what, the_bad(bench).parts) == ("damaged", None)


@pytest.mark.parametrize("what", ["missing", "resized"])
def test_a_pack_that_the_listing_has_otherwise_is_bad_though_nobody_is_asked(
    bench: VerifyBench, what: str
) -> None:
    name = bench.packs()[1]
    content = bench.data.get(name)
    bench.data.delete(name)
    if what == "resized":
        bench.data.put_new(name, content + b"more")

    done = bench.session()

    assert (the_bad(bench).what, the_bad(bench).parts) == (what, None)
    assert len(done.packs) == 2
    assert done.sum("proven") == 2


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["new", "rota"])
def test_what_is_damaged_later_is_found_by_the_rota(bench: VerifyBench, share: float) -> None:
    bench.session()
    bench.damage(bench.packs()[2])

    bench.session(asking(number=2, rota_share=share))

    assert len(bench.bad()) == (1 if share else 0)


def test_a_damaged_section_is_bad_by_its_offset(bench: VerifyBench) -> None:
    bench.damage(index_objects(bench)[0], 200)

    done = bench.session()

    assert (the_bad(bench).object, the_bad(bench).what) == ("index", "damaged")
    assert the_bad(bench).parts == (0,)
    assert (done.sum("proven"), done.sum("bad")) == (3, 1)


def test_a_damaged_table_is_bad_by_its_offset(bench: VerifyBench) -> None:
    name = index_objects(bench)[0]
    bench.damage(name, len(bench.data.get(name)) - 20)

    bench.session()

    (part,) = the_bad(bench).parts or ()
    assert the_bad(bench).object == "index"
    assert bench.data.get(name)[part : part + 8] == b"VMBKTABL"


def test_a_manifest_that_does_not_open_is_said_and_holds_nothing_up() -> None:
    bench = VerifyBench().started(a_disk(1), a_disk(2))
    first = next(each.name for each in bench.data.list("c/") if "/m/00000/001/" in each.name)
    bench.damage(first)

    done = bench.session()

    assert "slot 1 of chain" in done.says
    assert {pack.slot for pack in done.packs} == {2}
    assert bench.session(asking(number=2)).works == []


def test_what_is_listed_in_the_archive_tier_is_counted_and_read_by_nobody(
    bench: VerifyBench,
) -> None:
    archived = UnreadableNow(bench.data, bench.packs()[1])
    bench.places = Places(archived, bench.places.control)

    done = bench.session()

    assert bench.bad() == []
    assert (done.sum("archived"), done.sum("unreadable"), done.sum("proven")) == (1, 0, 2)
    assert done.says == ""


def test_what_cannot_be_read_now_is_no_damage_and_is_said(bench: VerifyBench) -> None:
    """As one that went into the Archive tier after it was listed."""
    archived = UnreadableNow(bench.data, bench.packs()[1], listed=False)
    bench.places = Places(archived, bench.places.control)

    done = bench.session()

    assert bench.bad() == []
    assert (done.sum("unreadable"), done.sum("proven")) == (1, 2)
    assert "cannot be read now" in done.says
    again = bench.session(asking(number=2, new=False, rota_share=1.0))
    assert again.sum("unreadable") == 1


def test_after_damage_the_next_backup_stores_the_block_anew(bench: VerifyBench) -> None:
    bench.damage(bench.packs()[1], 100)
    bench.session()

    point = bench.back_up(2, a_disk(1))

    assert bench.restored(point) == []
    (line,) = point.disks
    assert line.stored_bytes > 4096


@pytest.mark.parametrize(
    "lie", [junk_in_records, hashes_of_other_bytes, sections_that_name_other_records]
)
def test_a_writer_that_stores_what_no_restore_can_read_is_found_when_it_is_new(lie: Lie) -> None:
    bench = LyingBench()
    bench.begun()
    bench.lied_to(1, a_disk(1), lie)

    done = bench.session()

    assert done.sum("bad") > 0
    assert done.sum("refuted") == 0
    point = bench.back_up(2, a_disk(1))
    assert bench.restored(point) == []


@pytest.mark.parametrize("lie", [other_bytes_than_the_disk, zeros_instead_of_data])
def test_a_writer_that_hashed_other_bytes_is_found_by_the_sample_alone(lie: Lie) -> None:
    bench = LyingBench()
    bench.begun()
    bench.lied_to(1, a_disk(1), lie)

    assert bench.session(asking(rota_share=1.0)).sum("bad") == 0
    done = bench.session(asking(number=2, new=False, sample=200, retained=["snapshot-1-os"]))

    assert done.sum("differing") > 0
    assert bench.bad() == []
    assert bench.proven("sample") == {}
    assert "not what the snapshot has" in done.says


def index_objects(bench: WholeBench) -> list[str]:
    return [each.name for each in bench.places.data.list("c/") if "/i/" in each.name]
