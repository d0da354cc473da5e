"""Microsoft Graph: who is found by which filter, and who may look at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import RawTestServer

from azure_simulator.identities.directory import Identities
from azure_simulator.identities.graph import HOST, Graph
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.resources import Resources

TENANT = "99999999-0000-0000-0000-000000000000"
READER = ("aaaaaaaa-1111-4111-8111-111111111111", "aaaaaaaa-2222-4222-8222-222222222222")
OTHER = ("bbbbbbbb-1111-4111-8111-111111111111", "bbbbbbbb-2222-4222-8222-222222222222")
MACHINE = "cccccccc-2222-4222-8222-222222222222"
AUDIENCE = "https://graph.microsoft.com"

Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    identities = Identities(Resources(), TENANT)
    identities.add(*READER, "secret", "who looks")
    identities.add(*OTHER, "secret", "vmbackup operator")
    identities.add_managed(MACHINE, "web-01")
    identities.let_read_directory(READER[1])
    graph = Graph(identities, Journal(), Interventions())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await graph.answer(request, "internet", HOST)

    async with RawTestServer(answer) as server, ClientSession() as session:

        async def call(
            method: str,
            path: str,
            body: object = None,
            *,
            who: tuple[str, str] = READER,
            audience: str = AUDIENCE,
            query: str = "",
        ) -> tuple[int, Any]:
            token = identities.issuer.issue(*who, audience)
            async with session.request(
                method,
                server.make_url(f"/v1.0{path}"),
                params={"$filter": query} if query else None,
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            ) as response:
                return response.status, await response.json()

        yield call


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"servicePrincipalNames/any(c:c eq '{OTHER[0]}')", [OTHER[1]]),
        (f"servicePrincipalNames/any(c:c eq '{OTHER[1]}')", []),
        (f"appId eq '{READER[0].upper()}'", [READER[1]]),
        ("displayName eq 'VMBACKUP operator'", [OTHER[1]]),
        ("startswith(displayName,'web')", [MACHINE]),
        ("", [READER[1], OTHER[1], MACHINE]),
    ],
)
async def test_a_filter_finds_service_principals(send: Send, query: str, found: list[str]) -> None:
    status, body = await send("GET", "/servicePrincipals", query=query)

    assert status == 200
    assert [each["id"] for each in body["value"]] == found


async def test_objects_are_found_by_id_with_their_type(send: Send) -> None:
    asked = {"ids": [OTHER[1], MACHINE, TENANT], "types": ["user", "group", "servicePrincipal"]}
    _, body = await send("POST", "/directoryObjects/getByIds", asked)
    _, users = await send("POST", "/directoryObjects/getByIds", {**asked, "types": ["user"]})
    _, one = await send("GET", f"/servicePrincipals/{MACHINE}")

    kinds = {each["id"]: each["@odata.type"] for each in body["value"]}
    assert kinds == dict.fromkeys((OTHER[1], MACHINE), "#microsoft.graph.servicePrincipal")
    assert users["value"] == []
    assert one["servicePrincipalType"] == "ManagedIdentity"


async def test_there_are_no_users(send: Send) -> None:
    status, body = await send("GET", "/users", query="userPrincipalName eq 'a@b.example'")
    missing, error = await send("GET", f"/users/{OTHER[1]}")

    assert (status, body["value"]) == (200, [])
    assert (missing, error["error"]["code"]) == (404, "Request_ResourceNotFound")


async def test_who_was_given_no_right_in_the_directory_sees_nobody(send: Send) -> None:
    status, body = await send("GET", f"/servicePrincipals/{OTHER[1]}", who=OTHER)

    assert (status, body["error"]["code"]) == (403, "Authorization_RequestDenied")


async def test_a_token_for_another_service_is_refused(send: Send) -> None:
    status, body = await send("GET", "/users", audience="https://management.azure.com")

    assert (status, body["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "status"),
    [
        ("GET", "/servicePrincipals", None, "accountEnabled eq true", 400),
        ("POST", "/directoryObjects/getByIds", {}, "", 400),
        ("POST", "/directoryObjects/getByIds", {"ids": ["x"] * 1001}, "", 400),
        ("GET", "/applications", None, "", 501),
        ("POST", "/servicePrincipals", {"appId": "x"}, "", 501),
    ],
)
async def test_what_is_not_modelled_is_refused(
    send: Send, method: str, path: str, body: object, query: str, status: int
) -> None:
    answered, _ = await send(method, path, body, query=query)

    assert answered == status
