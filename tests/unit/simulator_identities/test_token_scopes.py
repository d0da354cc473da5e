"""Which resource a token request names, and what Entra ID refuses to understand."""

from __future__ import annotations

import pytest

from azure_simulator.identities.refusals import Refusal
from azure_simulator.identities.scopes import audience_of

TENANT = "99999999-0000-0000-0000-000000000000"
ARM = "https://management.azure.com"


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        (f"{ARM}/.default", ARM),
        (f"{ARM}//.default", f"{ARM}/"),
        (f"{ARM}/.default openid offline_access profile", ARM),
        (f"openid  profile offline_access email {ARM}/.default", ARM),
        (f"{ARM}/.default {ARM}/.default", ARM),
        ("https://storage.azure.com/.default", "https://storage.azure.com"),
        ("https://graph.microsoft.com//.default openid", "https://graph.microsoft.com/"),
        ("https://acct.blob.core.windows.net/.default", "https://acct.blob.core.windows.net"),
    ],
)
def test_a_scope_names_one_resource_beside_those_of_the_sign_in(scope: str, audience: str) -> None:
    assert audience_of({"scope": scope}, TENANT, v2=True) == audience


@pytest.mark.parametrize(
    ("form", "error", "number"),
    [
        (
            {"scope": f"{ARM}/.default https://storage.azure.com/.default"},
            "invalid_scope",
            70011,
        ),
        ({"scope": f"{ARM}/.default {ARM}/user_impersonation"}, "invalid_scope", 70011),
        ({"scope": f"{ARM}/user_impersonation"}, "invalid_scope", 1002012),
        ({"scope": f"{ARM}/.default/more openid"}, "invalid_scope", 1002012),
        ({"scope": "openid offline_access"}, "invalid_scope", 1002012),
        ({"scope": "https://nobody.example/.default"}, "invalid_resource", 500011),
        ({"scope": " "}, "invalid_request", 90014),
        ({}, "invalid_request", 90014),
        ({"scope": f"{ARM}/.default", "resource": ARM}, "invalid_request", 901002),
    ],
    ids=[
        "two resources",
        "two scopes of one",
        "not the default",
        "more behind the default",
        "sign-in alone",
        "unknown resource",
        "empty",
        "missing",
        "v1's word",
    ],
)
def test_what_names_no_resource_or_two_is_refused(
    form: dict[str, str], error: str, number: int
) -> None:
    with pytest.raises(Refusal) as refused:
        audience_of(form, TENANT, v2=True)

    assert (refused.value.error, refused.value.number) == (error, number)


def test_the_first_endpoint_takes_a_resource_and_no_scope() -> None:
    assert audience_of({"resource": f"{ARM}/"}, TENANT, v2=False) == f"{ARM}/"
    with pytest.raises(Refusal) as refused:
        audience_of({"scope": f"{ARM}/.default"}, TENANT, v2=False)

    assert refused.value.number == 90014
