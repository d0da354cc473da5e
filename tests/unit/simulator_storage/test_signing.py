"""What the simulator expects to be signed is what the SDKs sign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from azure.storage.blob import (
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import generate_queue_sas

from azure_simulator.storage import signing

KEY = "c2VjcmV0"
START = datetime(2026, 11, 22, tzinfo=UTC)
COMMON: dict[str, Any] = {
    "permission": "r",
    "start": START,
    "expiry": START + timedelta(hours=1),
    "protocol": "https",
    "ip": "10.0.0.1-10.0.0.9",
}


def delegation_key(delegated_tenant: str = "") -> UserDelegationKey:
    key = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK left it untyped
    key.signed_oid, key.signed_tid = "object", "tenant"
    key.signed_start, key.signed_expiry = "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"
    key.signed_service, key.signed_version, key.value = "b", "2026-06-06", KEY
    key.signed_delegated_user_tid = delegated_tenant or None
    return key


def fields_of(token: str) -> dict[str, str]:
    return dict(parse_qsl(token, keep_blank_values=True))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"account_key": KEY}, id="by the account's key"),
        pytest.param({"account_key": KEY, "policy_id": "policy"}, id="with a stored policy"),
        pytest.param(
            {"account_key": KEY, "content_type": "a/b", "cache_control": "no"}, id="with overrides"
        ),
        pytest.param({"user_delegation_key": delegation_key()}, id="delegated"),
        pytest.param(
            {"user_delegation_key": delegation_key("other"), "user_delegation_oid": "user"},
            id="delegated to one user",
        ),
    ],
)
def test_sas_of_the_blob_service(options: dict[str, Any]) -> None:
    signed: list[str] = []
    blob = generate_blob_sas(
        "account", "data", "a/b c", **COMMON, **options, sts_hook=signed.append
    )
    container = generate_container_sas(
        "account", "data", **COMMON, **options, sts_hook=signed.append
    )

    assert signing.blob_sas_text("/blob/account/data/a/b c", fields_of(blob)) == signed[0]
    assert signing.blob_sas_text("/blob/account/data", fields_of(container)) == signed[1]
    assert fields_of(blob)["sig"] == signing.signature(KEY, signed[0])


def test_a_delegated_sas_that_is_bound_to_headers_and_parameters() -> None:
    signed: list[str] = []
    token = generate_blob_sas(
        "account",
        "data",
        "x",
        **COMMON,
        user_delegation_key=delegation_key(),
        request_headers={"x-ms-meta-a": "1", "x-ms-meta-b": "2"},
        request_query_params={"timeout": "3", "comp": "block"},
        sts_hook=signed.append,
    )
    bound = ("x-ms-meta-a:1\nx-ms-meta-b:2\n", "\ntimeout:3\ncomp:block")

    assert signing.blob_sas_text("/blob/account/data/x", fields_of(token), bound) == signed[0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"account_key": KEY}, id="by the account's key"),
        pytest.param({"user_delegation_key": delegation_key()}, id="delegated"),
        pytest.param(
            {"user_delegation_key": delegation_key("other"), "user_delegation_oid": "user"},
            id="delegated to one user",
        ),
    ],
)
def test_sas_of_the_queue_service(options: dict[str, Any]) -> None:
    signed: list[str] = []
    token = generate_queue_sas("account", "jobs", **COMMON, **options, sts_hook=signed.append)

    assert signing.queue_sas_text("/queue/account/jobs", fields_of(token)) == signed[0]


def test_sas_of_the_account() -> None:
    signed: list[str] = []
    types = ResourceTypes(service=True, object=True)
    token = generate_account_sas("account", KEY, types, **COMMON, sts_hook=signed.append)

    assert signing.account_sas_text("account", fields_of(token)) == signed[0]


def test_a_request_by_the_accounts_key() -> None:
    text = signing.shared_key_text(
        "PUT",
        "account/data/x",
        [
            ("Content-Length", "0"),
            ("Content-Type", "text/plain"),
            ("x-ms-version", "2026-06-06"),
            ("X-Ms-Date", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("Accept", "*/*"),
        ],
        [("restype", "container"), ("Comp", "list"), ("include", "b"), ("include", "a")],
    )

    assert text.split("\n") == [
        *("PUT", "", "", "", "", "text/plain", "", "", "", "", "", ""),
        "x-ms-date:Sun, 22 Nov 2026 00:00:00 GMT",
        "x-ms-version:2026-06-06",
        "/account/data/x",
        "comp:list",
        "include:a,b",
        "restype:container",
    ]


def test_header_names_are_sorted_as_each_side_does() -> None:
    names = ["x-ms-meta-a1", "x-ms-meta-a_b", "x-ms-meta-a-b", "x-ms-meta-ab"]

    assert sorted(names, key=signing.collated) == [names[1], names[2], names[0], names[3]]
    assert sorted(names, key=signing.plain) == [names[2], names[0], names[1], names[3]]
    assert sorted(names, key=signing.without_hyphens)[-2:] == [names[2], names[3]]
