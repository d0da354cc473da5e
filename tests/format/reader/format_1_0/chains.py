"""A chain: its header [8], manifests, tables and sections."""

import hashlib
from collections.abc import Iterator

from .ciphers import Damaged, NotUnderstood, need
from .columns import at_index
from .places import Place, number_of
from .repository import Repository
from .sealed import BOUNDS, open_envelope, open_json, sha256
from .sections import (
    Entry,
    IndexObject,
    Manifest,
    Part,
    Row,
    Section,
    check_parameters,
    read_manifest,
    read_section,
    read_table,
)
from .shapes import Json

KIB, MIB = 1 << 10, 1 << 20


Shard = dict[int, tuple[Entry, list[Row]]]


class Chain:
    """What a repository holds of one disk."""

    def __init__(self, repository: Repository, chain: str) -> None:
        self.repository, self.chain, self.ring = repository, chain, repository.ring
        self.control, self.data, self.facts = repository.control, repository.data, repository.facts
        self.id = bytes.fromhex(chain)
        self.manifests: dict[str, Manifest | None] = {}
        self.tables: dict[str, dict[tuple[int, int], list[Row]]] = {}
        self.header: Json | None = None
        with repository.look(self.control, f"c/{chain}/chain"):
            self.header = self.open_header()

    def mine(self, place: Place, kind: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((name, groups[1:]) for name, groups in place.found[kind] if groups[0] == self.chain)

    def open_header(self) -> Json:
        name = f"c/{self.chain}/chain"
        body, _ = open_json(self.ring, "CHAN", name, self.control.read(name, 16 * KIB))
        said = body["parameters"]
        known = ("live", "archive"), ("blake3-keyed-128",), ("aes-256-gcm",)
        for value, values in zip(
            (body["purpose"], said["blockHash"], said["cipher"]), known, strict=True
        ):
            if value not in values:
                raise NotUnderstood(value)
        check_parameters(said["blockBytes"], said["shardBytes"], said["packBytes"])
        live = body["purpose"] == "live"
        number = body["generation"] if live else (1 << 32) - 1
        prefix = number.to_bytes(4, "little") + (b"" if live else bytes.fromhex(body["createdBy"]))
        named = self.ring.name_chain(body["epoch"], body["diskUniqueId"], prefix)
        need(body["chainId"] == self.chain == named, "not its name")
        return body

    def open_manifest(self, name: str, digest: str | None) -> Manifest | None:
        """The manifest of this name, read once; None, with a finding, where it does not open."""
        if name not in self.manifests:
            self.manifests[name] = None
            with self.repository.look(self.data, name):
                raw = self.data.read(name, 3 * MIB)
                need(digest in (None, sha256(raw)), "another SHA-256 than its commit or point has")
                payload, _ = open_envelope(self.ring, "MANI", name, raw, self.chain)
                self.manifests[name] = self.check_manifest(name, read_manifest(self.chain, payload))
        return self.manifests[name]

    def check_manifest(self, name: str, manifest: Manifest) -> Manifest:
        body, parts = manifest.body, name.split("/")
        need(body["chainId"] == self.chain and body["session"] == parts[-1], "not its name")
        need(
            body["slot"] == number_of("".join(parts[3:5])) and body["session"] in body["sessions"],
            "not its name",
        )
        if self.header:
            said = self.header | self.header["parameters"] | {"chainEpoch": self.header["epoch"]}
            same = ("generation", "chainEpoch", "blockBytes", "shardBytes", "packBytes")
            need(
                all(body[field] == said[field] for field in same), "not what the chain header says"
            )
        return manifest

    def open_within(self, kind: str, index: IndexObject, part: tuple[int, int, bytes]) -> bytes:
        """A table or section: its offset, length and SHA-256 are known."""
        offset, length, digest = part
        need(length <= BOUNDS[kind][0], "past the bound of its kind")
        raw = self.data.read_range(index.name, offset, length)
        same = hashlib.sha256(raw).digest() == digest
        need(same, f"{kind} at {offset} has another SHA-256", f"data:{index.name}")
        return open_envelope(self.ring, kind, f"{index.name}#{offset:08x}", raw, self.chain)[0]

    def open_table(self, index: IndexObject) -> dict[tuple[int, int], list[Row]]:
        if index.name not in self.tables:
            place = index.table_offset, index.table_length, index.sha256
            self.tables[index.name] = read_table(self.open_within("TABL", index, place))
        return self.tables[index.name]

    def open_section(
        self, manifest: Manifest, shard: int, kind: int, part: Part
    ) -> tuple[Section, list[Row]]:
        index = manifest.indexes[part.index]
        rows = self.open_table(index).get((shard, kind))
        payload = self.open_within("SECT", index, (part.offset, part.length, part.sha256))
        section = read_section(payload, bool(kind))
        if rows is None or section.shard != shard:
            raise Damaged("a section of another shard, or one that its table does not have")
        for entry in section.entries.values():
            at_index(rows, max(entry.row, entry.base.row if entry.base else 0))
        return section, rows

    def open_shard(self, manifest: Manifest, shard: int) -> Shard:
        """[10] What each block is: as the patch says, else as the base says, else zero."""
        if shard not in manifest.bases:
            return {}
        base, rows = self.open_section(manifest, shard, 0, manifest.bases[shard])
        body = manifest.body
        left = min(body["diskBytes"] - shard * body["shardBytes"], body["shardBytes"])
        blocks = -(-left // body["blockBytes"])
        need(base.blocks <= blocks, "a base beyond the disk")
        found = {block: (entry, rows) for block, entry in base.entries.items()}
        if shard in manifest.patches:
            patch, rows = self.open_section(manifest, shard, 1, manifest.patches[shard])
            need(patch.base_sha256 == manifest.bases[shard].sha256, "a patch over another base")
            need(base.blocks <= patch.blocks <= blocks, "a patch of another length")
            for block in patch.decided:
                found.pop(block, None)
            found |= {block: (entry, rows) for block, entry in patch.entries.items()}
        need(len(found) == manifest.used[shard], "another number of used blocks")
        return found

    def most_pack_bytes(self) -> int:
        """[19] The bound of a pack and its foot; the format's where the parameters are lost."""
        parameters = self.header["parameters"] if self.header else {"packBytes": 256 * MIB}
        return int(parameters["packBytes"]) + 8 * MIB + 16

    def hash_key(self, manifest: Manifest) -> bytes:
        return self.ring.secret(manifest.body["chainEpoch"], "block-hash", self.id)
