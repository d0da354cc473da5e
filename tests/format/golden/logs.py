"""Logs that begin otherwise: with a state, and with what was made again from data."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from tests.format.golden.disks import Disk, disk_of, noise, text
from tests.format.golden.hurt import drop, heal, pack_of
from tests.format.golden.workshop import Workshop
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BegunAnew,
    Claimed,
    Entry,
    Expiring,
    ExpiringDisk,
    Healed,
    HealingPack,
    LogObject,
    Proof,
    Proven,
    Rebuilt,
    StatePartRef,
)
from vmbackup_core.repository.control.log.log_parts import parts_of
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import log_name, state_name
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data

KEY = bytes(range(0x80, 0xA0))


def state(*, whole: bool = False) -> tuple[Workshop, bytes]:
    """A log with a state; unless *whole*, of what is before it only the last object is there.

    Nobody who opens the repository looks for the others: what they said is in the state.
    """
    shop = Workshop(KEY, "native")
    disk, gone = shop.begin_chain("system"), shop.begin_chain("gone", lun=5)
    content = disk_of(text(100), noise(100), b"", text(101))
    first = shop.back_up(disk, 1, content)
    shop.record(1, first, shop.back_up(gone, 1, disk_of(text(102))))
    successor = shop.begin_chain("gone", before=gone)
    shop.append(
        BegunAnew(chain=gone.chain, successor=successor.chain, generation=1, why="newChain")
    )
    heal(shop, disk, pack_of(shop, disk, 1), noise(100))
    shop.append(*said_of(disk, pack_of(shop, disk, 1).packed().hex()))
    shop.record(2, shop.back_up(disk, 2, content + text(103)))
    shop.back_up(disk, 3, content + text(104))
    disks = (ExpiringDisk(disk.chain, CommitSlot(3)),)
    shop.append(Expiring(phase="begun", vm=None, run=None, disks=disks))
    drop(shop, disk, 3, "manifest")
    begin_at_thousand(shop, whole=whole)
    shop.record(4, shop.back_up(disk, 4, content + text(105)))
    return shop, KEY


def said_of(disk: Disk, pack: str) -> list[Entry]:
    """Proofs of all kinds, and a pack that has another size than it had."""
    proofs: tuple[Proof, ...] = ("list", "packs", "sample", "rota")
    proven = [
        Proven(chain=disk.chain, slot=CommitSlot(1), what=what, up_to=None, amount=1)
        for what in proofs
    ]
    bad = Bad(chain=disk.chain, object="pack", id=pack, size=9, what="resized", parts=(64,))
    return [*proven, bad]


def begin_at_thousand(shop: Workshop, *, whole: bool) -> None:
    """Put object 1,000 with the state of all that was logged."""
    reading = shop.log.read()
    before, first = reading.sha256, reading.number + 1
    if not whole:
        for each in list(shop.control_place.list("l/")):
            shop.control_place.delete(each.name)
        before, first = None, 999
    for number in range(first, 1_000):
        before = put_object(shop, number, before, None, heartbeat(reading.state))
    refs = []
    drawn = draw()
    for part in parts_of(reading.state, 1_000, entries=5):
        name = state_name(1_000, drawn, part.part)
        made = shop.control.seal("STAT", name, part, 1)
        assert shop.control.put(made)
        refs.append(StatePartRef(name, made.sha256))
    put_object(shop, 1_000, before, tuple(refs), heartbeat(reading.state))
    shop.open_again()


def heartbeat(known: LogState) -> Entry:
    """An entry that changes nothing."""
    disk = next(iter(known.counted.values())).disks[0]
    return Proven(chain=disk.chain, slot=disk.slot, what="sample", up_to=None, amount=1)


def put_object(
    shop: Workshop,
    number: int,
    previous: str | None,
    refs: tuple[StatePartRef, ...] | None,
    *entries: Entry,
) -> str:
    now = Time.of(shop.clock.now())
    value = LogObject(number, previous, now, "appliance-a", entries, refs)
    made = shop.control.seal("LOGO", log_name(number), value, 1)
    assert shop.control.put(made)
    return made.sha256


def rebuilt() -> tuple[Workshop, bytes]:
    """Control made again from data: a skip for a slot that nobody knows, healing kept for ever."""
    shop = Workshop(KEY, "rename")
    disk = shop.begin_chain("system")
    content = disk_of(text(110), noise(110), b"", noise(111))
    shop.skip(disk, None)
    made = shop.back_up(disk, 2, content)
    heal(shop, disk, pack_of(shop, disk, 2), noise(110))
    shop.record(2, made)
    counted = shop.log.read().state.counted
    for each in list(shop.control_place.list("l/")):
        shop.control_place.delete(each.name)
    claimed = Claimed(appliance="appliance-a", from_=None)
    lost = Rebuilt(lost="VM descriptions, policies and retention, holds, what was bad or expiring")
    put_object(shop, 1, None, None, claimed, lost, *counted.values())
    shop.open_again()
    for each in shop.data.list(f"c/{disk.chain}/h/"):
        shop.append(*healed_as_found(shop, disk, each.name))
    return shop, KEY


def healed_as_found(shop: Workshop, disk: Disk, name: str) -> list[Entry]:
    """A healing pack whose session nobody remembers; it heals for ever."""
    parsed = parse_data(name)
    assert isinstance(parsed, PackName)
    footer, foot, size = read_foot_of(shop.data, shop.reader_keys(disk), parsed.pack)
    begun = Healed(
        chain=disk.chain,
        phase="begun",
        session=parsed.pack.session,
        run=footer.start.run,
        heals=(),
        packs=(),
    )
    packs = (HealingPack(parsed.pack.number, size, hashlib.sha256(foot).hexdigest()),)
    return [begun, replace(begun, phase="done", packs=packs)]
