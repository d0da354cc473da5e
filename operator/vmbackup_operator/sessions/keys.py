"""The appliance's key ring: everything that the appliance seals names one of its keys.

The Secret holds one entry for each key, called by the key's id, of 32 bytes (or 64 hex digits), and
where there are several an entry ``active`` that holds the id of the one that seals. A retired key
stays in the Secret for as long as anything that it sealed is to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol import LaunchKey, launch_key
from vmbackup_operator.ownership import KEY_ID, Ownership
from vmbackup_operator.ownership import PURPOSE as OWNERSHIP_PURPOSE

ACTIVE_ENTRY = "active"

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApplianceKey:
    """One key of the ring; printing it shows its id only."""

    id: str
    secret: bytes = field(repr=False)

    def for_purpose(self, purpose: str) -> bytes:
        """Return the 32 bytes derived for *purpose*: no two purposes share a key."""
        info = b"vmbackup appliance " + purpose.encode("ascii")
        return HKDF(SHA256(), _KEY_BYTES, None, info).derive(self.secret)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The appliance's keys by id; *active* seals, every one opens what it sealed."""

    active: ApplianceKey
    keys: Mapping[str, ApplianceKey]

    def find(self, key_id: str) -> ApplianceKey | None:
        """Return the key called *key_id*, or None where it was never there or was taken out."""
        return self.keys.get(key_id)

    def for_purpose(self, purpose: str) -> Mapping[str, bytes]:
        """Return what every key gives for *purpose*, by the keys' ids."""
        return {key.id: key.for_purpose(purpose) for key in self.keys.values()}

    def ownership(self, appliance_id: str) -> Ownership:
        """Return what proves that a resource is the appliance's."""
        return Ownership(appliance_id, self.active.id, self.for_purpose(OWNERSHIP_PURPOSE))

    def launch_key(self, key_id: str, worker: WorkerId, launch: LaunchNonce) -> LaunchKey | None:
        """Return the key of that launch, or None where the ring's key *key_id* was taken out."""
        key = self.keys.get(key_id)
        return None if key is None else launch_key(key.secret, worker, launch)


def read_key_ring(values: Mapping[str, bytes], where: str) -> KeyRing:
    """Return the ring that the Secret's *values* hold; *where* names the Secret in errors."""
    keys = {
        key_id: ApplianceKey(key_id, _secret(value, f"{where}, entry {key_id}"))
        for key_id, value in sorted(values.items())
        if key_id != ACTIVE_ENTRY
    }
    for key_id in keys:
        if not KEY_ID.fullmatch(key_id):
            raise _invalid(f"{where}: {key_id!r} can't be a key's id")
    return KeyRing(_active(keys, values.get(ACTIVE_ENTRY), where), keys)


def _active(keys: Mapping[str, ApplianceKey], entry: bytes | None, where: str) -> ApplianceKey:
    if not keys:
        raise _invalid(f"{where} holds no key")
    if entry is None:
        if len(keys) > 1:
            raise _invalid(
                f"{where} holds the keys {', '.join(keys)}: "
                f"its entry {ACTIVE_ENTRY!r} has to say which one seals"
            )
        return next(iter(keys.values()))
    wanted = entry.decode(errors="replace").strip()
    if wanted not in keys:
        raise _invalid(f"{where}: the active key {wanted!r} is not among {', '.join(keys)}")
    return keys[wanted]


def _secret(value: bytes, where: str) -> bytes:
    if len(value) == _KEY_BYTES:
        return value
    try:
        decoded = bytes.fromhex(value.decode("ascii").strip())
    except ValueError:
        decoded = b""
    if len(decoded) != _KEY_BYTES:
        raise _invalid(f"{where}: neither {_KEY_BYTES} bytes nor {2 * _KEY_BYTES} hex digits")
    return decoded


def _invalid(message: str) -> PermanentError:
    return PermanentError(message, reason="KeyRingInvalid")
