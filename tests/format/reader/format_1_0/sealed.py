"""Envelopes [7], wraps [5] and headers [6]."""

import base64
import hashlib
import re
import struct

from .ciphers import NO_NONCE, NotUnderstood, decode_frame, need, open_gcm
from .keys import Ring, derive
from .shapes import BODIES, HEADER, Json, fits, parse_json

KIB, MIB = 1 << 10, 1 << 20


def check_outside(
    raw: bytes, magic: bytes, repository: bytes | None, least: int
) -> tuple[int, int, int, int]:
    """Format, revision, flags and epoch of an object of this magic."""
    need(len(raw) >= least, "shorter than its fixed part")
    found, form, revision, flags, owner, epoch = struct.unpack("<8sHHI16sI", raw[:36])
    need(found == magic, f"magic {found!r}")
    need(repository in (None, owner), "of another repository")
    return form, revision, flags, epoch


def refuse_newer(form: int, flags: int) -> None:
    if form != 1 or flags:
        raise NotUnderstood(f"format {form}, flags {flags:#x}")


BOUNDS = {
    "CHAN": (16 * KIB, 16 * KIB),
    "HOLD": (16 * KIB, 16 * KIB),
    "COMM": (2 * MIB, 2 * MIB),
    "PLST": (4 * MIB, 4 * MIB),
    "PONT": (2 * MIB, 2 * MIB),
    "LOGO": (8 * MIB, 8 * MIB),
    "STAT": (8 * MIB, 8 * MIB),
    "MANI": (3 * MIB, 3 * MIB),
    "SECT": (5 * MIB, 5 * MIB),
    "TABL": (16 * MIB, 32 * MIB),
}


def open_envelope(
    ring: Ring, kind: str, name: str, raw: bytes, chain: str | None = None
) -> tuple[bytes, int]:
    """[7] The payload of a sealed object and the epoch that it was sealed under."""
    need(len(raw) <= BOUNDS[kind][0], "past the bound of its kind")
    form, _, flags, epoch = check_outside(raw, b"VMBK" + kind.encode(), ring.repository, 96)
    size, codec = struct.unpack("<IB", raw[36:41])
    need(size <= BOUNDS[kind][1], "a payload past the bound of its kind")
    parts = (bytes.fromhex(chain),) if chain else ()
    secret = ring.secret(epoch, "metadata" if chain else "control", *parts)
    key = ring.derive(secret, "object", kind.encode(), name, raw[48:80])
    encoded = open_gcm(key, NO_NONCE, raw[80:], raw[:80] + name.encode())
    refuse_newer(form, flags)
    if codec not in (0, 1):
        raise NotUnderstood(f"codec {codec}")
    payload = decode_frame(encoded, size) if codec else encoded
    need(len(payload) == size, "a payload of another size")
    ring.seen[f"{kind} codec {codec}"] += 1
    return payload, epoch


def open_json(ring: Ring, kind: str, name: str, raw: bytes) -> tuple[Json, int]:
    payload, epoch = open_envelope(ring, kind, name, raw)
    body = parse_json(payload)
    need(fits(BODIES[kind], body), "a field is missing or of another type")
    return body, epoch


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def open_wrap(raw: bytes, user_key: bytes) -> tuple[bytes, int, bytes]:
    """Repository id, epoch and master of a wrap."""
    need(len(raw) == 152, "a wrap has 152 bytes")
    form, _, flags, epoch = check_outside(raw, b"VMBKWRAP", None, 152)
    if raw[36] != 1:
        raise NotUnderstood(f"a wrap for a user key of kind {raw[36]}")
    repository = raw[16:32]
    key = derive(user_key, repository, "wrap", epoch, raw[72:104])
    master = open_gcm(key, NO_NONCE, raw[104:], raw[:104])
    refuse_newer(form, flags)
    need(derive(master, repository, "master-id")[:16] == raw[56:72], "not the master that it says")
    return repository, epoch, master


def read_printed_wrap(text: str) -> bytes:
    """[5] The 152 bytes of a printed wrap."""
    lines = [line for line in text.splitlines() if re.fullmatch("[A-Za-z0-9 ]*", line.strip())]
    said = "".join("".join(lines).split()).upper().translate(str.maketrans("018", "OIB"))
    need(len(said) == 256, "WrapMistyped")
    raw = base64.b32decode(said)
    need(hashlib.sha256(raw[:152]).digest()[:8] == raw[152:], "WrapMistyped")
    return raw[:152]


def open_header(raw: bytes) -> tuple[Json, int]:
    """What a header says in clear; its HMAC is checked when its master is known."""
    need(len(raw) <= 4_200, "past the bound of its kind")
    form, _, flags, epoch = check_outside(raw, b"VMBKHEAD", None, 104)
    size = int.from_bytes(raw[36:40], "little")
    need(size <= 4_096 and len(raw) == 104 + size, "a length past the end")
    need(hashlib.sha256(raw[: 40 + size]).digest() == raw[40 + size : 72 + size], "another SHA-256")
    refuse_newer(form, flags)
    body = parse_json(raw[40 : 40 + size])
    need(fits(HEADER, body), "a field is missing or of another type")
    need(
        body["repositoryId"] == raw[16:32].hex() and body["epoch"] == epoch,
        "not what its clear fields say",
    )
    return body, epoch
