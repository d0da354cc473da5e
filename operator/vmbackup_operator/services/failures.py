"""What Azure's SDKs raise, as this project's errors: decided here and nowhere else.

    429, 408, 5xx, a lost connection, a page of HTML     TransientError, with Retry-After if named
    409 and 400 that pass by themselves (see _PASSING)   TransientError
    401, 403                                             PermanentError NotAuthorized
    404                                                  PermanentError NotFound
    anything else                                        PermanentError, reason as Azure's code

Messages say what was tried and what Azure answered, with every URL's query taken out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol.redaction import without_secrets

#: Codes that mean "not at this moment", whatever status or ended operation they come with.
_PASSING = frozenset(
    code.lower()
    for code in (
        "AllocationFailed",
        "AnotherOperationInProgress",
        "Conflict",  # a disk access that is still being made is called a conflict
        "GatewayTimeout",
        "InternalError",
        "InternalExecutionError",
        "InternalServerError",
        "NetworkingInternalOperationError",
        "OperationPreempted",
        "PrincipalNotFound",  # an identity that Azure's replicas do not all know yet
        "ReferencedResourceNotProvisioned",
        "ResourceGroupBeingDeleted",
        "RetryableError",
        "RetryableErrorDueToAnotherOperation",
        "ServerBusy",
        "ServerTimeout",
        "ServiceUnavailable",
        "StorageAccountIsNotProvisioned",
        "StorageAccountOperationInProgress",
        "TooManyRequests",
        "ZonalAllocationFailed",
        "QueueBeingDeleted",
        "ContainerBeingDeleted",
    )
)
_TRANSIENT_STATUSES = frozenset({408, 412, 429})
_SERVER_ERROR = 500
_REFUSED = frozenset({401, 403})
_NOT_FOUND = 404
_MESSAGE_CHARACTERS = 600


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what an SDK raises inside into our errors; *what* names what was being done."""
    try:
        yield
    except AzureError as error:
        raise failure(error, what) from error


def failure(error: AzureError, what: str) -> TransientError | PermanentError:
    """Return *error* as one of ours; *what* names what was being done."""
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return TransientError(f"{what}: Azure was not reached: {_cut(str(error))}")
    if not isinstance(error, HttpResponseError):
        return PermanentError(f"{what}: {_cut(str(error))}", reason="AzureRefused")
    code, said = code_and_message(error)
    text = f"{what}: {code}: {said}" if code else f"{what}: {said}"
    status = error.status_code or 0
    if _passes(error, status, code):
        return TransientError(text, retry_after_s=_retry_after_s(error))
    return PermanentError(text, reason=_reason(error, status, code))


def _passes(error: HttpResponseError, status: int, code: str) -> bool:
    if isinstance(error, ClientAuthenticationError) and error.response is None:
        return False
    if status in _TRANSIENT_STATUSES or status >= _SERVER_ERROR or code.lower() in _PASSING:
        return True
    # Neither refused nor ended with a code: an answer that could not be read, such as HTML.
    return status < 400 and not code  # noqa: PLR2004 - HTTP's line between success and refusal


def _reason(error: HttpResponseError, status: int, code: str) -> str:
    if isinstance(error, ClientAuthenticationError) or status in _REFUSED:
        return "NotAuthorized"
    if status == _NOT_FOUND:
        return "NotFound"
    word = re.sub("[^A-Za-z0-9]", "", code)[:64]
    return word[:1].upper() + word[1:] if word else "AzureRefused"


def code_and_message(error: HttpResponseError) -> tuple[str, str]:
    """Return Azure's code and message, from the envelope, the bare body, or the header."""
    stored = getattr(error, "error_code", None)  # the storage SDKs' word
    if stored:
        return str(getattr(stored, "value", stored)), _first_line(error)
    if error.error is not None and error.error.code:
        return _innermost(error.error.code, error), _cut(error.error.message or "")
    bare = _bare_body(error)
    if bare is not None:
        return bare
    return "", _first_line(error)


def _innermost(code: str, error: HttpResponseError) -> str:
    """Return the detail's code where the outer one only says that there are details."""
    details = error.error.details if error.error is not None else None
    if code == "DeploymentFailed" and details:
        return str(details[0].code)
    return code


def _bare_body(error: HttpResponseError) -> tuple[str, str] | None:
    """Return code and message of a body without the error envelope, as quotas are refused."""
    try:
        body = json.loads(error.response.text()) if error.response is not None else None
    except (ValueError, AttributeError, AzureError):
        return None
    if not isinstance(body, dict):
        return None
    inner = body.get("error")
    body = inner if isinstance(inner, dict) else body
    if not isinstance(body.get("code"), str):
        return None
    return body["code"], _cut(str(body.get("message", "")))


def _first_line(error: HttpResponseError) -> str:
    lines = str(error.message or error.reason or "no message").strip().splitlines()
    return _cut(lines[0] if lines else "no message")


def _cut(text: str) -> str:
    return without_secrets(" ".join(text.split()))[:_MESSAGE_CHARACTERS]


def _retry_after_s(error: HttpResponseError) -> float | None:
    """Return what Retry-After says, in seconds or as a date."""
    headers = getattr(error.response, "headers", {})
    said = str(headers.get("Retry-After", "")).strip()
    if said.isdigit():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
