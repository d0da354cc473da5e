"""The most that a reader takes, by kind, before it allocates or decodes; see section 19."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from vmbackup_core.repository.primitives.outer import SealedKind

KIB: Final = 1024
MIB: Final = 1024 * KIB

HEADER_BYTES: Final = 4200
HEADER_JSON_BYTES: Final = 4096
WRAP_BYTES: Final = 152
INDEX_OBJECT_BYTES: Final = 64 * MIB
FOOTER_BYTES: Final = 8 * MIB
DISK_BYTES: Final = 64 * 1024**4


@dataclass(frozen=True, slots=True)
class Bound:
    """The most bytes of an object, and of its payload before compression."""

    stored: int
    payload: int


OF_SEALED: MappingProxyType[SealedKind, Bound] = MappingProxyType(
    {
        "CHAN": Bound(16 * KIB, 16 * KIB),
        "HOLD": Bound(16 * KIB, 16 * KIB),
        "COMM": Bound(2 * MIB, 2 * MIB),
        "PLST": Bound(4 * MIB, 4 * MIB),
        "PONT": Bound(2 * MIB, 2 * MIB),
        "LOGO": Bound(8 * MIB, 8 * MIB),
        "STAT": Bound(8 * MIB, 8 * MIB),
        "MANI": Bound(3 * MIB, 3 * MIB),
        "SECT": Bound(5 * MIB, 5 * MIB),
        "TABL": Bound(16 * MIB, 32 * MIB),
    }
)


def manifest_at_commit(shards: int) -> Bound:
    """Return the bound of the manifest that a worker has written of a disk of so many *shards*."""
    most = min(512 * KIB + 100 * shards, OF_SEALED["MANI"].stored)
    return Bound(most, most)
