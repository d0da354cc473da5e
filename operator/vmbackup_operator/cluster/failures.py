"""What the API server refuses, as the failures that the operator tells apart."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_operator.reconciling.outcome import Conflict

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY = 401, 403, 404, 409, 429
#: Where a list that is read in parts took too long: it is begun anew.
GONE = 410
SERVER_ERRORS = range(500, 600)

#: Where the API server names no time; its own clients wait as long.
RETRY_AFTER_S = 1.0


class StatusCause(msgspec.Struct, frozen=True):
    """One of several reasons for a refusal."""

    reason: str = ""


class StatusDetails(msgspec.Struct, frozen=True):
    """What a refusal is about."""

    name: str = ""
    causes: tuple[StatusCause, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """A refusal as the API server writes it."""

    reason: str = ""
    message: str = ""
    details: StatusDetails = StatusDetails()


class NotThere(PermanentError):
    """There is no such object."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not there", reason="ObjectNotFound")


class AlreadyThere(PermanentError):
    """There is an object of that name already."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is there already", reason="AlreadyExists")


def status_in(body: bytes) -> Status:
    """Return what the answer's *body* says; an answer of somebody in between says nothing."""
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status()


def failure_of(what: str, code: int, headers: Mapping[str, str], body: bytes) -> VmbackupError:
    """Return the failure that the API server's answer to *what* is."""
    status = status_in(body)
    said = status.message or f"answer {code}"
    if code == NOT_FOUND:
        return _absent(what, status)
    if code == CONFLICT:
        return AlreadyThere(what) if status.reason == "AlreadyExists" else Conflict(what)
    if code in (UNAUTHORIZED, GONE, TOO_MANY) or code in SERVER_ERRORS:
        return TransientError(f"{what}: {said}", retry_after_s=_retry_after_s(headers))
    if code == FORBIDDEN:
        return PermanentError(f"{what}: {said}", reason=_refusal(status))
    return PermanentError(f"{what}: {said}", reason="RefusedByCluster")


def _absent(what: str, status: Status) -> VmbackupError:
    """Tell a missing object from a kind that is not served: CRDs may come in a moment."""
    if status.reason == "NotFound" and status.details.name:
        return NotThere(what)
    return TransientError(f"{what}: the API server does not serve its kind (yet)")


def _refusal(status: Status) -> str:
    terminating = any(cause.reason == "NamespaceTerminating" for cause in status.details.causes)
    return "NamespaceTerminating" if terminating else "NotAuthorized"


def _retry_after_s(headers: Mapping[str, str]) -> float:
    said = headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else RETRY_AFTER_S
