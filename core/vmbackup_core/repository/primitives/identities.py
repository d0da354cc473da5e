"""The ids that objects of a repository are named by, and the order that packs have."""

from __future__ import annotations

import re
import secrets
import struct
from dataclasses import dataclass
from typing import Final, NewType

from vmbackup_core.ids import CommitSlot

#: 32 lower-case hexadecimal digits, random: one attempt of a run to write.
WritingSession = NewType("WritingSession", str)

#: 32 lower-case hexadecimal digits: a keyed hash of a VM's ARM id.
VmId = NewType("VmId", str)

#: 32 lower-case hexadecimal digits that name a user key.
Fingerprint = NewType("Fingerprint", str)

HEALING_SLOT: Final = CommitSlot(0)
PACK_ID_BYTES: Final = 24

_PACKED = struct.Struct("<I16sI")
_ID = re.compile(r"[0-9a-f]{32}")


def draw() -> str:
    """Return 32 hexadecimal digits that nobody has drawn and nobody can foresee."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Tell whether *text* is 32 lower-case hexadecimal digits."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class _Numbered:
    """A slot, a writing session that aims at it, and the number of one of its objects."""

    slot: CommitSlot
    session: WritingSession
    number: int

    def packed(self) -> bytes:
        """Return the 24 bytes that stand for it in structures and in keys."""
        return _PACKED.pack(self.slot, bytes.fromhex(self.session), self.number)


@dataclass(frozen=True, slots=True, order=True)
class PackId(_Numbered):
    """A pack; in order of slot, session bytes and number. A healing pack has slot 0."""

    @staticmethod
    def parse(packed: bytes) -> PackId:
        """Return the pack that 24 bytes name."""
        slot, session, number = _PACKED.unpack(packed)
        return PackId(CommitSlot(slot), WritingSession(session.hex()), number)


@dataclass(frozen=True, slots=True, order=True)
class IndexId(_Numbered):
    """An index object; its numbers are counted apart from those of packs."""

    @staticmethod
    def parse(packed: bytes) -> IndexId:
        """Return the index object that 24 bytes name."""
        slot, session, number = _PACKED.unpack(packed)
        return IndexId(CommitSlot(slot), WritingSession(session.hex()), number)
