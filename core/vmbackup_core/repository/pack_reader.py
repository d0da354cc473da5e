"""Reading packs: footers by themselves, and records with their hashes compared."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.index import FIRST_RECORD_AT
from vmbackup_core.repository.names import PackId
from vmbackup_core.repository.pack import (
    PackFooter,
    RecordKind,
    footer_bytes,
    open_record,
    unseal_footer,
)

#: Holds most footers; a longer one takes a second request.
TAIL_BYTES = 16 * 1024


def read_footer(chain: Chain, pack: PackId, pack_bytes: int) -> PackFooter:
    """Return the footer of *pack*, which is *pack_bytes* long, without reading its records."""
    name = chain.full_name(str(pack))
    start = chain.store.get_range(name, 0, FIRST_RECORD_AT)
    offset = max(pack_bytes - TAIL_BYTES, 0)
    tail = chain.store.get_range(name, offset, pack_bytes - offset)
    if len(tail) != pack_bytes - offset:
        raise CorruptRepository(f"{name}: shorter than its {pack_bytes} bytes")
    wanted = footer_bytes(name, tail, pack_bytes)
    if wanted > len(tail):
        tail = chain.store.get_range(name, pack_bytes - wanted, wanted)
    cipher = chain.pack_cipher(pack)
    return unseal_footer(
        name, start, tail[-wanted:], cipher, epoch=chain.keys.epoch, pack_bytes=pack_bytes
    )


def footer_of(chain: Chain, pack: PackId, stored: bytes) -> PackFooter:
    """Return the footer of *pack*, all of whose bytes are *stored*."""
    name = chain.full_name(str(pack))
    wanted = footer_bytes(name, stored, len(stored))
    return unseal_footer(
        name,
        stored[:FIRST_RECORD_AT],
        stored[-wanted:],
        chain.pack_cipher(pack),
        epoch=chain.keys.epoch,
        pack_bytes=len(stored),
    )


def verify_records(chain: Chain, pack: PackId, stored: bytes, footer: PackFooter) -> list[str]:
    """Return what is wrong with the records of *pack*, all of whose bytes are *stored*."""
    name, cipher = chain.full_name(str(pack)), chain.pack_cipher(pack)
    found: list[str] = []
    offset = FIRST_RECORD_AT
    view = memoryview(stored)
    for number, length in enumerate(footer.lengths):
        record = view[offset : offset + length]
        try:
            read_record(chain, name, number, record, footer.kind_of(number), cipher)
        except CorruptRepository as error:
            found.append(str(error))
        offset += length
    return found


def read_record(
    chain: Chain,
    name: str,
    number: int,
    stored: bytes | memoryview,
    kind: RecordKind,
    cipher: AESGCM,
) -> bytes:
    """Return the block in a record, whose hash is the one that it shall have."""
    block = open_record(name, number, stored, kind, cipher)
    found = chain.block_hash(block)
    if found != kind.block_hash:
        raise CorruptRepository(
            f"{name}: record {number} holds block {found.hex()}, not {kind.block_hash.hex()}"
        )
    return block
