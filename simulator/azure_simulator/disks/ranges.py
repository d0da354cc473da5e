"""What part of an exported disk a request asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from azure_simulator.storage.wire import StorageError, invalid_header

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from *first* to *last*, both included; *whole* where no range was asked for."""

    first: int
    last: int
    whole: bool = False

    @property
    def length(self) -> int:
        """How many bytes they are."""
        return self.last - self.first + 1


def asked_span(headers: Mapping[str, str], size_bytes: int) -> Span:
    """Return what ``x-ms-range``, else ``Range``, asks for of *size_bytes*, cut at the end."""
    text = headers.get("x-ms-range") or headers.get("Range")
    if text is None:
        return Span(0, size_bytes - 1, whole=True)
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise invalid_header("x-ms-range", text)
    first = int(match[1])
    last = int(match[2]) if match[2] else size_bytes - 1
    if first >= size_bytes or last < first:
        raise StorageError(
            416,
            "InvalidRange",
            "The range specified is invalid for the current size of the resource.",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return Span(first, min(last, size_bytes - 1))
