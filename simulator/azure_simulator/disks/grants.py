"""Who may read an exported disk, or write one made for upload: by SAS URLs, until they end.

Implements `backing.Exports`. SAS keep wall time, whatever the simulator's speed.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from azure_simulator.disks.contents import Contents
from azure_simulator.disks.footer import is_footer
from azure_simulator.storage.wire import StorageError, authentication_failed

#: The version that Azure signs a managed disk's SAS with.
SAS_VERSION = "2018-03-28"


@dataclass(frozen=True, slots=True)
class Grant:
    """One SAS: *policy* is the stored access policy (``si``) that makes it revocable."""

    arm_id: str
    access: Literal["Read", "Write"]
    host: str
    path: str
    policy: str
    signature: str
    expires_at: float

    @property
    def url(self) -> str:
        """The whole SAS URL."""
        signature = quote(self.signature, safe="")
        return (
            f"https://{self.host}{self.path}?sv={SAS_VERSION}&sr=b&si={self.policy}&sig={signature}"
        )


class ExportGrants:
    """Every SAS that is good."""

    def __init__(self, contents: Contents, now: Callable[[], float] = time.time) -> None:
        self._contents = contents
        self._now = now
        self._by_id: dict[str, Grant] = {}
        self._by_place: dict[tuple[str, str], Grant] = {}

    async def grant(
        self, arm_id: str, access: Literal["Read", "Write"], duration_s: int, host: str
    ) -> str:
        """Return a SAS URL on *host*; while one is good, that one again."""
        content = self._contents.get(arm_id)
        existing = self._by_id.get(arm_id.lower())
        if existing is not None and self._is_good(existing):
            return existing.url
        await self.revoke(arm_id)
        grant = Grant(
            arm_id=content.arm_id,
            access=access,
            host=host.lower(),
            path=f"/{secrets.token_hex(6)}/abcd",
            policy=str(uuid.uuid4()),
            signature=base64.b64encode(secrets.token_bytes(32)).decode(),
            expires_at=self._now() + duration_s,
        )
        self._by_id[arm_id.lower()] = self._by_place[grant.host, grant.path] = grant
        return grant.url

    async def revoke(self, arm_id: str) -> None:
        """Make the URL given out for *arm_id* useless at once; without one, nothing happens."""
        grant = self._by_id.pop(arm_id.lower(), None)
        if grant is not None:
            del self._by_place[grant.host, grant.path]

    def granted(self, arm_id: str) -> bool:
        """Tell whether a URL of *arm_id* is good."""
        grant = self._by_id.get(arm_id.lower())
        return grant is not None and self._is_good(grant)

    def uploaded(self, arm_id: str) -> bool:
        """Tell whether what was put behind the disk's bytes is the footer of a VHD of its size."""
        content = self._contents.get(arm_id)
        return is_footer(content.footer, content.size_bytes)

    def authorize(self, host: str, path: str, query: Mapping[str, str]) -> Grant:
        """Return the grant that this request proves; raise Azure's refusal otherwise."""
        if "sig" not in query:
            raise StorageError(
                401,
                "NoAuthenticationInformation",
                "Server failed to authenticate the request. "
                "Please refer to the information in the www-authenticate header.",
            )
        grant = self._by_place.get((host, path))
        if grant is None or query.get("si") != grant.policy:
            raise authentication_failed("The signed identifier of the SAS cannot be found.")
        signed = (query.get("sv"), query.get("sr")) == (SAS_VERSION, "b")
        if not signed or not hmac.compare_digest(query["sig"].encode(), grant.signature.encode()):
            raise authentication_failed("Signature did not match.")
        if not self._is_good(grant):
            raise authentication_failed("Signature not valid in the specified time frame.")
        return grant

    def _is_good(self, grant: Grant) -> bool:
        return self._now() < grant.expires_at
