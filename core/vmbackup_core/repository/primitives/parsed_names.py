"""The names of a repository's objects, taken apart; see section 3 of the format's page.

What `parse_data` and `parse_control` do not know is foreign: reported, and never deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, Union

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.primitives.identities import (
    HEALING_SLOT,
    Fingerprint,
    IndexId,
    PackId,
    VmId,
    WritingSession,
)
from vmbackup_core.repository.primitives.names import (
    COMMITS_FROM,
    FIRST_EPOCH,
    LAST_EPOCH,
    LAST_LOG_NUMBER,
    LOG_FROM,
    checked_slot,
    prefix_of_chain,
    within,
)


@dataclass(frozen=True, slots=True)
class HeaderName:
    """The header of an epoch, in both places."""

    epoch: int


@dataclass(frozen=True, slots=True)
class WrapName:
    """A master wrapped for a user key, in both places."""

    epoch: int
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Reserved:
    """A name that a later version may use: left alone, and not foreign."""


@dataclass(frozen=True, slots=True)
class PackName:
    """A pack, under ``p/``; a healing pack, under ``h/``, where its slot is 0."""

    chain: ChainId
    pack: PackId


@dataclass(frozen=True, slots=True)
class IndexName:
    """An index object."""

    chain: ChainId
    index: IndexId


@dataclass(frozen=True, slots=True)
class ManifestName:
    """A manifest."""

    chain: ChainId
    slot: CommitSlot
    session: WritingSession


@dataclass(frozen=True, slots=True)
class LogName:
    """A log object."""

    number: int


@dataclass(frozen=True, slots=True)
class StateName:
    """A part of the state that a log object repeats."""

    number: int
    drawn: str
    part: int


@dataclass(frozen=True, slots=True)
class ChainHeaderName:
    """The header of a chain."""

    chain: ChainId


@dataclass(frozen=True, slots=True)
class CommitName:
    """A commit."""

    chain: ChainId
    slot: CommitSlot


@dataclass(frozen=True, slots=True)
class ListPartName:
    """A part of a pack list."""

    chain: ChainId
    slot: CommitSlot
    drawn: str
    part: int


@dataclass(frozen=True, slots=True)
class PointName:
    """A recovery point."""

    vm: VmId
    run: RunId


@dataclass(frozen=True, slots=True)
class HoldName:
    """A hold on the manifest that was written for a slot."""

    chain: ChainId
    slot: CommitSlot
    holder: str


DataName = Union[HeaderName, WrapName, PackName, IndexName, ManifestName, Reserved]  # noqa: UP007
ControlName = Union[  # noqa: UP007 - evaluated at run time on 3.10
    HeaderName,
    WrapName,
    LogName,
    StateName,
    ChainHeaderName,
    CommitName,
    ListPartName,
    PointName,
    HoldName,
    Reserved,
]
N = TypeVar("N")


def name_in_chain(chain: ChainId, rest: str) -> str:
    """Return the whole name of a manifest or list part that a sealed object names within *chain*.

    Raise CorruptRepository where *rest* is not the name of one.
    """
    name = prefix_of_chain(chain) + rest
    parsed = parse_data(name) if rest.startswith("m/") else parse_control(name)
    if not isinstance(parsed, (ManifestName, ListPartName)):
        raise CorruptRepository(f"{name!r} is no name of a manifest or of a part of a pack list")
    return name


def _joined(high: str, low: str) -> int:
    return int(high + low, 16)


def _read_slot(high: str, low: str) -> CommitSlot:
    return checked_slot(_joined(high, low))


def _header(epoch: str | None) -> HeaderName:
    return HeaderName(FIRST_EPOCH if epoch is None else within(int(epoch, 16), 2, LAST_EPOCH))


def _wrap(epoch: str, fingerprint: str) -> WrapName:
    return WrapName(within(int(epoch, 16), FIRST_EPOCH, LAST_EPOCH), Fingerprint(fingerprint))


def _read_log_number(high: str, low: str) -> int:
    return within(LOG_FROM - _joined(high, low), 1, LAST_LOG_NUMBER)


def _commit(chain: str, *slot: str) -> CommitName:
    return CommitName(ChainId(chain), checked_slot(COMMITS_FROM - _joined(*slot)))


def _list_part(chain: str, high: str, low: str, drawn: str, part: str) -> ListPartName:
    return ListPartName(ChainId(chain), _read_slot(high, low), drawn, int(part, 16))


def _hold(chain: str, high: str, low: str, holder: str) -> HoldName:
    return HoldName(ChainId(chain), _read_slot(high, low), holder)


def _pack(chain: str, high: str, low: str, session: str, *number: str) -> PackName:
    pack = PackId(_read_slot(high, low), WritingSession(session), _joined(*number))
    return PackName(ChainId(chain), pack)


def _healing(chain: str, session: str, *number: str) -> PackName:
    return PackName(ChainId(chain), PackId(HEALING_SLOT, WritingSession(session), _joined(*number)))


def _index(chain: str, high: str, low: str, session: str, *number: str) -> IndexName:
    index = IndexId(_read_slot(high, low), WritingSession(session), _joined(*number))
    return IndexName(ChainId(chain), index)


def _manifest(chain: str, high: str, low: str, session: str) -> ManifestName:
    return ManifestName(ChainId(chain), _read_slot(high, low), WritingSession(session))


_ID = r"([0-9a-f]{32})"
_CUT = r"([0-9a-f]{5})/([0-9a-f]{3})"
_PART = r"([0-9a-f]{4})"


def _pattern(text: str, made: Callable[..., N]) -> tuple[re.Pattern[str], Callable[..., N]]:
    return re.compile(text, re.ASCII), made


_IN_BOTH = (
    _pattern(r"header(?:-([0-9a-f]{8}))?", _header),
    _pattern(rf"w/([0-9a-f]{{8}})-{_ID}", _wrap),
    _pattern(r"a/.*", Reserved),
)
_IN_DATA: tuple[tuple[re.Pattern[str], Callable[..., DataName]], ...] = (
    _pattern(rf"c/{_ID}/p/{_CUT}/{_ID}-{_CUT}", _pack),
    _pattern(rf"c/{_ID}/i/{_CUT}/{_ID}-{_CUT}", _index),
    _pattern(rf"c/{_ID}/m/{_CUT}/{_ID}", _manifest),
    _pattern(rf"c/{_ID}/h/{_ID}-{_CUT}", _healing),
    *_IN_BOTH,
)
_IN_CONTROL: tuple[tuple[re.Pattern[str], Callable[..., ControlName]], ...] = (
    _pattern(rf"c/{_ID}/k/{_CUT}", _commit),
    _pattern(rf"c/{_ID}/x/{_CUT}/{_ID}-{_PART}", _list_part),
    _pattern(rf"c/{_ID}/chain", lambda chain: ChainHeaderName(ChainId(chain))),
    _pattern(rf"v/{_ID}/{_ID}", lambda vm, run: PointName(VmId(vm), RunId(run))),
    _pattern(rf"d/{_ID}/{_CUT}/{_ID}", _hold),
    _pattern(r"l/([0-9a-f]{7})/([0-9a-f]{3})", lambda *cut: LogName(_read_log_number(*cut))),
    _pattern(
        rf"s/([0-9a-f]{{7}})/([0-9a-f]{{3}})-{_ID}-{_PART}",
        lambda high, low, drawn, part: StateName(_read_log_number(high, low), drawn, int(part, 16)),
    ),
    *_IN_BOTH,
)


def parse_data(name: str) -> DataName | None:
    """Return what *name* says in the data place; None where it is foreign."""
    return _parsed(name, _IN_DATA)


def is_pack(name: str) -> bool:
    """Tell whether *name* is a pack's: all else that lies in data is read at every turn."""
    return isinstance(parse_data(name), PackName)


def parse_control(name: str) -> ControlName | None:
    """Return what *name* says in the control place; None where it is foreign."""
    return _parsed(name, _IN_CONTROL)


def _parsed(name: str, patterns: tuple[tuple[re.Pattern[str], Callable[..., N]], ...]) -> N | None:
    for pattern, made in patterns:
        if found := pattern.fullmatch(name):
            try:
                return made(*found.groups())
            except ValueError:  # a number that no object has
                return None
    return None
