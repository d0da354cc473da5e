"""The token endpoint: what answers for `login.microsoftonline.com` and its aliases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from azure_simulator.identities.directory import Identities, ServicePrincipal
from azure_simulator.identities.refusals import AUTHORITY, Refusal
from azure_simulator.identities.scopes import audience_of
from azure_simulator.identities.tokens import LIFETIME_S, TokenRefused, claims_of
from azure_simulator.interventions import Call, CallerGone, Fault, Interventions
from azure_simulator.journal import Journal

#: Names that the gateway hands to this service.
HOSTS = ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net")

_V2_TOKEN = ["oauth2", "v2.0", "token"]
_V1_TOKEN = ["oauth2", "token"]
_ANY_TENANT = ("common", "organizations")


class TokenEndpoint:
    """Discovery documents and client credentials, by secret or by a federated assertion."""

    def __init__(
        self, identities: Identities, journal: Journal, interventions: Interventions
    ) -> None:
        self._identities = identities
        self._journal = journal
        self._interventions = interventions

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer one request; the gateway's entrance."""
        sent = await request.read()
        form = dict(parse_qsl(sent.decode(errors="replace"))) if request.method == "POST" else {}

        async def apply() -> web.Response:
            try:
                return self._answer(request, form)
            except Refusal as refusal:
                return refusal.response()

        response = await self._held(request, host, apply)
        self._journal.record(
            service="token",
            caller=caller,
            method=request.method,
            host=host,
            path=request.path,
            query=request.query_string,
            status=response.status,
            identity=form.get("client_id", ""),
            received_bytes=len(sent),
            sent_bytes=len(response.body) if isinstance(response.body, bytes) else 0,
        )
        return response

    async def _held(
        self, request: web.BaseRequest, host: str, apply: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        call = Call("token", request.method, host, request.path, request.query_string)
        try:
            return await self._interventions.around(call, apply, Fault.response)
        except CallerGone:
            return web.Response(status=499)

    def _answer(self, request: web.BaseRequest, form: Mapping[str, str]) -> web.Response:
        parts = [part for part in request.path.split("/") if part]
        if request.method == "GET":
            return self._discovery(request, parts)
        if request.method == "POST" and parts[1:] in (_V1_TOKEN, _V2_TOKEN):
            self._know_tenant(parts[0])
            return self._token(form, v2=parts[1:] == _V2_TOKEN)
        return web.Response(status=404)

    def _discovery(self, request: web.BaseRequest, parts: list[str]) -> web.Response:
        if parts[1:] == ["discovery", "instance"]:
            return web.json_response(self._instance(request))
        if parts[1:3] in (["discovery", "v2.0"], ["discovery", "keys"]):
            return web.json_response(self._identities.issuer.key_set())
        if parts[-2:] == [".well-known", "openid-configuration"]:
            self._know_tenant(parts[0])
            return web.json_response(self._configuration(v2="v2.0" in parts))
        return web.Response(status=404)

    def _instance(self, request: web.BaseRequest) -> dict[str, Any]:
        tenant = self._identities.tenant_id
        endpoint = f"{AUTHORITY}/{tenant}/v2.0/.well-known/openid-configuration"
        asked = request.query.get("authorization_endpoint", "")
        if asked.startswith(AUTHORITY):
            endpoint = asked.split("/oauth2/")[0] + "/v2.0/.well-known/openid-configuration"
        metadata = {
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": list(HOSTS),
        }
        return {
            "tenant_discovery_endpoint": endpoint,
            "api-version": "1.1",
            "metadata": [metadata],
        }

    def _configuration(self, *, v2: bool) -> dict[str, Any]:
        tenant = self._identities.tenant_id
        base = f"{AUTHORITY}/{tenant}"
        middle = "oauth2/v2.0" if v2 else "oauth2"
        issuer = f"{base}/v2.0" if v2 else self._identities.issuer.issuer
        return {
            "token_endpoint": f"{base}/{middle}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer,
            "authorization_endpoint": f"{base}/{middle}/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "cloud_instance_name": "microsoftonline.com",
            "tenant_region_scope": "EU",
        }

    def _know_tenant(self, tenant: str) -> None:
        if tenant.lower() in (self._identities.tenant_id.lower(), *_ANY_TENANT):
            return
        message = (
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud."
        )
        raise Refusal(400, "invalid_request", 90002, message)

    def _token(self, form: Mapping[str, str], *, v2: bool) -> web.Response:
        if form.get("grant_type") != "client_credentials":
            message = f"The grant type '{form.get('grant_type', '')}' is not supported."
            raise Refusal(400, "unsupported_grant_type", 70003, message)
        principal = self._principal(form)
        audience = audience_of(form, self._identities.tenant_id, v2=v2)
        token = self._identities.issuer.issue(principal.client_id, principal.object_id, audience)
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "ext_expires_in": LIFETIME_S,
            "access_token": token,
        }
        return web.json_response(body)

    def _principal(self, form: Mapping[str, str]) -> ServicePrincipal:
        client_id = form.get("client_id", "")
        principal = self._identities.find(client_id)
        if principal is None:
            message = (
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{self._identities.tenant_id}'."
            )
            raise Refusal(400, "unauthorized_client", 700016, message)
        if "client_assertion" in form:
            self._accept_assertion(principal, form["client_assertion"])
        elif "client_secret" not in form:
            message = (
                "The request body must contain the following parameter: "
                "'client_assertion' or 'client_secret'."
            )
            raise Refusal(401, "invalid_client", 7000218, message)
        elif not self._identities.secret_matches(principal, form["client_secret"]):
            message = (
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                f"the client secret value, not the client secret ID, for app '{client_id}'."
            )
            raise Refusal(401, "invalid_client", 7000215, message)
        return principal

    def _accept_assertion(self, principal: ServicePrincipal, assertion: str) -> None:
        if self._identities.assertion_matches(principal, assertion):
            return
        try:
            claims = claims_of(assertion)
        except TokenRefused as error:
            raise Refusal(401, "invalid_client", 700027, "The assertion is malformed.") from error
        message = (
            "No matching federated identity record found for presented assertion issuer "
            f"'{claims.get('iss')}', subject '{claims.get('sub')}' and audience "
            f"'{claims.get('aud')}'."
        )
        raise Refusal(401, "invalid_client", 700213, message)
