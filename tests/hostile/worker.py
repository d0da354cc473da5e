"""A hostile worker: it has the message of one job, speaks HTTP, and does what it is not meant to.

Written from docs/worker-protocol.md and docs/repository-format.md, with nothing of ours.
"""

from __future__ import annotations

import base64
import hmac
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import urllib3
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = {"x-ms-version": "2026-06-06"}
BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}
ZEROS = bytes(12)

_TRIES: Sequence[tuple[str, str, Mapping[str, str], bytes]] = (
    ("PUT", "", BLOCK_BLOB, b"junk"),
    ("PUT", "", {**BLOCK_BLOB, "If-Match": "*"}, b"junk"),
    ("PUT", "", {**BLOCK_BLOB, "If-None-Match": "*"}, b"junk"),
    ("PUT", "", {**BLOCK_BLOB, "x-ms-access-tier": "Archive"}, b"junk"),
    ("PUT", "", {"x-ms-blob-type": "AppendBlob"}, b""),
    ("PUT", "", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"}, b""),
    ("PUT", "comp=block&blockid=MDAwMQ%3D%3D", {}, b"junk"),
    ("PUT", "comp=blocklist", {}, b"<BlockList />"),
    ("PUT", "comp=appendblock", {}, b"junk"),
    ("PUT", "comp=metadata", {"x-ms-meta-a": "b"}, b""),
    ("PUT", "comp=properties", {"x-ms-blob-content-type": "a/b"}, b""),
    ("PUT", "comp=tier", {"x-ms-access-tier": "Archive"}, b""),
    ("PUT", "comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}, b""),
    ("DELETE", "", {}, b""),
    ("DELETE", "", {"x-ms-delete-snapshots": "include"}, b""),
)


@dataclass(frozen=True)
class Answer:
    """What the service said."""

    status: int
    code: str
    body: bytes


@dataclass(frozen=True)
class Pack:
    """A pack's id."""

    slot: int
    session: str
    number: int

    @property
    def packed(self) -> bytes:
        return struct.pack("<I16sI", self.slot, bytes.fromhex(self.session), self.number)


@dataclass(frozen=True)
class Record:
    """A record as its pack's footer tells of it."""

    pack: Pack
    number: int
    offset: int
    length: int
    codec: int
    block_bytes: int
    block_hash: bytes


class SasHolder:
    """Speaks HTTP with the SAS that a job's message gives for the repository's data."""

    def __init__(self, job: Mapping[str, Any], pool: urllib3.PoolManager) -> None:
        url: str = job["repository"]["containerUrl"]
        self._container, _, self._sas = url.partition("?")
        self._pool = pool

    def ask(
        self,
        method: str,
        name: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        container: str | None = None,
    ) -> Answer:
        """Return what the service answers to a request by the job's SAS."""
        where = self._container if container is None else container
        asked = "&".join(part for part in (query, self._sas) if part)
        answer = self._pool.request(
            method,
            f"{where}/{name}?{asked}" if name else f"{where}?{asked}",
            headers={**VERSION, **(headers or {}), "Content-Length": str(len(body))},
            body=body,
        )
        return Answer(answer.status, answer.headers.get("x-ms-error-code", ""), answer.data)

    @property
    def account(self) -> str:
        """The address of the account that the container is in."""
        account, _, _container = self._container.rpartition("/")
        return account

    def rampage(self, name: str) -> Iterator[Answer]:
        """Try everything that would change a blob; yield how each was answered."""
        for method, query, headers, body in _TRIES:
            yield self.ask(method, name, query, headers, body)

    def put(self, name: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Create a blob."""
        return self.ask("PUT", name, headers={**BLOCK_BLOB, **(headers or {})}, body=body)

    def get(self, name: str) -> bytes:
        """Return a blob that is there."""
        answer = self.ask("GET", name)
        if answer.status != 200:
            raise LookupError(f"{name}: {answer.status} {answer.code}")
        return answer.body

    def name_of(self, chain: str, folder: str, pack: Pack) -> str:
        """Return the name of a pack or index object."""
        slot, number = f"{pack.slot:08x}", f"{pack.number:08x}"
        path = f"{slot[:5]}/{slot[5:]}/{pack.session}-{number[:5]}/{number[5:]}"
        return f"c/{chain}/{folder}/{path}"


class HostileVerifier(SasHolder):
    """Has the *message* of a job that reads back what is stored."""

    def __init__(self, message: bytes, pool: urllib3.PoolManager) -> None:
        job = json.loads(message)
        super().__init__(job, pool)
        self.chain: str = job["chainId"]
        self.manifest: str = job["manifest"]
        self.packs = [
            Pack(each["slot"], each["session"], number)
            for each in job["packs"]
            for number in range(each["first"], each["last"] + 1)
        ]

    def names_it_knows(self) -> list[str]:
        """Return the names that the job tells."""
        return [self.manifest, *(self.name_of(self.chain, "p", each) for each in self.packs)]


class HostileWorker(SasHolder):
    """Does with a job's *message* what can be done with it."""

    def __init__(self, message: bytes, pool: urllib3.PoolManager) -> None:
        job = json.loads(message)
        super().__init__(job, pool)
        self.disk: Mapping[str, Any] = job["disks"][0]
        self.grant: Mapping[str, Any] = self.disk["grant"]
        self.keys: Mapping[str, Any] = json.loads(base64.b64decode(self.disk["keys"]))
        self.chain: str = self.disk["chainId"]

    # What the metadata secrets open.

    def names_it_knows(self) -> list[str]:
        """Return the names of what the newest manifest refers to, and its own."""
        indexes = [self.index_name(Pack(*row[:3])) for row in self._indexes()]
        return [self.grant["newest"]["name"], *indexes, *map(self.pack_name, self.packs())]

    def packs(self) -> list[Pack]:
        """Return the packs of the newest manifest, as its tables name them."""
        found = set[Pack]()
        for slot, session, number, _size, offset, length in self._indexes():
            name = self.index_name(Pack(slot, session, number))
            table = self._unseal("TABL", f"{name}#{offset:08x}", self.get(name)[offset:][:length])
            found |= set(_holders(table))
        return sorted(found, key=lambda pack: pack.packed)

    def records(self, pack: Pack) -> Iterator[tuple[str, Record]]:
        """Yield a pack's records with the run that has written them: footers open."""
        name = self.pack_name(pack)
        stored = self.get(name)
        start, (length, size) = stored[:64], struct.unpack("<II", stored[-16:-8])
        epoch, run = struct.unpack_from("<I", start, 32)[0], start[40:56]
        key = self.derive(self._secret(epoch), "footer", pack.packed, run)
        sealed = stored[-16 - length : -16]
        frame = AESGCM(key).decrypt(ZEROS, sealed, start + name.encode())
        payload = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
        count, origins = struct.unpack_from("<II", payload, 16)
        at = 24 + 44 * origins + 4 * count
        numbers = struct.unpack_from(f"<{count}I", payload, at)
        hashes = at + 4 * count
        lengths_at = hashes + 24 * count
        block_bytes = struct.unpack_from(f"<{count}I", payload, lengths_at)
        lengths = struct.unpack_from(f"<{count}I", payload, lengths_at + 4 * count)
        codecs = payload[lengths_at + 8 * count :]
        offset = 64
        for one in range(count):
            block_hash = payload[hashes + 16 * one :][:16]
            yield (
                run.hex(),
                Record(
                    pack,
                    numbers[one],
                    offset,
                    lengths[one],
                    codecs[one],
                    block_bytes[one],
                    block_hash,
                ),
            )
            offset += lengths[one]

    # What it has no keys for.

    def secrets(self) -> list[bytes]:
        """Return all that the job holds and that might be a run's key."""
        keys = self.keys
        held = [*keys["metadata"].values(), *keys["data"].values(), keys["hashKey"]]
        return [base64.b64decode(each) for each in (*held, *(run[2] for run in keys["runs"]))]

    def open_record(self, record: Record, run_key: bytes) -> bytes | None:
        """Return the block in a record where *run_key* opens it."""
        stored = self.get(self.pack_name(record.pack))[record.offset :][: record.length]
        key = self.derive(run_key, "pack", record.pack.packed)
        said = struct.pack("<BI", record.codec, record.block_bytes) + record.block_hash
        nonce = record.number.to_bytes(12, "little")
        try:
            encoded = AESGCM(key).decrypt(nonce, stored, said)
        except InvalidTag:
            return None
        return encoded if record.codec == 0 else zstandard.ZstdDecompressor().decompress(encoded)

    # What it may plant.

    def forged_pack(
        self,
        pack: Pack,
        run: str,
        run_key: bytes,
        blocks: Sequence[tuple[int, bytes]],
        records: Sequence[bytes] = (),
    ) -> bytes:
        """Return a pack that says of junk that it is *blocks*, each with its number on the disk.

        Where *records* are given they are what lies there; they are as long as the blocks' are.
        """
        name, newest = self.pack_name(pack), self.keys["newest"]
        repository = bytes.fromhex(self.keys["repository"])
        start = b"VMBKPACK" + struct.pack("<HHI16sII", 1, 0, 0, repository, newest, 0)
        start += bytes.fromhex(run) + bytes(8)
        hash_key = base64.b64decode(self.keys["hashKey"])
        hashes = [blake3(block, key=hash_key).digest(length=16) for _, block in blocks]
        count = len(blocks)
        own = struct.pack("<I16sI", pack.slot, bytes.fromhex(pack.session), pack.number)
        columns = [
            struct.pack("<II", count, 1) + own + bytes.fromhex(run) + struct.pack("<I", newest),
            bytes(4 * count),
            struct.pack(f"<{count}I", *range(count)),
            *hashes,
            struct.pack(f"<{count}Q", *(number for number, _ in blocks)),
            struct.pack(f"<{count}I", *(len(block) for _, block in blocks)),
            struct.pack(f"<{count}I", *(len(block) + 16 for _, block in blocks)),
            bytes(count),
        ]
        said = b"".join(columns)
        proof_key = self.derive(run_key, "proof")
        proven = struct.pack("<H", len(name)) + name.encode() + start + said
        payload = hmac.digest(proof_key, proven, "sha256")[:16] + said
        key = self.derive(self._secret(newest), "footer", pack.packed, bytes.fromhex(run))
        frame = zstandard.ZstdCompressor().compress(payload)
        foot = AESGCM(key).encrypt(ZEROS, frame, start + name.encode())
        junk = b"".join(records or [bytes(len(block) + 16) for _, block in blocks])
        return start + junk + foot + struct.pack("<II", len(foot), len(payload)) + b"VMBKPEND"

    def sealed(self, pack: Pack, run_key: bytes, number: int, said: bytes, holds: bytes) -> bytes:
        """Return a record that opens as the block *said*, and *holds* another."""
        hash_key = base64.b64decode(self.keys["hashKey"])
        block_hash = blake3(said, key=hash_key).digest(length=16)
        key, nonce = self.derive(run_key, "pack", pack.packed), number.to_bytes(12, "little")
        return AESGCM(key).encrypt(nonce, holds, struct.pack("<BI", 0, len(said)) + block_hash)

    def own_run_key(self) -> bytes:
        """Return the key of the job's own run."""
        return base64.b64decode(self.keys["runs"][0][2])

    # Names and keys.

    def pack_name(self, pack: Pack) -> str:
        return self.name_of(self.chain, "p", pack)

    def index_name(self, pack: Pack) -> str:
        return self.name_of(self.chain, "i", pack)

    def derive(self, secret: bytes, label: str, *parts: bytes) -> bytes:
        texts = (f"vmbackup/1/{label}".encode(), *parts)
        info = b"".join(struct.pack("<H", len(text)) + text for text in texts)
        salt = bytes.fromhex(self.keys["repository"])
        return HKDF(SHA256(), length=32, salt=salt, info=info).derive(secret)

    def _secret(self, epoch: int) -> bytes:
        return base64.b64decode(self.keys["metadata"][str(epoch)])

    def _indexes(self) -> list[tuple[int, str, int, int, int, int]]:
        name = self.grant["newest"]["name"]
        payload = self._unseal("MANI", name, self.get(name))
        said, objects = struct.unpack_from("<II", payload)
        rows = struct.iter_unpack("<I16sIIII32s", payload[16 + said :][: 68 * objects])
        return [(row[0], row[1].hex(), *row[2:6]) for row in rows]

    def _unseal(self, kind: str, name: str, stored: bytes) -> bytes:
        epoch, size, codec = struct.unpack_from("<IIB", stored, 32)
        key = self.derive(
            self._secret(epoch), "object", kind.encode(), name.encode(), stored[48:80]
        )
        body = AESGCM(key).decrypt(ZEROS, stored[80:], stored[:80] + name.encode())
        if codec == 0:
            return body
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=size)


def _holders(table: bytes) -> Iterator[Pack]:
    sections, sessions, rows = struct.unpack_from("<III", table)
    every = list(struct.iter_unpack("<I16s16sI", table[12:][: 40 * sessions]))
    at = 12 + 40 * sessions + 9 * sections
    of = struct.unpack_from(f"<{rows}I", table, at)
    numbers = struct.unpack_from(f"<{rows}I", table, at + 4 * rows)
    for session, number in zip(of, numbers, strict=True):
        yield Pack(every[session][0], every[session][1].hex(), number)
