"""Connections of the SDK's synchronous clients, which send no password but the client's own."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.transport import RequestsTransport

#: Of each host: as many as threads ask at once. What is above a pool's size is closed behind its
#: answer, and the next request shakes hands anew; requests' own size is 10.
KEPT = 64
_HOSTS = 10


def connections(**options: Any) -> RequestsTransport:
    """Return a pool of connections with the SDK's *options*; proxies are the environment's.

    Below the SDK, requests looks ~/.netrc up for every request, and what it finds there, a default
    entry too, takes the place of the token. It does not look where a session has its own way.
    """
    made = RequestsTransport(**options)
    made.open()
    for adapter in made.session.adapters.values():
        adapter.init_poolmanager(_HOSTS, KEPT)
    made.session.auth = _as_it_is
    return made


def _as_it_is(request: Any) -> Any:
    """Return *request*, which the SDK authorised."""
    return request
