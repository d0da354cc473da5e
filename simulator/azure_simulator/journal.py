"""Every request that any part of the simulator answered, in order, without its secrets."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Service = Literal["token", "graph", "arm", "blob", "queue", "export", "gateway", "machine"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and how it was answered.

    *caller* is ``appliance``, ``internet`` or a VM's ARM id. *query* is without ``sig``; *request*
    is the JSON body of an ARM request, protected parameters and secrets masked. *sent_bytes* is the
    answer's body. *client_id* is what the request said as its ``x-ms-client-request-id``: Azure's
    logs keep it too. *detail* is the service's own: a range, a Content-MD5, a refusal's reason.
    """

    sequence: int
    at: float
    service: Service
    caller: str
    method: str
    host: str
    path: str
    query: str
    status: int
    identity: str = ""
    received_bytes: int = 0
    sent_bytes: int = 0
    request: Any = None
    client_id: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Journal:
    """The entries so far; `record` numbers them from 1."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def record(  # noqa: PLR0913 - a journal line has these columns
        self,
        *,
        service: Service,
        caller: str,
        method: str,
        host: str,
        path: str,
        query: str,
        status: int,
        identity: str = "",
        received_bytes: int = 0,
        sent_bytes: int = 0,
        request: Any = None,
        client_id: str = "",
        **detail: Any,
    ) -> None:
        """Add one entry."""
        self._entries.append(
            Entry(
                sequence=len(self._entries) + 1,
                at=time.time(),
                service=service,
                caller=caller,
                method=method,
                host=host,
                path=path,
                query=query,
                status=status,
                identity=identity,
                received_bytes=received_bytes,
                sent_bytes=sent_bytes,
                request=request,
                client_id=client_id,
                detail=detail,
            )
        )

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Return the entries behind *sequence* as JSON objects."""
        return [asdict(entry) for entry in self._entries[sequence:]]
