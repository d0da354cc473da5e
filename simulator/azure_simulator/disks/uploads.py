"""Pages put into a disk that was made for upload, the footer behind it among them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping

from azure_simulator.disks.contents import Content
from azure_simulator.disks.footer import FOOTER_BYTES
from azure_simulator.disks.ranges import Span
from azure_simulator.storage.wire import (
    StorageError,
    invalid_header,
    missing_header,
    not_simulated,
)

PAGE_BYTES = 512
#: Azure takes no more pages in one request.
MOST_BYTES = 4 * 1024 * 1024

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
#: Hosts of managed disks compare no hash of what is put.
_REFUSED = ("Content-MD5",)
_NOT_SIMULATED = (
    "x-ms-content-crc64",
    "x-ms-if-sequence-number-eq",
    "x-ms-if-sequence-number-le",
    "x-ms-if-sequence-number-lt",
    "x-ms-lease-id",
)


def pages_asked(headers: Mapping[str, str], size_bytes: int) -> Span:
    """Return the pages that a request writes; raise StorageError where Azure takes it not."""
    for name in _REFUSED:
        if name in headers:
            raise _unsupported(name)
    for name in _NOT_SIMULATED:
        if name in headers:
            raise not_simulated(name)
    action = headers.get("x-ms-page-write")
    if action is None:
        raise missing_header("x-ms-page-write")
    if action.lower() == "clear":
        raise not_simulated("clearing pages")
    if action.lower() != "update":
        raise invalid_header("x-ms-page-write", action)
    span = _span(headers, size_bytes)
    _check_length(headers, span)
    return span


async def put_pages(content: Content, span: Span, pages: bytes) -> None:
    """Write *pages* into the disk, and what lies behind its end into its footer."""
    async with content.lock:
        await asyncio.to_thread(_write, content, span.first, pages)


def _span(headers: Mapping[str, str], size_bytes: int) -> Span:
    text = headers.get("x-ms-range") or headers.get("Range")
    if text is None:
        raise missing_header("x-ms-range")
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise invalid_header("x-ms-range", text)
    first, last = int(match[1]), int(match[2])
    aligned = first % PAGE_BYTES == 0 and last % PAGE_BYTES == PAGE_BYTES - 1
    if not aligned or last < first or last >= size_bytes:
        raise StorageError(416, "InvalidPageRange", "The page range specified is invalid.")
    if last - first >= MOST_BYTES:
        raise StorageError(
            413,
            "RequestBodyTooLarge",
            "The request body is too large and exceeds the maximum permissible limit.",
            {"MaxLimit": str(MOST_BYTES)},
        )
    return Span(first, last)


def _check_length(headers: Mapping[str, str], span: Span) -> None:
    said = headers.get("Content-Length")
    if said is None:
        raise StorageError(
            411, "MissingContentLengthHeader", "The Content-Length header was not specified."
        )
    if said != str(span.length):
        raise invalid_header("Content-Length", said)


def _write(content: Content, offset: int, pages: bytes) -> None:
    of_disk = max(0, min(len(pages), content.size_bytes - offset))
    file = os.open(content.path, os.O_WRONLY)
    try:
        written = 0
        while written < of_disk:
            written += os.pwrite(file, memoryview(pages)[written:of_disk], offset + written)
        os.utime(file)
    finally:
        os.close(file)
    if of_disk < len(pages):
        content.footer = pages[-FOOTER_BYTES:]


def _unsupported(name: str) -> StorageError:
    return StorageError(
        400,
        "UnsupportedHeader",
        "One of the HTTP headers specified in the request is not supported.",
        {"HeaderName": name},
    )
