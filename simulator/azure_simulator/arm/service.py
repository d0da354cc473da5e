"""What answers for `management.azure.com`: who asks, may they, which handler, and the journal."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.api_versions import check_version
from azure_simulator.arm.errors import (
    ArmError,
    authorization_failed,
    group_not_found,
)
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.masking import masked, masked_query
from azure_simulator.arm.operations import HOST
from azure_simulator.arm.paths import Target, parse
from azure_simulator.arm.policies import Policies
from azure_simulator.arm.rate_headers import RateHeaders
from azure_simulator.identities.tokens import ARM_AUDIENCES, Flaw, Identity, TokenRefused
from azure_simulator.interventions import Call, CallerGone, Fault, Interventions
from azure_simulator.journal import Journal
from azure_simulator.resources import Body

_LOG = logging.getLogger(__name__)

#: What other resources lie below without lying in its region.
_WITHOUT_REGION = ("microsoft.resources/resourcegroups", "microsoft.resources/subscriptions")

_REFUSALS: Mapping[Flaw, tuple[str, str]] = {
    "missing": (
        "AuthenticationFailed",
        "Authentication failed. The 'Authorization' header is missing.",
    ),
    "malformed": ("InvalidAuthenticationToken", "The access token is invalid."),
    "signature": (
        "InvalidAuthenticationToken",
        "The access token is invalid: its signature does not verify.",
    ),
    "audience": (
        "InvalidAuthenticationTokenAudience",
        (
            "The access token has been obtained for wrong audience or resource. It should exactly "
            "match with one of the allowed audiences 'https://management.core.windows.net/',"
            "'https://management.azure.com'."
        ),
    ),
    "expired": (
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time is earlier than current UTC time.",
    ),
    "not yet": ("InvalidAuthenticationToken", "The access token is not yet valid."),
    "tenant": (
        "InvalidAuthenticationTokenTenant",
        (
            "The access token is from the wrong issuer. It must match the tenant associated with "
            "this subscription."
        ),
    ),
}


@dataclass(slots=True)
class _Noted:
    """What the journal is told beside the request line."""

    identity: str = ""
    request: Any = None
    detail: dict[str, Any] = field(default_factory=dict)


class ResourceManager:
    """Azure Resource Manager over a table of routes."""

    def __init__(
        self,
        cloud: Cloud,
        routes: Iterable[Route],
        journal: Journal,
        interventions: Interventions,
    ) -> None:
        self._cloud = cloud
        self._routes = {route.key: route for route in routes}
        self._namespaces = {kind.split("/")[0] for _, kind, _ in self._routes}
        self._kinds = {kind for _, kind, _ in self._routes}
        self._journal = journal
        self._interventions = interventions
        self._rates = RateHeaders()
        self.policies = Policies(cloud.resources)

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer one request; the gateway's entrance."""
        sent = await request.read()
        noted = _Noted()
        path, _, query = request.raw_path.partition("?")
        call = Call("arm", request.method, host, unquote(path), query, lambda: _gone(request))

        async def apply() -> web.Response:
            return await self._apply(request, sent, noted)

        try:
            response = await self._interventions.around(call, apply, Fault.response)
        except CallerGone:
            response = web.Response(status=499)
        self._journal.record(
            service="arm",
            caller=caller,
            method=request.method,
            host=host,
            path=unquote(path),
            query=masked_query(query),
            status=response.status,
            identity=noted.identity,
            received_bytes=len(sent),
            sent_bytes=len(response.body) if isinstance(response.body, bytes) else 0,
            request=noted.request,
            client_id=request.headers.get("x-ms-client-request-id", ""),
            **noted.detail,
        )
        return response

    async def _apply(self, request: web.BaseRequest, sent: bytes, noted: _Noted) -> web.Response:
        try:
            answer = await self._answer(request, sent, noted)
        except Exception as problem:  # noqa: BLE001 - a server answers whatever breaks in it
            error = _as_arm_error(problem)
            noted.detail["error"] = error.code
            answer = Answer(error.status, error.body(), error.headers)
            if error.gateway:
                answer = Answer(error.status, error.body(), {"x-ms-failure-cause": "gateway"})
        return self._response(request, answer)

    async def _answer(self, request: web.BaseRequest, sent: bytes, noted: _Noted) -> Answer:
        identity = self._authenticated(request)
        noted.identity = identity.object_id
        body = _json(sent)
        noted.request = masked(body) if sent else None
        path, _, query_string = request.raw_path.partition("?")
        query = {name.lower(): value for name, value in parse_qsl(query_string)}
        target = parse(unquote(path))
        noted.detail["apiVersion"] = query.get("api-version", "")
        if "api-version" not in query:
            message = (
                "The api-version query parameter (?api-version=) is required for all requests."
            )
            raise ArmError(400, "MissingApiVersionParameter", message, gateway=True)
        self._require_subscription(target)
        route = self._route(request.method, target)
        check_version(route.kind, query["api-version"], self._region(target, body))
        self._require_right(route, target, identity)
        self._require_group(route, target)
        existing = self._cloud.resources.find(target.path)
        body = self.policies.judged(
            request.method, target.kind, target.name, body, existing.body if existing else None
        )
        exchange = Exchange(
            cloud=self._cloud,
            method=request.method,
            target=target,
            url=HOST + request.raw_path,
            query=query,
            headers=request.headers,
            body=body,
            identity=identity,
            action=route.action,
        )
        return await route.handler(exchange)

    def _authenticated(self, request: web.BaseRequest) -> Identity:
        authorization = request.headers.get("Authorization")
        try:
            return self._cloud.identities.authenticate(authorization, ARM_AUDIENCES)
        except TokenRefused as refused:
            code, message = _REFUSALS[refused.flaw]
            challenge = (
                f'Bearer authorization_uri="https://login.microsoftonline.com/'
                f'{self._cloud.identities.tenant_id}", error="invalid_token", '
                f'error_description="{message}"'
            )
            headers = {"WWW-Authenticate": challenge, "x-ms-failure-cause": "gateway"}
            raise ArmError(401, code, message, headers=headers) from refused

    def _require_subscription(self, target: Target) -> None:
        if not target.subscription:
            return
        if self._cloud.resources.find(f"/subscriptions/{target.subscription}") is None:
            message = f"The subscription '{target.subscription}' could not be found."
            raise ArmError(404, "SubscriptionNotFound", message, gateway=True)

    def _route(self, method: str, target: Target) -> Route:
        kind = target.kind.lower()
        if target.is_item:
            key = (method, kind, "")
        elif method == "POST":
            key = (method, kind.rsplit("/", 1)[0], target.types[-1].lower())
        else:
            key = (method, kind, "*")
        route = self._routes.get(key)
        if route is None:
            raise self._no_route(method, target)
        return route

    def _no_route(self, method: str, target: Target) -> ArmError:
        namespace = target.namespace
        if namespace.lower() not in self._namespaces:
            message = f"The resource namespace '{namespace}' is invalid."
            return ArmError(404, "InvalidResourceNamespace", message, gateway=True)
        if target.kind.lower() not in self._kinds:
            short = "/".join(target.types)
            message = (
                f"The resource type '{short}' could not be found in the namespace '{namespace}' "
                "for the api version used."
            )
            return ArmError(404, "InvalidResourceType", message, gateway=True)
        message = f"The requested resource does not support http method '{method}'."
        return ArmError(405, "HttpMethodNotAllowed", message, gateway=True)

    def _region(self, target: Target, body: Body) -> str:
        """Return where the path's resource is, or its parent, or where the request puts it."""
        for arm_id in (target.path, target.parent_path):
            found = self._cloud.resources.find(arm_id)
            if found is not None and found.type not in _WITHOUT_REGION:
                return str(found.body.get("location", ""))
        return str(body.get("location", ""))

    def _require_right(self, route: Route, target: Target, identity: Identity) -> None:
        if route.right == "-":
            return
        scope = target.path if target.is_item else target.parent_path
        if route.method == "GET" and not target.is_item and target.kind.count("/") == 1:
            scope = target.scope or target.parent_path
        if not self._cloud.identities.allowed(identity.object_id, route.action, scope):
            raise authorization_failed(identity.client_id, identity.object_id, route.action, scope)

    def _require_group(self, route: Route, target: Target) -> None:
        if not target.group or target.kind.lower() == "microsoft.resources/resourcegroups":
            return
        group_id = f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"
        group = self._cloud.resources.find(group_id)
        if group is None:
            raise group_not_found(target.group)
        if route.method in ("PUT", "PATCH") and group.provisioning_state == "Deleting":
            message = (
                f"The resource group '{target.group}' is in deprovisioning state and cannot "
                "perform this operation."
            )
            raise ArmError(409, "ResourceGroupBeingDeleted", message, gateway=True)

    def _response(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        request_id = str(uuid.uuid4())
        correlation = request.headers.get("x-ms-correlation-request-id", request_id)
        headers = {
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Expires": "-1",
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": correlation,
            "x-ms-routing-request-id": f"SIMULATOR:{correlation}",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
            **self._rates.of(request.method, _target(request)),
            **answer.headers,
        }
        if answer.body is None or request.method == "HEAD":
            return web.Response(status=answer.status, headers=headers)
        text = json.dumps(answer.body)
        return web.Response(
            status=answer.status, headers=headers, text=text, content_type="application/json"
        )


def _as_arm_error(problem: Exception) -> ArmError:
    if isinstance(problem, ArmError):
        return problem
    _LOG.error("a handler broke", exc_info=problem)
    return ArmError(500, "InternalServerError", f"{type(problem).__name__}: {problem}")


def _json(sent: bytes) -> Body:
    if not sent.strip():
        return {}
    try:
        body = json.loads(sent)
    except ValueError as error:
        message = "The request content was invalid and could not be deserialized."
        raise ArmError(400, "InvalidRequestContent", message, gateway=True) from error
    if not isinstance(body, dict):
        message = "The request content is no JSON object."
        raise ArmError(400, "InvalidRequestContent", message, gateway=True)
    return body


def _target(request: web.BaseRequest) -> Target | None:
    path = unquote(request.raw_path.partition("?")[0])
    return parse(path) if "/providers/" in path else None


def _gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()
