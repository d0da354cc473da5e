"""Reading packs: their feet by themselves, and records in the order in which they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.footer import (
    TRAILER_BYTES,
    Footer,
    foot_bytes,
    read_foot,
)
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name

#: Holds most feet; a longer one takes a second request.
TAIL_BYTES = 65_536

#: Records with less than this between them are read in one request.
GAP_BYTES = 256 * 1024


def read_footer(
    store: DataSource, keys: ChainKeys, pack: PackId, size_bytes: int | None = None
) -> tuple[Footer, int]:
    """Return the footer of *pack* and the pack's size, without reading its records.

    *size_bytes* is what the caller believes the size to be.
    """
    footer, _, size = read_foot_of(store, keys, pack, size_bytes)
    return footer, size


def read_foot_of(
    store: DataSource, keys: ChainKeys, pack: PackId, size_bytes: int | None = None
) -> tuple[Footer, bytes, int]:
    """Return the footer of *pack*, the bytes of its foot, and the pack's size."""
    name = pack_name(keys.chain, pack)
    start = store.get_range(name, 0, FIRST_RECORD_AT)
    tail, size = read_tail(store, name, size_bytes)
    footer, foot = foot_behind(store, keys, pack, start, tail, size)
    return footer, foot, size


def read_tail(store: DataSource, name: str, size_bytes: int | None) -> tuple[bytes, int]:
    """Return the end of the pack called *name*, and the pack's size.

    Azure counts no range from the end, so that asking for it without the size takes one request
    more.
    """
    if size_bytes is not None:
        wanted = min(size_bytes, TAIL_BYTES)
        tail = store.get_range(name, size_bytes - wanted, wanted + 1)
        if len(tail) == wanted:
            return tail, size_bytes
    return store.get_end(name, TAIL_BYTES)


def foot_behind(
    store: DataSource, keys: ChainKeys, pack: PackId, start: bytes, tail: bytes, size: int
) -> tuple[Footer, bytes]:
    """Return the footer of *pack*, and the bytes of its foot: those of its *tail*, or more."""
    name = pack_name(keys.chain, pack)
    wanted = foot_bytes(name, tail, size)
    if wanted > len(tail):
        tail = store.get_range(name, size - wanted, wanted)
        if len(tail) != wanted:
            raise CorruptRepository(f"{name}: shorter than its {size} bytes")
    foot = tail[-wanted:]
    return read_foot(pack, start, foot, size, keys), foot


def footer_of(keys: ChainKeys, pack: PackId, stored: bytes) -> Footer:
    """Return the footer of *pack*, all of whose bytes are *stored*."""
    name = pack_name(keys.chain, pack)
    wanted = foot_bytes(name, stored[-TRAILER_BYTES:], len(stored))
    start = stored[:FIRST_RECORD_AT]
    return read_foot(pack, start, stored[-wanted:], len(stored), keys)


def joined(
    places: Iterable[tuple[int, int]], *, most_bytes: int, gap_bytes: int = GAP_BYTES
) -> Iterator[tuple[int, int, list[int]]]:
    """Yield what is read at once of *places*, pairs of offset and length of one pack in order.

    Each is an offset, a length, and the places (by their positions) that lie in it.
    """
    start = end = 0
    mine: list[int] = []
    for number, (offset, length) in enumerate(places):
        if mine and (offset - end >= gap_bytes or offset + length - start > most_bytes):
            yield start, end - start, mine
            mine = []
        if not mine:
            start = end = offset
        mine.append(number)
        end = max(end, offset + length)
    if mine:
        yield start, end - start, mine
