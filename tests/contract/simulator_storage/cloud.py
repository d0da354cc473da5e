"""Accounts, exports and identities of a small cloud, as the storage contract's tests use them."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import urllib3
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError

from azure_simulator.disks.contents import Contents
from azure_simulator.disks.grants import ExportGrants
from azure_simulator.identities.directory import Identities
from azure_simulator.identities.roles import BUILT_IN_ROLES
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.resources import Resource, Resources
from azure_simulator.storage.accounts import AzuriteAccounts

Result = TypeVar("Result")

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "/subscriptions/22222222-2222-2222-2222-222222222222"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg"
ACCOUNT = "vmbackuptest"
ACCOUNT_ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
KEYLESS = "keylesstest"
KEYLESS_ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{KEYLESS}"
#: Made for version-level immutability; its own keys are taken.
WORM = "wormtest"
WORM_ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{WORM}"
API_VERSION = "2026-06-06"


def reason_of(error: HttpResponseError) -> str:
    """Return Azure's error code, which the SDKs keep where no type says so."""
    return headers_of(error).get("x-ms-error-code", "")


def headers_of(error: HttpResponseError) -> Mapping[str, str]:
    """Return the headers of a refusal."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return headers


@dataclass(frozen=True)
class Principal:
    """Somebody with an object id, as an Azure credential of both kinds, sync and async."""

    identities: Identities
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    audience: str = "https://storage.azure.com"
    lifetime_s: int = 3600

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        token = self.identities.issuer.issue(
            self.object_id, self.object_id, self.audience, self.lifetime_s
        )
        return AccessToken(token, 2**31)


@dataclass(frozen=True)
class AsyncPrincipal:
    """The same for the asynchronous SDK."""

    principal: Principal

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return self.principal.get_token(*scopes, **options)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        pass


@dataclass
class Cloud:
    """The parts, running in a thread of their own, and the way to them."""

    loop: asyncio.AbstractEventLoop
    resources: Resources
    identities: Identities
    journal: Journal
    interventions: Interventions
    contents: Contents
    grants: ExportGrants
    accounts: AzuriteAccounts
    keys: dict[str, str]
    proxy: str = ""
    ca: str = ""
    #: By how much the time by which signatures are judged is ahead of ours.
    ahead: timedelta = timedelta()
    #: How much later it is for blobs on their way out of the Archive tier.
    waited_s: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        """Return the time by which blobs come back from the Archive tier."""
        return time.monotonic() + self.waited_s

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of every SDK client."""
        return {
            "api_version": API_VERSION,
            "proxies": {"https": self.proxy},
            "connection_verify": self.ca,
            "retry_total": 0,
        }

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request without the SDK and return its answer, read."""
        trust = context or ssl.create_default_context(cafile=self.ca)
        with urllib3.ProxyManager(self.proxy, ssl_context=trust, retries=False) as pool:
            return pool.request(method, url, headers=headers, body=body)

    def principal(self, *assignments: tuple[str, str], **options: Any) -> Principal:
        """Return somebody with the named built-in roles at the scopes given with them."""
        somebody = Principal(self.identities, **options)
        guids = {role.name: role.guid for role in BUILT_IN_ROLES}
        for role, scope in assignments:
            assignment = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
            definition = (
                f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guids[role]}"
            )
            properties = {"principalId": somebody.object_id, "roleDefinitionId": definition}
            self.resources.put(Resource(assignment, {"properties": properties}))
        return somebody

    def entries(self, **columns: Any) -> list[dict[str, Any]]:
        """Return the journal's entries with such columns."""
        return [
            entry
            for entry in self.journal.since(0)
            if all(entry.get(name, entry["detail"].get(name)) == v for name, v in columns.items())
        ]


def with_data_actions(cloud: Cloud, *actions: str) -> Principal:
    """Return somebody whose role has nothing but these data actions on blobs of the account."""
    somebody = Principal(cloud.identities)
    kind = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    definition = f"{kind}/{uuid.uuid4()}"
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    permission = {"dataActions": [f"{blobs}/{action}" for action in actions]}
    cloud.resources.put(Resource(definition, {"properties": {"permissions": [permission]}}))
    properties = {"principalId": somebody.object_id, "roleDefinitionId": definition}
    assignment = f"{ACCOUNT_ID}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    cloud.resources.put(Resource(assignment, {"properties": properties}))
    return somebody
