"""Lets points go: logged first, then their manifests, then they themselves; section 31 of the page.

Every step may be broken off and taken again: a pass finds in the log what is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from msgspec.structs import replace

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.holds import is_held
from vmbackup_core.repository.control.commits.commits import find_commit, is_as_logged, newest
from vmbackup_core.repository.control.log.log import Appended, Decide, Log
from vmbackup_core.repository.control.log.log_entries import ENTRIES_MOST, Entry, Expiring, Place
from vmbackup_core.repository.control.log.log_state import LogState, Subject, subject_of
from vmbackup_core.repository.control.points.points import open_point
from vmbackup_core.repository.control.retention.prune import Fence, open_fence
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.control.sealed_objects import Control, is_there
from vmbackup_core.repository.primitives.names import point_name
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store, delete_unless_locked

#: A reader without the right to hold has a day to read what has stopped to count (S16).
WAIT: Final = timedelta(hours=24)


#: Is told what is about to be deleted: what keeps a manifest that nobody goes on from may go first.
Before = Callable[[Expiring], None]


def _nothing(_entry: Expiring) -> None:
    return


@dataclass(frozen=True, slots=True)
class Going:
    """What became of an expiring subject in one pass."""

    entry: Expiring
    outcome: Literal["waits", "stays", "done"]
    why: str = ""


def begin_expire(log: Log, wanted: Sequence[Expiring]) -> list[Appended]:
    """Log that *wanted* no longer count (S14); nothing of them is deleted here.

    What has begun to count, or does so no longer, since it was planned is refused at each try.
    """
    log.read().check_history()
    pieces = [wanted[at : at + ENTRIES_MOST] for at in range(0, len(wanted), ENTRIES_MOST)]
    return [log.append(_always(piece)) for piece in pieces]


def _always(entries: Sequence[Expiring]) -> Decide:
    return lambda _state: entries


def finish_some(
    log: Log,
    data: Store,
    sights: Sights,
    subjects: Iterable[Subject],
    fence: Fence = open_fence,
    before: Before = _nothing,
) -> list[Going]:
    """Delete what may go of *subjects*; return what became of each that is still expiring.

    *fence* is asked before each, and *before* is told of it. What has gone is said in one log
    object behind all of it: after a crash before that, nothing of it is found, and it is said then.
    """
    state = log.read().state
    found: list[Going] = []
    for subject in subjects:
        entry = state.expiring.get(subject)
        if entry is not None and sights.age(state.begun_in.get(subject)) < WAIT:
            found.append(Going(entry, "waits"))
        elif entry is not None:
            fence()
            found += _try(log, data, subject, before)
    _log_done(log, [going.entry for going in found if going.outcome == "done"])
    return found


def _try(log: Log, data: Store, subject: Subject, before: Before) -> Iterator[Going]:
    """Delete what may go of one of them, on what the log says by now."""
    reading = log.read()
    entry = reading.state.expiring.get(subject)
    if entry is None:
        return
    reading.check_history()
    log.check_owner(reading.state)
    try:
        before(entry)
        yield _finish(log.control, data, reading.state, entry)
    except UNREADABLE_NOW as error:  # its turn comes again; the others have theirs
        yield Going(entry, "stays", str(error))


def _finish(control: Control, data: Store, state: LogState, entry: Expiring) -> Going:
    try:
        manifests = list(_manifests(control, state, entry))
    except CorruptRepository as error:
        return Going(entry, "stays", str(error))
    whys = [_delete_or_tell(control, data, state, name) for name in manifests]
    if any(whys):
        return Going(entry, "stays", "; ".join(why for why in whys if why))
    if entry.point is not None:
        why = delete_unless_locked(control.store, point_name(*entry.point))
        if why is not None:
            return Going(entry, "stays", why)
    return Going(entry, "done")


def _log_done(log: Log, gone: Sequence[Expiring]) -> None:
    done = [replace(entry, phase="done") for entry in gone]

    def decide(piece: Sequence[Expiring], state: LogState) -> Sequence[Entry]:
        return [entry for entry in piece if subject_of(entry) in state.expiring]

    for at in range(0, len(done), ENTRIES_MOST):
        log.append(partial(decide, done[at : at + ENTRIES_MOST]))


def _delete_or_tell(control: Control, data: Store, state: LogState, name: str) -> str | None:
    """Delete the manifest called *name*, or return why it stays."""
    if not is_there(data, name):
        return None
    why = _reason_to_stay(control, state, name)
    if why is None:
        why = delete_unless_locked(data, name)
        if why is None and is_there(data, name):
            return f"{name} could not be deleted"
    return why


def _manifests(control: Control, state: LogState, entry: Expiring) -> Iterable[str]:
    """Return the manifests that go: those that the point names, and no other of their slots.

    Of a point that does not open they are those that the commits of its slots name.
    """
    if entry.point is not None:
        try:
            return [disk.manifest_name for disk in open_point(control, entry.point).point.disks]
        except NotStored:  # it goes last
            return []
        except CorruptRepository:
            pass
    return _named_by_commits(control, state, entry.places)


def _named_by_commits(control: Control, state: LogState, places: Iterable[Place]) -> Iterator[str]:
    for chain, slot in places:
        found = find_commit(control, chain, slot)
        commit = None if found is None else found.commit
        if commit is None and not state.is_dropped(chain, slot):
            raise CorruptRepository(f"the commit in slot {slot} of chain {chain} does not open")
        if commit is not None and commit.kind == "backup" and commit.manifest_name is not None:
            yield commit.manifest_name


def _reason_to_stay(control: Control, state: LogState, name: str) -> str | None:
    """Return why the manifest called *name* stays: looked at behind the log (S15, S19)."""
    named = parse_data(name)
    if not isinstance(named, ManifestName):
        return f"{name} is no manifest"
    if (named.chain, named.slot) in state.counted_places:
        return f"slot {named.slot} of chain {named.chain} is in a point that counts"
    if is_held(control, named.chain, named.slot):
        return f"slot {named.slot} of chain {named.chain} is held"
    return _as_newest(control, state, named.chain, named.slot, name)


def _as_newest(
    control: Control, state: LogState, chain: ChainId, slot: CommitSlot, name: str
) -> str | None:
    """Return why the newest commit keeps the manifest, or may for all that is known (S6)."""
    found = newest(control, chain)
    if found is None or found.commit is None or state.highest_slot(chain) > found.slot:
        return f"the newest commit of chain {chain} is lost or damaged"
    if not is_as_logged(state, chain, found):
        return f"the newest commit of chain {chain} is not the one that was recorded"
    if found.manifest == name:
        return f"slot {slot} is the newest of chain {chain}"
    return None
