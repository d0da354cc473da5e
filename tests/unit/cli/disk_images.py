"""Readers of images, made from what their formats' makers publish: strict, and for tests alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
_OFFSET = 0x00FF_FFFF_FFFF_FE00
_ONCE = 1 << 63


@dataclass(frozen=True, slots=True)
class Opened:
    """An image's disk; *allocated* is how many bytes of it the file has places for."""

    content: bytes
    allocated: int


def read_vhd(path: Path) -> Opened:
    """Return the disk in a fixed VHD; raise ValueError where it is none as Azure takes it."""
    stored = path.read_bytes()
    content, footer = stored[:-SECTOR], stored[-SECTOR:]
    cookie, features, version, data_at = struct.unpack_from(">8sIIQ", footer)
    original, current = struct.unpack_from(">QQ", footer, 40)
    cylinders, heads, of_track, kind, checksum = struct.unpack_from(">HBBII", footer, 56)
    _expect("cookie", cookie, b"conectix")
    _expect("features", features & 2, 2)
    _expect("version", version, 0x10000)
    _expect("no further header", data_at, 2**64 - 1)
    _expect("kind", kind, 2)
    _expect("size", (original, current), (len(content), len(content)))
    _expect("whole MiB", len(content) % 1024**2, 0)
    _expect("checksum", checksum, ~(sum(footer) - sum(footer[64:68])) & 0xFFFF_FFFF)
    _expect("the rest", footer[84:], bytes(SECTOR - 84))
    sectors = cylinders * heads * of_track
    if not 0 < len(content) // SECTOR - sectors < 65536 + heads * of_track:
        _expect("geometry", sectors, len(content) // SECTOR)
    return Opened(content, len(content))


def read_qcow2(path: Path) -> Opened:
    """Return the disk in a qcow2 image all of whose clusters are counted once, as they must be."""
    return _Qcow2(path.read_bytes()).opened()


class _Qcow2:
    def __init__(self, stored: bytes) -> None:
        self._stored = stored
        magic, version, backing, _, bits, self._size, crypt, self._l1_entries, self._l1_at = (
            struct.unpack_from(">4sIQIIQIIQ", stored)
        )
        self._counts_at, self._counts_clusters, snapshots, _, *features, order, header = (
            struct.unpack_from(">QIIQQQQII", stored, 48)
        )
        _expect("magic", magic, b"QFI\xfb")
        _expect("version", version, 3)
        _expect("a plain image", (backing, crypt, snapshots, features), (0, 0, 0, [0, 0, 0]))
        _expect("counts of 16 bits", order, 4)
        _expect("header", (header, stored[header : header + 8]), (104, bytes(8)))
        self._cluster = 1 << bits
        self._referred = [0] * (len(stored) // self._cluster)
        _expect("whole clusters", len(stored) % self._cluster, 0)

    def opened(self) -> Opened:
        self._refer(0)
        content = bytearray(self._size)
        allocated = 0
        of_table = self._cluster // 8
        _expect("tables", self._l1_entries, -(-self._size // (of_table * self._cluster)))
        for at in self._table(self._l1_at, self._l1_entries * 8):
            self._refer(at)
        tables = struct.unpack_from(f">{self._l1_entries}Q", self._stored, self._l1_at)
        for number, table in enumerate(tables):
            if not table:
                continue
            entries = struct.unpack_from(f">{of_table}Q", self._stored, self._once(table))
            for place, entry in enumerate(entries):
                if entry:
                    host = self._once(entry)
                    start = (number * of_table + place) * self._cluster
                    piece = self._stored[host : host + self._cluster]
                    content[start : start + self._cluster] = piece[: self._size - start]
                    allocated += self._cluster
        self._compare_counts()
        return Opened(bytes(content), allocated)

    def _table(self, at: int, length: int) -> range:
        _expect("a cluster's begin", at % self._cluster, 0)
        return range(at, at + length, self._cluster)

    def _once(self, entry: int) -> int:
        """Return where an entry leads, which must say that nothing else leads there."""
        at = entry & _OFFSET
        _expect("an entry", entry, at | _ONCE)
        self._refer(at)
        return at

    def _refer(self, at: int) -> None:
        _expect("a cluster's begin", at % self._cluster, 0)
        self._referred[at // self._cluster] += 1

    def _compare_counts(self) -> None:
        for at in self._table(self._counts_at, self._counts_clusters * self._cluster):
            self._refer(at)
        length = self._counts_clusters * self._cluster
        blocks = struct.unpack_from(f">{length // 8}Q", self._stored, self._counts_at)
        counts: list[int] = []
        for block in filter(None, blocks):
            self._refer(block)
            counts += struct.unpack_from(f">{self._cluster // 2}H", self._stored, block)
        _expect("counts", counts[: len(self._referred)], self._referred)
        _expect("counts behind the end", sum(counts[len(self._referred) :]), 0)
        _expect("each cluster once", set(self._referred), {1})


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{what}: {found!r}, not {wanted!r}")
