"""All keys, from a user key down [4], [5]."""

import base64
import hmac
import re
from collections import Counter
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .ciphers import Damaged, NotUnderstood


def derive(secret: bytes, salt: bytes, label: str, *parts: bytes | str | int) -> bytes:
    """[4] HKDF-SHA256 whose info holds the label and the parts, each behind its length."""
    info = b""
    for part in (f"vmbackup/1/{label}", *parts):
        if isinstance(part, int):
            part = part.to_bytes(4, "little")  # noqa: PLW2901
        said = part.encode() if isinstance(part, str) else part
        info += len(said).to_bytes(2, "little") + said
    return HKDF(SHA256(), 32, salt or bytes(32), info).derive(secret)


def lower(text: str) -> bytes:
    """[4] Lower case touches the letters A to Z only."""
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text).encode()


def fingerprint(user_key: bytes) -> bytes:
    return derive(user_key, b"", "fingerprint")[:16]


def read_user_key(text: bytes) -> bytes:
    """[5] 32 raw bytes; or 64 hexadecimal digits or base64 with white space around."""
    if len(text) == 32:
        return text
    text = text.strip()
    return (
        bytes.fromhex(text.decode()) if len(text) == 64 else base64.b64decode(text, validate=True)
    )


@dataclass
class Ring:
    """The masters that were found, and what follows from them."""

    repository: bytes
    masters: dict[int, bytes] = field(default_factory=dict)
    header_epochs: set[int] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)  # what was opened, for show

    def derive(self, secret: bytes, label: str, *parts: bytes | str | int) -> bytes:
        return derive(secret, self.repository, label, *parts)

    def secret(self, epoch: int, label: str, *parts: bytes) -> bytes:
        if epoch in self.masters:
            return self.derive(self.masters[epoch], label, *parts)
        if epoch in self.header_epochs:
            raise NotUnderstood(f"epoch {epoch} has a header, and no wrap of this key")
        raise Damaged(f"epoch {epoch} has neither header nor wrap")

    def run_key(self, epoch: int, chain: bytes, run: bytes) -> bytes:
        return self.derive(self.secret(epoch, "data", chain), "run", run)

    def pack_key(self, epoch: int, chain: bytes, run: bytes, pack: bytes) -> bytes:
        return self.derive(self.run_key(epoch, chain, run), "pack", pack)

    def footer_key(self, epoch: int, chain: bytes, pack: bytes, run: bytes) -> bytes:
        return self.derive(self.secret(epoch, "metadata", chain), "footer", pack, run)

    def name_chain(self, epoch: int, unique_id: str, prefix: bytes) -> str:
        key = self.secret(epoch, "chain-name")
        return hmac.digest(key, prefix + lower(unique_id), "sha256")[:16].hex()

    def name_vm(self, epoch: int, vm: str) -> str:
        return hmac.digest(self.secret(epoch, "vm-name"), lower(vm), "sha256")[:16].hex()
