"""What the header of a chain says, sealed and opened; see section 8 of the format's page."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, get_args

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, DiskUniqueId, RunId
from vmbackup_core.repository.control.log.log_entries import Chain, Epoch
from vmbackup_core.repository.control.sealed_objects import Control, StoredBytes
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.said import check_parameters
from vmbackup_core.repository.primitives.bounds import OF_SEALED
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.json_payloads import ID, TEXT_MOST, Text, Time, parsed
from vmbackup_core.repository.primitives.names import chain_header_name
from vmbackup_core.repository.primitives.numbers import U32_MOST
from vmbackup_core.repository.primitives.reading import read_opening

#: Live: all backups of a disk, one after the other. Archive: one archive session's copy of it.
ChainPurpose = Literal["live", "archive"]
PURPOSES: Final[tuple[ChainPurpose, ...]] = get_args(ChainPurpose)
BLOCK_HASH: Final = "blake3-keyed-128"
CIPHER: Final = "aes-256-gcm"


class ChainParameters(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What all writers of the chain keep to."""

    block_bytes: int
    shard_bytes: int
    pack_bytes: int
    block_hash: Text = BLOCK_HASH
    cipher: Text = CIPHER

    def __post_init__(self) -> None:
        check_parameters(self.block_bytes, self.shard_bytes, self.pack_bytes)

    @staticmethod
    def of(settled: Parameters) -> ChainParameters:
        """Return *settled* as a header writes it."""
        return ChainParameters(
            block_bytes=settled.block_bytes,
            shard_bytes=settled.shard_bytes,
            pack_bytes=settled.pack_bytes,
        )


class ChainHeader(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The JSON of a chain header; *predecessor* is None in generation 0."""

    chain_id: Chain
    generation: Annotated[int, msgspec.Meta(ge=0, le=U32_MOST)]
    epoch: Epoch
    disk_unique_id: Annotated[DiskUniqueId, msgspec.Meta(max_length=TEXT_MOST)]
    predecessor: Chain | None
    created_by: Annotated[RunId, ID]
    created_at: Time
    purpose: Text
    parameters: ChainParameters


class _ParametersSeen(msgspec.Struct, frozen=True, rename="camel"):
    block_hash: Text
    cipher: Text


class _Seen(msgspec.Struct, frozen=True, rename="camel"):
    """As much of a header as tells whether it is understood, and that nothing of it is left out."""

    purpose: Text
    parameters: _ParametersSeen


def seal_header(control: Control, header: ChainHeader, epoch: int) -> StoredBytes:
    """Return the object that holds *header*, sealed under *epoch*; it is not put."""
    return control.seal("CHAN", chain_header_name(header.chain_id), header, epoch)


def open_header(control: Control, chain: ChainId) -> ChainHeader:
    """Return the header of *chain*; raise NotStored, CorruptRepository or NotUnderstood.

    Where the one that is there is damaged, an earlier version of it that opens is the header.
    """
    name = chain_header_name(chain)
    most = OF_SEALED["CHAN"].stored
    return read_opening(
        control.store, name, most, lambda stored: _opened(control, chain, name, stored)
    )


def _opened(control: Control, chain: ChainId, name: str, stored: bytes) -> ChainHeader:
    found = StoredBytes(name, stored, hashlib.sha256(stored).hexdigest())
    payload = control.payload("CHAN", found)
    _check_understood(name, parsed(name, payload, _Seen))
    header = parsed(name, payload, ChainHeader)
    if header.chain_id != chain:
        raise CorruptRepository(f"{name}: is of chain {header.chain_id}")
    return header


def _check_understood(name: str, seen: _Seen) -> None:
    for what, found, known in (
        ("purpose", seen.purpose, PURPOSES),
        ("block hash", seen.parameters.block_hash, (BLOCK_HASH,)),
        ("cipher", seen.parameters.cipher, (CIPHER,)),
    ):
        if found not in known:
            raise NewerFormat(name, f"{what} {found[:40]!r}")
