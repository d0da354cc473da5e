"""A wrap on paper: base32 in lines of eight groups, and a sum that finds what was mistyped."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.bounds import WRAP_BYTES
from vmbackup_core.repository.primitives.failures import WrapMistyped
from vmbackup_core.repository.primitives.wraps import Wrap, read_wrap

_SUM_BYTES: Final = 8
_CHARACTERS: Final = (WRAP_BYTES + _SUM_BYTES) * 8 // 5
_GROUP: Final = 4
_GROUPS: Final = 8
_TYPED: Final = re.compile(r"[A-Za-z0-9 ]*")
_LOOKS_LIKE: Final = str.maketrans("018", "OIB")


def to_text(wrap: Wrap) -> str:
    """Return *wrap* as it is printed, with a line's end behind each line."""
    digits = base64.b32encode(wrap.stored + _sum(wrap.stored)).decode()
    groups = [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)]
    lines = [" ".join(groups[at : at + _GROUPS]) for at in range(0, len(groups), _GROUPS)]
    return "\n".join([f"vmbackup key wrap, epoch {wrap.epoch}, key {wrap.fingerprint}", *lines, ""])


def from_text(text: str) -> Wrap:
    """Return the wrap that *text* prints, whatever was put around it; raise WrapMistyped."""
    lines = [line for line in text.splitlines() if _TYPED.fullmatch(line)]
    digits = "".join(lines).replace(" ", "").upper().translate(_LOOKS_LIKE)
    if len(digits) != _CHARACTERS:
        raise WrapMistyped(f"{len(digits)} characters, of which it has {_CHARACTERS}")
    try:
        whole = base64.b32decode(digits)
    except ValueError:  # binascii.Error is one: a 9
        raise WrapMistyped("it has a character that is never printed") from None
    stored, said = whole[:WRAP_BYTES], whole[WRAP_BYTES:]
    if _sum(stored) != said:
        raise WrapMistyped("a character of it is another one than was printed")
    try:
        return read_wrap("the printed wrap", stored)
    except CorruptRepository as error:
        raise WrapMistyped(str(error)) from error


def _sum(stored: bytes) -> bytes:
    return hashlib.sha256(stored).digest()[:_SUM_BYTES]
