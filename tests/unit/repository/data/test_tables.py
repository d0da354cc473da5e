"""Tables: what a section names comes back, and nothing that is not there is believed."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from hypothesis import given

from tests.unit.repository.data.samples import SEEDS, pack_row, session_row
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.tables import (
    PackRow,
    SectionRows,
    SectionType,
    decode_table,
    encode_table,
)
from vmbackup_core.repository.primitives.failures import NewerFormat

TYPES: tuple[SectionType, ...] = ("base", "patch")


@given(SEEDS)
def test_a_table_says_which_packs_each_section_names(draw: random.Random) -> None:
    sections = [
        SectionRows(
            shard,
            kind,
            tuple(
                pack_row(number, session=draw.randrange(3), moved_from=draw.choice((None, 9)))
                for number in draw.sample(range(40), draw.randrange(6))
            ),
        )
        for shard in draw.sample(range(1000), draw.randrange(1, 8))
        for kind in draw.sample(TYPES, draw.randrange(1, 3))
    ]
    table = decode_table("table", encode_table(sections))
    assert list(table.sections()) == sections
    for each in sections:
        assert table.rows_of(each.shard, each.type) == each.rows
    assert table.rows_of(5000, "base") is None


def test_a_table_has_the_layout_of_the_page() -> None:
    payload = encode_table([SectionRows(7, "patch", (pack_row(3),))])
    session = session_row(5).packed()
    assert payload == (
        struct.pack("<III", 1, 1, 1)
        + session
        + struct.pack("<IBI", 7, 1, 1)
        + struct.pack("<IIIII", 0, 3, 32 * 1024 * 1024, 0, 3)
    )


@pytest.mark.parametrize("end", range(0, 81, 4))
def test_a_table_that_is_cut_is_damaged(end: int) -> None:
    payload = encode_table([SectionRows(7, "base", (pack_row(3),))])
    with pytest.raises(CorruptRepository):
        decode_table("table", payload[:end])
    with pytest.raises(CorruptRepository):
        decode_table("table", payload + b"\0" * (end + 1))


def test_counts_that_the_bytes_do_not_bear_allocate_nothing() -> None:
    tracemalloc.start()
    try:
        for counts in ((2**32 - 1, 0, 0), (1, 2**32 - 1, 0), (1, 0, 2**32 - 1)):
            with pytest.raises(CorruptRepository):
                decode_table("table", struct.pack("<III", *counts) + bytes(100))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def table_with(
    *,
    sessions: tuple[bytes, ...] = (session_row(5).packed(),),
    section: tuple[int, int, int] = (7, 0, 1),
    row: tuple[int, ...] = (0, 3, 100, 0, 3),
) -> bytes:
    return (
        struct.pack("<III", 1, len(sessions), 1)
        + b"".join(sessions)
        + struct.pack("<IBI", *section)
        + struct.pack("<IIIII", *row)
    )


@pytest.mark.parametrize(
    "payload",
    [
        table_with(section=(7, 0, 2)),
        table_with(section=(7, 0, 0)),
        table_with(row=(1, 3, 100, 0, 3)),
        table_with(row=(0, 3, 100, 1, 3)),
        table_with(sessions=(session_row(5).packed(), session_row(5).packed())),
        table_with(sessions=(session_row(5, slot=0).packed(),)),
        table_with(sessions=(session_row(5, slot=2**31).packed(),)),
        struct.pack("<III", 0, 0, 0),
    ],
    ids=["rows", "fewer", "holder", "origin", "twice", "slot 0", "slot beyond", "empty"],
)
def test_a_table_that_contradicts_itself_is_damaged(payload: bytes) -> None:
    with pytest.raises(CorruptRepository):
        decode_table("table", payload)


def test_a_section_is_there_once_and_names_a_pack_once() -> None:
    rows: tuple[PackRow, ...] = (pack_row(3),)
    twice = [SectionRows(7, "base", rows), SectionRows(7, "base", ())]
    for payload in (encode_table(twice), encode_table([SectionRows(7, "base", rows * 2)])):
        with pytest.raises(CorruptRepository, match="twice"):
            decode_table("table", payload)


def test_an_unknown_type_of_section_is_not_understood() -> None:
    with pytest.raises(NewerFormat):
        decode_table("table", table_with(section=(7, 2, 1)))
