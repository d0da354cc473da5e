"""Copies of headers and wraps put back, and headers made again with what the log knows.

See sections 6, 18 and 25 of the format's page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import (
    Claimed,
    LogObject,
    NewEpoch,
    decode_log_object,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.beginning import Beginner, make_header_again
from vmbackup_core.repository.primitives.copies import put_back, wrap_in
from vmbackup_core.repository.primitives.header import PutIfAbsent
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, LOG
from vmbackup_core.repository.primitives.opening import OpenedKeys
from vmbackup_core.repository.primitives.parsed_names import LogName, parse_control
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.port import NotStored

#: Finds out how control keeps a name that is taken.
FindPutIfAbsent = Callable[[], PutIfAbsent]


def lost_masters(places: Places, opened: OpenedKeys, key: UserKey, state: LogState) -> list[Master]:
    """Return the masters whose headers are lost in both places.

    Nothing may have been sealed yet under the newest epoch: then the log names its master.
    """
    found = [opened.ring.of(epoch) for epoch in sorted(opened.lost)]
    said = state.epochs
    if said is not None and said.epoch not in opened.ring.epochs:
        wraps = (wrap_in(store, said.epoch, key) for store in places.both())
        masters = (wrap.master for wrap in wraps if wrap is not None)
        found += [each for each in masters if each.master_id == said.master_id][:1]
    return found


def put_copies_back(
    log: Log,
    places: Places,
    opened: OpenedKeys,
    key: UserKey,
    find_put_if_absent: FindPutIfAbsent | None,
) -> bool:
    """Put back what one place or both have lost; tell whether that was anything.

    What the store refuses stays lost, and the next opening tells so.
    """
    masters = lost_masters(places, opened, key, log.read().state)
    with suppress(PermanentError):
        if masters:
            _make_headers_again(log, places, opened, masters, key, find_put_if_absent)
        put_back(opened.missing)
    return bool(masters or opened.missing)


def _make_headers_again(
    log: Log,
    places: Places,
    opened: OpenedKeys,
    masters: Sequence[Master],
    key: UserKey,
    find_put_if_absent: FindPutIfAbsent | None,
) -> None:
    """Put the headers of *masters* in both places, as any other header and the log say them.

    Where no header is left, they stay lost without *find_put_if_absent*.
    """
    began, at = _beginnings(log.control)
    if opened.headers:
        first = opened.headers[min(opened.headers)]
        began, way = first.appliance_id, first.put_if_absent
    elif find_put_if_absent is not None:
        way = find_put_if_absent()
    else:
        return
    who = Beginner(key, (began or "unknown")[:64], way)
    now = Time.of(log.clock.now())  # where the log no longer has when an epoch was begun
    for master in masters:
        make_header_again(places, master, who, at.get(master.epoch, now))


def _beginnings(control: Control) -> tuple[str | None, dict[int, Time]]:
    """Return who claimed the repository first, and when each epoch was begun; the log is read."""
    appliance: str | None = None
    at: dict[int, Time] = {}
    for each in control.store.list(LOG):
        named = parse_control(each.name)
        said = _said(control, each.name) if isinstance(named, LogName) else None
        if said is None:
            continue
        for entry in said.entries:
            if isinstance(entry, Claimed):
                appliance = entry.appliance  # the listing ends with the first object
            if isinstance(entry, NewEpoch):
                at[entry.epoch] = said.at
        if said.number == 1:
            at[FIRST_EPOCH] = said.at
    return appliance, at


def _said(control: Control, name: str) -> LogObject | None:
    try:
        return decode_log_object(name, control.payload("LOGO", control.get("LOGO", name)))
    except (CorruptRepository, NotStored):
        return None
