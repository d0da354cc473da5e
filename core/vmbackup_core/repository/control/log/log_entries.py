"""The entries of the log, one struct for each kind; see section 15 of the format's page."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Union, get_args

import msgspec

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.identities import Fingerprint, VmId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import (
    ID,
    Digest,
    Number,
    Text,
    Time,
    parsed,
)
from vmbackup_core.repository.primitives.names import LAST_EPOCH, LAST_SLOT

#: The most entries of one log object.
ENTRIES_MOST: Final = 4096

Chain = Annotated[ChainId, ID]
Slot = Annotated[CommitSlot, msgspec.Meta(ge=1, le=LAST_SLOT)]
Epoch = Annotated[int, msgspec.Meta(ge=1, le=LAST_EPOCH)]
#: Slot, session and number of a pack or index object: 24 bytes as 48 hexadecimal digits.
PackedId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{48}\Z")]

Phase = Literal["begun", "done"]
BadObject = Literal["pack", "index"]
Proof = Literal["list", "packs", "sample", "rota"]
Dropping = Literal["commit", "manifest", "healing"]

#: A commit's place: its disk's chain and its slot.
Place = tuple[ChainId, CommitSlot]
#: A recovery point: its VM and its run.
Point = tuple[VmId, RunId]


class _Entry(msgspec.Struct, frozen=True, rename="camel", tag_field="kind", kw_only=True):
    """What every entry says; a reader stops at a mandatory one whose kind it does not know."""

    mandatory: bool = True


class RecordedDisk(msgspec.Struct, frozen=True, rename="camel"):
    """The commit of one disk of a recovery point."""

    chain: Chain
    slot: Slot
    commit_sha256: Digest


class ExpiringDisk(msgspec.Struct, frozen=True, rename="camel"):
    """The slot that a manifest was written for which goes."""

    chain: Chain
    slot: Slot


class HealingPack(msgspec.Struct, frozen=True, rename="camel"):
    """A healing pack that was found whole."""

    number: Number
    size: Number
    foot_sha256: Digest


class Recorded(_Entry, frozen=True, kw_only=True, tag="recorded"):
    """The recovery point of this digest counts, and these are the commits of its slots."""

    vm: Annotated[VmId, ID]
    run: Annotated[RunId, ID]
    sha256: Digest
    created_at: Time
    disks: Annotated[tuple[RecordedDisk, ...], msgspec.Meta(min_length=1, max_length=256)]

    @property
    def point(self) -> Point:
        """Return which point it is."""
        return self.vm, self.run

    @property
    def places(self) -> tuple[Place, ...]:
        """Return where the commits of its disks are."""
        return tuple((disk.chain, disk.slot) for disk in self.disks)


class Proven(_Entry, frozen=True, kw_only=True, tag="proven"):
    """What was read back and found right."""

    mandatory: bool = False
    chain: Chain
    slot: Slot
    what: Proof
    up_to: PackedId | None
    amount: Number


class Expiring(_Entry, frozen=True, kw_only=True, tag="expiring"):
    """A point, or commits without one, that no longer counts; at its end it has gone."""

    phase: Phase
    vm: Annotated[VmId, ID] | None
    run: Annotated[RunId, ID] | None
    disks: Annotated[tuple[ExpiringDisk, ...], msgspec.Meta(min_length=1, max_length=256)]

    def __post_init__(self) -> None:
        if (self.vm is None) != (self.run is None):
            raise ValueError("an expiring point needs both its VM and its run")

    @property
    def point(self) -> Point | None:
        """Return which point it is; None for commits without one."""
        return None if self.vm is None or self.run is None else (self.vm, self.run)

    @property
    def places(self) -> tuple[Place, ...]:
        """Return the slots whose manifests go."""
        return tuple((disk.chain, disk.slot) for disk in self.disks)


class Bad(_Entry, frozen=True, kw_only=True, tag="bad"):
    """A pack or index object of which *parts*, or all of it, are not to be reused."""

    chain: Chain
    object: BadObject
    id: PackedId
    size: Number
    what: Literal["missing", "resized", "damaged"]
    parts: tuple[Number, ...] | None


class Healed(_Entry, frozen=True, kw_only=True, tag="healed"):
    """Healing packs of a session that may come, or that are there."""

    chain: Chain
    phase: Phase
    session: Annotated[WritingSession, ID]
    run: Annotated[RunId, ID]
    heals: tuple[PackedId, ...]
    packs: tuple[HealingPack, ...]


class Dropped(_Entry, frozen=True, kw_only=True, tag="dropped"):
    """A commit, manifest or healing session that nobody waits for any longer."""

    chain: Chain
    slot: Slot | None
    what: Dropping
    session: Annotated[WritingSession, ID] | None
    why: Text

    def __post_init__(self) -> None:
        named = self.session if self.what == "healing" else self.slot
        if named is None:
            raise ValueError(f"a dropped {self.what} that is not named")


class BegunAnew(_Entry, frozen=True, kw_only=True, tag="begunAnew"):
    """Backups of the disk go to the successor."""

    chain: Chain
    successor: Chain
    generation: Number
    why: Text


class Key(_Entry, frozen=True, kw_only=True, tag="key"):
    """A user key that was added or removed: for people, wraps decide."""

    mandatory: bool = False
    action: Literal["added", "removed"]
    fingerprint: Annotated[Fingerprint, ID]
    label: Text | None


class NewEpoch(_Entry, frozen=True, kw_only=True, tag="epoch"):
    """The newest epoch, and those whose sessions can commit no longer."""

    epoch: Epoch
    master_id: Annotated[str, ID]
    ended: tuple[Epoch, ...]


class Claimed(_Entry, frozen=True, kw_only=True, tag="claimed", rename={"from_": "from"}):
    """Which appliance owns the repository."""

    appliance: Text
    from_: Text | None


class Rebuilt(_Entry, frozen=True, kw_only=True, tag="rebuilt"):
    """Control was made again from data; *lost* says what could not be."""

    lost: Annotated[str, msgspec.Meta(max_length=65_536)]


Entry = Union[  # noqa: UP007 - evaluated at run time on 3.10
    Recorded,
    Proven,
    Expiring,
    Bad,
    Healed,
    Dropped,
    BegunAnew,
    Key,
    NewEpoch,
    Claimed,
    Rebuilt,
]
KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Entry))


class StatePartRef(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a state as the log object of its number names it."""

    name: Text
    sha256: Digest


class LogObject(msgspec.Struct, frozen=True, rename="camel"):
    """The payload of a log object whose entries have been understood."""

    number: Number
    previous: Digest | None
    at: Time
    by: Text
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1, max_length=ENTRIES_MOST)]
    state: tuple[StatePartRef, ...] | None


class _Kind(msgspec.Struct, frozen=True):
    """As much of an entry as tells whether it has to be understood."""

    kind: Text
    mandatory: bool


class _Unread(msgspec.Struct, frozen=True, rename="camel"):
    """A log object with its entries as they are."""

    number: Number
    previous: Digest | None
    at: Time
    by: Text
    entries: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(min_length=1, max_length=ENTRIES_MOST)]
    state: tuple[StatePartRef, ...] | None


def decode_log_object(name: str, payload: bytes) -> LogObject:
    """Return the log object called *name*, without entries of kinds that may be passed over.

    Raise NewerFormat for an unknown kind that is mandatory, CorruptRepository for what is no log
    object.
    """
    unread = parsed(name, payload, _Unread)
    entries: list[Entry] = [
        parsed(name, bytes(raw), Entry)  # type: ignore[arg-type]  # a union is no class
        for raw in unread.entries
        if _is_known(name, bytes(raw))
    ]
    return LogObject(
        unread.number, unread.previous, unread.at, unread.by, tuple(entries), unread.state
    )


def _is_known(name: str, raw: bytes) -> bool:
    found = parsed(name, raw, _Kind)
    if found.kind in KINDS:
        return True
    if found.mandatory:
        raise NewerFormat(name, f"log entry {found.kind[:40]!r}")
    return False
