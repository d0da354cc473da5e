"""Why an entry may not be appended: the table of section 30 of the format's page, pure.

What a condition asks of the places (that manifests are there, that a header has a master id) is
asked by whoever wants the entry; what it asks of the log is asked here, at every try (S13).
"""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import assert_never

from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BegunAnew,
    Claimed,
    Dropped,
    Entry,
    Expiring,
    Healed,
    Key,
    NewEpoch,
    Proven,
    Rebuilt,
    Recorded,
)
from vmbackup_core.repository.control.log.log_state import LogState, subject_of, united

#: Returns why an entry may not be appended to a log of this state, or None.
Refusal = Callable[[LogState, Entry], "str | None"]


def refusal(state: LogState, entry: Entry) -> str | None:
    """Return why *entry* may not follow on *state*; None where it may."""
    match entry:
        case Recorded():
            return _refuse_recorded(state, entry)
        case Expiring():
            return _refuse_begun(state, entry) if entry.phase == "begun" else _done(state, entry)
        case Bad():
            return _refuse_bad(state, entry)
        case Healed():
            return _refuse_healed(state, entry)
        case Dropped():
            return _refuse_dropped(state, entry)
        case _:
            return _refuse_other(state, entry)


def _refuse_other(
    state: LogState, entry: Proven | BegunAnew | Key | NewEpoch | Claimed | Rebuilt
) -> str | None:
    match entry:
        case BegunAnew():
            found = state.successor(entry.chain)
            return None if found is None else f"chain {entry.chain} already has successor {found}"
        case NewEpoch():
            return _refuse_epoch(state, entry)
        case Claimed():
            if entry.from_ == state.owner:
                return None
            return f"the repository is of {state.owner}, not of {entry.from_}"
        case Proven() | Key() | Rebuilt():
            return None
        case _:
            assert_never(entry)


def _refuse_recorded(state: LogState, entry: Recorded) -> str | None:
    """Look for the run, its slots, and what a person has dropped (S20)."""
    if entry.point in state.counted:
        return f"run {entry.run} counts already"
    if (entry.point, ()) in state.expiring:
        return f"run {entry.run} is expiring"
    for chain, slot in entry.places:
        if (chain, slot) in state.expiring_places:
            return f"slot {slot} of chain {chain} is expiring"
        if state.is_dropped(chain, slot):
            return f"slot {slot} of chain {chain} is dropped"
        if (other := state.counted_places.get((chain, slot))) is not None:
            return f"slot {slot} of chain {chain} is in the point of run {other[1]}"
    return None


def _refuse_begun(state: LogState, entry: Expiring) -> str | None:
    if subject_of(entry) in state.expiring:
        return "it is expiring already"
    if entry.point is not None:
        return _refuse_point(state, entry)
    for chain, slot in entry.places:
        if (point := state.counted_places.get((chain, slot))) is not None:
            return f"slot {slot} of chain {chain} is in the point of run {point[1]}"
        if (chain, slot) in state.expiring_places:
            return f"slot {slot} of chain {chain} is expiring already"
    return None


def _refuse_point(state: LogState, entry: Expiring) -> str | None:
    counted = state.counted.get((entry.vm, entry.run)) if entry.vm and entry.run else None
    if counted is None:
        return f"run {entry.run} has no point that counts"
    if set(counted.places) != set(entry.places):
        return f"the point of run {entry.run} has other slots"
    return None


def _done(state: LogState, entry: Expiring) -> str | None:
    begun = state.expiring.get(subject_of(entry))
    if begun is None:
        return "it is not expiring"
    return None if set(begun.places) == set(entry.places) else "it is expiring with other slots"


def _refuse_bad(state: LogState, entry: Bad) -> str | None:
    before = state.bad.get((entry.chain, entry.object, entry.id))
    if before is None or united(before, entry).parts != before.parts:
        return None
    return f"{entry.object} {entry.id} is known to be bad"


def _refuse_healed(state: LogState, entry: Healed) -> str | None:
    known = state.healed.get((entry.chain, entry.session))
    if entry.phase == "begun":
        return None if known is None else f"healing session {entry.session} is known"
    if state.is_dropped(entry.chain, entry.session):
        return f"healing session {entry.session} is dropped"
    if known is None or known.phase == "done":
        return f"healing session {entry.session} is not begun, or it is done"
    return None


def _refuse_dropped(state: LogState, entry: Dropped) -> str | None:
    if entry.what != "healing" or entry.session is None:
        return None
    known = state.healed.get((entry.chain, entry.session))
    if known is None or known.phase == "done":
        return f"healing session {entry.session} is not begun, or it is done"
    return None


def _refuse_epoch(state: LogState, entry: NewEpoch) -> str | None:
    if entry.epoch > state.newest_epoch:
        return None
    if entry.epoch < state.newest_epoch:
        return f"epoch {state.newest_epoch} is newer than {entry.epoch}"
    if state.epochs is not None and state.epochs.master_id != entry.master_id:
        return f"epoch {entry.epoch} has master id {state.epochs.master_id}"
    grows = set(entry.ended) > state.ended_epochs
    return None if grows else f"epoch {entry.epoch} is known, and so are those that have ended"
