"""Doubles of the log as beginning, opening and key changes see it, and repositories to open."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.repository.primitives.beginning import Beginner, BeginsLog, begin
from vmbackup_core.repository.primitives.envelope import seal
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.repository.primitives.opening import OpenedKeys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.user_keys import AppendsToLog
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored

A, B, C = (UserKey(letter * 32) for letter in (b"a", b"b", b"c"))
NOW = datetime(2026, 11, 26, 17, 5, 9, tzinfo=UTC)


class StillClock(Clock):
    """A clock that stands."""

    @override
    def now(self) -> datetime:
        return NOW

    @override
    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class SmallLog(BeginsLog, AppendsToLog):
    """Puts log objects that say nothing, sealed under the newest epoch as real ones are."""

    places: Places
    said: list[tuple[object, ...]] = field(default_factory=list)

    @override
    def begin_log(self, opened: OpenedKeys, appliance: str) -> None:
        self.put(1, opened)

    @override
    def key_added(self, fingerprint: Fingerprint, label: str | None) -> None:
        self.said.append(("added", fingerprint, label))

    @override
    def key_removed(self, fingerprint: Fingerprint) -> None:
        self.said.append(("removed", fingerprint))

    @override
    def epoch_begun(self, epoch: int, master_id: str) -> None:
        self.said.append(("epoch", epoch, master_id))

    def put(self, number: int, opened: OpenedKeys) -> None:
        """Put log object *number* under the newest epoch, where there is none."""
        name = log_name(number)
        source = opened.ring.of(max(opened.ring.masters)).control()
        try:
            self.places.control.put_new(name, seal("LOGO", name, b"{}", source))
        except AlreadyStored:
            return


def new_places(*, keeps_versions: bool = False) -> Places:
    """Return two empty places."""
    return Places(
        MemoryStore(keeps_versions=keeps_versions), MemoryStore(keeps_versions=keeps_versions)
    )


def begun(places: Places, key: UserKey, appliance: str = "appliance") -> OpenedKeys:
    """Begin a repository in *places*."""
    return begin(places, Beginner(key, appliance, "native"), StillClock(), SmallLog(places))


def everything(places: Places) -> dict[str, bytes]:
    """Return all objects of both places, by place and name."""
    return {
        f"{place}: {each.name}": store.get(each.name)
        for place, store in (("data", places.data), ("control", places.control))
        for each in store.list("")
    }
