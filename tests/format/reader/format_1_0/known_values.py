"""The known values [37], each computed here from the first three lines of the page's table."""

import hashlib

import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .ciphers import NO_NONCE
from .keys import Ring, derive, fingerprint
from .places import Origin, object_name
from .sealed import sha256

USER_KEY, MASTER = bytes(range(32)), bytes(range(0x80, 0xA0))
REPOSITORY = bytes(range(0x40, 0x50))
RUN, SESSION = b"\xaa" * 16, b"\xbb" * 16
UNIQUE_ID = "11111111-2222-3333-4444-55555555ABCD"
VM = "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/Web"


def seal_empty_header(ring: Ring, chain: str) -> tuple[bytes, bytes]:
    """The key and the bytes of the object that holds `{}`."""
    name = f"c/{chain}/chain"
    key = ring.derive(ring.secret(1, "control"), "object", b"CHAN", name, b"\xcc" * 32)
    start = (
        b"VMBKCHAN"
        + bytes([1, 0, 0, 0, 0, 0, 0, 0])
        + REPOSITORY
        + bytes([1, 0, 0, 0, 2, 0, 0, 0])
        + bytes(8)
    )
    start += b"\xcc" * 32
    return key, start + AESGCM(key).encrypt(NO_NONCE, b"{}", start + name.encode())


def seal_wrap() -> bytes:
    start = (
        b"VMBKWRAP" + bytes([1, 0, 0, 0, 0, 0, 0, 0]) + REPOSITORY + bytes([1, 0, 0, 0, 1, 0, 0, 0])
    )
    start += fingerprint(USER_KEY) + derive(MASTER, REPOSITORY, "master-id")[:16] + b"\xdd" * 32
    key = derive(USER_KEY, REPOSITORY, "wrap", 1, b"\xdd" * 32)
    return start + AESGCM(key).encrypt(NO_NONCE, MASTER, start)


def known_values() -> dict[str, str]:
    """Each row of the table, under the beginning of its text."""
    ring = Ring(REPOSITORY, {1: MASTER})
    chain = ring.name_chain(1, UNIQUE_ID, bytes(4))
    chain_id = bytes.fromhex(chain)
    pack = Origin(42, SESSION, RUN, 1, 4_097)
    run_key, hash_key = ring.run_key(1, chain_id, RUN), ring.secret(1, "block-hash", chain_id)
    pack_key = ring.derive(run_key, "pack", pack.pack)
    block = b"\x01" * 4_096
    block_hash = blake3.blake3(block, key=hash_key).digest()[:16]
    said = bytes([0]) + len(block).to_bytes(4, "little") + block_hash
    record = AESGCM(pack_key).encrypt((3).to_bytes(12, "little"), block, said)
    object_key, sealed = seal_empty_header(ring, chain)
    binary = {
        "user key": USER_KEY,
        "repository id": REPOSITORY,
        "master of epoch 1": MASTER,
        "fingerprint": fingerprint(USER_KEY),
        "master id": derive(MASTER, REPOSITORY, "master-id")[:16],
        "header key": ring.secret(1, "header"),
        "control secret": ring.secret(1, "control"),
        "CHAIN of": chain_id,
        "VM of": bytes.fromhex(ring.name_vm(1, VM)),
        "hash key": hash_key,
        "metadata secret": ring.secret(1, "metadata", chain_id),
        "data secret": ring.secret(1, "data", chain_id),
        "RUN": RUN,
        "pack id of": pack.pack,
        "run key": run_key,
        "pack key": pack_key,
        "proof key": ring.derive(run_key, "proof"),
        "footer key": ring.footer_key(1, chain_id, pack.pack, RUN),
        "block hash of": block_hash,
        "SHA-256 of that block": hashlib.sha256(record).digest(),
        "object key of": object_key,
        "the object that holds": hashlib.sha256(sealed).digest(),
        "wrap of the master": hashlib.sha256(seal_wrap()).digest(),
    }
    assert sha256(record) == binary["SHA-256 of that block"].hex()
    name = object_name(chain, "p", *pack.place)
    return {row: value.hex() for row, value in binary.items()} | {"its name": name}
