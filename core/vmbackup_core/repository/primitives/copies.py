"""The copies of headers and wraps in both places: which of them count, and what is put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.bounds import HEADER_BYTES, OF_SEALED, WRAP_BYTES
from vmbackup_core.repository.primitives.envelope import unseal
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.header import HeaderSeen, prove_header, see_header
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import (
    FIRST_EPOCH,
    HEADER,
    LOG,
    WRAPS,
    header_name,
    log_name,
    wrap_name,
)
from vmbackup_core.repository.primitives.outer import START_BYTES, read_start
from vmbackup_core.repository.primitives.parsed_names import HeaderName, WrapName, parse_control
from vmbackup_core.repository.primitives.reading import Places, put_own, read_opening
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import Wrap, make_wrap, open_wrap, read_wrap
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store


@dataclass(frozen=True, slots=True)
class PutBack:
    """A copy of a header or wrap that is missing or damaged in one place, and its bytes."""

    store: Store = field(repr=False)
    name: str
    stored: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedWrap:
    """A wrap that a user key opens, as it lies in one place."""

    wrap: Wrap
    master: Master


def put_back(missing: Iterable[PutBack]) -> None:
    """Replace each copy by the one that counts; only who may delete and create calls this."""
    for copy in missing:
        replace(copy.store, copy.name, copy.stored)


def replace(store: Store, name: str, stored: bytes) -> None:
    """Have *stored* lie under *name*: put it, and delete what is there only where it is other.

    Where somebody else puts the name meanwhile, theirs stays: look again.
    """
    try:
        put_own(store, name, stored)
    except AlreadyStored:
        store.delete(name)
        with suppress(AlreadyStored):
            store.put_new(name, stored)


def epochs_with_headers(places: Places) -> frozenset[int]:
    """Return the epochs for which either place has an object named as their header."""
    names = (parse_control(each.name) for store in places.both() for each in store.list(HEADER))
    return frozenset(name.epoch for name in names if isinstance(name, HeaderName))


def wraps_there(places: Places) -> Mapping[int, frozenset[Fingerprint]]:
    """Return for each epoch the fingerprints of keys that either place has a wrap for."""
    found: dict[int, frozenset[Fingerprint]] = {}
    for store in places.both():
        for each in store.list(WRAPS):
            name = parse_control(each.name)
            if isinstance(name, WrapName):
                found[name.epoch] = found.get(name.epoch, frozenset()) | {name.fingerprint}
    return found


def header_in(store: Store, epoch: int) -> HeaderSeen | None:
    """Return the header of *epoch* in *store*; None where it is missing or damaged."""
    name = header_name(epoch)
    try:
        return read_opening(store, name, HEADER_BYTES, lambda stored: see_header(name, stored))
    except (CorruptRepository, NotStored):
        return None


def wrap_in(store: Store, epoch: int, key: UserKey) -> OpenedWrap | None:
    """Return *key*'s wrap of *epoch* in *store*; None where it is missing or damaged.

    Raise NewerFormat where it is authentic and not understood.
    """
    name = wrap_name(epoch, key.fingerprint)

    def opens(stored: bytes) -> OpenedWrap:
        wrap = read_wrap(name, stored)
        if wrap.name != name:
            raise CorruptRepository(f"{name}: holds {wrap.name}")
        return OpenedWrap(wrap, open_wrap(name, wrap, key))

    try:
        return read_opening(store, name, WRAP_BYTES, opens)
    except (CorruptRepository, NotStored):
        return None


def put_wrap(places: Places, key: UserKey, master: Master) -> OpenedWrap | None:
    """Put *master* wrapped for *key* in control, where the name is free; return what lies there.

    None where that is damaged.
    """
    stored = make_wrap(key, master)
    try:
        put_own(places.control, wrap_name(master.epoch, key.fingerprint), stored)
    except AlreadyStored:
        return wrap_in(places.control, master.epoch, key)
    return OpenedWrap(read_wrap("a wrap of ours", stored), master)


def copy_wrap(places: Places, wrap: Wrap) -> None:
    """Put the bytes of a *wrap* that lies in control in data too, where the name is free."""
    with suppress(AlreadyStored):
        places.data.put_new(wrap.name, wrap.stored)


def proven(seen: HeaderSeen | None, master: Master) -> bool:
    """Tell whether the header was made by a holder of *master*, for its epoch."""
    if seen is None:
        return False
    try:
        prove_header(seen, master)
    except CorruptRepository:
        return False
    return (seen.start.repository, seen.start.epoch) == (master.repository, master.epoch)


def opens_an_object(places: Places, master: Master) -> bool:
    """Tell whether *master* opens a log object of its epoch: proof where the header is lost."""
    return any(_opens(places.control, name, master) for name in _of_epoch(places, master.epoch))


def _of_epoch(places: Places, epoch: int) -> Iterator[str]:
    """Yield log objects that say that they are of *epoch*, which comes after all before it."""
    if epoch == FIRST_EPOCH:
        yield log_name(1)
    for each in places.control.list(LOG):
        said = _epoch_of(places.control, each.name)
        if said == epoch:
            yield each.name
        elif said is not None and said < epoch:
            return


def _epoch_of(store: Store, name: str) -> int | None:
    try:
        return read_start(name, store.get_range(name, 0, START_BYTES), "LOGO").epoch
    except (CorruptRepository, NotStored):
        return None


def _opens(store: Store, name: str, master: Master) -> bool:
    try:
        stored = store.get(name, most=OF_SEALED["LOGO"].stored)
        unseal("LOGO", name, stored, lambda _epoch: master.control_secret(), master.repository)
    except (CorruptRepository, NotStored):
        return False
    except NotUnderstood:
        return True  # authentic all the same
    return True


def has_a_log(places: Places) -> bool:
    """Tell whether anything was ever logged: a beginning ends with that."""
    return next(places.control.list(LOG, limit=1), None) is not None
