"""What the gateway hands decrypted requests to: one `Service` behind each family of host names.

The gateway answers TLS, finds out who calls and which service owns the name, and calls `answer`. A
service records the request in the journal itself and lets `Interventions.around` have a say.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web


class Service(Protocol):
    """One of the things that answer behind Azure's names."""

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer *request*, which *caller* sent to *host* (lower case, without a port).

        *caller* is ``appliance``, ``internet`` or a VM's ARM id. Every HTTP answer, refusals
        included, is a response: nothing is raised but cancellation.
        """
