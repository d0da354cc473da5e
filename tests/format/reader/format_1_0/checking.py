"""Look at all that a chain holds: commits and pack lists [12], manifests, packs and records."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .chains import Chain
from .ciphers import Damaged, NotUnderstood, need
from .columns import Columns, at_index
from .packs import Pack, Record, open_pack
from .places import NAMES, Origin, commit_name, number_of, object_name
from .sealed import open_envelope, open_json, sha256
from .sections import Manifest
from .shapes import Json

MIB = 1 << 20
Listed = tuple[
    int, int, bytes, int
]  # 0 pack or 1 index object, slot, session, number: the order of a list


@dataclass
class Needed:
    """What a pack list says of one object."""

    run: bytes
    epoch: int
    size: int
    count: int


@dataclass
class Commit:
    slot: int
    name: str
    sha256: str
    body: Json | None


def read_commits(chain: Chain) -> dict[int, Commit]:
    """Each commit under its slot; what does not open has no body."""
    found: dict[int, Commit] = {}
    for name, (group,) in sorted(chain.mine(chain.control, "commit"), reverse=True):
        slot = (1 << 32) - 1 - number_of(group)
        with chain.repository.look(chain.control, name):
            raw = chain.control.read(name, 2 * MIB)
            found[slot] = Commit(slot, name, sha256(raw), None)
            body, _ = open_json(chain.ring, "COMM", name, raw)
            need((body["chainId"], body["slot"]) == (chain.chain, slot), "not its name")
            below = [other for other in found if other < slot]
            need(
                body["previous"] == (found[max(below)].sha256 if below else None),
                "previous is another digest",
            )
            check_commit(body)
            found[slot].body = body
    return found


def check_commit(body: Json) -> None:
    """[12] What each kind of commit may say."""
    if body["kind"] not in {"backup", "skip", "compact"}:
        raise NotUnderstood(f"a commit of kind {body['kind']}")
    skip = body["kind"] == "skip"
    need((body["reason"] is None) != skip, "a skip without reason, or the other way")
    need(
        (body["manifest"] is None) == (body["manifestSha256"] is None) == (body["ofSlot"] is None),
        "half a manifest",
    )
    if skip:
        need(body["runId"] is None and body["session"] is None, "a skip of a run")
    else:
        need(
            body["manifest"] and body["runId"] and body["session"],
            "a backup without manifest, run or session",
        )
        need(body["ofSlot"] == body["slot"], "a backup of another slot")


def check_slots(chain: Chain, commits: dict[int, Commit]) -> None:
    """[17] A slot without a commit, below one that commits or the log name, is a damaged commit."""
    for slot in range(1, max([*commits, chain.facts.highest.get(chain.chain, 0)], default=0) + 1):
        if slot not in commits:
            chain.repository.find(chain.control, commit_name(chain.chain, slot), "missing")
    for entry in chain.facts.counted.values():
        for disk in entry["disks"]:
            commit = commits.get(disk["slot"]) if disk["chain"] == chain.chain else None
            if commit and commit.sha256 != disk["commitSha256"]:
                chain.repository.find(
                    chain.control, commit.name, "another SHA-256 than the log has"
                )


def manifest_of(chain: Chain, commit: Commit) -> Manifest | None:
    """The manifest that a commit names, if still there, compared with what the commit repeats."""
    body = commit.body
    if body is None or body["manifest"] is None:
        return None
    name = f"c/{chain.chain}/{body['manifest']}"
    if not re.fullmatch(NAMES["data"]["manifest"], name):
        chain.repository.find(chain.control, commit.name, "the name of its manifest")
        return None
    if name not in chain.data.sizes:
        return None
    manifest = chain.open_manifest(name, body["manifestSha256"])
    if manifest is not None:
        with chain.repository.look(chain.control, commit.name):
            said = manifest.body | {"ofSlot": manifest.body["slot"]}
            same = ["ofSlot", "snapshotUniqueId", "diskBytes"]
            same += ["runId", "session"] if body["kind"] == "backup" else []
            need(all(body[one] == said[one] for one in same), "not what its manifest says")
    return manifest


def read_list(chain: Chain, commit: Json) -> Iterator[tuple[Listed, Needed]]:
    """The entries of all parts of a pack list, in their order."""
    for said in commit["packList"]:
        name = f"c/{chain.chain}/{said['name']}"
        need(re.fullmatch(NAMES["control"]["list"], name), "the name of a part")
        raw, place = chain.control.read(name, 4 * MIB), f"control:{name}"
        need(sha256(raw) == said["sha256"], "another SHA-256 than its commit has", place)
        entries = read_list_part(open_envelope(chain.ring, "PLST", name, raw)[0])
        need(len(entries) == said["entries"], "another number of entries", place)
        yield from entries


def read_list_part(payload: bytes) -> list[tuple[Listed, Needed]]:
    columns = Columns(payload)
    sessions, count = columns.numbers(2)
    need(1 <= count <= 65_536, "a part without entries, or with too many")
    known = columns.rows(sessions, "<I16s16sI")
    rows, numbers, sizes, counts = (columns.numbers(count) for _ in range(4))
    kinds = columns.take(count)
    columns.end()
    entries = []
    for row, number, size, needed, kind in zip(rows, numbers, sizes, counts, kinds, strict=True):
        slot, session, run, epoch = at_index(known, row)
        need(kind in (0, 1) and needed, "an entry of another kind, or one that nothing needs")
        need(kind == 0 or (epoch == 0 and not any(run)), "an index object with a run")
        entries.append(((kind, slot, session, number), Needed(run, epoch, size, needed)))
    return entries


def recount(chain: Chain, manifest: Manifest) -> dict[Listed, Needed]:
    """What a pack list should say: how many sections need each pack and index object."""
    found: dict[Listed, Needed] = {}

    def count(key: Listed, run: bytes, epoch: int, size: int) -> None:
        entry = found.setdefault(key, Needed(run, epoch, size, 0))
        need(
            (entry.run, entry.epoch, entry.size) == (run, epoch, size),
            "two tables differ about an object",
        )
        entry.count += 1

    for shard, kind, part in manifest.sections():
        index = manifest.indexes[part.index]
        count((1, *index.key), bytes(16), 0, index.size)
        rows = chain.open_table(index).get((shard, kind), [])
        for holder, size in {(row.holder, row.size) for row in rows}:
            count((0, *holder.place), holder.run, holder.epoch, size)
    return found


def check_list(chain: Chain, commit: Commit, manifest: Manifest) -> None:
    if commit.body is None:
        return
    with chain.repository.look(chain.control, commit.name):
        listed = list(read_list(chain, commit.body))
        keys = [key for key, _ in listed]
        need(keys == sorted(set(keys)), "a pack list out of order")
        need(dict(listed) == recount(chain, manifest), "a pack list that the tables do not give")
    for (kind, slot, session, number), needed in recount_or_nothing(chain, manifest).items():
        name = object_name(chain.chain, "pi"[kind], slot, session, number)
        if chain.data.sizes.get(name) != needed.size:
            chain.repository.find(
                chain.data, name, "missing" if name not in chain.data.sizes else "resized"
            )


def recount_or_nothing(chain: Chain, manifest: Manifest) -> dict[Listed, Needed]:
    try:
        return recount(chain, manifest)
    except Damaged:
        return {}


def check_sections(chain: Chain, name: str, manifest: Manifest) -> None:
    for shard in manifest.bases:
        with chain.repository.look(chain.data, f"{name}#{shard}"):
            chain.open_shard(manifest, shard)


def check_packs(chain: Chain) -> None:
    """Every pack with every record; a delta, whose base the pack does not name, is opened only."""
    key = next((chain.hash_key(one) for one in chain.manifests.values() if one), None)
    found = [(name, (0, *origin_of(*groups))) for name, groups in chain.mine(chain.data, "healing")]
    packs = [
        (name, (number_of(slot), *origin_of(*rest)))
        for name, (slot, *rest) in chain.mine(chain.data, "pack")
    ]
    for name, place in [*found, *packs]:
        if name in chain.data.offline:
            continue  # [21] what is in the Archive tier is listed, not read
        with chain.repository.look(chain.data, name):
            pack_id = Origin(place[0], place[1], bytes(16), 0, place[2]).pack
            raw = chain.data.read(name, chain.most_pack_bytes())
            pack = open_pack(chain.ring, chain.chain, name, pack_id, raw)
            check_origins(pack, pack_id)
            for offset, record in pack.records:
                check_record(chain, record, raw[offset : offset + record.length], key)
                moved = "" if record.origin.pack == pack_id else "moved "
                chain.repository.records[f"{moved}codec {record.codec}"] += 1


def origin_of(session: str, number: str) -> tuple[bytes, int]:
    return bytes.fromhex(session), number_of(number)


def check_origins(pack: Pack, pack_id: bytes) -> None:
    own = [record for _, record in pack.records if record.origin.pack == pack_id]
    need(
        {(one.origin.run, one.origin.epoch) for one in own} <= {(pack.run, pack.epoch)},
        "a record of another run",
    )
    if len(own) == len(pack.records):
        need([one.number for one in own] == list(range(len(own))), "own records out of order")


def check_record(chain: Chain, record: Record, sealed: bytes, key: bytes | None) -> None:
    need(record.length <= record.block_bytes + 16, "a record past its bound")
    encoded = record.open(chain.ring, chain.id, sealed)
    if key is not None and record.codec != 2:
        record.decode(encoded, key, None)


def read_healing(chain: Chain) -> dict[bytes, tuple[str, int, Record]]:
    """[9] Block hash to name, offset and record, of the healing packs that the log has as done."""
    found: dict[bytes, tuple[str, int, Record]] = {}
    for session, entry in chain.facts.healing.items():
        if (entry["chain"], entry["phase"]) != (chain.chain, "done"):
            continue
        for said in entry["packs"]:
            origin = Origin(
                0, bytes.fromhex(session), bytes.fromhex(entry["run"]), 0, said["number"]
            )
            name = object_name(chain.chain, "p", *origin.place)
            with chain.repository.look(chain.data, name):
                raw = chain.data.read(name, chain.most_pack_bytes())
                need(len(raw) == said["size"], "another size than the log has")
                pack = open_pack(chain.ring, chain.chain, name, origin.pack, raw)
                need(pack.foot_sha256 == said["footSha256"], "another foot than the log has")
                found |= {record.digest: (name, offset, record) for offset, record in pack.records}
    return found


def check_chain(chain: Chain) -> Json:
    """Look at everything; what was found, in short."""
    commits = read_commits(chain)
    check_slots(chain, commits)
    for commit in commits.values():
        if manifest := manifest_of(chain, commit):
            check_list(chain, commit, manifest)
    for name, _ in chain.mine(chain.data, "manifest"):
        if manifest := chain.open_manifest(name, None):
            check_sections(chain, name, manifest)
    check_packs(chain)
    return show_chain(chain, commits)


def show_chain(chain: Chain, commits: dict[int, Commit]) -> Json:
    kinds: Counter[str] = Counter()
    for manifest in chain.manifests.values():
        kinds.update(
            {"bases": len(manifest.bases), "patches": len(manifest.patches)}
            if manifest
            else {"hurt": 1}
        )
    header = chain.header or {}
    bodies = {slot: commit.body for slot, commit in commits.items()}
    return {
        "chain": chain.chain,
        **{
            name: header.get(name)
            for name in ("purpose", "generation", "epoch", "predecessor", "diskUniqueId")
        },
        "commits": {
            slot: [body["kind"], body["reason"], body["ofSlot"]] if body else None
            for slot, body in bodies.items()
        },
        "manifests": {
            name: one and one.body["kind"] for name, one in sorted(chain.manifests.items())
        },
        "sections": dict(kinds),
    }
