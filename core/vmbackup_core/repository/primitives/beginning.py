"""Beginning a repository, beside others who do the same; see section 24 of the format's page.

Put-if-absent elects: of two with one user key, whoever puts the wrap, and of two with two keys,
whoever puts the header. A wrap of somebody who lost stays where it is: its master is not the
header's, so it does not count, and deleting it by name could meet one that was added meanwhile.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vmbackup_core.clock import Clock
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.copies import (
    OpenedWrap,
    has_a_log,
    header_in,
    proven,
    put_back,
    put_wrap,
    replace,
    wrap_in,
)
from vmbackup_core.repository.primitives.derivation import KEY_BYTES
from vmbackup_core.repository.primitives.failures import (
    ForeignObjects,
    NoRepository,
    RepositoryThere,
)
from vmbackup_core.repository.primitives.header import Header, PutIfAbsent, encode_header
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, HEADER, header_name, wrap_name
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.parsed_names import (
    HeaderName,
    Reserved,
    WrapName,
    parse_control,
)
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import make_wrap
from vmbackup_core.stores.port import AlreadyStored, Store


class BeginsLog(Protocol):
    """Makes the log's first object."""

    def begin_log(self, opened: OpenedKeys, appliance: str) -> None:
        """Append object 1: *appliance* has claimed the repository, the key is added.

        Where an object 1 is there it says whose the repository is, and nothing is appended.
        """


@dataclass(frozen=True, slots=True)
class Beginner:
    """Who begins a repository, and how its control place keeps a name that is taken."""

    key: UserKey
    appliance: str
    put_if_absent: PutIfAbsent


def begin(places: Places, who: Beginner, clock: Clock, log: BeginsLog) -> OpenedKeys:
    """Begin a repository, or go on with what was begun with this key; return what was opened.

    Raise ForeignObjects or RepositoryThere, and write nothing, where something else lies; raise
    KeyMismatch where another user key was faster.
    """
    try:
        opened = _open(places, who.key)
    except NoRepository:
        _check_free(places.control)
        _elect(places, who, clock)
        opened = _open(places, who.key)
    if opened.lost and not has_a_log(places):  # stopped as the header was written
        make_header_again(places, opened.ring.of(FIRST_EPOCH), who, Time.of(clock.now()))
        opened = _open(places, who.key)
    log.begin_log(opened, who.appliance)
    return opened


def make_header_again(places: Places, master: Master, who: Beginner, created_at: Time) -> None:
    """Put the header of *master*'s epoch where it is lost in both places.

    The log knows who began the repository, and when.
    """
    stored = encode_header(_header(master, who, created_at), master)
    for store in places.both():
        if not proven(header_in(store, master.epoch), master):
            replace(store, header_name(master.epoch), stored)


def _open(places: Places, key: UserKey) -> OpenedKeys:
    opened = open_keys(places, key)
    if not opened.missing:
        return opened
    put_back(opened.missing)
    return open_keys(places, key)


def _check_free(control: Store) -> None:
    """Raise where control holds anything but what an unfinished beginning leaves."""
    for each in control.list(""):
        name = parse_control(each.name)
        if isinstance(name, (HeaderName, WrapName, Reserved)):
            continue
        if any(isinstance(parse_control(found.name), HeaderName) for found in control.list(HEADER)):
            return  # another one has begun meanwhile
        raise ForeignObjects(each.name) if name is None else RepositoryThere(each.name)


def _elect(places: Places, who: Beginner, clock: Clock) -> None:
    """Put wrap and header in both places, where nobody was faster."""
    elected = _elected_wrap(places, who.key)
    if wrap_in(places.data, FIRST_EPOCH, who.key) is None:
        replace(places.data, elected.wrap.name, elected.wrap.stored)
    header = _header(elected.master, who, Time.of(clock.now()))
    stored = encode_header(header, elected.master)
    try:
        places.control.put_new(HEADER, stored)
    except AlreadyStored:
        return  # whether our wrap counts is seen as it is opened
    # Somebody with the same key may have met a damaged wrap, and replaced ours.
    for store in places.both():
        there = wrap_in(store, FIRST_EPOCH, who.key)
        if there is None or there.master != elected.master:
            replace(store, elected.wrap.name, elected.wrap.stored)
    with suppress(AlreadyStored):
        places.data.put_new(HEADER, stored)


def _elected_wrap(places: Places, key: UserKey) -> OpenedWrap:
    """Return the wrap that lies in control, having put one where none opens."""
    master = Master(RepositoryId(draw()), FIRST_EPOCH, secrets.token_bytes(KEY_BYTES))
    there = put_wrap(places, key, master)
    while there is None:  # it is damaged, and nothing else is there
        replace(places.control, wrap_name(FIRST_EPOCH, key.fingerprint), make_wrap(key, master))
        there = wrap_in(places.control, FIRST_EPOCH, key)
    return there


def _header(master: Master, who: Beginner, created_at: Time) -> Header:
    return Header(
        repository_id=master.repository,
        epoch=master.epoch,
        master_id=master.master_id,
        appliance_id=who.appliance,
        created_at=created_at,
        put_if_absent=who.put_if_absent,
    )
