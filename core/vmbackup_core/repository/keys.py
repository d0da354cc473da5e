"""The repository key and everything derived from it; see "Keys" in docs/repository-format.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, DiskUniqueId, RepositoryId

KEY_BYTES = 32

#: The only epoch so far: which of a repository's keys an object was made with.
FIRST_EPOCH = 1

_CHAIN_KEYS = struct.Struct("<BI32s")  # version of this text, epoch, secret
_CHAIN_KEYS_VERSION = 1


def derive(secret: bytes, label: str, *parts: bytes, salt: bytes = b"") -> bytes:
    """Return the key that *label*, *parts* and *salt* name below *secret*."""
    # Lengths go before the parts so that no two lists of parts look alike.
    info = b"".join(
        len(part).to_bytes(2, "big") + part for part in (f"vmbackup/1/{label}".encode(), *parts)
    )
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(secret)


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """What opens one disk's chain and nothing else; all that a worker is given."""

    epoch: int
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The keys as base64 text; `parse` reads it."""
        packed = _CHAIN_KEYS.pack(_CHAIN_KEYS_VERSION, self.epoch, self.secret)
        return base64.b64encode(packed).decode()

    @staticmethod
    def parse(text: str) -> ChainKeys:
        """Return the keys that *text* holds; the error does not show it."""
        try:
            packed = base64.b64decode(text, validate=True)
            version, epoch, secret = _CHAIN_KEYS.unpack(packed)
        except (binascii.Error, ValueError, struct.error):
            raise _unreadable("chain keys are no text that this project wrote") from None
        if version != _CHAIN_KEYS_VERSION:
            raise _unreadable(f"chain keys of version {version} are not known here")
        return ChainKeys(epoch, secret)


@dataclass(frozen=True, slots=True)
class RepositoryKey:
    """The 32 bytes that the user keeps; with them and the objects everything can be read."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise _unreadable(f"a repository key has {KEY_BYTES} bytes, not {len(self.secret)}")

    @staticmethod
    def generate() -> RepositoryKey:
        """Return a new random key."""
        return RepositoryKey(secrets.token_bytes(KEY_BYTES))

    @staticmethod
    def parse(text: str) -> RepositoryKey:
        """Return the key written as 64 hexadecimal digits or as base64; errors do not show it."""
        stripped = text.strip()
        if re.fullmatch(r"[0-9a-fA-F]{64}", stripped):
            return RepositoryKey(bytes.fromhex(stripped))
        if not stripped:
            raise _unreadable("the repository key is empty")
        try:
            decoded = base64.b64decode(stripped, validate=True)
        except (binascii.Error, ValueError):
            raise _unreadable(
                f"the repository key ({len(stripped)} characters) is neither 64 hexadecimal "
                "digits nor base64"
            ) from None
        return RepositoryKey(decoded)

    @property
    def text(self) -> str:
        """The key as base64 text; `parse` reads it."""
        return base64.b64encode(self.secret).decode()

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that name the key and tell nothing of it."""
        return derive(self.secret, "fingerprint")[:16].hex()

    def header_key(self) -> bytes:
        """Return the key that authenticates the header."""
        return derive(self.secret, "header")

    def chain_id(self, repository: RepositoryId, disk: DiskUniqueId) -> ChainId:
        """Return the name of *disk*'s chain, which tells nothing of the disk without the key."""
        naming = derive(self.secret, "chain-name", salt=bytes.fromhex(repository))
        # Azure's services do not agree on the case in which they write a uniqueId.
        digest = hmac.digest(naming, disk.lower().encode(), hashlib.sha256)
        return ChainId(digest[:16].hex())

    def chain_keys(self, repository: RepositoryId, chain: ChainId) -> ChainKeys:
        """Return what opens *chain*."""
        salt = bytes.fromhex(repository)
        return ChainKeys(FIRST_EPOCH, derive(self.secret, "chain", bytes.fromhex(chain), salt=salt))


def _unreadable(message: str) -> PermanentError:
    return PermanentError(message, reason="InvalidKey")
