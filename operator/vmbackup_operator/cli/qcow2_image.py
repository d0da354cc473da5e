"""A disk as a qcow2 image, as long as what of the disk is not zero.

The layout is QEMU's specification of the format (docs/interop/qcow2), version 3: a header, a table
of tables (L1) that lead to the disk's clusters (L2), clusters in the order in which they were
written, and behind all of them the count of references of each, which is one.
"""

from __future__ import annotations

import os
import struct
import threading
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from typing_extensions import override

from vmbackup_core.stores.port import Buffer
from vmbackup_operator.cli.restored_file import Image
from vmbackup_operator.cli.writing_out import WritingOut, write_all

_CLUSTER_BITS: Final = 16  # 64 KiB, as qemu-img makes them
CLUSTER: Final = 1 << _CLUSTER_BITS
_SECTOR_BYTES: Final = 512

_ENTRY: Final = struct.Struct(">Q")
_ENTRIES: Final = CLUSTER // _ENTRY.size  # of one table
_OF_TABLE: Final = _ENTRIES * CLUSTER
_ONCE: Final = 1 << 63  # referred to once: a writer needs not copy the cluster first
_OFFSET: Final = (1 << 56) - CLUSTER

#: References are counted in 16 bits each.
_COUNT_ORDER: Final = 4
_COUNTS: Final = CLUSTER // 2  # of one block

_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")


class Qcow2Image(Image):
    """A qcow2 image on its way into a file; of its tables only L1 is in memory."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._out = WritingOut(descriptor)
        self._size_bytes = -(-size_bytes // _SECTOR_BYTES) * _SECTOR_BYTES
        self._tables = array("Q", bytes(8 * -(-self._size_bytes // _OF_TABLE)))
        self._lock = threading.Lock()
        self._clusters = 1 + _clusters_of(8 * len(self._tables))  # behind header and L1

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset* of the disk."""
        view = memoryview(data)
        for at, length in self._pieces(offset, len(view)):
            self._out.write_all(at, view[:length])
            view = view[length:]

    @override
    def finish(self) -> None:
        """Write what makes it an image."""
        table_at, table_clusters = self._write_counts()
        write_all(self._descriptor, CLUSTER, _big_endian(self._tables))
        write_all(
            self._descriptor,
            0,
            _HEADER.pack(
                b"QFI\xfb",
                3,
                0,  # no backing file
                0,
                _CLUSTER_BITS,
                self._size_bytes,
                0,  # not encrypted
                len(self._tables),
                CLUSTER,
                table_at,
                table_clusters,
                0,  # no snapshots
                0,
                0,  # no feature that a reader may not know
                0,
                0,
                _COUNT_ORDER,
                _HEADER.size,
            ),
        )

    def _pieces(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield where in the file the bytes belong that are at *offset* of the disk."""
        end = offset + length
        while offset < end:
            stop = min(end, (offset // _OF_TABLE + 1) * _OF_TABLE)
            for host, clusters in _side_by_side(
                self._hosts(offset // CLUSTER, -(-stop // CLUSTER))
            ):
                within = offset % CLUSTER
                piece = min(clusters * CLUSTER - within, stop - offset)
                yield host + within, piece
                offset += piece

    def _hosts(self, first: int, behind: int) -> list[int]:
        """Return where clusters of the disk are in the file, which get places if they have none.

        They are of one table.
        """
        with self._lock:
            table = first // _ENTRIES
            if not self._tables[table]:
                self._tables[table] = self._taken() | _ONCE
            at = (self._tables[table] & _OFFSET) + first % _ENTRIES * _ENTRY.size
            stored = os.pread(self._descriptor, (behind - first) * _ENTRY.size, at)
            stored = stored.ljust((behind - first) * _ENTRY.size, b"\0")
            hosts = [(entry & _OFFSET) or self._taken() for (entry,) in _ENTRY.iter_unpack(stored)]
            entries = b"".join(_ENTRY.pack(host | _ONCE) for host in hosts)
            if entries != stored:
                write_all(self._descriptor, at, entries)
            return hosts

    def _taken(self) -> int:
        """Return a place that nothing is at yet."""
        self._clusters += 1
        return (self._clusters - 1) << _CLUSTER_BITS

    def _write_counts(self) -> tuple[int, int]:
        """Write that each cluster is referred to once; return where their table is, and its length.

        The blocks of counts, and the table of these blocks, are counted as well.
        """
        used, blocks, table = self._clusters, 0, 0
        while (found := _blocks_for(used + blocks + table)) != (blocks, table):
            blocks, table = found
        total = used + blocks + table
        once = struct.pack(">H", 1) * _COUNTS
        places = array("Q")
        for block in range(blocks):
            places.append((used + block) << _CLUSTER_BITS)
            counted = min(_COUNTS, total - block * _COUNTS)
            write_all(self._descriptor, places[-1], once[: 2 * counted])
        at = (used + blocks) << _CLUSTER_BITS
        write_all(self._descriptor, at, _big_endian(places))
        os.ftruncate(self._descriptor, total << _CLUSTER_BITS)
        return at, table


def _side_by_side(hosts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of clusters that lie side by side: where each begins, and of how many it is."""
    start, clusters = hosts[0], 0
    for host in hosts:
        if host != start + clusters * CLUSTER:
            yield start, clusters
            start, clusters = host, 0
        clusters += 1
    yield start, clusters


def _clusters_of(length: int) -> int:
    return -(-length // CLUSTER)


def _blocks_for(clusters: int) -> tuple[int, int]:
    """Return how many blocks hold the counts of so many clusters, and their table's clusters."""
    blocks = -(-clusters // _COUNTS)
    return blocks, _clusters_of(blocks * _ENTRY.size)


def _big_endian(places: Sequence[int]) -> bytes:
    return struct.pack(f">{len(places)}Q", *places)
