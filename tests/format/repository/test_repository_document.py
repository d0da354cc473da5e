"""The document is enough: a reader written from it alone, sharing no code with the product.

Everything here follows docs/repository-format.md; where it and the product part ways, this fails.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.format.repository.golden import VERSIONS, expected, repository_folder

Head = tuple[int, int, int]


def head_of(version: str) -> Head:
    """Return what every object of *version* begins with: major, minor, mandatory features."""
    major, minor = version.split(".")
    return int(major), int(minor), 0


def derived(secret: bytes, label: str, *parts: bytes, salt: bytes = b"") -> bytes:
    info = b"".join(
        struct.pack(">H", len(each)) + each for each in (b"vmbackup/1/" + label.encode(), *parts)
    )
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def opened(stored: bytes, name: str, magic: bytes, secret: bytes, expected_head: Head) -> bytes:
    head, sealed = stored[:64], stored[64:]
    assert head[:8] == magic
    major, minor, features, epoch, plain, codec = struct.unpack_from("<HHIIIB", head, 8)
    assert (major, minor, features, epoch) == (*expected_head, 1)
    assert head[25:32] == bytes(7)
    key = derived(secret, "object", name.encode(), salt=head[32:64])
    body = AESGCM(key).decrypt(bytes(12), sealed, head + name.encode())
    payload = zstandard.ZstdDecompressor().decompress(body) if codec else body
    assert len(payload) == plain
    return payload


def header(stored: bytes, key: bytes, expected_head: Head) -> dict[str, str]:
    assert stored[:8] == b"VMBKREPO"
    major, minor, features, length = struct.unpack_from("<HHII", stored, 8)
    assert (major, minor, features) == expected_head
    assert stored[20 + length : 52 + length] == hashlib.sha256(stored[: 20 + length]).digest()
    mac = hmac.digest(derived(key, "header"), stored[: 52 + length], "sha256")
    assert stored[52 + length :] == mac
    text: dict[str, str] = json.loads(stored[20 : 20 + length])
    return text


def pack_name(packed: bytes) -> str:
    slot, run, session, number = struct.unpack("<I16s16sI", packed)
    return f"p/{slot:08x}-{run.hex()}-{session.hex()}-{number:08x}"


def columns(payload: bytes, sizes: list[int], at: int) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(payload[at : at + size])
        at += size
    assert at == len(payload)
    return parts


class Reader:
    """Restores a commit of the golden chain of *version*, by the document."""

    def __init__(self, version: str) -> None:
        self.folder = repository_folder(version)
        self.golden = expected(version)
        self.head = head_of(version)
        key = base64.b64decode(self.golden.key)
        said = header((self.folder / "header").read_bytes(), key, self.head)
        assert said["keyFingerprint"] == derived(key, "fingerprint")[:16].hex()
        salt = bytes.fromhex(said["repositoryId"])
        naming = derived(key, "chain-name", salt=salt)
        name = hmac.digest(naming, self.golden.unique_id.lower().encode(), "sha256")[:16]
        self.chain = f"c/{name.hex()}/"
        self.secret = derived(key, "chain", name, salt=salt)
        self.key = key

    def point(self, run: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.opened(f"r/{run}", b"VMBKRPNT", self.key))
        return found

    def object(self, name: str, magic: bytes) -> bytes:
        return self.opened(self.chain + name, magic, self.secret)

    def opened(self, name: str, magic: bytes, secret: bytes) -> bytes:
        return opened((self.folder / name).read_bytes(), name, magic, secret, self.head)

    def sha256(self, name: str) -> str:
        return hashlib.sha256((self.folder / (self.chain + name)).read_bytes()).hexdigest()

    def manifest(self, slot: int) -> dict[str, Any]:
        commit = json.loads(self.object(f"k/{slot:08x}", b"VMBKCOMM"))
        found: dict[str, Any] = json.loads(self.object(commit["manifest"], b"VMBKMANI"))
        return found

    def disk(self, slot: int) -> bytes:
        commit = json.loads(self.object(f"k/{slot:08x}", b"VMBKCOMM"))
        previous = None if slot == 1 else self.sha256(f"k/{slot - 1:08x}")
        assert (commit["slot"], commit["kind"], commit["previous"]) == (slot, "backup", previous)
        assert commit["manifestSha256"] == self.sha256(commit["manifest"])
        manifest = self.manifest(slot)
        content = bytearray(manifest["diskBytes"])
        digest_key = derived(self.secret, "digest")
        whole = struct.pack("<QI", manifest["diskBytes"], manifest["blockBytes"])
        for shard in manifest["shards"]:
            assert shard["sha256"] == self.sha256(shard["index"])
            self.shard(manifest, shard, content, digest_key)
            whole += struct.pack("<I", shard["number"]) + bytes.fromhex(shard["digest"])
        assert blake3(whole, key=digest_key).hexdigest() == manifest["digest"]
        return bytes(content)

    def shard(
        self, manifest: dict[str, int], line: dict[str, str], content: bytearray, key: bytes
    ) -> None:
        payload = self.object(line["index"], b"VMBKINDX")
        number, blocks, used, rows = struct.unpack_from("<IIII", payload)
        sizes = [88 * rows, (blocks + 7) // 8, 4 * used, 4 * used, 4 * used, 4 * used]
        packs, bitmap, row, record, offset, length, codec, hashes = columns(
            payload, [*sizes, used, 16 * used], 16
        )
        digest = blake3(struct.pack("<II", number, blocks) + bitmap + hashes, key=key)
        assert digest.hexdigest() == line["digest"]
        words = [struct.unpack(f"<{used}I", each) for each in (row, record, offset, length)]
        numbers = [at for at in range(blocks) if bitmap[at // 8] >> at % 8 & 1]
        before = (-1, 0, 64)  # row, record and offset that are expected next
        for entry, at in enumerate(numbers):
            this = words[0][entry]
            known = before[1:] if before[0] == this else (0, 64)
            here = ((words[1][entry] + known[0]) % 2**32, (words[2][entry] + known[1]) % 2**32)
            start = (number * manifest["shardBytes"]) + at * manifest["blockBytes"]
            plain = min(manifest["blockBytes"], manifest["diskBytes"] - start)
            block = self.block(
                packs[88 * this : 88 * this + 88],
                (*here, words[3][entry]),
                struct.pack("<BI16s", codec[entry], plain, hashes[16 * entry : 16 * entry + 16]),
            )
            content[start : start + plain] = block
            before = (this, here[0] + 1, here[1] + words[3][entry])

    def block(self, row: bytes, place: tuple[int, int, int], data: bytes) -> bytes:
        number, offset, length = place
        stored = (self.folder / (self.chain + pack_name(row[:40]))).read_bytes()
        assert struct.unpack_from("<Q", row, 40)[0] == len(stored)
        cipher = AESGCM(derived(self.secret, "pack", row[48:]))
        nonce = number.to_bytes(12, "big")
        body = cipher.decrypt(nonce, stored[offset : offset + length], data)
        block = zstandard.ZstdDecompressor().decompress(body) if data[0] else body
        block_key = derived(self.secret, "block-hash")
        assert blake3(block, key=block_key).digest(length=16) == data[5:]
        return bytes(block)

    def footer(self, name: str) -> list[bytes]:
        stored = (self.folder / name).read_bytes()
        assert stored[:20] == b"VMBKPACK" + struct.pack("<HHII", *self.head, 1)
        assert stored[20:64] == bytes(44)
        assert stored[-8:] == b"VMBKPEND"
        (length,) = struct.unpack("<I", stored[-12:-8])
        slot, run, session, number = name.rpartition("/")[2].split("-")
        packed = struct.pack("<I", int(slot, 16)) + bytes.fromhex(run) + bytes.fromhex(session)
        cipher = AESGCM(derived(self.secret, "pack", packed + struct.pack("<I", int(number, 16))))
        sealed = stored[-12 - length : -12]
        packed = cipher.decrypt(b"\xff" * 12, sealed, stored[:64] + name.encode())
        payload = zstandard.ZstdDecompressor().decompress(packed)
        (count,) = struct.unpack_from("<I", payload)
        found = columns(payload, [16 * count, 8 * count, 4 * count, 4 * count, count], 4)
        lengths = struct.unpack(f"<{count}I", found[3])
        assert 64 + sum(lengths) + length + 12 == len(stored)
        return found


@pytest.fixture(params=VERSIONS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param)


@pytest.mark.parametrize("number", [0, 1])
def test_a_reader_written_from_the_document_restores_every_byte(
    reader: Reader, number: int
) -> None:
    point = reader.golden.points[number]

    content = reader.disk(number + 1)

    assert hashlib.sha256(content).hexdigest() == point.sha256
    assert reader.point(point.run_id)["runId"] == point.run_id


@pytest.mark.parametrize("number", [0, 1])
def test_manifest_and_point_say_of_which_snapshot_they_are_from_1_1_on(
    reader: Reader, number: int
) -> None:
    golden = reader.golden.points[number]

    point, manifest = reader.point(golden.run_id), reader.manifest(number + 1)

    disks = point["disks"]
    assert isinstance(disks, list)
    assert disks[0].get("snapshotUniqueId") == golden.snapshot_unique_id
    assert manifest.get("snapshotUniqueId") == golden.snapshot_unique_id
    assert (golden.snapshot_unique_id is None) == (reader.head == (1, 0, 0))


def test_footers_are_as_the_document_has_them(reader: Reader) -> None:
    packs = [name for name in reader.golden.files if "/p/" in name]

    assert packs
    for name in packs:
        hashes, blocks, *_ = reader.footer(name)
        assert len(hashes) // 16 == len(blocks) // 8 > 0


def test_every_name_is_one_that_the_document_lists(reader: Reader) -> None:
    kinds = {name.removeprefix(reader.chain).partition("/")[0] for name in reader.golden.files}

    assert kinds == {"header", "r", "chain", "p", "i", "m", "k"}
