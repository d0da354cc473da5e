"""An answer of a storage service, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp


@dataclass(frozen=True, slots=True)
class Reply:
    """Azurite's answer, its body unread, or *body*."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    upstream: aiohttp.ClientResponse | None = field(default=None, repr=False)
