"""How every key is derived from the one above it; see section 4 of the format's page."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.numbers import u16

KEY_BYTES = 32
ID_BYTES = 16


def derive(secret: bytes, repository: RepositoryId, label: str, *parts: bytes) -> bytes:
    """Return the key that *label* and *parts* name below *secret*, in *repository* alone."""
    return _derived(secret, bytes.fromhex(repository), label, parts)


def fingerprint_of(user_key: bytes) -> str:
    """Return 32 hexadecimal digits that name a user key and tell nothing of it."""
    # A key is named before any repository is known, so this alone has no salt.
    return _derived(user_key, b"", "fingerprint", ())[:ID_BYTES].hex()


def _derived(secret: bytes, salt: bytes, label: str, parts: tuple[bytes, ...]) -> bytes:
    # Lengths go before the parts so that no two lists of parts look alike.
    info = b"".join(u16(len(part)) + part for part in (f"vmbackup/1/{label}".encode(), *parts))
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(secret)
