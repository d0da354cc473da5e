"""Which keys of the ring still seal what is ours in each region, and what waits for a lost one.

Everything sealed names its key. Whoever lists workers or snapshots has their seals noted here, and
each pass over a region notes its account's; nothing is asked of Azure for it. A key that seals
something and has left the ring may be missed at any moment, so nothing is written or deleted in
such a region until it is back (`RegionSeals.check_write`, which every write of ours passes).

Of a key that is missing nobody can tell whether it was ever ours. So a seal counts only on what is
called as we call such things: a tag on anything else in our groups is anybody's word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded, is_within_group, lies_within, same_id
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    environment_names,
    is_snapshot_name,
    is_worker_vm_name,
    name_of,
)
from vmbackup_operator.ownership import OWNER_TAG, SNAPSHOT_TAG, key_named
from vmbackup_operator.settings import Appliance

#: The reason of what waits for a key that has left the ring.
INCOMPLETE = "KeyRingIncomplete"

#: So many of the missing keys are named with what they seal.
_NAMED = 3

_SNAPSHOTS = "/providers/microsoft.compute/snapshots/"


@dataclass(frozen=True, slots=True)
class RegionKey:
    """A region of a subscription, told from others without case."""

    subscription_id: str
    region: str


def region_key(subscription_id: str, region: str) -> RegionKey:
    """Return the region as seals are noted by it; Azure writes some with blanks."""
    return RegionKey(folded(subscription_id), folded(region.replace(" ", "")))


@dataclass(frozen=True, slots=True)
class Sealed:
    """Something of ours: where it is, the id of the key that sealed it, and how it is called."""

    place: RegionKey
    key_id: str
    what: str


#: What each key seals, by its id: one thing for all.
Keys: TypeAlias = dict[str, str]


class RegionSeals:
    """The seals of every region, as last listed; *ring* are the ids of the keys that there are.

    *snapshot_groups* are the subscriptions and groups that snapshots are in beside the appliance's.
    Wherever one is, it is of the region that the appliance's workers read it in.
    """

    def __init__(
        self,
        appliance: Appliance,
        ring: Collection[str],
        snapshot_groups: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._appliance = appliance
        own = (appliance.subscription_id, appliance.resource_group)
        self._snapshot_groups = frozenset(
            (folded(subscription), folded(group)) for subscription, group in (own, *snapshot_groups)
        )
        self._ring = frozenset(ring)
        self._noted: dict[str, dict[RegionKey, Keys]] = {}
        self._accounts: dict[str, RegionKey] = {}
        #: Where each snapshot is; kept only while a key is missing.
        self._snapshots: dict[str, dict[str, RegionKey]] = {}
        self._missing: dict[RegionKey, Keys] = {}
        self._changed: Callable[[RegionKey], None] = lambda _: None
        self._launches: Callable[[], Iterable[Sealed]] = tuple

    def tell(self, changed: Callable[[RegionKey], None]) -> None:
        """Have *changed* called with each place whose needed keys are others than before."""
        self._changed = changed

    def ask(self, launches: Callable[[], Iterable[Sealed]]) -> None:
        """Have unfinished sessions' launches asked for: their keys come from the ring's, too."""
        self._launches = launches

    def knows(self, kind: str, subscription_id: str, resource_group: str) -> bool:
        """Tell whether that list was ever noted."""
        return _source(kind, subscription_id, resource_group) in self._noted

    def note_list(
        self, kind: str, subscription_id: str, resource_group: str, bodies: Sequence[Body]
    ) -> None:
        """Note the seals of what was listed in the group, in place of what was noted of it."""
        match kind:
            case "VirtualMachine":
                sealed = list(self._workers(subscription_id, resource_group, bodies))
            case "Snapshot":
                sealed = list(self._own_snapshots(subscription_id, resource_group, bodies))
            case _:
                return
        self._note(_source(kind, subscription_id, resource_group), sealed)
        if kind == "Snapshot" and self._missing:
            self._snapshots[_source(kind, subscription_id, resource_group)] = {
                folded(text_at(body, "id")): self._place_of_snapshot(text_at(body, "location"))
                for body in bodies
            }

    def note_accounts(self, place: RegionKey, accounts: Iterable[Body]) -> None:
        """Note the seals of the place's *accounts*."""
        listed = list(accounts)
        self._accounts.update({folded(text_at(each, "id")): place for each in listed})
        sealed = (_sealed(place, body, OWNER_TAG, "storage account") for body in listed)
        self._note(f"accounts {place}", [each for each in sealed if each is not None])

    def note_launches(self) -> None:
        """Note which keys the launches of unfinished sessions come from."""
        self._note("launches", list(self._launches()))

    def needed(self, place: RegionKey) -> Mapping[str, str]:
        """Return what is still sealed there, by the ids of the keys."""
        keys: Keys = {}
        for noted in self._noted.values():
            for key_id, what in noted.get(place, {}).items():
                keys.setdefault(key_id, what)
        return dict(sorted(keys.items()))

    def places(self) -> frozenset[RegionKey]:
        """Return every place where something is sealed."""
        return frozenset(place for noted in self._noted.values() for place in noted)

    def missing(self, place: RegionKey) -> str:
        """Say which keys the place lacks and what to do, empty where it lacks none."""
        keys = self._missing.get(place)
        return "" if keys is None else _lacking(place, keys)

    def check_write(self, resource_id: ArmId, region: str = "") -> None:
        """Refuse, by a PermanentError, a write to where a key is missing; *region* where known."""
        for place, keys in self._missing.items():
            if self._lies_in(place, resource_id, region):
                raise PermanentError(_lacking(place, keys), reason=INCOMPLETE)

    def _lies_in(self, place: RegionKey, resource_id: ArmId, region: str) -> bool:
        subscription, home = place.subscription_id, self._appliance
        if is_within_group(resource_id, subscription, self._group_of(place)):
            return True
        accounts = (account for account, at in self._accounts.items() if at == place)
        if any(lies_within(resource_id, account) for account in accounts):
            return True
        if folded(subscription) != folded(home.subscription_id):
            return False
        if not self._is_among_snapshots(resource_id):
            return False
        known = (each.get(folded(resource_id)) for each in self._snapshots.values())
        listed = next((each for each in known if each is not None), None)
        # What nobody has listed yet may be anywhere.
        return (self._place_of_snapshot(region) if region else listed) in {place, None}

    def _is_among_snapshots(self, resource_id: ArmId) -> bool:
        """Tell whether it is a snapshot, or what exports those of another subscription."""
        inside = [each for each in self._snapshot_groups if is_within_group(resource_id, *each)]
        is_snapshot = _SNAPSHOTS in folded(resource_id)
        home = folded(self._appliance.subscription_id)
        return any(is_snapshot or subscription != home for subscription, _ in inside)

    def _place_of_snapshot(self, region: str) -> RegionKey:
        return region_key(self._appliance.subscription_id, region)

    def _group_of(self, place: RegionKey) -> str:
        names = environment_names(self._appliance.id, place.subscription_id, place.region)
        return names.resource_group

    def _workers(
        self, subscription_id: str, resource_group: str, bodies: Iterable[Body]
    ) -> Iterator[Sealed]:
        for body in bodies:
            place = region_key(subscription_id, text_at(body, "location"))
            if not is_worker_vm_name(_name(body)):
                continue
            sealed = _sealed(place, body, OWNER_TAG, "worker")
            if sealed is not None and folded(self._group_of(place)) == folded(resource_group):
                yield sealed

    def _own_snapshots(
        self, subscription_id: str, resource_group: str, bodies: Iterable[Body]
    ) -> Iterator[Sealed]:
        appliance = self._appliance
        if (folded(subscription_id), folded(resource_group)) not in self._snapshot_groups:
            return
        for body in bodies:
            if not is_snapshot_name(_name(body)):
                continue
            place = self._place_of_snapshot(text_at(body, "location"))
            sealed = _sealed(place, body, SNAPSHOT_TAG, "snapshot")
            # Another appliance may have its snapshots in the same group.
            if sealed and tag_value(body_at(body, "tags"), APPLIANCE_TAG) == appliance.id:
                yield sealed

    def _note(self, source: str, sealed: Sequence[Sealed]) -> None:
        noted: dict[RegionKey, Keys] = {}
        for each in sealed:
            noted.setdefault(each.place, {}).setdefault(each.key_id, each.what)
        touched = {*noted, *self._noted.get(source, {})}
        before = {place: self.needed(place).keys() for place in touched}
        self._noted[source] = noted
        for place in touched:
            keys = self.needed(place)
            lost = {key_id: what for key_id, what in keys.items() if key_id not in self._ring}
            self._missing.pop(place, None)
            if lost:
                self._missing[place] = lost
            if keys.keys() != before[place]:
                self._changed(place)


def accounts_of(
    listed: Iterable[Body],
    place: RegionKey,
    group_id: ArmId,
    names: Collection[str],
    known: Collection[str],
) -> list[Body]:
    """Return those of a subscription's accounts that are the place's own, whatever sealed them.

    They lie in its group under one of the names that we compute, or are *known*: written down when
    they proved to be ours. A tag on any other account is anybody's word.
    """
    computed = {folded(name) for name in names}
    return [
        body
        for body in listed
        if region_key(place.subscription_id, text_at(body, "location")) == place
        and (
            (lies_within(text_at(body, "id"), group_id) and folded(_name(body)) in computed)
            or any(same_id(text_at(body, "id"), each) for each in known)
        )
    ]


def _sealed(place: RegionKey, body: Body, tag: str, words: str) -> Sealed | None:
    key_id = key_named(body_at(body, "tags"), tag)
    if key_id is None:
        return None
    return Sealed(place, key_id, f"{words} {_name(body)}")


def _name(body: Body) -> str:
    return name_of(ArmId(text_at(body, "id")))


def _source(kind: str, subscription_id: str, resource_group: str) -> str:
    return f"{kind} {folded(subscription_id)}/{folded(resource_group)}"


def _lacking(place: RegionKey, keys: Keys) -> str:
    named = [f"{key_id!r} ({what})" for key_id, what in list(keys.items())[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return (
        f"the key ring does not hold keys that seal what is ours in {place.region}:"
        f" {', '.join(named)}{more}. Put them back into its Secret and restart the operator:"
        f" nothing is written or deleted in {place.region} until then"
    )
