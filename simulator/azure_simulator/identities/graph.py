"""Microsoft Graph, as far as role assignments need it: service principals by id and by name.

Who may read the directory is told in `Identities`; all others are refused, as applications without
a permission of Graph's are. The directory has neither users nor groups.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from azure_simulator.identities.directory import Identities, ServicePrincipal
from azure_simulator.identities.tokens import GRAPH_AUDIENCES, Identity, TokenRefused
from azure_simulator.interventions import Call, CallerGone, Fault, Interventions
from azure_simulator.journal import Journal

HOST = "graph.microsoft.com"

_METADATA = f"https://{HOST}/v1.0/$metadata"
_KIND = "#microsoft.graph.servicePrincipal"
_MOST_IDS = 1000

#: How a filter selects, by its form; Graph compares without case.
_FILTERS: tuple[tuple[re.Pattern[str], Callable[[ServicePrincipal, str], bool]], ...] = (
    (
        re.compile(r"servicePrincipalNames/any\((\w+):\1 eq '(?P<value>[^']*)'\)", re.IGNORECASE),
        lambda principal, value: principal.client_id.lower() == value,
    ),
    (
        re.compile(r"appId eq '(?P<value>[^']*)'", re.IGNORECASE),
        lambda principal, value: principal.client_id.lower() == value,
    ),
    (
        re.compile(r"displayName eq '(?P<value>[^']*)'", re.IGNORECASE),
        lambda principal, value: principal.display_name.lower() == value,
    ),
    (
        re.compile(r"startswith\(displayName,\s*'(?P<value>[^']*)'\)", re.IGNORECASE),
        lambda principal, value: principal.display_name.lower().startswith(value),
    ),
)


@dataclass(frozen=True)
class _Refusal(Exception):
    status: int
    code: str
    message: str

    def response(self) -> web.Response:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        request_id = str(uuid.uuid4())
        inner = {"date": stamp, "request-id": request_id, "client-request-id": request_id}
        error = {"code": self.code, "message": self.message, "innerError": inner}
        return web.json_response({"error": error}, status=self.status)


class Graph:
    """What answers for ``graph.microsoft.com``."""

    def __init__(
        self, identities: Identities, journal: Journal, interventions: Interventions
    ) -> None:
        self._identities = identities
        self._journal = journal
        self._interventions = interventions

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer one request; the gateway's entrance."""
        sent = await request.read()
        who: list[Identity] = []

        async def apply() -> web.Response:
            try:
                who.append(self._authenticated(request))
                return self._answer(request, sent)
            except _Refusal as refusal:
                return refusal.response()

        call = Call("graph", request.method, host, request.path, request.query_string)
        try:
            response = await self._interventions.around(call, apply, Fault.response)
        except CallerGone:
            response = web.Response(status=499)
        self._journal.record(
            service="graph",
            caller=caller,
            method=request.method,
            host=host,
            path=request.path,
            query=unquote(request.query_string),
            status=response.status,
            identity=who[0].object_id if who else "",
            received_bytes=len(sent),
            sent_bytes=len(response.body) if isinstance(response.body, bytes) else 0,
        )
        return response

    def _authenticated(self, request: web.BaseRequest) -> Identity:
        authorization = request.headers.get("Authorization")
        try:
            identity = self._identities.authenticate(authorization, GRAPH_AUDIENCES)
        except TokenRefused as refused:
            message = {
                "missing": "Access token is empty.",
                "expired": "Lifetime validation failed, the token is expired.",
                "audience": "Access token validation failure. Invalid audience.",
            }.get(refused.flaw, "Access token validation failure.")
            raise _Refusal(401, "InvalidAuthenticationToken", message) from refused
        if not self._identities.reads_directory(identity.object_id):
            message = "Insufficient privileges to complete the operation."
            raise _Refusal(403, "Authorization_RequestDenied", message)
        return identity

    def _answer(self, request: web.BaseRequest, sent: bytes) -> web.Response:
        match (request.method, request.path.strip("/").split("/")):
            case ("GET", ["v1.0", ("users" | "groups") as collection]):
                return _page(collection, [])
            case ("GET", ["v1.0", "servicePrincipals"]):
                return _page("servicePrincipals", self._selected(request.query))
            case ("GET", ["v1.0", "servicePrincipals" | "directoryObjects", object_id]):
                return self._one(object_id)
            case ("GET", ["v1.0", "users" | "groups", object_id]):
                raise _not_found(object_id)
            case ("POST", ["v1.0", "directoryObjects", "getByIds"]):
                return _page("directoryObjects", self._by_ids(sent))
            case _:
                message = f"This simulator's directory has no {request.method} {request.path}."
                raise _Refusal(501, "NotImplemented", message)

    def _selected(self, query: Mapping[str, str]) -> list[ServicePrincipal]:
        text = query.get("$filter", "")
        everybody = self._identities.everybody()
        if not text:
            return everybody
        for pattern, selects in _FILTERS:
            if match := pattern.fullmatch(text.strip()):
                return [each for each in everybody if selects(each, match["value"].lower())]
        raise _Refusal(400, "Request_UnsupportedQuery", f"Unsupported Query: {text}")

    def _one(self, object_id: str) -> web.Response:
        for principal in self._identities.everybody():
            if principal.object_id.lower() == object_id.lower():
                context = f"{_METADATA}#servicePrincipals/$entity"
                return web.json_response({"@odata.context": context, **_body(principal)})
        raise _not_found(object_id)

    def _by_ids(self, sent: bytes) -> list[ServicePrincipal]:
        asked = _asked_for(sent)
        if "servicePrincipal" not in asked.get("types", ["servicePrincipal"]):
            return []
        wanted = {str(each).lower() for each in asked["ids"]}
        return [p for p in self._identities.everybody() if p.object_id.lower() in wanted]


def _asked_for(sent: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(sent)
        ids = asked["ids"]
    except (ValueError, KeyError, TypeError) as error:
        raise _Refusal(400, "Request_BadRequest", "The body must have 'ids'.") from error
    if not isinstance(ids, list) or len(ids) > _MOST_IDS:
        message = f"The property 'ids' holds a list of at most {_MOST_IDS} ids."
        raise _Refusal(400, "Request_BadRequest", message)
    return dict(asked)


def _page(collection: str, principals: Iterable[ServicePrincipal]) -> web.Response:
    value = [{"@odata.type": _KIND, **_body(principal)} for principal in principals]
    return web.json_response({"@odata.context": f"{_METADATA}#{collection}", "value": value})


def _body(principal: ServicePrincipal) -> dict[str, Any]:
    return {
        "id": principal.object_id,
        "deletedDateTime": None,
        "accountEnabled": True,
        "alternativeNames": [],
        "appDisplayName": principal.display_name,
        "appId": principal.client_id,
        "displayName": principal.display_name,
        "servicePrincipalNames": [principal.client_id],
        "servicePrincipalType": principal.kind,
        "tags": [],
    }


def _not_found(object_id: str) -> _Refusal:
    message = (
        f"Resource '{object_id}' does not exist or one of its queried reference-property objects "
        "are not present."
    )
    return _Refusal(404, "Request_ResourceNotFound", message)
