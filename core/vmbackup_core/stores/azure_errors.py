"""What the storage SDK raises, as our errors; its own texts are left out: they may hold a URL."""

from __future__ import annotations

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.port import AccountRefuses, CredentialsRefused, ObjectUnreadable

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NOT_LET_IN = frozenset({401, 403})
#: What Azure says where a SAS that may only create is used on a name that is taken.
_OVERWRITE = "UnauthorizedBlobOverwrite"
#: What Azure says of an account, whoever asks: it takes no more, or it or its subscription is
#: disabled. Other credentials change nothing.
_ACCOUNTS_OWN = frozenset({"InsufficientAccountPermissions", "AccountIsDisabled"})
_INSUFFICIENT_STORAGE = 507
#: What one blob can be like while others are well: in the archive tier, on its way out of it, or
#: under a key that its writer brought along.
_BLOBS_OWN = frozenset(
    {"BlobArchived", "BlobBeingRehydrated", "BlobUsesCustomerSpecifiedEncryption"}
)
_NETWORK = (ServiceRequestError, ServiceResponseError, IncompleteReadError)


def translated(doing: str, error: AzureError) -> TransientError | PermanentError:
    """Return what to raise where *error* met us *doing* something; Azure's code is the reason."""
    status, code = status_of(error), code_of(error)
    if isinstance(error, _NETWORK):
        return TransientError(f"{doing}: {_network_failure(error)}")
    if status is None:
        if isinstance(error, ClientAuthenticationError):
            return PermanentError(f"{doing}: no token was given", reason="AuthenticationFailed")
        return PermanentError(f"{doing}: {type(error).__name__}", reason="StoreRefused")
    said = f"status {status} {code}".rstrip()
    if status in _PASSING:
        return TransientError(f"{doing}: {said}", retry_after_s=_retry_after_s(error))
    if code in _ACCOUNTS_OWN or status == _INSUFFICIENT_STORAGE:
        why = "the account itself refuses: it is full, or it or its subscription is disabled"
        return AccountRefuses(f"{doing}: {said}: {why}")
    refused: type[PermanentError] = PermanentError
    if status in _NOT_LET_IN and code != _OVERWRITE:
        refused = CredentialsRefused
    elif code in _BLOBS_OWN:
        refused = ObjectUnreadable
    return refused(f"{doing}: {said}", reason=code or "StoreRefused")


def status_of(error: AzureError) -> int | None:
    """Return the HTTP status, or None where no answer came."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def code_of(error: AzureError) -> str:
    """Return Azure's word for what is wrong; an answer to HEAD has it in a header only."""
    said = _header(error, "x-ms-error-code") or getattr(error, "error_code", None)
    return str(getattr(said, "value", said or ""))


def _retry_after_s(error: AzureError) -> float | None:
    said = _header(error, "Retry-After")
    return float(said) if said.isdigit() else None


def _header(error: AzureError, name: str) -> str:
    response = getattr(error, "response", None)
    return str(response.headers.get(name) or "") if response is not None else ""


def _network_failure(error: AzureError) -> str:
    inner = error.inner_exception
    return type(inner if inner is not None else error).__name__
