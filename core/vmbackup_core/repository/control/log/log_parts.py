"""The state that every thousandth log object repeats, cut into parts and joined again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BegunAnew,
    Chain,
    Claimed,
    Dropped,
    Entry,
    Expiring,
    Healed,
    Key,
    NewEpoch,
    Proven,
    Recorded,
    Slot,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.primitives.bounds import OF_SEALED
from vmbackup_core.repository.primitives.json_payloads import Number, encode

#: The most entries of one part, all arrays together.
PART_ENTRIES: Final = 16_384
#: Room for the names of fields around the entries.
PART_BYTES: Final = OF_SEALED["STAT"].payload - 4096


class HighestSlot(msgspec.Struct, frozen=True, rename="camel"):
    """The highest slot of a chain that any entry up to here has named (S10)."""

    chain: Chain
    slot: Slot


class StatePart(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The payload of one part of a state."""

    number: Number
    part: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
    recorded: tuple[Recorded, ...]
    expiring: tuple[Expiring, ...]
    bad: tuple[Bad, ...]
    healed: tuple[Healed, ...]
    dropped: tuple[Dropped, ...]
    begun_anew: tuple[BegunAnew, ...]
    proven: tuple[Proven, ...]
    key: tuple[Key, ...]
    epoch: tuple[NewEpoch, ...]
    claimed: tuple[Claimed, ...]
    highest: tuple[HighestSlot, ...]

    def entries(self) -> Iterator[Entry]:
        """Yield what the part says, in the order in which it can be applied."""
        yield from self.recorded
        yield from self.expiring
        yield from self.bad
        yield from self.healed
        yield from self.dropped
        yield from self.begun_anew
        yield from self.proven
        yield from self.key
        yield from self.epoch
        yield from self.claimed

    def size(self) -> int:
        """Return how many entries the part has."""
        return sum(1 for _ in self.entries()) + len(self.highest)


_FIELD_OF: Final = {
    Recorded: "recorded",
    Expiring: "expiring",
    Bad: "bad",
    Healed: "healed",
    Dropped: "dropped",
    BegunAnew: "begun_anew",
    Proven: "proven",
    Key: "key",
    NewEpoch: "epoch",
    Claimed: "claimed",
    HighestSlot: "highest",
}


def parts_of(
    state: LogState, number: int, *, entries: int = PART_ENTRIES, size_bytes: int = PART_BYTES
) -> Iterator[StatePart]:
    """Yield the parts that repeat *state* for log object *number*; at least one."""
    slots = (HighestSlot(chain, slot) for chain, slot in sorted(state.highest_slots.items()))
    held: list[msgspec.Struct] = []
    left, part = size_bytes, 0
    for each in (*state.entries(), *slots):
        needed = len(encode(each)) + 1
        if held and (len(held) == entries or needed > left):
            yield _part(number, part, held)
            held, left, part = [], size_bytes, part + 1
        held.append(each)
        left -= needed
    yield _part(number, part, held)


def state_from(name: str, parts: Iterable[StatePart], number: int) -> LogState:
    """Return the state that *parts*, in order, repeat for the log object *number* called *name*."""
    state = LogState()
    for index, part in enumerate(parts):
        if (part.number, part.part) != (number, index):
            raise CorruptRepository(
                f"{name}: part {index} of its state says that it is {part.part} of {part.number}"
            )
        if part.size() > PART_ENTRIES:
            raise CorruptRepository(f"{name}: part {index} of its state has too many entries")
        for entry in part.entries():
            state.apply(entry, number)
        for highest in part.highest:
            known = state.highest_slot(highest.chain)
            state.highest_slots[highest.chain] = max(known, highest.slot)
    return state


def _part(number: int, part: int, held: list[msgspec.Struct]) -> StatePart:
    fields: dict[str, list[msgspec.Struct]] = {field: [] for field in _FIELD_OF.values()}
    for each in held:
        fields[_FIELD_OF[type(each)]].append(each)
    arrays = {field: tuple(entries) for field, entries in fields.items()}
    return StatePart(number=number, part=part, **arrays)  # type: ignore[arg-type] # by the table
