"""What an export host answers: bytes, properties, page ranges and differences, pages put.

Knows nothing of HTTP servers: `export_host` hands requests in and sends what comes out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from azure_simulator.disks.contents import Contents, NoContent
from azure_simulator.disks.exported import Exported, PageLists
from azure_simulator.disks.grants import ExportGrants, Grant
from azure_simulator.disks.pages import (
    MOST_RANGES,
    PageRange,
    offset_of,
    one_answer,
    page_list,
    within,
)
from azure_simulator.disks.ranges import Span, asked_span
from azure_simulator.disks.rates import Rates
from azure_simulator.disks.uploads import pages_asked, put_pages
from azure_simulator.storage.wire import (
    StorageError,
    checked_version,
    invalid_header,
    invalid_query,
    missing_header,
    not_simulated,
    query_pairs,
)

_NEWEST_VERSION = "2026-10-06"
_PAGED_SINCE = "2020-10-02"
_DIFFERENCES_SINCE = "2019-07-07"
_PREVIOUS = "x-ms-previous-snapshot-url"
_LONGEST_HASHED = 4 * 1024 * 1024  # Azure hashes no larger range
_NOT_SIMULATED = ("If-Modified-Since", "If-Unmodified-Since", "x-ms-range-get-content-crc64")


async def _no_body() -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as its answer depends on it; names in *query* are lower case.

    *read* returns its body.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    read: Callable[[], Awaitable[bytes]] = _no_body


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: *body*, or what *span* of *source* holds; *detail* goes into the journal."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    source: Exported | None = None
    span: Span | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        if self.source is None or self.span is None:
            yield self.body
            return
        async for piece in self.source.read(self.span.first, self.span.last):
            yield piece


class Answers:
    """Answers for every exported disk."""

    def __init__(self, contents: Contents, grants: ExportGrants, pages: PageLists) -> None:
        self._contents = contents
        self._grants = grants
        self._pages = pages
        self._rates = Rates()

    async def answer(self, asked: Asked) -> Answer:
        """Return what to send; raise StorageError for a refusal."""
        grant = self._grants.authorize(asked.host, asked.path, asked.query)
        exported = self._exported(grant)
        self._rates.count(exported.content.arm_id)
        version = _version(asked.headers)
        for name in _NOT_SIMULATED:
            if name in asked.headers:
                raise not_simulated(name)
        operation = (asked.method, asked.query.get("comp", ""))
        if operation == ("GET", "pagelist"):
            if _PREVIOUS in asked.headers and version < _DIFFERENCES_SINCE:
                raise invalid_header(_PREVIOUS, "")  # the value is a secret
            return await self._page_ranges(asked, exported, paged=version >= _PAGED_SINCE)
        if operation == ("PUT", "page") and exported.uploading:
            return await _put_page(asked, exported)
        return await _content(asked, exported)

    def _predecessor(self, host: str, path: str, query: Mapping[str, str]) -> Exported:
        grant = self._grants.authorize(host, path, query)
        if grant.access != "Read":
            raise _not_permitted()
        return self._exported(grant)

    def _exported(self, grant: Grant) -> Exported:
        try:
            return Exported(self._contents.get(grant.arm_id), uploading=grant.access == "Write")
        except NoContent as error:
            raise StorageError(404, "BlobNotFound", "The specified blob does not exist.") from error

    async def _page_ranges(self, asked: Asked, exported: Exported, *, paged: bool) -> Answer:
        if "prevsnapshot" in asked.query:
            reason = "The blob of a managed disk has no snapshots of that kind."
            raise invalid_query("prevsnapshot", asked.query["prevsnapshot"], reason)
        headers = _blob_headers(asked, exported)
        span = asked_span(asked.headers, exported.size_bytes)
        most, marker = _paging(asked.query, paged=paged)
        previous = asked.headers.get(_PREVIOUS)
        ranges = within(await self._ranges(exported, previous), span.first, span.last)
        chosen, following = one_answer(ranges, most, marker)
        body = page_list(chosen, following, paged=paged)
        return Answer(
            200,
            {
                **headers,
                "Content-Type": "application/xml",
                "Content-Length": str(len(body)),
                "x-ms-blob-content-length": str(exported.size_bytes),
            },
            body,
            detail={
                "operation": "GetPageRanges" if previous is None else "GetPageRangesDiff",
                "disk": exported.content.arm_id,
                "ranges": len(chosen),
                "complete": following is None,
            },
        )

    async def _ranges(self, exported: Exported, previous: str | None) -> Sequence[PageRange]:
        if previous is None:
            return await self._pages.allocated(exported)
        url = urlsplit(previous)
        if url.scheme != "https" or not url.hostname:
            raise invalid_header(_PREVIOUS, "")  # the value is a secret
        query = {name.lower(): value for name, value in query_pairs(url.query)}
        return await self._pages.changed(exported, self._predecessor(url.hostname, url.path, query))


def _version(headers: Mapping[str, str]) -> str:
    version = headers.get("x-ms-version")
    if version is None:
        raise missing_header("x-ms-version")
    return checked_version(version, _NEWEST_VERSION)


def _paging(query: Mapping[str, str], *, paged: bool) -> tuple[int, int]:
    """Return how many ranges at most, and the offset to go on from."""
    most, marker = query.get("maxresults"), query.get("marker", "")
    if not paged and (most or marker):
        raise invalid_query("maxresults", most or marker, f"Not before version {_PAGED_SINCE}.")
    if most is not None and not (most.isdecimal() and int(most) > 0):
        raise StorageError(
            400,
            "OutOfRangeQueryParameterValue",
            "One of the query parameters specified in the request URI is outside the permissible "
            "range.",
            {"QueryParameterName": "maxresults", "QueryParameterValue": most},
        )
    try:
        offset = offset_of(marker)
    except ValueError as error:
        raise invalid_query("marker", marker, "The marker is malformed.") from error
    return min(int(most or MOST_RANGES), MOST_RANGES), offset


async def _content(asked: Asked, exported: Exported) -> Answer:
    """Return the blob's properties, or bytes of it: these to nobody who writes them."""
    methods = {"HEAD"} if exported.uploading else {"GET", "HEAD"}
    if asked.method not in methods or {"comp", "restype"} & set(asked.query):
        raise _not_permitted()
    if {"snapshot", "versionid"} & set(asked.query):
        raise invalid_query("snapshot", "", "The blob of a managed disk has none.")
    if asked.method == "HEAD":
        return _properties(asked, exported)
    return await _bytes(asked, exported)


def _properties(asked: Asked, exported: Exported) -> Answer:
    return Answer(
        200,
        {**_blob_headers(asked, exported), "Content-Length": str(exported.size_bytes)},
        detail={
            "operation": "GetBlobProperties",
            "disk": exported.content.arm_id,
        },
    )


async def _bytes(asked: Asked, exported: Exported) -> Answer:
    headers = _blob_headers(asked, exported)
    span = asked_span(asked.headers, exported.size_bytes)
    headers["Content-Length"] = str(span.length)
    if not span.whole:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{exported.size_bytes}"
    if asked.headers.get("x-ms-range-get-content-md5", "").lower() == "true":
        headers["Content-MD5"] = await _md5(exported, span)
    return Answer(
        200 if span.whole else 206,
        headers,
        source=exported,
        span=span,
        detail={
            "operation": "GetBlob",
            "disk": exported.content.arm_id,
            "offset": span.first,
            "length": span.length,
        },
    )


async def _put_page(asked: Asked, exported: Exported) -> Answer:
    _blob_headers(asked, exported)  # the conditions hold before it is written
    span = pages_asked(asked.headers, exported.size_bytes)
    await put_pages(exported.content, span, await asked.read())
    headers = _blob_headers(replace(asked, headers={}), exported)
    return Answer(
        201,
        {
            "Content-Length": "0",
            "ETag": headers["ETag"],
            "Last-Modified": headers["Last-Modified"],
            "x-ms-blob-sequence-number": "0",
            "x-ms-request-server-encrypted": "true",
        },
        detail={
            "operation": "PutPage",
            "disk": exported.content.arm_id,
            "offset": span.first,
            "length": span.length,
        },
    )


async def _md5(exported: Exported, span: Span) -> str:
    if span.whole or span.length > _LONGEST_HASHED:
        raise invalid_header("x-ms-range-get-content-md5", "true")
    digest = hashlib.md5(usedforsecurity=False)
    async for piece in exported.read(span.first, span.last):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def _blob_headers(asked: Asked, exported: Exported) -> dict[str, str]:
    """Return what describes the blob; raise where the request's conditions do not hold."""
    etag = exported.etag
    wanted, unwanted = asked.headers.get("If-Match"), asked.headers.get("If-None-Match")
    if wanted not in (None, "*", etag):
        raise StorageError(
            412,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        )
    if unwanted in ("*", etag):
        raise StorageError(
            304,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        )
    return {
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "ETag": etag,
        "Last-Modified": exported.last_modified,
        "x-ms-blob-type": "PageBlob",
        "x-ms-blob-sequence-number": "0",
        "x-ms-server-encrypted": "true",
    }


def _not_permitted() -> StorageError:
    return StorageError(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )
