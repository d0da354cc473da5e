"""What a worker is given crosses a job unchanged, and says exactly what is bad."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.unit.repository.data.bench import Bench
from tests.unit.repository.data.samples import SHARD, pack_row
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.grants import (
    Bad,
    BadObject,
    DiskGrant,
    LeftSession,
    ManifestAt,
    Parameters,
)
from vmbackup_core.repository.primitives.identities import IndexId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import Time, encode, parsed

INDEX = IndexId(CommitSlot(1), WritingSession("ab" * 16), 7)
ROW = pack_row(3)
PACK = ROW.holder.packed().hex()


def test_a_grant_is_read_as_it_was_written() -> None:
    grant = replace(
        Bench().grant(7, SHARD),
        newest=ManifestAt("c/x/m/y", "ab" * 32, 6),
        bad=(BadObject("pack", PACK, (64, 100)), BadObject("index", INDEX.packed().hex(), None)),
        left=(LeftSession(WritingSession("cd" * 16), 2, 9),),
        taken_at=Time.of(datetime(2026, 11, 26, 17, 5, 9, 17, UTC)),
        deltas=True,
    )
    assert parsed("job", encode(grant), DiskGrant) == grant


def test_a_grant_of_impossible_parameters_is_refused() -> None:
    text = encode(Bench().grant(7, SHARD)).replace(b'"blockBytes":4096', b'"blockBytes":4097')
    with pytest.raises(CorruptRepository):
        parsed("job", text, DiskGrant)
    with pytest.raises(ValueError, match="pack size"):
        Parameters(pack_bytes=4096)


def test_what_is_bad_of_an_object_adds_up() -> None:
    bad = Bad.of([BadObject("pack", PACK, (64,)), BadObject("pack", PACK, (100,))])
    assert bad.names(ROW)
    assert not bad.names(pack_row(4))
    assert [at for at in (64, 100, 200) if bad.has_record(ROW, at)] == [64, 100]
    whole = Bad.of([BadObject("pack", PACK, None), BadObject("pack", PACK, (100,))])
    assert whole.has_record(ROW, 200)


def test_parts_of_index_objects_are_sections_or_the_table() -> None:
    bad = Bad.of([BadObject("index", INDEX.packed().hex(), (500,))])
    assert not bad.packs
    assert bad.has_part(INDEX, 0, 500)
    assert not bad.has_part(INDEX, 0, 900)
    assert not bad.has_part(IndexId(INDEX.slot, INDEX.session, 8), 500)
