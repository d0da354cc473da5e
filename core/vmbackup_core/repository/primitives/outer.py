"""The first 36 bytes of every object, the same in every format to come; see section 16."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.stores.port import Buffer

SealedKind = Literal["CHAN", "COMM", "PLST", "PONT", "LOGO", "STAT", "HOLD", "MANI", "TABL", "SECT"]
Kind = Literal[SealedKind, "HEAD", "WRAP", "PACK"]

FORMAT: Final = 1
REVISION: Final = 0

_START = struct.Struct("<8sHHI16sI")
START_BYTES = _START.size


@dataclass(frozen=True, slots=True)
class Start:
    """What an object says of itself before anything is decrypted; believe it once authentic."""

    format: int
    revision: int
    flags: int
    repository: RepositoryId
    epoch: int


def start_of(kind: Kind, repository: RepositoryId, epoch: int) -> bytes:
    """Return the first 36 bytes of an object of *kind*."""
    magic = b"VMBK" + kind.encode()
    return _START.pack(magic, FORMAT, REVISION, 0, bytes.fromhex(repository), epoch)


def read_start(name: str, stored: Buffer, kind: Kind) -> Start:
    """Return what the object called *name* says; one of another kind is damaged."""
    if len(stored) < START_BYTES:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, too few for any object")
    magic, format_, revision, flags, repository, epoch = _START.unpack_from(stored)
    if magic != b"VMBK" + kind.encode():
        raise CorruptRepository(f"{name}: begins with {magic!r}, not with VMBK{kind}")
    return Start(format_, revision, flags, RepositoryId(repository.hex()), epoch)


def check_repository(name: str, start: Start, repository: RepositoryId) -> None:
    """Raise CorruptRepository where the object is of another repository."""
    if start.repository != repository:
        raise CorruptRepository(f"{name}: of repository {start.repository}, not of {repository}")


def check_understood(name: str, start: Start) -> None:
    """Raise NewerFormat where an object that has been found authentic needs a newer version."""
    if start.format != FORMAT:
        raise NewerFormat(name, f"format {start.format}.{start.revision}")
    if start.flags:
        bits = ", ".join(str(bit) for bit in range(32) if start.flags >> bit & 1)
        raise NewerFormat(name, f"mandatory flag {bits}")
