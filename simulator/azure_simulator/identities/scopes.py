"""What a token is asked for: one resource of Azure's, written as a scope or as v1's `resource`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from azure_simulator.identities.refusals import Refusal
from azure_simulator.identities.tokens import ARM_AUDIENCES, GRAPH_AUDIENCES, STORAGE_AUDIENCES

_DEFAULT = "/.default"

#: Scopes that say something about the sign-in, not about a resource: Go's and Java's clients add
#: them to every request.
_OF_THE_SIGN_IN = frozenset({"openid", "offline_access", "profile", "email"})

_RESOURCES = frozenset({*ARM_AUDIENCES, *STORAGE_AUDIENCES, *GRAPH_AUDIENCES})
_ACCOUNT = re.compile(r"https://[a-z0-9]{3,24}\.(blob|queue)\.core\.windows\.net")


def audience_of(form: Mapping[str, str], tenant_id: str, *, v2: bool) -> str:
    """Return the audience that *form* asks for, spelt as it was asked for, or raise `Refusal`."""
    audience = _scoped(form) if v2 else _named(form)
    resource = audience.rstrip("/").lower()
    if resource in _RESOURCES or _ACCOUNT.fullmatch(resource):
        return audience
    message = (
        f"The resource principal named {audience} was not found in the tenant named {tenant_id}. "
        "This can happen if the application has not been installed by the administrator of the "
        "tenant or consented to by any user in the tenant. You might have sent your authentication "
        "request to the wrong tenant."
    )
    raise Refusal(400, "invalid_resource", 500011, message)


def _scoped(form: Mapping[str, str]) -> str:
    if "resource" in form:
        message = "The 'resource' request parameter is not supported."
        raise Refusal(400, "invalid_request", 901002, message)
    asked = form.get("scope", "")
    if not asked.split():
        raise _missing("scope")
    resources = list(dict.fromkeys(s for s in asked.split() if s not in _OF_THE_SIGN_IN))
    if len(resources) > 1:
        message = (
            "The provided request must include a 'scope' input parameter. The provided value for "
            f"the input parameter 'scope' is not valid. The scope {asked} is not valid."
        )
        raise Refusal(400, "invalid_scope", 70011, message)
    if not resources or not resources[0].endswith(_DEFAULT):
        message = (
            f"The provided value for scope {asked} is not valid. Client credential flows must have "
            "a scope value with /.default suffixed to the resource identifier (application ID URI)."
        )
        raise Refusal(400, "invalid_scope", 1002012, message)
    return resources[0].removesuffix(_DEFAULT)


def _named(form: Mapping[str, str]) -> str:
    if not form.get("resource"):
        raise _missing("resource")
    return form["resource"]


def _missing(field: str) -> Refusal:
    message = (
        f"The required field '{field}' is missing from the credential. Ensure that you have all "
        "the necessary parameters for the login request."
    )
    return Refusal(400, "invalid_request", 90014, message)
