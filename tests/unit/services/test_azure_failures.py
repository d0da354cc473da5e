"""Which of Azure's refusals pass by themselves, and what is said of them."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.core.pipeline.transport import HttpRequest, HttpResponse
from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.services.failures import failure, translated


class Answer(HttpResponse):
    """What a server said."""

    def __init__(self, status: int, body: str, headers: dict[str, str]) -> None:
        request = HttpRequest("GET", "https://management.azure.com/x?sig=secret")
        super().__init__(request, None)
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

PASSING = {
    "concurrency": refusal(429, envelope("RetryableError")),
    "quota, without an envelope": refusal(429, BARE, Retry_After="1200"),
    "another operation": refusal(409, envelope("AnotherOperationInProgress")),
    "an account that is still being made": refusal(409, envelope("StorageAccountIsNotProvisioned")),
    "a disk access that is still being made": refusal(400, envelope("Conflict")),
    "an identity that is too new": refusal(400, envelope("PrincipalNotFound")),
    "a page of HTML": refusal(503, "<html>sorry</html>", Content_Type="text/html"),
    "a gateway's time-out": refusal(504, envelope("GatewayTimeout")),
    "a stale precondition": refusal(412, envelope("PreconditionFailed")),
    "an operation that ended for want of room": refusal(200, envelope("AllocationFailed")),
    "no connection": ServiceRequestError("cannot connect"),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING.keys())
def test_what_passes_by_itself_is_transient(error: HttpResponseError) -> None:
    assert isinstance(failure(error, "reading x"), TransientError)


LASTING = {
    "forbidden": (refusal(403, envelope("AuthorizationFailed")), "NotAuthorized"),
    "no token": (ClientAuthenticationError("bad secret"), "NotAuthorized"),
    "missing": (refusal(404, envelope("ResourceNotFound")), "NotFound"),
    "taken": (refusal(409, envelope("StorageAccountAlreadyTaken")), "StorageAccountAlreadyTaken"),
    "a wrong body": (refusal(400, envelope("InvalidParameter")), "InvalidParameter"),
    "an operation that failed": (refusal(200, envelope("SkuNotAvailable")), "SkuNotAvailable"),
    "no code at all": (refusal(400, "no"), "AzureRefused"),
}


@pytest.mark.parametrize(("error", "reason"), LASTING.values(), ids=LASTING.keys())
def test_what_lasts_is_permanent_with_a_reason(error: HttpResponseError, reason: str) -> None:
    failed = failure(error, "reading x")

    assert isinstance(failed, PermanentError)
    assert failed.reason == reason


def test_the_time_that_azure_names_is_kept() -> None:
    failed = failure(refusal(429, BARE, Retry_After="1200"), "reading x")

    assert isinstance(failed, TransientError)
    assert failed.retry_after_s == 1200


def test_the_message_names_the_thing_and_what_azure_said() -> None:
    failed = failure(refusal(403, envelope("AuthorizationFailed", "not you")), "reading disk d")

    assert str(failed) == "reading disk d: AuthorizationFailed: not you"


def test_a_sas_in_azures_words_is_not_repeated() -> None:
    said = "cannot read https://a.blob.core.windows.net/c?sv=1&sig=abc%3D today"

    failed = failure(refusal(400, envelope("InvalidUri", said)), "reading x")

    assert "abc" not in str(failed)
    assert "a.blob.core.windows.net" in str(failed)


def test_what_is_raised_inside_comes_out_as_ours_with_its_cause() -> None:
    with pytest.raises(TransientError) as raised, translated("reading x"):
        raise ServiceRequestError("gone")

    assert isinstance(raised.value.__cause__, ServiceRequestError)
