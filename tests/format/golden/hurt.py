"""A repository that was hurt and went on: what is damaged, what was healed, what is lost."""

from __future__ import annotations

import hashlib
import json

from tests.format.golden.disks import Disk, How, Made, disk_of, noise, run_of, text
from tests.format.golden.workshop import Workshop
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BegunAnew,
    Claimed,
    Dropped,
    Healed,
    HealingPack,
    Proven,
)
from vmbackup_core.repository.data.grants import LEVEL, BadObject
from vmbackup_core.repository.data.healing import BlockToHeal, write_healing
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession, draw
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import (
    commit_name,
    hold_name,
    index_name,
    log_name,
    pack_name,
    point_name,
)
from vmbackup_core.repository.primitives.parsed_names import IndexName, PackName, parse_data

KEY = bytes(range(0xA0, 0xC0))
BLOCK, SHARD = 4096, 32 * 1024


def hurt() -> tuple[Workshop, bytes]:
    """All that damage leaves: healing, holes, skips, a chain begun anew, another owner."""
    shop = Workshop(KEY, "link")
    names = ("records", "lost", "sections", "skipped", "anew", "hole")
    disks = {name: shop.begin_chain(name, lun=at or None) for at, name in enumerate(names)}
    contents = {
        name: disk_of(text(160 + at), noise(70 + at), text(60 + at), b"", text(80 + at))
        for at, name in enumerate(names)
    }
    contents["sections"] = disk_of(text(90), noise(90), *(b"",) * 7, noise(91))
    first = {name: shop.back_up(disks[name], 1, contents[name]) for name in names}
    shop.record(1, *first.values())
    heal_records(shop, first["records"])
    lose_pack(shop, first["lost"])
    lose_section(shop, first["sections"])
    skip_damaged(shop, disks["skipped"])
    begin_anew(shop, first["anew"])
    lose_commit(shop, disks["hole"])
    hurt_control(shop, disks["records"])
    return shop, KEY


def said_bad(entry: Bad) -> BadObject:
    return BadObject(entry.object, entry.id, entry.parts)


def pack_of(shop: Workshop, disk: Disk, slot: int) -> PackId:
    names = [each.name for each in shop.data.list(f"c/{disk.chain}/p/00000/{slot:03x}/")]
    (parsed,) = [parse_data(name) for name in names]
    assert isinstance(parsed, PackName)
    return parsed.pack


def index_of(shop: Workshop, disk: Disk, slot: int) -> IndexId:
    names = [each.name for each in shop.data.list(f"c/{disk.chain}/i/00000/{slot:03x}/")]
    (parsed,) = [parse_data(name) for name in names]
    assert isinstance(parsed, IndexName)
    return parsed.index


def heal_records(shop: Workshop, made: Made) -> None:
    """Two records are damaged: one is healed, the other a hole; the next backup stores both."""
    disk, content = made.disk, shop.content(made)
    pack = pack_of(shop, disk, 1)
    name, keys = pack_name(disk.chain, pack), shop.reader_keys(disk)
    footer, _, size = read_foot_of(shop.data, keys, pack)
    offsets = footer.records.offsets()
    bads = []
    for record in (1, 3):
        shop.damage(shop.data, name, offsets[record] + 5)
        bads.append(bad_pack(disk, pack, size, (offsets[record],)))
    shop.append(bads[0])
    shop.append(bads[1])
    heal(shop, disk, pack, content[BLOCK : 2 * BLOCK])
    shop.expect(1, made, content, (4 * BLOCK, BLOCK))
    changed = content[: 2 * BLOCK] + text(61) + content[3 * BLOCK :]
    how = How(bad=[said_bad(each) for each in bads])
    shop.record(2, shop.back_up(disk, 2, changed, how))


def bad_pack(disk: Disk, pack: PackId, size: int, parts: tuple[int, ...] | None) -> Bad:
    return Bad(
        chain=disk.chain,
        object="pack",
        id=pack.packed().hex(),
        size=size,
        what="missing" if parts is None else "damaged",
        parts=parts,
    )


def heal(shop: Workshop, disk: Disk, pack: PackId, block: bytes) -> None:
    """One healing session is done, one dropped, one begun; only the first counts."""
    heals, keys = (pack.packed().hex(),), shop.reader_keys(disk)
    for number, end in enumerate(("done", "dropped", "begun")):
        session, run = WritingSession(draw()), run_of(50 + number)
        begun = Healed(
            chain=disk.chain, phase="begun", session=session, run=run, heals=(), packs=()
        )
        shop.append(begun)
        blocks = [BlockToHeal(1, block)]
        (size,) = write_healing(
            shop.data, keys, run, session, blocks, pack_bytes=1024**2, level=LEVEL
        )
        if end == "done":
            _, foot, _ = read_foot_of(shop.data, keys, PackId(CommitSlot(0), session, 0))
            packs = (HealingPack(0, size, hashlib.sha256(foot).hexdigest()),)
            shop.append(
                Healed(
                    chain=disk.chain,
                    phase="done",
                    session=session,
                    run=run,
                    heals=heals,
                    packs=packs,
                )
            )
        elif end == "dropped":
            drop(shop, disk, None, "healing", session)


def drop(
    shop: Workshop, disk: Disk, slot: int | None, what: str, session: WritingSession | None = None
) -> None:
    dropping = {"commit": "commit", "manifest": "manifest", "healing": "healing"}
    shop.append(
        Dropped(
            chain=disk.chain,
            slot=None if slot is None else CommitSlot(slot),
            what=dropping[what],  # type: ignore[arg-type] # one of the three
            session=session,
            why="a person has said so",
        )
    )


def lose_pack(shop: Workshop, made: Made) -> None:
    """A pack is gone, and nothing of it was healed; the next backup stores all of it anew."""
    disk, content = made.disk, shop.content(made)
    pack = pack_of(shop, disk, 1)
    name = pack_name(disk.chain, pack)
    size = len(shop.data.get(name))
    shop.lose(shop.data, name)
    bad = bad_pack(disk, pack, size, None)
    shop.append(bad)
    shop.expect(1, made, content, (0, 3 * BLOCK), (4 * BLOCK, BLOCK))
    shop.record(3, shop.back_up(disk, 3, content, How(bad=[said_bad(bad)])))


def lose_section(shop: Workshop, made: Made) -> None:
    """The base of shard 1 is damaged: the shard is a hole; the next backup reads it whole."""
    disk, content = made.disk, shop.content(made)
    manifest = shop.manifest(disk, disk.made[1][0])
    line = manifest.lines.line_of(1)
    assert line is not None
    index = index_of(shop, disk, 1)
    name = index_name(disk.chain, index)
    size = len(shop.data.get(name))
    shop.damage(shop.data, name, line.base.offset + 90)
    bad = Bad(
        chain=disk.chain,
        object="index",
        id=index.packed().hex(),
        size=size,
        what="damaged",
        parts=(line.base.offset,),
    )
    shop.append(bad)
    shop.expect(1, made, content, (SHARD, len(content) - SHARD))
    shop.record(4, shop.back_up(disk, 4, content, How(bad=[said_bad(bad)])))


def skip_damaged(shop: Workshop, disk: Disk) -> None:
    """A commit, then a manifest is damaged; each time a skip goes back to an older manifest."""
    made = shop.back_up(disk, 5, disk.content + text(63))
    shop.record(5, made)
    stored = shop.damage(shop.control_place, commit_name(disk.chain, CommitSlot(2)))
    disk.previous = hashlib.sha256(stored).hexdigest()
    shop.skip(disk, 2)
    lost = shop.back_up(disk, 6, disk.content + text(64))
    shop.record(6, lost)
    shop.damage(shop.data, disk.made[4][0].name)
    shop.expect(6, lost, None)
    shop.skip(disk, 2)
    shop.record(7, shop.back_up(disk, 7, disk.content + text(65)))


def begin_anew(shop: Workshop, made: Made) -> None:
    """The only manifest is damaged: a skip to nothing, a full; then a chain of generation 1."""
    disk, content = made.disk, shop.content(made)
    shop.damage(shop.data, disk.made[1][0].name)
    shop.expect(1, made, None)
    shop.skip(disk, None)
    drop(shop, disk, 1, "manifest")
    shop.record(8, shop.back_up(disk, 8, content))
    successor = shop.begin_chain(disk.name, before=disk)
    shop.append(
        BegunAnew(chain=disk.chain, successor=successor.chain, generation=1, why="newChain")
    )
    shop.record(9, shop.back_up(successor, 9, content + noise(99)))


def lose_commit(shop: Workshop, disk: Disk) -> None:
    """A commit that the log names is gone; the next slot is above it."""
    shop.record(10, shop.back_up(disk, 10, disk.content + text(66)))
    shop.lose(shop.control_place, commit_name(disk.chain, CommitSlot(2)))
    disk.previous = disk.made[1][2]
    shop.skip(disk, 2)
    drop(shop, disk, 2, "commit")
    shop.record(11, shop.back_up(disk, 11, disk.content + text(67)))


def hurt_control(shop: Workshop, disk: Disk) -> None:
    """Damage in control, entries that are passed over, names that are nobody's, a new owner."""
    shop.record(12, shop.back_up(disk, 12, disk.content + text(68)))
    ((vm, run),) = [key for key in shop.points if key[1] == run_of(12)]
    shop.damage(shop.control_place, point_name(vm, run))  # type: ignore[arg-type] # as they are
    shop.facts["damagedPoints"] = [{"vm": vm, "run": run}]
    del shop.points[vm, run]
    shop.hold(disk, 2, 70)
    shop.damage(shop.control_place, hold_name(disk.chain, CommitSlot(2), run_of(70)))
    shop.damage(shop.data, "header")
    shop.append(Proven(chain=disk.chain, slot=CommitSlot(1), what="list", up_to=None, amount=0))
    shop.damage(shop.control_place, log_name(shop.log.read().number))
    shop.open_again()
    append_by_hand(shop, disk)
    shop.control_place.put_new("a/reserved", b"left alone")
    shop.data.put_new("foreign", b"reported")
    shop.find(shop.data, "foreign")
    claim = Claimed(appliance="appliance-b", from_="appliance-a")
    shop.append(claim, by=shop.log_of("appliance-b"))


def append_by_hand(shop: Workshop, disk: Disk) -> None:
    """An object with a kind of entry that nobody knows, and one that breaks its condition."""
    reading = shop.log.read()
    again = {
        "kind": "begunAnew",
        "mandatory": True,
        "chain": next(iter(reading.state.begun_anew)),
        "successor": disk.chain,
        "generation": 1,
        "why": "it has one",
    }
    said = {
        "number": reading.number + 1,
        "previous": reading.sha256,
        "at": str(Time.of(shop.clock.now())),
        "by": "a later version",
        "entries": [{"kind": "weather", "mandatory": False, "sky": "clear"}, again],
        "state": None,
        "later": ["fields", "are", "ignored"],
    }
    name = log_name(reading.number + 1)
    assert shop.control.put(shop.control.seal_bytes("LOGO", name, json.dumps(said).encode(), 1))
    shop.find(shop.control_place, name)
