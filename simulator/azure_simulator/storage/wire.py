"""What every storage host's answers have in common: error bodies, request ids, dates, versions."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST_CLIENT_ID = 1024  # Azure drops longer ones


@dataclass(eq=False)  # exceptions are told apart by identity and get a traceback assigned
class StorageError(Exception):
    """A refusal as Azure's storage services word it; *details* are further elements of the body."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def authentication_failed(detail: str) -> StorageError:
    """Return the answer to a signature that does not hold."""
    return StorageError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header "
        "is formed correctly including the signature.",
        {"AuthenticationErrorDetail": detail},
    )


def invalid_query(name: str, value: str, reason: str) -> StorageError:
    """Return the answer to a query parameter that has no such value."""
    return StorageError(
        400,
        "InvalidQueryParameterValue",
        "Value for one of the query parameters specified in the request URI is invalid.",
        {"QueryParameterName": name, "QueryParameterValue": value, "Reason": reason},
    )


def invalid_header(name: str, value: str) -> StorageError:
    """Return the answer to a header that has no such value."""
    return StorageError(
        400,
        "InvalidHeaderValue",
        "The value for one of the HTTP headers is not in the correct format.",
        {"HeaderName": name, "HeaderValue": value},
    )


def missing_header(name: str) -> StorageError:
    """Return the answer where a header is owed."""
    return StorageError(
        400,
        "MissingRequiredHeader",
        "An HTTP header that's mandatory for this request is not specified.",
        {"HeaderName": name},
    )


def not_simulated(what: str) -> StorageError:
    """Return the answer where pretending would be the alternative."""
    return StorageError(501, "NotImplemented", f"{what} is not simulated.")


def checked_version(version: str, newest: str) -> str:
    """Return *version*; raise where it is no service version or newer than *newest*."""
    if not _VERSION.fullmatch(version) or version > newest:
        raise invalid_header("x-ms-version", version)
    return version


def common_headers(request: web.BaseRequest, server: str) -> dict[str, str]:
    """Return the headers that every answer to *request* carries."""
    headers = {
        "Server": server,
        "Date": formatdate(usegmt=True),
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-version": request.headers.get("x-ms-version", "2018-03-28"),
    }
    client_id = request.headers.get("x-ms-client-request-id", "")
    if client_id and len(client_id) <= _LONGEST_CLIENT_ID:
        headers["x-ms-client-request-id"] = client_id
    return headers


def error_response(error: StorageError, headers: Mapping[str, str], *, head: bool) -> web.Response:
    """Return *error* as Azure sends it; an answer to HEAD has no body."""
    at = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{error.message}\nRequestId:{headers['x-ms-request-id']}\nTime:{at}"
    details = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in error.details.items())
    body = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{error.code}</Code><Message>{escape(message)}</Message>{details}</Error>"
    )
    return web.Response(
        status=error.status,
        headers={**headers, **error.headers, "x-ms-error-code": error.code},
        body=None if head else body.encode(),
        content_type="application/xml",
    )


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values of *query*, decoded; a plus sign stays one, as in signatures."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def without_signature(request: web.BaseRequest) -> str:
    """Return the query as it came, but for the value of ``sig``."""
    return re.sub(r"(?i)(^|&)sig=[^&]*", r"\1sig=REDACTED", raw_query(request))


def raw_query(request: web.BaseRequest) -> str:
    """Return the query as it came, still encoded."""
    return request.raw_path.partition("?")[2]


def raw_path(request: web.BaseRequest) -> str:
    """Return the path as it came, still encoded."""
    return request.raw_path.partition("?")[0]


def hung_up(request: web.BaseRequest) -> bool:
    """Tell whether whoever sent *request* has closed the connection."""
    return request.transport is None or request.transport.is_closing()
