"""Every exchange with Resource Manager, kept, to be held against the OpenAPI files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from typing_extensions import override

from azure_simulator.service import Service
from tests.contract.arm.specs import Operation, Specs

#: What real Azure answers beyond its contract, seen in recorded traffic: properties by a part of
#: the path.
BEYOND_CONTRACT = {
    "/privateDnsZoneGroups": frozenset({"id", "etag", "type", "provisioningState"}),
    "/privateEndpoints": frozenset({"resourceGuid"}),
}

#: What real Azure leaves out though its contract for subscriptions asks for it: a last page's link.
_LEFT_OUT = '"nextLink" is a required property'

_UNEXPECTED = re.compile(r"\((.*) (?:was|were) unexpected\)")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    request: Any
    status: int
    answer: Any

    @override
    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.status}"


@dataclass
class Recorder:
    """Stands before a service and keeps what goes through."""

    service: Service
    exchanges: list[Exchange] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        sent = await request.read()
        response = await self.service.answer(request, caller, host)
        assert isinstance(response, web.Response)
        answered = response.body if isinstance(response.body, bytes) else b""
        self.exchanges.append(
            Exchange(
                request.method,
                unquote(request.raw_path.partition("?")[0]),
                json.loads(sent) if sent else None,
                response.status,
                json.loads(answered) if answered else None,
            )
        )
        return response


def findings(specs: Specs, exchanges: list[Exchange]) -> Iterator[str]:
    """Yield what of *exchanges* is against the files."""
    for exchange in exchanges:
        operation = specs.find(exchange.method, exchange.path)
        if operation is not None:
            yield from _of(specs, exchange, operation)


def unknown(specs: Specs, exchanges: list[Exchange]) -> set[str]:
    """Return the requests that no file has an operation for."""
    return {f"{e.method} {e.path}" for e in exchanges if specs.find(e.method, e.path) is None}


def _of(specs: Specs, exchange: Exchange, operation: Operation) -> Iterator[str]:
    if operation.request is not None and exchange.request is not None:
        for problem in specs.problems("request", operation.request, exchange.request):
            yield f"{exchange} sent {problem}"
    if exchange.status >= 300:
        return
    if str(exchange.status) not in operation.responses:
        yield f"{exchange}: the status is not declared"
        return
    schema = operation.responses[str(exchange.status)]
    if schema is None or exchange.answer is None:
        return
    for problem in specs.problems("response", schema, exchange.answer):
        if not _is_beyond_contract(exchange.path, problem):
            yield f"{exchange} answered {problem}"


def _is_beyond_contract(path: str, problem: str) -> bool:
    if problem.endswith(_LEFT_OUT):
        return True
    match = _UNEXPECTED.search(problem)
    names = set(re.findall(r"'(\w+)'", match[1])) if match else set()
    known = [names <= allowed for part, allowed in BEYOND_CONTRACT.items() if part in path]
    return bool(names) and any(known)
