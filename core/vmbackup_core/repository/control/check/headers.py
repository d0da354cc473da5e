"""Headers and wraps: both copies are there, and are those that count; sections 5 and 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.check.report import Place
from vmbackup_core.repository.primitives.bounds import HEADER_BYTES, WRAP_BYTES
from vmbackup_core.repository.primitives.header import prove_header, read_header, see_header
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import HEADER, WRAPS, header_name
from vmbackup_core.repository.primitives.parsed_names import HeaderName, WrapName, parse_control
from vmbackup_core.repository.primitives.reading import Places, read_opening
from vmbackup_core.repository.primitives.wraps import read_wrap
from vmbackup_core.stores.port import Store

_PLACES: tuple[Place, Place] = ("control", "data")


@dataclass(frozen=True, slots=True)
class _Copy:
    """What lies under a name in one place; *other* is a whole object that does not count."""

    state: Literal["counts", "other", "lost"]
    stored: bytes = b""


def check_headers(places: Places, ring: KeyRing, newest_epoch: int, seen: Observations) -> None:
    """Look at the headers of all epochs that the log knows, in both places.

    One of a later epoch is that of a rotation under way.
    """
    epochs = set(ring.epochs)
    for place, store in zip(_PLACES, places.both(), strict=True):
        with seen.noting(place, HEADER):
            names = (parse_control(each.name) for each in store.list(HEADER))
            epochs |= {name.epoch for name in names if isinstance(name, HeaderName)}
    for epoch in sorted(epochs):
        name = header_name(epoch)
        copies = [
            _look(store, place, name, HEADER_BYTES, _header_of(name, ring, epoch), seen)
            for place, store in zip(_PLACES, places.both(), strict=True)
        ]
        if epoch <= newest_epoch:
            _compare(name, copies, seen)


def check_wraps(places: Places, ring: KeyRing, seen: Observations) -> None:
    """Look at all wraps in both places. Without its user key none can be opened here.

    So what a copy holds is compared with the other's. A wrap of another master that lies in one
    place is left of a race that somebody lost.
    """
    names: set[str] = set()
    for place, store in zip(_PLACES, places.both(), strict=True):
        with seen.noting(place, WRAPS):
            found = (each.name for each in store.list(WRAPS))
            names |= {name for name in found if isinstance(parse_control(name), WrapName)}
    for name in sorted(names):
        copies = [
            _look(store, place, name, WRAP_BYTES, _wrap_of(name, ring), seen)
            for place, store in zip(_PLACES, places.both(), strict=True)
        ]
        if any(copy.state == "counts" for copy in copies):
            _compare(name, copies, seen)


def _look(
    store: Store,
    place: Place,
    name: str,
    most: int,
    opens: Callable[[bytes], _Copy],
    seen: Observations,
) -> _Copy:
    found = _Copy("lost")
    if any(each.name == name for each in store.list(name, limit=1)):
        with seen.noting(place, name):
            found = read_opening(store, name, most, opens)
    return found


def _header_of(name: str, ring: KeyRing, epoch: int) -> Callable[[bytes], _Copy]:
    def opens(stored: bytes) -> _Copy:
        header = see_header(name, stored)
        if epoch in ring.masters:
            prove_header(header, ring.masters[epoch])
        said = read_header(header)
        if (said.repository_id, said.epoch) != (ring.repository, epoch):
            raise CorruptRepository(
                f"{name}: is of epoch {said.epoch} of repository {said.repository_id}"
            )
        return _Copy("counts", stored)

    return opens


def _wrap_of(name: str, ring: KeyRing) -> Callable[[bytes], _Copy]:
    def opens(stored: bytes) -> _Copy:
        wrap = read_wrap(name, stored)
        if wrap.name != name:
            raise CorruptRepository(f"{name}: holds {wrap.name}")
        master = ring.masters.get(wrap.epoch)
        known = master is None or wrap.master_id == master.master_id
        counts = known and wrap.repository == ring.repository
        return _Copy("counts" if counts else "other", stored)

    return opens


def _compare(name: str, copies: list[_Copy], seen: Observations) -> None:
    """Note the copies that are not what counts."""
    counting = {copy.stored for copy in copies if copy.state == "counts"}
    for place, copy in zip(_PLACES, copies, strict=True):
        if copy.state == "lost" and not seen.found(place, name):
            seen.say(place, name, "missing", "is missing")
        elif copy.state == "other":
            seen.say(place, name, "damaged", "does not count, and the other place's copy does")
        elif len(counting) > 1:
            seen.say(place, name, "damaged", "differs from the copy in the other place")
