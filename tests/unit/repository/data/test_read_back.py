"""A pack that is read back is whole, or it is said what of it is lost."""

from __future__ import annotations

from tests.unit.repository.data.bench import Bench, noise, pack_of
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.extents import Extent
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.read_back import PIECE_BYTES, PackReadBack, read_pack
from vmbackup_core.repository.primitives.identities import PackId

CONTENT = noise(1, SHARD)


def stored_pack(bench: Bench) -> tuple[str, PackId, bytes]:
    bench.write(bench.grant(1, SHARD), CONTENT)
    (name,) = bench.store.names("p")
    return name, pack_of(name), bench.store.get(name)


def read(bench: Bench, pack: PackId, size: int, *, piece_bytes: int = PIECE_BYTES) -> PackReadBack:
    return read_pack(bench.store, bench.reader_keys(), pack, size, piece_bytes=piece_bytes)


def test_a_whole_pack_is_read_back() -> None:
    bench = Bench()
    _, pack, stored = stored_pack(bench)
    whole = PackReadBack(pack, None, (), 64, 0, read_bytes=len(stored))
    assert read(bench, pack, len(stored)) == whole


def test_damaged_records_are_told_by_their_offsets() -> None:
    bench = Bench()
    name, pack, stored = stored_pack(bench)
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack)
    owed = (footer.records.offsets()[3], footer.records.offsets()[40])
    altered = bytearray(stored)
    for offset in owed:
        altered[offset + 9] ^= 1
    bench.store.replace(name, bytes(altered))
    found = read(bench, pack, len(stored))
    assert (found.lost, found.offsets) == ("damaged", owed)


def test_a_pack_is_missing_resized_or_damaged() -> None:
    bench = Bench()
    name, pack, stored = stored_pack(bench)
    assert read(bench, pack, len(stored) + 1).lost == "resized"
    bench.store.replace(name, stored[:-1] + b"?")
    assert read(bench, pack, len(stored)).lost == "damaged"
    bench.store.delete(name)
    assert read(bench, pack, len(stored)).lost == "missing"


def test_a_delta_is_found_authentic_or_damaged_without_its_base() -> None:
    bench = Bench()
    first = bench.write(bench.grant(1, SHARD), CONTENT)
    grant = bench.grant(2, SHARD, newest=first, base=first, deltas=True)
    bench.write(grant, b"new" + CONTENT[3:], [Extent(0, BLOCK)], predecessor=CONTENT)
    (name,) = bench.store.names("p", 2)
    stored = bench.store.get(name)
    assert read(bench, pack_of(name), len(stored)).deltas == 1
    bench.store.replace(name, stored[:70] + b"?" + stored[71:])
    assert read(bench, pack_of(name), len(stored)).offsets == (64,)


def test_a_pack_is_read_in_pieces_and_its_size_is_not_asked_for() -> None:
    """Its beginning comes with the first records, and its foot where those are all."""
    bench = Bench()
    _, pack, stored = stored_pack(bench)
    bench.store.ranges.clear()
    assert read(bench, pack, len(stored)).read_bytes == len(stored)
    assert len(bench.store.ranges) == 1
    bench.store.ranges.clear()
    assert read(bench, pack, len(stored), piece_bytes=100_000).read_bytes == len(stored)
    assert len(bench.store.ranges) == 4  # 270 KiB, and its foot before what lies behind the first


def test_pieces_show_the_same_damage() -> None:
    bench = Bench()
    name, pack, stored = stored_pack(bench)
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack)
    offsets = footer.records.offsets()
    for record in (0, 10, 11, 12, 13, 40, 63):
        altered = bytearray(stored)
        altered[offsets[record] + 9] ^= 1
        bench.store.replace(name, bytes(altered))
        assert read(bench, pack, len(stored), piece_bytes=50_000).offsets == (offsets[record],)
    bench.store.replace(name, stored)
    for size in (len(stored) - 1, len(stored) + 1, 49_999, 50_000, 10):
        assert read(bench, pack, size, piece_bytes=50_000).lost == "resized"
    bench.store.replace(name, stored + b"?")
    assert read(bench, pack, len(stored), piece_bytes=50_000).lost == "resized"
