"""The way to the API server: one HTTP client, from in-cluster configuration or a kubeconfig.

Paths and JSON in, bytes out: the objects' types are ours, and decoding them is `objects`' business.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.failures import failure_of

#: A healthy API server answers what we ask within milliseconds.
REQUEST_TIMEOUT_S = 15.0

MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"
#: As kubectl asks: logs of pods are no JSON.
ACCEPTED = f"{JSON}, */*"


class Connection:
    """Sends requests to the API server; safe for any number at once."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        """Return the answer's body; raise what the API server refuses, or its silence."""
        what = f"{method} {path}"
        headers = {"Accept": ACCEPTED, "Content-Type": content_type}
        try:
            request = await self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*request, _request_timeout=REQUEST_TIMEOUT_S)
            data: bytes = await answer.read()  # type: ignore[no-untyped-call]  # bytes, says its code
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TransientError(f"{what}: {type(error).__name__}: {error}") from error
        if answer.status >= 300:  # noqa: PLR2004 - the API server redirects nobody
            raise failure_of(what, answer.status, answer.headers, data)
        return data


@asynccontextmanager
async def connected(
    kubeconfig: str | None = None, *, context: str | None = None, caller: str = "vmbackup-operator"
) -> AsyncIterator[Connection]:
    """Connect by *kubeconfig*, else by KUBECONFIG, else as the pod that we are.

    *context* is one of the kubeconfig's, None for the current one; *caller* is who the API server's
    audit log says to have asked.
    """
    configuration = Configuration()
    named = kubeconfig or os.environ.get("KUBECONFIG")
    try:
        if named:
            await load_kube_config(  # type: ignore[no-untyped-call]  # the client has no types here
                config_file=named, context=context, client_configuration=configuration
            )
        else:
            load_incluster_config(  # type: ignore[no-untyped-call]  # nor here
                client_configuration=configuration
            )
    except ConfigException as error:
        raise PermanentError(
            f"no way to the API server by {named or 'the pod it should run in'}: {error}",
            reason="WrongSettings",
        ) from error
    if named and _is_nobody(configuration):
        # The client goes on as nobody where the program that signs its user in has failed.
        raise PermanentError(
            f"{named}: its user has neither token nor certificate: try what its exec names by hand",
            reason="WrongSettings",
        )
    async with ApiClient(configuration) as client:
        client.user_agent = caller
        yield Connection(client)


def _is_nobody(configuration: Configuration) -> bool:
    """Tell whether nothing says who we are; an address without TLS is a proxy's, which does."""
    is_open = str(configuration.host).startswith("http://")
    return not (is_open or configuration.api_key or configuration.cert_file)
