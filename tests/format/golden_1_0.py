"""
Writes the golden repositories of format 1.0: `python -m tests.format.golden_1_0 NAME ...`.

Disks are the same each time; ids and salts are drawn, as the format wants it. What is committed is
never edited: a repository is written once, and another one is added for what it does not show.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace
from typing_extensions import override

from tests.format.golden.disks import Disk, How, disk_of, noise, run_of, text
from tests.format.golden.hurt import hurt
from tests.format.golden.logs import rebuilt, state
from tests.format.golden.moved import compact
from tests.format.golden.workshop import Workshop
from vmbackup_core.errors import TransientError
from vmbackup_core.ids import CommitSlot, RepositoryId
from vmbackup_core.repository.control.log.log_entries import (
    Expiring,
    ExpiringDisk,
    Key,
    NewEpoch,
    Proven,
)
from vmbackup_core.repository.control.points.points import (
    HeldRetention,
    Origin,
    StampedRetention,
)
from vmbackup_core.repository.data.footer import ARCHIVE
from vmbackup_core.repository.data.grants import LeftSession
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.primitives.identities import Fingerprint, VmId
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import copy_name, point_name
from vmbackup_core.repository.primitives.opening import open_keys
from vmbackup_core.repository.primitives.parsed_names import IndexName, PackName, parse_data
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.user_keys import (
    AppendsToLog,
    add_key,
    remove_key,
    rotate,
)
from vmbackup_core.retention.rules import Retention
from vmbackup_core.stores.port import Buffer

FOLDER = Path(__file__).parent / "repository_1_0"
KEY, SECOND_KEY = bytes(range(0xE0, 0x100)), bytes(range(0xC0, 0xE0))
ZERO = b""


def plain() -> tuple[Workshop, bytes]:
    """Fulls and incrementals of two disks; a point that expires, one that has, one not logged."""
    shop = Workshop(KEY, "native")
    system, data = shop.begin_chain("system"), shop.begin_chain("data", lun=0)
    first = disk_of(*(noise(each) for each in range(5)), ZERO, text(1), text(2), text(1), odd=1000)
    second = disk_of(text(3), *(ZERO,) * 8, noise(9), noise(9), *(ZERO,) * 8, text(4))
    shop.record(1, shop.back_up(system, 1, first), shop.back_up(data, 1, second))
    prove(shop, system, 1)
    hole = disk_of(
        noise(0), noise(11), *(noise(each) for each in (2, 3, 4)), ZERO, text(1), text(5)
    )
    third = hole + first[len(hole) :]
    shop.record(2, shop.back_up(system, 2, third), shop.back_up(data, 2, second))
    fourth = disk_of(*(text(each) for each in range(20, 28)), ZERO)
    shop.record(3, shop.back_up(system, 3, fourth), shop.back_up(data, 3, second + noise(12)))
    fifth = noise(13) + fourth[len(noise(13)) :]
    shop.record(4, shop.back_up(system, 4, fifth), shop.back_up(data, 4, data.content))
    sixth = shop.back_up(system, 5, fifth[:-4096] + text(6)), shop.back_up(data, 5, data.content)
    shop.facts["unlogged"] = [shop.put_only(5, *sixth)]
    expire(shop, 1, done=True)
    expire(shop, 2, done=False)
    let_go(shop, system, 5)
    shop.hold(system, 3, 77)
    retire(shop)
    grow(shop)
    return shop, KEY


def grow(shop: Workshop) -> None:
    """A disk that grows within a shard, which stays as it was named: base and patch are short."""
    disk = shop.begin_chain("grown", lun=2)
    content = disk_of(*(text(200 + each) for each in range(12)))
    shop.record(20, shop.back_up(disk, 20, content))
    content = content[: 9 * 4096] + text(220) + content[10 * 4096 :]
    shop.record(21, shop.back_up(disk, 21, content))
    shop.record(22, shop.back_up(disk, 22, content + bytes(13 * 4096)))
    shop.record(23, shop.back_up(disk, 23, content[: 11 * 4096 + 512]))


def prove(shop: Workshop, disk: Disk, slot: int) -> None:
    for what in ("list", "packs", "sample", "rota"):
        up_to = "00" * 24 if what == "rota" else None
        entry = Proven(chain=disk.chain, slot=CommitSlot(slot), what=what, up_to=up_to, amount=200)
        shop.append(entry)


def expire(shop: Workshop, number: int, *, done: bool) -> None:
    """Log that a point expires, and take it away where that is *done*."""
    (entry,) = [
        each for each in shop.log.read().state.counted.values() if each.run == run_of(number)
    ]
    disks = tuple(ExpiringDisk(disk.chain, disk.slot) for disk in entry.disks)
    shop.append(Expiring(phase="begun", vm=entry.vm, run=entry.run, disks=disks))
    del shop.points[entry.vm, entry.run]
    if done:
        for disk in entry.disks:
            (name,) = [
                each.name for each in shop.data.list(f"c/{disk.chain}/m/00000/{disk.slot:03x}/")
            ]
            shop.data.delete(name)
        shop.control_place.delete(point_name(entry.vm, entry.run))
        shop.append(Expiring(phase="done", vm=entry.vm, run=entry.run, disks=disks))


def let_go(shop: Workshop, disk: Disk, slot: int) -> None:
    """Log that a commit without a point goes."""
    disks = (ExpiringDisk(disk.chain, CommitSlot(slot)),)
    shop.append(Expiring(phase="begun", vm=None, run=None, disks=disks))


def retire(shop: Workshop) -> None:
    """A disk that is gone: a backup without a point, then a skip with nothing."""
    gone = shop.begin_chain("gone", lun=1)
    shop.back_up(gone, 6, disk_of(text(7), noise(7)))
    shop.skip(gone, None, "retired")


def rotated() -> tuple[Workshop, bytes]:
    """Two user keys and two epochs: deltas, an adopted session, moved records, an ended epoch."""
    shop = Workshop(KEY, "rename")
    disk, small = shop.begin_chain("system"), shop.begin_chain("small", lun=3)
    first = disk_of(*(noise(each) for each in range(30, 36)), ZERO, text(30), text(31), noise(36))
    shop.record(1, shop.back_up(disk, 1, first), shop.back_up(small, 1, disk_of(text(32))))
    rotate_keys(shop)
    second = near(first, 0, 2, 7, 9)
    shop.record(2, shop.back_up(disk, 2, second, How(predecessor=first)))
    third = near(second, 1)[:-4096] + noise(37) + noise(38)
    left = leave_packs(shop, disk, 3, third)
    shop.record(3, shop.back_up(disk, 3, third, How(left=left)))
    moved = compact(shop, disk, 4)
    shop.record(4, moved)
    fifth = near(third, 3)
    shop.record(
        5,
        shop.back_up(disk, 5, fifth, How(predecessor=third)),
        shop.back_up(small, 5, disk_of(text(33))),
    )
    later = shop.begin_chain("later", lun=4)
    shop.record(6, shop.back_up(later, 6, disk_of(text(34), noise(34))))
    newest = shop.log.read().state.epochs
    assert newest is not None
    shop.append(replace(newest, ended=(1,)))
    shop.beside["second-key"] = base64.b64encode(SECOND_KEY) + b"\n"
    return shop, KEY.hex().encode() + b"\n"


def near(content: bytes, *blocks: int) -> bytes:
    """A disk that differs from another in one byte of each of these blocks."""
    made = bytearray(content)
    for block in blocks:
        made[block * 4096 + 100] ^= 0xFF
    return bytes(made)


class KeyLog(AppendsToLog):
    """Tells the log of keys and epochs."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    @override
    def key_added(self, fingerprint: Fingerprint, label: str | None) -> None:
        self._shop.append(Key(action="added", fingerprint=fingerprint, label=label))

    @override
    def key_removed(self, fingerprint: Fingerprint) -> None:
        self._shop.append(Key(action="removed", fingerprint=fingerprint, label=None))

    @override
    def epoch_begun(self, epoch: int, master_id: str) -> None:
        self._shop.append(NewEpoch(epoch=epoch, master_id=master_id, ended=()))
        self._shop.epoch = epoch


def rotate_keys(shop: Workshop) -> None:
    """Have a second key and a third, which goes again; begin epoch 2."""
    second, third, log = UserKey(SECOND_KEY), UserKey(bytes(32)), KeyLog(shop)
    for key in (second, third):
        add_key(shop.places, open_keys(shop.places, shop.key), key, log, "another")
    opened = open_keys(shop.places, shop.key)
    remove_key(shop.places, opened, 1, third.fingerprint, log)
    rotate(shop.places, opened, [shop.key, second], Time.of(shop.clock.now()), log)
    shop.open_again()


class StopsAtIndex(DataStore):
    """A place whose worker dies before its first index object."""

    def __init__(self, inner: DataStore) -> None:
        self._inner = inner

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self._inner.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._inner.get_end(name, length)

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if isinstance(parse_data(name), IndexName):
            raise TransientError("the worker was stopped")
        self._inner.put_new(name, data)


def leave_packs(shop: Workshop, disk: Disk, number: int, content: bytes) -> list[LeftSession]:
    """Stop an attempt once its packs are stored."""
    with suppress(TransientError):
        shop.back_up(disk, number, content, How(store=StopsAtIndex(shop.data)))
    names = (each.name for each in shop.data.list(f"c/{disk.chain}/p/00000/{disk.slot + 1:03x}/"))
    parsed = [parse_data(name) for name in names]
    sessions = {each.pack.session for each in parsed if isinstance(each, PackName)}
    assert len(sessions) == 1
    return [LeftSession(session, shop.epoch, 1) for session in sessions]


def archive() -> tuple[Workshop, bytes]:
    """A point in an archive repository: chains of one commit, and where it was copied from."""
    shop = Workshop(KEY, "exclusive")
    disk = shop.begin_chain("system", archive=run_of(9))
    content = disk_of(noise(40), ZERO, text(40), noise(41), *(ZERO,) * 8, text(42))
    made = shop.back_up(disk, 9, content, How(purpose=ARCHIVE))
    origin = Origin(RepositoryId("5a" * 16), VmId("5b" * 16), run_of(8), "5c" * 32)
    shop.record(9, made, origin=origin)
    return shop, base64.b64encode(KEY)


#: All that a retention can say.
SHORTENED = StampedRetention(
    last=1,
    daily=2,
    weekly=0,
    monthly=0,
    yearly=0,
    hourly=6,
    within_days=30,
    min_successful=3,
    time_zone="Europe/Amsterdam",
    held=(
        HeldRetention(Retention(7, 4, 3, 2, 1), Time.parse("2026-12-04T16:10:00.000000Z")),
        HeldRetention(
            Retention(1, 9, 0, 0, 0, time_zone="America/St_Johns"),
            Time.parse("2026-12-03T16:10:00.000000Z"),
        ),
    ),
)


def shortened() -> tuple[Workshop, bytes]:
    """A point whose retention says all that one can, and what it has to wait for."""
    shop = Workshop(KEY, "native")
    disk = shop.begin_chain("system")
    content = disk_of(noise(50), ZERO, text(50))
    shop.record(1, shop.back_up(disk, 1, content))
    shop.record(2, shop.back_up(disk, 2, near(content, 0)), retention=SHORTENED)
    return shop, KEY


#: Two disks that somebody did not want in a point.
EXCLUDED = (
    {"disk": "os", "name": "système", "why": "excludeDisks of the policy"},
    {"disk": "7", "name": "scratch", "why": "tag no-backup=true"},
)


def tiered() -> tuple[Workshop, bytes]:
    """A point whose packs are in the Archive tier: one with its copy, one with what is none."""
    shop, run = Workshop(KEY, "native"), run_of(9)
    contents = {
        "copied": disk_of(noise(60), ZERO, text(60), noise(61)),
        "online": disk_of(text(62), ZERO, noise(62)),
        "offline": disk_of(ZERO, noise(63), text(63), ZERO),
    }
    disks = [
        shop.begin_chain(name, lun=lun, archive=run) for lun, name in enumerate(contents, start=1)
    ]
    made = [shop.back_up(disk, 9, contents[disk.name], How(purpose=ARCHIVE)) for disk in disks]
    origin = Origin(RepositoryId("5a" * 16), VmId("5b" * 16), run_of(8), "5c" * 32)
    shop.record(9, *made, origin=origin, excluded=EXCLUDED)
    copied, _, offline = (pack_of(shop, disk) for disk in disks)
    shop.data.put_new(copy_name(run, copied), shop.data.get(copied))
    shop.data.put_new(copy_name(run, offline), b"put there by somebody else")
    shop.find(shop.data, copy_name(run, offline))
    shop.find(shop.data, offline)
    shop.expect(9, made[2], contents["offline"], (4096, 2 * 4096))
    shop.beside["offline"] = f"{copied}\n{offline}\n".encode()
    shop.facts["excluded"] = {run: list(EXCLUDED)}
    return shop, KEY


def pack_of(shop: Workshop, disk: Disk) -> str:
    (name,) = [each.name for each in shop.data.list(f"c/{disk.chain}/p/")]
    return name


REPOSITORIES: dict[str, Callable[[], tuple[Workshop, bytes]]] = {
    "plain": plain,
    "rotated": rotated,
    "archive": archive,
    "hurt": hurt,
    "state": state,
    "rebuilt": rebuilt,
    "shortened": shortened,
    "tiered": tiered,
}


def main(names: list[str]) -> None:
    for name in names:
        folder = FOLDER / name
        if folder.exists():
            sys.exit(f"{folder} is there, and is never edited")
        shop, key_file = REPOSITORIES[name]()
        shop.write(folder, key_file)


if __name__ == "__main__":
    main(sys.argv[1:])
