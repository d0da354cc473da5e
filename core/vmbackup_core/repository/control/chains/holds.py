"""Holds: whoever wants a manifest to stay puts one; see section 14 of the format's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.log.log_entries import Chain, Slot
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.json_payloads import Text, Time
from vmbackup_core.repository.primitives.names import HOLDS, hold_name, prefix_of_holds
from vmbackup_core.repository.primitives.parsed_names import HoldName, parse_control
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

Purpose = Literal["backup", "restore", "archive", "verify", "repair"]


class Hold(msgspec.Struct, frozen=True, rename="camel"):
    """What a hold says for people; it counts by its name alone."""

    chain_id: Chain
    slot: Slot
    purpose: Purpose
    holder: Text
    at: Time


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds: an id that is found again after a crash (the run's), and a text for people."""

    id: str
    purpose: Purpose
    text: str


def hold(
    control: Control, places: list[tuple[ChainId, CommitSlot]], holder: Holder, now: datetime
) -> None:
    """Keep the manifests written for *places* of commits.

    Read the log after this, never before (S15). Held already is held.
    """
    epoch = max(control.ring.masters)
    for chain, slot in places:
        value = Hold(chain, slot, holder.purpose, holder.text, Time.of(now))
        control.put(control.seal("HOLD", hold_name(chain, slot, holder.id), value, epoch))


def release(control: Control, places: list[tuple[ChainId, CommitSlot]], holder_id: str) -> None:
    """Give the manifests free; twice is once."""
    for chain, slot in places:
        control.store.delete(hold_name(chain, slot, holder_id))


def release_all(control: Control, holder_id: str) -> None:
    """Delete every hold of one holder; twice is once."""
    for named in _holds(control, HOLDS):
        if named.holder == holder_id:
            control.store.delete(hold_name(named.chain, named.slot, named.holder))


@dataclass(frozen=True, slots=True)
class FoundHold:
    """A hold as it lies there; what it says is None where that does not open."""

    chain: ChainId
    slot: CommitSlot
    holder: str
    said: Hold | None


def all_holds(control: Control) -> Iterator[FoundHold]:
    """Yield every hold of the repository, for people."""
    for named in _holds(control, HOLDS):
        try:
            found = control.get("HOLD", hold_name(named.chain, named.slot, named.holder))
            said = control.open("HOLD", found, Hold)
        except NotStored:  # released meanwhile
            continue
        except (CorruptRepository, NotUnderstood, ObjectUnreadable):
            said = None
        yield FoundHold(named.chain, named.slot, named.holder, said)


def is_held(control: Control, chain: ChainId, slot: CommitSlot) -> bool:
    """Tell whether anybody holds the manifest written for *slot*, whether the hold opens or not."""
    return control.first(prefix_of_holds(chain, slot), HoldName) is not None


def held_slots(control: Control, chain: ChainId) -> frozenset[CommitSlot]:
    """Return all slots of *chain* whose manifests are held."""
    return frozenset(named.slot for named in _holds(control, f"{HOLDS}{chain}/"))


def _holds(control: Control, prefix: str) -> Iterator[HoldName]:
    for name in control.names(prefix):
        parsed = parse_control(name)
        if isinstance(parsed, HoldName):
            yield parsed
