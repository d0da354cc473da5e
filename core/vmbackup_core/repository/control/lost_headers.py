"""Headers that are lost in both places, made again with what the log knows; sections 6 and 18."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log_entries import (
    Claimed,
    LogObject,
    NewEpoch,
    decode_log_object,
)
from vmbackup_core.repository.control.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.beginning import Beginner, make_header_again
from vmbackup_core.repository.primitives.copies import wrap_in
from vmbackup_core.repository.primitives.header import PutIfAbsent
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, LOG
from vmbackup_core.repository.primitives.opening import OpenedKeys
from vmbackup_core.repository.primitives.parsed_names import LogName, parse_control
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.port import NotStored


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


def make_headers_again(
    places: Places,
    opened: OpenedKeys,
    masters: Sequence[Master],
    key: UserKey,
    put_if_absent: PutIfAbsent | None,
    otherwise: Time,
) -> None:
    """Put the headers of *masters* in both places.

    Where the log no longer has when an epoch was begun, that is *otherwise*. What any other header
    says is taken from there; without one, and without *put_if_absent*, they stay lost.
    """
    control = Control(places.control, opened.ring)
    began, at = _beginnings(control)
    if opened.headers:
        first = opened.headers[min(opened.headers)]
        began, put_if_absent = first.appliance_id, first.put_if_absent
    if put_if_absent is None:
        return
    for master in masters:
        who = Beginner(key, (began or "unknown")[:64], put_if_absent)
        make_header_again(places, master, who, at.get(master.epoch, otherwise))


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
        return decode_log_object(name, control.payload("LOGO", control.fetch("LOGO", name)))
    except (CorruptRepository, NotStored):
        return None
