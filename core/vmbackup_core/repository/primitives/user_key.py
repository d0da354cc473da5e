"""The 32 bytes that a user keeps, in the three ways in which they may be written down."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field

from vmbackup_core.repository.primitives.derivation import KEY_BYTES, fingerprint_of
from vmbackup_core.repository.primitives.failures import InvalidUserKey
from vmbackup_core.repository.primitives.identities import Fingerprint


@dataclass(frozen=True, slots=True)
class UserKey:
    """What opens the wraps of a repository."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise InvalidUserKey(f"{len(self.secret)} bytes")

    @property
    def fingerprint(self) -> Fingerprint:
        """The name of the key, which may be shown."""
        return Fingerprint(fingerprint_of(self.secret))

    @staticmethod
    def draw() -> UserKey:
        """Return a key that nobody has."""
        return UserKey(secrets.token_bytes(KEY_BYTES))

    @staticmethod
    def parse(written: bytes) -> UserKey:
        """Return the key that *written* is: as it is, in hexadecimal or in base64."""
        if len(written) == KEY_BYTES:
            return UserKey(written)
        stripped = written.strip()
        if re.fullmatch(rb"[0-9a-fA-F]{64}", stripped):
            return UserKey(bytes.fromhex(stripped.decode()))
        try:
            return UserKey(base64.b64decode(stripped, validate=True))
        except binascii.Error:
            raise InvalidUserKey(f"{len(stripped)} characters") from None
