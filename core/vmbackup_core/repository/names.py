"""The names of a repository's objects; see "Names" in docs/repository-format.md."""

from __future__ import annotations

import re
import secrets
import struct
from dataclasses import dataclass
from typing import NewType

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId

#: 32 lowercase hex digits, random: one attempt of a run to write.
WritingSession = NewType("WritingSession", str)

HEADER = "header"
POINTS = "r/"
CHAINS = "c/"

_ID = re.compile(r"[0-9a-f]{32}")
_WRITTEN = re.compile(r"([0-9a-f]{8})-([0-9a-f]{32})-([0-9a-f]{32})(?:-([0-9a-f]{8}))?")
_COMMIT = re.compile(r"[0-9a-f]{8}")
_PACK_ID = struct.Struct("<I16s16sI")

PACK_ID_BYTES = _PACK_ID.size


def new_writing_session() -> WritingSession:
    """Return an id that no other attempt has."""
    return WritingSession(secrets.token_hex(16))


def is_id(text: str) -> bool:
    """Tell whether *text* is 32 lowercase hex digits."""
    return _ID.fullmatch(text) is not None


def checked_id(text: str, what: str) -> str:
    """Return *text* where it is 32 lowercase hex digits."""
    if not is_id(text):
        raise ValueError(f"{text!r} is no {what}: 32 lowercase hexadecimal digits are")
    return text


def point_name(run: RunId) -> str:
    """Return the name of the recovery point that *run* made."""
    return f"{POINTS}{checked_id(run, 'run id')}"


def chain_prefix(chain: ChainId) -> str:
    """Return what the names of all objects of *chain* begin with."""
    return f"{CHAINS}{checked_id(chain, 'chain id')}/"


@dataclass(frozen=True, slots=True)
class Written:
    """What the name of a pack, an index or a manifest says: who wrote it, aiming at which slot."""

    slot: CommitSlot
    run: RunId
    session: WritingSession

    @override
    def __str__(self) -> str:
        return f"{self.slot:08x}-{self.run}-{self.session}"

    def index(self, shard: int) -> str:
        """Return the name, within the chain, of the index of *shard*."""
        return f"i/{self}-{shard:08x}"

    def manifest(self) -> str:
        """Return the name, within the chain, of the manifest."""
        return f"m/{self}"


@dataclass(frozen=True, slots=True)
class PackId:
    """A pack: who wrote it, and the number that its session counted."""

    written: Written
    number: int

    @override
    def __str__(self) -> str:
        return f"p/{self.written}-{self.number:08x}"

    def to_bytes(self) -> bytes:
        """Return the 40 bytes that name the pack in an index and in its key."""
        by = self.written
        return _PACK_ID.pack(by.slot, bytes.fromhex(by.run), bytes.fromhex(by.session), self.number)

    @staticmethod
    def from_bytes(packed: bytes) -> PackId:
        """Return the pack that 40 bytes name."""
        slot, run, session, number = _PACK_ID.unpack(packed)
        by = Written(CommitSlot(slot), RunId(run.hex()), WritingSession(session.hex()))
        return PackId(by, number)


def commit_name(slot: CommitSlot) -> str:
    """Return the name, within the chain, of the commit in *slot*."""
    return f"k/{slot:08x}"


def slot_of_commit(name: str) -> CommitSlot | None:
    """Return the slot in the name, within the chain, of a commit; None for another name."""
    kind, _, rest = name.partition("/")
    return CommitSlot(int(rest, 16)) if kind == "k" and _COMMIT.fullmatch(rest) else None


def written_of(name: str, kind: str) -> tuple[Written, int | None] | None:
    """Return what *name*, within the chain, says where it is one of *kind* (p, i, m)."""
    prefix, _, rest = name.partition("/")
    parts = _WRITTEN.fullmatch(rest)
    if prefix != kind or parts is None:
        return None
    slot, run, session, number = parts.groups()
    written = Written(CommitSlot(int(slot, 16)), RunId(run), WritingSession(session))
    return written, int(number, 16) if number else None


def pack_of(name: str) -> PackId | None:
    """Return the pack that *name*, within the chain, names; None for another name."""
    match written_of(name, "p"):
        case (written, int(number)):
            return PackId(written, number)
        case _:
            return None


def manifest_of(name: str) -> Written:
    """Return who wrote the manifest called *name* within the chain."""
    match written_of(name, "m"):
        case (written, None):
            return written
        case _:
            raise CorruptRepository(f"{name} is no name of a manifest")
