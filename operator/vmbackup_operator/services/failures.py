"""What Azure's SDKs raise, as this project's errors: the kinds are told apart here, nowhere else.

    passing             429, 408, 412, 5xx, a lost connection, a page of HTML, an operation that
                        can't be read: TransientError, with Retry-After if Azure named one
    refused for a while 401 and 403 (a right spreads for minutes), 404 to a write (what was just
                        made), 409 and 400 whose code says that something else is at it:
                        RefusedForNow, retried for a time (`refusals.PATIENCE`), then final
    lost attempt        an operation that ended as failed, and no room (quota, capacity, addresses):
                        LostAttempt, the reason as Azure's code
    final               anything else: PermanentError, the reason as Azure's code

`Refusals` remembers since when a refusal lasts. Messages say what was tried and what Azure
answered, with every URL's query taken out.
"""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from vmbackup_core.clock import SystemClock
from vmbackup_core.redaction import shown
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.services.refusals import Kind, Refusal, Refusals


def _lower(*codes: str) -> frozenset[str]:
    return frozenset(folded(code) for code in codes)


_PASSING_CODES = _lower(
    "GatewayTimeout",
    "InternalError",
    "InternalExecutionError",
    "InternalServerError",
    "NetworkingInternalOperationError",
    "OperationPreempted",
    "RetryableError",
    "RetryableErrorDueToAnotherOperation",
    "ServerBusy",
    "ServerTimeout",
    "ServiceUnavailable",
    "TooManyRequests",
)
#: Whatever status they come with; any other 409 is of this kind too, unless it is listed below.
_FOR_A_WHILE_CODES = _lower(
    "AnotherOperationInProgress",
    "Conflict",  # also a 400: a disk access that is still being made
    "InvalidResourceReference",  # what was made a moment ago and is not known everywhere
    "PrincipalNotFound",  # an identity that Azure's replicas do not all know yet
    "ReferencedResourceNotProvisioned",
)
_FINAL_CONFLICTS = _lower(
    "ConflictingUserInput",
    "InvalidResourceGroupLocation",
    "InvalidResourceLocation",
    "MissingSubscriptionRegistration",
    "PropertyChangeNotAllowed",
    "PublicAccessNotPermitted",
    "PublicNetworkAccessDisabled",
    "StorageAccountPropertyCannotBeUpdated",
)
_FINAL_ENDINGS = ("alreadyexists", "alreadytaken", "exists")
#: No room: another attempt may find some, the same request will not.
_LOST_CODES = _lower(
    "AllocationFailed",
    "NotEnoughIPAddressesAvailable",
    "OverconstrainedAllocationRequest",
    "OverconstrainedZonalAllocationRequest",
    "QuotaExceeded",
    "SkuNotAvailable",
    "SubnetIsFull",
    "VMExtensionProvisioningError",
    "ZonalAllocationFailed",
)

#: A code of Compute's for many things: a quota of cores is told from a busy disk by its words.
_NOT_ALLOWED = "operationnotallowed"

_PASSING_STATUSES = frozenset({408, 412, 429})
_REFUSED = 400
_NOT_AUTHORIZED = frozenset({401, 403})
_NOT_FOUND = 404
_CONFLICT = 409
_SERVER_ERROR = 500
_MESSAGE_CHARACTERS = 600

#: Since when refusals last, for all that Azure is asked.
REFUSALS = Refusals(SystemClock())


def translated(what: str) -> AbstractContextManager[None]:
    """Turn what an SDK raises inside into our errors; *what* names what was being done."""
    return REFUSALS.translated(what, refusal)


def refusal(error: AzureError) -> Refusal:
    """Return what *error* says, and which kind of refusal it is."""
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return Refusal("passing", "", f"Azure was not reached: {_cut(str(error))}")
    if not isinstance(error, HttpResponseError):
        return Refusal("final", "AzureRefused", _cut(str(error)))
    code, said = code_and_message(error)
    status = error.status_code or 0
    return Refusal(
        kind=_kind(error, status, folded(code), folded(said)),
        reason=_reason(error, status, code),
        text=f"{code}: {said}" if code else said,
        retry_after_s=retry_after_s(error),
    )


def _kind(error: HttpResponseError, status: int, code: str, said: str) -> Kind:
    if status in _PASSING_STATUSES or status >= _SERVER_ERROR or code in _PASSING_CODES:
        return "passing"
    if code in _LOST_CODES or (code == _NOT_ALLOWED and "quota" in said):
        return "lost attempt"
    if _is_for_a_while(error, status, code):
        return "for a while"
    if status < _REFUSED and not isinstance(error, ClientAuthenticationError):
        # Neither refused nor ended with a code: an answer that could not be read, such as HTML.
        return "lost attempt" if code else "passing"
    return "final"


def _is_for_a_while(error: HttpResponseError, status: int, code: str) -> bool:
    if code in _FOR_A_WHILE_CODES:
        return True
    if isinstance(error, ClientAuthenticationError) or status in _NOT_AUTHORIZED:
        return True
    if status == _CONFLICT:
        return code not in _FINAL_CONFLICTS and not code.endswith(_FINAL_ENDINGS)
    # What is written to, or acted on, was there a moment ago as far as we know.
    return status == _NOT_FOUND and code != "subscriptionnotfound" and not _is_look(error)


def _is_look(error: HttpResponseError) -> bool:
    """Tell whether Resource Manager was only asked to show something.

    A queue is read by GET too, and one that was just made is not there for all of Azure's servers.
    """
    request = getattr(error.response, "request", None)
    if request is None:
        return True
    return request.method in {"GET", "HEAD"} and ".queue." not in request.url.split("?", 1)[0]


def _reason(error: HttpResponseError, status: int, code: str) -> str:
    if isinstance(error, ClientAuthenticationError) or status in _NOT_AUTHORIZED:
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
    return shown(text)[:_MESSAGE_CHARACTERS]


def retry_after_s(error: HttpResponseError) -> float | None:
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
