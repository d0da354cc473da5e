"""Which user keys open a repository: what its wraps say, and what the log says of them."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.primitives.bounds import WRAP_BYTES
from vmbackup_core.repository.primitives.copies import wraps_there
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import wrap_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.wraps import read_wrap
from vmbackup_core.stores.port import NotStored, Store


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A user key, the epochs that it opens, and what people were told of it.

    *is_removed* says that the log has it as removed; where it opens epochs all the same, copies of
    its wraps have stayed.
    """

    fingerprint: Fingerprint
    epochs: tuple[int, ...]
    label: str | None
    is_removed: bool


def known_keys(places: Places, ring: KeyRing, state: LogState) -> list[KnownKey]:
    """Return every key that has wraps that count or that the log names, in order.

    Of an epoch whose master is not there, a wrap is taken by its name.
    """
    epochs: dict[Fingerprint, list[int]] = {fingerprint: [] for fingerprint in state.keys}
    for epoch, fingerprints in sorted(wraps_there(places).items()):
        for fingerprint in fingerprints:
            if _counts(places, ring, epoch, fingerprint):
                epochs.setdefault(fingerprint, []).append(epoch)
    return [_known(state, fingerprint, epochs[fingerprint]) for fingerprint in sorted(epochs)]


def _known(state: LogState, fingerprint: Fingerprint, epochs: list[int]) -> KnownKey:
    said = state.keys.get(fingerprint)
    is_removed = said is not None and said.action == "removed"
    return KnownKey(fingerprint, tuple(epochs), said.label if said else None, is_removed)


def _counts(places: Places, ring: KeyRing, epoch: int, fingerprint: Fingerprint) -> bool:
    master = ring.masters.get(epoch)
    return any(
        (epoch in ring.epochs if master is None else master_id == master.master_id)
        for store in places.both()
        if (master_id := _master_id(store, wrap_name(epoch, fingerprint))) is not None
    )


def _master_id(store: Store, name: str) -> str | None:
    try:
        return read_wrap(name, store.get(name, most=WRAP_BYTES)).master_id
    except (CorruptRepository, NotStored):
        return None
