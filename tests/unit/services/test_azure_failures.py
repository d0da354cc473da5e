"""Which kind of refusal Azure's answers are, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from http import HTTPStatus

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import HttpRequest, HttpResponse
from typing_extensions import override

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import (
    LostAttempt,
    PermanentError,
    RefusedForNow,
    TransientError,
    VmbackupError,
)
from vmbackup_operator.services.failures import refusal as refusal_of
from vmbackup_operator.services.failures import translated
from vmbackup_operator.services.refusals import Kind, Refusal, Refusals

MANAGEMENT = "management.azure.com"


class Answer(HttpResponse):
    """What a server said."""

    def __init__(
        self,
        status: int,
        body: str,
        headers: MutableMapping[str, str],
        asked: str = f"GET https://{MANAGEMENT}/x?sig=secret",
    ) -> None:
        method, url = asked.split(" ")
        super().__init__(HttpRequest(method, url), None)
        self.status_code = status
        self.reason = HTTPStatus(status).phrase
        self.headers = headers
        self.content_type = headers.get("Content-Type", "application/json")
        self._body = body.encode()

    @override
    def body(self) -> bytes:
        return self._body


def refusal(status: int, body: object = "", **headers: str) -> HttpResponseError:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponseError(response=Answer(status, text, named))


def envelope(code: str, message: str = "said") -> dict[str, object]:
    return {"error": {"code": code, "message": message}}


BARE = {"code": "OperationNotAllowed", "message": "too many requests", "details": []}


def to(method: str, error: HttpResponseError, host: str = MANAGEMENT) -> HttpResponseError:
    """Return *error* as the answer to another request."""
    answer = error.response
    assert isinstance(answer, Answer)
    text = answer.body().decode()
    return HttpResponseError(
        response=Answer(answer.status_code, text, answer.headers, f"{method} https://{host}/x")
    )


def ended(code: str, message: str = "said") -> HttpResponseError:
    """Return what an operation says that ended as failed."""
    return refusal(200, {"status": "Failed", **envelope(code, message)})


QUEUE = "home.queue.core.windows.net"
QUOTA = "Operation could not be completed as it results in exceeding approved cores Quota"

#: All that Azure is known to answer, by the kind of refusal that it is.
KINDS: dict[Kind, dict[str, AzureError]] = {
    "passing": {
        "concurrency": refusal(429, envelope("RetryableError")),
        "concurrency, in words": refusal(429, envelope("RetryableErrorDueToAnotherOperation")),
        "quota of requests": refusal(429, envelope("TooManyRequests"), Retry_After="12"),
        "quota of requests, without an envelope": refusal(429, BARE, Retry_After="1200"),
        "a page of HTML": refusal(503, "<html>sorry</html>", Content_Type="text/html"),
        "HTML where an answer should be": refusal(200, "<html/>", Content_Type="text/html"),
        "a gateway's time-out": refusal(504, envelope("GatewayTimeout")),
        "a bad gateway": refusal(502, ""),
        "an error inside": refusal(500, envelope("InternalServerError")),
        "no service": refusal(503, envelope("ServiceUnavailable")),
        "a busy storage server": refusal(503, envelope("ServerBusy")),
        "a request that took too long": refusal(408, envelope("RequestTimeout")),
        "a stale precondition": refusal(412, envelope("PreconditionFailed")),
        "an operation that was preempted": ended("OperationPreempted"),
        "an operation that met an error inside": ended("InternalExecutionError"),
        "no connection": ServiceRequestError("cannot connect"),
        "a connection that broke": ServiceResponseError("reset"),
    },
    "for a while": {
        "a role that spreads": to("PUT", refusal(403, envelope("AuthorizationFailed"))),
        "a role that spreads, for a look": refusal(403, envelope("AuthorizationFailed")),
        "a role at what is referred to": to(
            "PUT", refusal(403, envelope("LinkedAuthorizationFailed"))
        ),
        "a data role that spreads": refusal(403, envelope("AuthorizationPermissionMismatch")),
        "a token that is not taken": refusal(401, envelope("InvalidAuthenticationToken")),
        "no token": ClientAuthenticationError("AADSTS70021: no matching federated identity"),
        "used by another operation": to("PUT", refusal(409, envelope("OperationNotAllowed"))),
        "another operation": to("PUT", refusal(409, envelope("AnotherOperationInProgress"))),
        "a conflict without a code": to("PUT", refusal(409, "")),
        "an account that is being made": refusal(409, envelope("StorageAccountIsNotProvisioned")),
        "a group that is being deleted": to(
            "PUT", refusal(409, envelope("ResourceGroupBeingDeleted"))
        ),
        "a disk that is being detached": to(
            "PUT", refusal(409, envelope("AttachDiskWhileBeingDetached"))
        ),
        "a zone that has links": to("DELETE", refusal(409, envelope("CannotDeleteResource"))),
        "a queue that is being deleted": to(
            "PUT", refusal(409, envelope("QueueBeingDeleted")), QUEUE
        ),
        "a disk access that is being made": to("PUT", refusal(400, envelope("Conflict"))),
        "an identity that is too new": to("PUT", refusal(400, envelope("PrincipalNotFound"))),
        "what is referred to is too new": to(
            "PUT", refusal(400, envelope("InvalidResourceReference"))
        ),
        "a snapshot that was just made": to("PATCH", refusal(404, envelope("NotFound"))),
        "a group that was just made": to("PUT", refusal(404, envelope("ResourceGroupNotFound"))),
        "a queue that was just made": to("POST", refusal(404, envelope("QueueNotFound")), QUEUE),
        "such a queue, read": to("GET", refusal(404, envelope("QueueNotFound")), QUEUE),
    },
    "lost attempt": {
        "an operation that failed": ended("DiskReadFailed"),
        "one that was cancelled": ended("OperationCanceled"),
        "no room": ended("AllocationFailed"),
        "no room in the zone": ended("ZonalAllocationFailed"),
        "no such size here": to("PUT", refusal(409, envelope("SkuNotAvailable"))),
        "no cores left": to("PUT", refusal(409, envelope("OperationNotAllowed", QUOTA))),
        "no address left": to("PUT", refusal(400, envelope("SubnetIsFull"))),
    },
    "final": {
        "missing": refusal(404, envelope("ResourceNotFound")),
        "no such subscription": to("PUT", refusal(404, envelope("SubscriptionNotFound"))),
        "a name that is taken": to("PUT", refusal(409, envelope("StorageAccountAlreadyTaken"))),
        "a blob that is there": to("PUT", refusal(409, envelope("BlobAlreadyExists"))),
        "an assignment that is there": to("PUT", refusal(409, envelope("RoleAssignmentExists"))),
        "closed to the public": to("POST", refusal(409, envelope("PublicNetworkAccessDisabled"))),
        "rules that exclude each other": to("PUT", refusal(409, envelope("ConflictingUserInput"))),
        "a property that is fixed": to("PUT", refusal(409, envelope("PropertyChangeNotAllowed"))),
        "a wrong body": refusal(400, envelope("InvalidParameter")),
        "no code at all": refusal(400, "no"),
    },
}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param(kind, error, id=f"{kind}: {name}")
        for kind, errors in KINDS.items()
        for name, error in errors.items()
    ],
)
def test_a_refusal_is_of_the_kind_that_it_is(kind: Kind, error: AzureError) -> None:
    assert refusal_of(error).kind == kind


ERRORS: dict[Kind, type[VmbackupError]] = {
    "passing": TransientError,
    "for a while": RefusedForNow,
    "lost attempt": LostAttempt,
    "final": PermanentError,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_every_kind_is_an_error_of_its_own(kind: Kind) -> None:
    error = Refusals(TurnedClock()).error("reading x", Refusal(kind, "Reason", "said"))

    assert type(error) is ERRORS[kind]


REASONS = {
    "forbidden": (refusal(403, envelope("AuthorizationFailed")), "NotAuthorized"),
    "no token": (ClientAuthenticationError("bad secret"), "NotAuthorized"),
    "missing": (refusal(404, envelope("ResourceNotFound")), "NotFound"),
    "taken": (refusal(409, envelope("StorageAccountAlreadyTaken")), "StorageAccountAlreadyTaken"),
    "no code at all": (refusal(400, "no"), "AzureRefused"),
}


@pytest.mark.parametrize(("error", "reason"), REASONS.values(), ids=REASONS.keys())
def test_a_reason_is_azures_code_or_our_word_for_it(error: AzureError, reason: str) -> None:
    assert refusal_of(error).reason == reason


def failure(error: AzureError, what: str) -> Exception:
    return Refusals(TurnedClock()).error(what, refusal_of(error))


def test_the_time_that_azure_names_is_kept() -> None:
    failed = failure(refusal(429, BARE, Retry_After="1200"), "reading x")

    assert isinstance(failed, TransientError)
    assert failed.retry_after_s == 1200


def test_the_message_names_the_thing_and_what_azure_said() -> None:
    failed = failure(refusal(400, envelope("InvalidParameter", "not so")), "reading disk d")

    assert str(failed) == "reading disk d: InvalidParameter: not so"


def test_a_sas_in_azures_words_is_not_repeated() -> None:
    said = "cannot read https://a.blob.core.windows.net/c?sv=1&sig=abc%3D today"

    failed = failure(refusal(400, envelope("InvalidUri", said)), "reading x")

    assert "abc" not in str(failed)
    assert "a.blob.core.windows.net" in str(failed)


def test_what_is_raised_inside_comes_out_as_ours_with_its_cause() -> None:
    with pytest.raises(TransientError) as raised, translated("reading x"):
        raise ServiceRequestError("gone")

    assert isinstance(raised.value.__cause__, ServiceRequestError)
