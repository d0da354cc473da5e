"""Who we are to Azure: a workload's federated token, or the environment's client and secret.

Asynchronous for Resource Manager and queues, synchronous for repositories, which are read in
threads. The connections are ours: a private CA and passwords of ~/.netrc are each of the SDK's two
HTTP libraries' own business otherwise.
"""

from __future__ import annotations

import os
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import EnvironmentCredential, WorkloadIdentityCredential
from azure.identity.aio import EnvironmentCredential as AsyncEnvironmentCredential
from azure.identity.aio import WorkloadIdentityCredential as AsyncWorkloadIdentityCredential

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.connections import connections
from vmbackup_operator.services.connections import session
from vmbackup_operator.services.proxies import proxies_for

_SECRET = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_FEDERATED = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")

_AUTHORITY = "login.microsoftonline.com"


def _has(names: tuple[str, ...]) -> bool:
    return all(os.environ.get(name) for name in names)


def ca_file() -> str | None:
    """Return the file of CAs that the environment names, or None for the SDK's own list."""
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or None


def _missing() -> PermanentError:
    return PermanentError(
        "no Azure identity: set AZURE_TENANT_ID and AZURE_CLIENT_ID, and either"
        " AZURE_FEDERATED_TOKEN_FILE (workload identity) or AZURE_CLIENT_SECRET",
        reason="NoIdentity",
    )


def _connections() -> dict[str, Any]:
    host = os.environ.get("AZURE_AUTHORITY_HOST", _AUTHORITY).removeprefix("https://")
    return {
        "transport": AioHttpTransport(session=session()),
        "proxies": proxies_for(f"https://{host}"),
    }


def asynchronous_credential() -> AsyncTokenCredential:
    """Return the credential that the environment describes; a loop must be running."""
    if _has(_FEDERATED):
        return AsyncWorkloadIdentityCredential(**_connections())
    if _has(_SECRET):
        return AsyncEnvironmentCredential(**_connections())
    raise _missing()


def synchronous_credential() -> TokenCredential:
    """Return the same identity for use in threads."""
    if _has(_FEDERATED):
        return WorkloadIdentityCredential(
            transport=connections(connection_verify=ca_file() or True)
        )
    if _has(_SECRET):
        return EnvironmentCredential(transport=connections(connection_verify=ca_file() or True))
    raise _missing()
