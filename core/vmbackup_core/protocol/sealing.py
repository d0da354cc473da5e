"""Sealed messages: AES-256-GCM under a launch's key; docs/worker-protocol.md sections 2 and 3."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol.bounds import (
    JOB_BYTES,
    JOB_CHARS,
    LAUNCH_CHARS,
    RESULTS_BYTES,
    WORKER_CHARS,
    JobTextOrNone,
    Sequence,
    WorkerText,
    text_of,
)
from vmbackup_core.protocol.limits import MESSAGE_BYTES, PROTOCOL_VERSION

Direction = Literal["job", "event"]
#: Where a sealed text lies: it authenticates only there.
Place = Literal["queue", "blob", "results"]
Why = Literal[
    "TooLong",
    "Malformed",
    "UnknownVersion",
    "WrongDirection",
    "ForeignWorker",
    "ForeignKey",
    "Altered",
]

_KEY_BYTES = 32
_NONCE_BYTES = 12
_WORKER = re.compile(f"[A-Za-z0-9._-]{{1,{WORKER_CHARS}}}")
_JOB = re.compile(f"[A-Za-z0-9._-]{{0,{JOB_CHARS}}}")
_LAUNCH = re.compile(f"[0-9a-f]{{{LAUNCH_CHARS}}}")
#: What a reader looks at in each place: sealed, in base64, with its envelope.
_LONGEST: dict[Place, int] = {
    "queue": MESSAGE_BYTES,
    "blob": JOB_BYTES,
    "results": RESULTS_BYTES,
}
#: The job id of what concerns the worker itself: hello and heartbeat.
NO_JOB = JobId("")


class RefusedMessage(PermanentError):
    """A message that is not taken: foreign, altered or of another version; *why* counts them."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(f"message refused: {detail}", reason="RefusedMessage")
        self.why = why


@dataclass(frozen=True, slots=True)
class LaunchKey:
    """The key under which the messages of one launch of a worker are sealed."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise ValueError(f"launch key of {len(self.secret)} bytes, not {_KEY_BYTES}")

    @property
    def key_id(self) -> str:
        """The name of this key in what it sealed."""
        return hashlib.sha256(b"vmbackup key id\0" + self.secret).hexdigest()[:16]

    def to_text(self) -> str:
        """Return the key in base64, for the Run Command's protected parameters."""
        return base64.b64encode(self.secret).decode("ascii")

    @staticmethod
    def from_text(text: str) -> LaunchKey:
        """Return the key that *text* holds; raise ValueError, without the text."""
        try:
            return LaunchKey(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise ValueError("launch key that is not base64") from None


def new_launch() -> LaunchNonce:
    """Return a nonce that no launch had before."""
    return LaunchNonce(os.urandom(LAUNCH_CHARS // 2).hex())


def launch_key(appliance_key: bytes, worker_id: WorkerId, launch: LaunchNonce) -> LaunchKey:
    """Return the key of one *launch* of *worker_id*, always the same for the same three."""
    if len(appliance_key) < _KEY_BYTES:
        raise ValueError(f"appliance key of {len(appliance_key)} bytes, fewer than {_KEY_BYTES}")
    if not (_WORKER.fullmatch(worker_id) and _LAUNCH.fullmatch(launch)):
        raise ValueError(f"launch {launch!r} of worker {worker_id!r}: one of them is none")
    info = b"vmbackup launch key 2\0" + f"{worker_id}\0{launch}".encode("ascii")
    return LaunchKey(HKDF(SHA256(), _KEY_BYTES, None, info).derive(appliance_key))


@dataclass(frozen=True, slots=True)
class Header:
    """What a message says in the open, authenticated with it."""

    direction: Direction
    worker_id: WorkerId
    job_id: JobId
    sequence: int


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message's line of JSON."""

    v: int
    key: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
    dir: Direction
    worker: WorkerText
    job: JobTextOrNone
    seq: Sequence
    nonce: Annotated[str, msgspec.Meta(min_length=16, max_length=16)]
    sealed: str


class _VersionOnly(msgspec.Struct):
    """What is looked at first, so that another version is refused by its name."""

    v: int


_VERSION: Final = msgspec.json.Decoder(_VersionOnly)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def _associated(header: Header, key_id: str, place: Place) -> bytes:
    lines = [
        "vmbackup",
        str(PROTOCOL_VERSION),
        key_id,
        header.direction,
        header.worker_id,
        header.job_id,
        str(header.sequence),
    ]
    if place != "queue":
        lines.append(place)
    return "\n".join(lines).encode("ascii")


def seal(
    key: LaunchKey,
    header: Header,
    payload: bytes,
    *,
    place: Place = "queue",
    nonce: bytes | None = None,
) -> str:
    """Return *payload* sealed for *place*; a *nonce* is given only by the golden files' tests."""
    if not (_WORKER.fullmatch(header.worker_id) and _JOB.fullmatch(header.job_id)):
        raise ValueError(f"ids that no message may carry: {header!r}")
    nonce = os.urandom(_NONCE_BYTES) if nonce is None else nonce
    sealed = AESGCM(key.secret).encrypt(nonce, payload, _associated(header, key.key_id, place))
    envelope = _Envelope(
        PROTOCOL_VERSION,
        key.key_id,
        header.direction,
        header.worker_id,
        header.job_id,
        header.sequence,
        base64.b64encode(nonce).decode("ascii"),
        base64.b64encode(sealed).decode("ascii"),
    )
    return msgspec.json.encode(envelope).decode("ascii")


def fits(text: str) -> bool:
    """Tell whether a sealed *text* may be a queue message; if not, it goes to a blob."""
    return len(text.encode()) <= MESSAGE_BYTES


def _envelope(text: str, place: Place = "queue") -> _Envelope:
    if len(text) > _LONGEST[place]:
        raise RefusedMessage("TooLong", f"{len(text)} characters, {_LONGEST[place]} at most")
    try:
        text_of(text.encode())
        version = _VERSION.decode(text).v
        if version != PROTOCOL_VERSION:
            detail = f"version {version}, this reader knows {PROTOCOL_VERSION}"
            raise RefusedMessage("UnknownVersion", detail)
        return _ENVELOPE.decode(text)
    except (ValueError, RecursionError):
        raise RefusedMessage("Malformed", "it is not an envelope of this protocol") from None


def _header(envelope: _Envelope) -> Header:
    return Header(envelope.dir, WorkerId(envelope.worker), JobId(envelope.job), envelope.seq)


def peek(text: str) -> Header:
    """Return what *text* claims to be, NOT authenticated: only to find the key for it."""
    return _header(_envelope(text))


def unseal(
    keys: LaunchKey | Iterable[LaunchKey],
    text: str,
    *,
    direction: Direction,
    worker_id: WorkerId,
    place: Place = "queue",
) -> tuple[Header, bytes]:
    """Return header and payload of a message of *worker_id*; raise RefusedMessage.

    Of several *keys* the one that it names opens it.
    """
    envelope = _envelope(text, place)
    header = _header(envelope)
    if header.direction != direction:
        raise RefusedMessage("WrongDirection", f"direction {header.direction}, not {direction}")
    if header.worker_id != worker_id:
        raise RefusedMessage("ForeignWorker", f"worker {header.worker_id}, not {worker_id}")
    candidates = (keys,) if isinstance(keys, LaunchKey) else keys
    key = next((key for key in candidates if key.key_id == envelope.key), None)
    if key is None:
        raise RefusedMessage("ForeignKey", f"sealed with key {envelope.key}, which is not known")
    try:
        nonce = base64.b64decode(envelope.nonce, validate=True)
        sealed = base64.b64decode(envelope.sealed, validate=True)
        associated = _associated(header, key.key_id, place)
        return header, AESGCM(key.secret).decrypt(nonce, sealed, associated)
    except (binascii.Error, ValueError, InvalidTag):
        detail = f"message {header.sequence} of job {header.job_id!r} does not authenticate"
        raise RefusedMessage("Altered", detail) from None
