"""What the API server refuses comes out as one of the operator's own failures."""

from __future__ import annotations

import json

import pytest

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere, failure_of
from vmbackup_operator.reconciling.outcome import Conflict

WHAT = "PUT /apis/vmbackup.dev/v1alpha1/namespaces/n/backupsessions/s/status"


def status(reason: str, **details: object) -> bytes:
    said = {"kind": "Status", "reason": reason, "message": f"it said {reason}", "details": details}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (404, status("NotFound", name="s"), NotThere),
        (404, b"404 page not found\n", TransientError),
        (409, status("AlreadyExists", name="s"), AlreadyThere),
        (409, status("Conflict", name="s"), Conflict),
        (401, status("Unauthorized"), TransientError),
        (410, status("Expired"), TransientError),
        (429, status("TooManyRequests"), TransientError),
        (500, status("InternalError"), TransientError),
        (503, b"<html>the load balancer's</html>", TransientError),
        (504, b"\xff\xfe", TransientError),
    ],
)
def test_a_refusal_is_of_its_kind(code: int, body: bytes, kind: type[Exception]) -> None:
    failure = failure_of(WHAT, code, {}, body)

    assert type(failure) is kind
    assert WHAT in str(failure)


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (403, status("Forbidden", name="s"), "NotAuthorized"),
        (
            403,
            status("Forbidden", causes=[{"reason": "NamespaceTerminating"}]),
            "NamespaceTerminating",
        ),
        (422, status("Invalid", name="s"), "RefusedByCluster"),
        (400, status("BadRequest"), "RefusedByCluster"),
    ],
)
def test_what_stays_refused_has_a_reason(code: int, body: bytes, reason: str) -> None:
    failure = failure_of(WHAT, code, {}, body)

    assert isinstance(failure, PermanentError)
    assert failure.reason == reason
    assert "it said" in str(failure)


@pytest.mark.parametrize(("said", "waited"), [("7", 7.0), ("", 1.0), ("Sun, 22 Nov 2026", 1.0)])
def test_the_time_that_the_api_server_names_is_kept(said: str, waited: float) -> None:
    failure = failure_of(WHAT, 429, {"Retry-After": said}, status("TooManyRequests"))

    assert isinstance(failure, TransientError)
    assert failure.retry_after_s == waited
