"""What an export's answer must be to be taken, and which failure any other one is."""

from __future__ import annotations

import re

from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_core.extents import Extent
from vmbackup_core.protocol import FallbackReason
from vmbackup_core.vhd_footer import FOOTER_BYTES
from vmbackup_worker.connections import Answer
from vmbackup_worker.page_listing import TimedOut

#: A longer wait is not obeyed: after so long the export is asked, whatever it said.
LONGEST_WAIT_S = 300.0

_REFUSED = frozenset({401, 403})
_THROTTLED = frozenset({429, 503})
_TIMED_OUT = frozenset({408, 504})
_PASSING = frozenset({500, 502})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20})")


class Refusal(Exception):
    """The export refused the credential."""


class Throttled(TransientError):
    """The export was asked for too much at once."""


class ServiceFailed(TransientError):
    """The service has met with an error of its own."""


class NoDifferences(VmbackupError):
    """What has changed since another snapshot is not told: the disk is read whole."""

    def __init__(self, reason: FallbackReason, said: str) -> None:
        super().__init__(said)
        self.reason: FallbackReason = reason


class OddAnswer(TransientError):
    """An answer that nothing explains, but *said*; given again and again it is one for good."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def check_range(name: str, part: Extent, answer: Answer) -> int:
    """Return the export's size as *answer* tells it; raise where it isn't the bytes of *part*."""
    encoding = answer.header("Content-Encoding") or answer.header("Transfer-Encoding")
    if encoding not in {"", "identity"}:
        raise TransientError(f"{name}: asked for bytes, got them as {encoding[:64]!r}")
    said = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
    if said is None or (int(said[1]), int(said[2])) != (part.offset, part.end - 1):
        detail = f"{name}: asked for bytes {part.offset} to {part.end - 1}"
        raise TransientError(f"{detail}, got {answer.header('Content-Range')[:80]!r}")
    if answer.header("Content-Length") != str(part.length):
        detail = f"{name}: asked for {part.length} bytes"
        raise TransientError(f"{detail}, got {answer.header('Content-Length')[:20]!r}")
    return int(said[3])


def export_size_of(answer: Answer) -> int | None:
    """Return how long the export of a page list is, where that is told."""
    said = answer.header("x-ms-blob-content-length")
    return int(said) if said.isdecimal() and len(said) <= 20 else None  # noqa: PLR2004 - 64 bits


def check_size(name: str, export_bytes: int, disk_bytes: int) -> None:
    """Raise unless an export of that size is the disk's, with or without a VHD's footer."""
    if export_bytes not in {disk_bytes, disk_bytes + FOOTER_BYTES}:
        detail = f"{name}: export of {export_bytes} bytes, the disk has {disk_bytes}"
        raise PermanentError(detail, reason="DiskSizeDiffers")


def unexpected(name: str, answer: Answer) -> Exception:
    """Return the failure that an answer of another status is."""
    status, code = answer.status, answer.header("x-ms-error-code")[:64]
    said = f"HTTP {status} {code}".rstrip()
    if status in _REFUSED:
        return Refusal(said)
    detail = f"{name}: {said}"
    if status in _TIMED_OUT or code == "OperationTimedOut":
        return TimedOut(detail)
    if status in _THROTTLED or code == "ServerBusy":
        return Throttled(detail, retry_after_s=_retry_after_s(answer))
    if status in _PASSING:
        return ServiceFailed(detail, retry_after_s=_retry_after_s(answer))
    return OddAnswer(f"{name}: export answered {said}", said)


def _retry_after_s(answer: Answer) -> float | None:
    after = answer.header("Retry-After")
    if not after.isdecimal():
        return None
    return LONGEST_WAIT_S if len(after) > 4 else min(float(after), LONGEST_WAIT_S)  # noqa: PLR2004 - hours
