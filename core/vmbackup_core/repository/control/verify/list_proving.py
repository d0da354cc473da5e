"""Recounts pack lists and says in the log which are right; section 33 of the page, verify, step 1.

Prune believes a list that was recounted and no other one (S29), so it need not recount itself. A
list that is wrong is not believed; the next commit makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain as chained
from itertools import zip_longest
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    find_commit,
    is_as_logged,
    newest_slot,
)
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import ListEntry, described
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import ENTRIES_MOST, Entry, Place, Proven
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.retention.prune_plan import Pruning
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.steps import Steps
from vmbackup_core.stores.port import NotStored, Store

#: So many entries of two lists are compared in a step.
COMPARED_AT_ONCE: Final = 8192


@dataclass(frozen=True, slots=True)
class ListLooked:
    """The pack list of a commit that was recounted.

    *wrong* says how it differs, or nothing where it is right.
    """

    place: Place
    wrong: str = ""


def unproven_slots(pruning: Pruning, state: LogState, chain: ChainId) -> list[CommitSlot]:
    """Return the slots of *chain* whose lists are to be recounted, in order.

    They are those of manifests that lie there and are not expiring, and the newest commit's: the
    next list follows from it.
    """
    slots = set(_slots_of_manifests(pruning.data, chain))
    newest = newest_slot(pruning.control, chain)
    if newest is not None and slots:
        slots.add(newest)
    return sorted(slot for slot in slots if _is_wanted(state, (chain, slot)))


def look_at_list(pruning: Pruning, state: LogState, place: Place) -> Steps[ListLooked | None]:
    """Recount the list of the commit at *place*, in steps; None where nothing can be said of it.

    What is stored may change between two steps: a commit and its manifest never do. Nothing can be
    said where the commit does not open or is not the recorded one, where its manifest is gone, and
    where manifest or table do not open: check and prune say so.
    """
    chain, slot = place
    found = find_commit(pruning.control, chain, slot)
    if found is None or found.commit is None or not is_as_logged(state, chain, found):
        return None
    commit = found.commit
    if commit.manifest_name is None:
        return None
    try:
        counted = yield from pruning.manifests.recounting(
            commit.manifest_name, commit.manifest_sha256
        )
    except (CorruptRepository, NotStored):
        return None
    wrong = yield from _difference(iter(counted), _listed(pruning, commit))
    return ListLooked(place, wrong)


def log_looked(log: Log, looked: Sequence[ListLooked]) -> None:
    """Append `proven` of those lists that are right, and remember those that are wrong."""
    log.wrong_lists.update(each.place for each in looked if each.wrong)
    right = [each.place for each in looked if not each.wrong]
    for at in range(0, len(right), ENTRIES_MOST):
        _append(log, right[at : at + ENTRIES_MOST])


def _append(log: Log, places: Sequence[Place]) -> None:
    def decide(state: LogState) -> Sequence[Entry]:
        return [_proven(place) for place in places if _is_wanted(state, place)]

    log.append(decide)


def _proven(place: Place) -> Proven:
    return Proven(chain=place[0], slot=place[1], what="list", up_to=None, amount=0)


def _is_wanted(state: LogState, place: Place) -> bool:
    return not state.is_list_proven(*place) and place not in state.expiring_places


def _slots_of_manifests(data: Store, chain: ChainId) -> Iterator[CommitSlot]:
    for each in data.list(prefix_of_folder(chain, "m")):
        named = parse_data(each.name)
        if isinstance(named, ManifestName):
            yield named.slot


def _listed(pruning: Pruning, commit: Commit) -> Iterator[ListEntry]:
    parts = OpenList.of(pruning.control, commit, commit.chain_id).parts()
    return chained.from_iterable(parts)


def _difference(counted: Iterator[ListEntry], listed: Iterator[ListEntry]) -> Steps[str]:
    """Return the first difference in words; nothing where there is none."""
    try:
        for number, (ours, theirs) in enumerate(zip_longest(counted, listed)):
            if ours != theirs:
                return _told(ours, theirs)
            if number % COMPARED_AT_ONCE == 0:
                yield
    except CorruptRepository as error:
        return str(error)
    return ""


def _told(ours: ListEntry | None, theirs: ListEntry | None) -> str:
    odd = min((each for each in (ours, theirs) if each is not None), key=lambda it: it.key)
    by_tables, listed = (
        "not" if each is None or each.key != odd.key else f"{each.count} times"
        for each in (ours, theirs)
    )
    return f"{described(odd)} is needed {by_tables} by the tables, listed {listed}"
