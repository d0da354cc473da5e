"""Queues by token, key and SAS, delegated ones too: the right ones work, and nothing else does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import (
    AccountSasPermissions,
    QueueClient,
    QueueServiceClient,
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_queue_sas,
)
from azure.storage.queue.aio import QueueClient as AsyncQueueClient

from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    KEYLESS,
    KEYLESS_ID,
    AsyncPrincipal,
    Cloud,
    Principal,
    reason_of,
)

pytestmark = pytest.mark.azurite

CONTRIBUTOR = "Storage Queue Data Contributor"
PROCESSOR = "Storage Queue Data Message Processor"
SENDER = "Storage Queue Data Message Sender"
DELEGATOR = "Storage Queue Delegator"
HOUR = timedelta(hours=1)


def url_of(account: str) -> str:
    return f"https://{account}.queue.core.windows.net"


def key_of(cloud: Cloud, somebody: Principal, account: str = KEYLESS) -> UserDelegationKey:
    now = datetime.now(UTC)
    with QueueServiceClient(url_of(account), somebody, **cloud.options) as service:
        return service.get_user_delegation_key(expiry=now + HOUR, start=now - HOUR)


@pytest.fixture
def signer(cloud: Cloud) -> Principal:
    return cloud.principal((CONTRIBUTOR, KEYLESS_ID), (DELEGATOR, KEYLESS_ID))


@pytest.fixture
def queue(cloud: Cloud, signer: Principal) -> Iterator[QueueClient]:
    """A queue of the account without key, by its contributor's token."""
    name = f"jobs-{uuid.uuid4()}"
    with QueueClient(url_of(KEYLESS), name, credential=signer, **cloud.options) as client:
        client.create_queue()
        yield client


def test_a_contributor_converses(queue: QueueClient) -> None:
    queue.send_message("first")
    peeked = queue.peek_messages()
    message = next(iter(queue.receive_messages(visibility_timeout=30)))
    updated = queue.update_message(message, visibility_timeout=60, content="second")
    queue.delete_message(updated)

    assert [each.content for each in peeked] == ["first"]
    assert message.content == "first"
    assert queue.get_queue_properties().approximate_message_count == 0


async def test_the_asynchronous_sdk_works_the_same(
    cloud: Cloud, signer: Principal, queue: QueueClient
) -> None:
    client = AsyncQueueClient(
        url_of(KEYLESS), queue.queue_name, credential=AsyncPrincipal(signer), **cloud.options
    )
    async with client:
        await client.send_message("x")
        contents = [message.content async for message in client.receive_messages()]

    assert contents == ["x"]


def receive(client: QueueClient) -> object:
    return list(client.receive_messages())


def send(client: QueueClient) -> object:
    return client.send_message("x")


def peek(client: QueueClient) -> object:
    return client.peek_messages()


def drop(client: QueueClient) -> object:
    return client.delete_queue()


def clear(client: QueueClient) -> object:
    return client.clear_messages()


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        pytest.param(PROCESSOR, [receive, peek], [send, clear, drop], id="processor"),
        pytest.param(SENDER, [send], [receive, peek, clear, drop], id="sender"),
        pytest.param(
            "Storage Queue Data Reader", [peek], [send, receive, clear, drop], id="reader"
        ),
    ],
)
def test_a_role_lets_do_what_it_says(
    cloud: Cloud,
    queue: QueueClient,
    role: str,
    allowed: list[Callable[[QueueClient], object]],
    refused: list[Callable[[QueueClient], object]],
) -> None:
    scope = f"{KEYLESS_ID}/queueServices/default/queues/{queue.queue_name}"
    somebody = cloud.principal((role, scope))

    with QueueClient(
        url_of(KEYLESS), queue.queue_name, credential=somebody, **cloud.options
    ) as client:
        for act in allowed:
            act(client)
        for act in refused:
            with pytest.raises(HttpResponseError) as refusal:
                act(client)
            assert refusal.value.status_code == 403
            assert reason_of(refusal.value) == "AuthorizationPermissionMismatch"


def test_a_delegated_sas_lets_one_queue_be_used(
    cloud: Cloud, signer: Principal, queue: QueueClient
) -> None:
    sas = generate_queue_sas(
        KEYLESS,
        queue.queue_name,
        permission="raup",
        expiry=datetime.now(UTC) + HOUR,
        protocol="https",
        user_delegation_key=key_of(cloud, signer),
    )

    with QueueClient(url_of(KEYLESS), queue.queue_name, credential=sas, **cloud.options) as client:
        client.send_message("x")
        message = next(iter(client.receive_messages()))
        client.delete_message(client.update_message(message, content="y"))
        for act in (clear, drop):
            with pytest.raises(HttpResponseError):
                act(client)
    with (
        QueueClient(url_of(KEYLESS), "another", credential=sas, **cloud.options) as other,
        pytest.raises(HttpResponseError) as refused,
    ):
        other.send_message("x")

    assert reason_of(refused.value) == "AuthenticationFailed"


@pytest.mark.parametrize(
    ("letters", "act"),
    [("r", send), ("a", receive), ("p", send), ("a", peek)],
    ids=["read: send", "add: receive", "process: send", "add: peek"],
)
def test_what_was_not_signed_is_refused(
    cloud: Cloud,
    signer: Principal,
    queue: QueueClient,
    letters: str,
    act: Callable[[QueueClient], object],
) -> None:
    sas = generate_queue_sas(
        KEYLESS,
        queue.queue_name,
        permission=letters,
        expiry=datetime.now(UTC) + HOUR,
        user_delegation_key=key_of(cloud, signer),
    )

    with (
        QueueClient(url_of(KEYLESS), queue.queue_name, credential=sas, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        act(client)

    assert refused.value.status_code == 403
    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def expired(cloud: Cloud, signer: Principal, name: str) -> str:
    return generate_queue_sas(
        KEYLESS,
        name,
        permission="a",
        expiry=datetime.now(UTC) - HOUR / 2,
        user_delegation_key=key_of(cloud, signer),
    )


def of_another_account(cloud: Cloud, _signer: Principal, name: str) -> str:
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID), (DELEGATOR, ACCOUNT_ID))
    return generate_queue_sas(
        KEYLESS,
        name,
        permission="a",
        expiry=datetime.now(UTC) + HOUR,
        user_delegation_key=key_of(cloud, somebody, ACCOUNT),
    )


def of_the_blob_service(cloud: Cloud, _signer: Principal, name: str) -> str:
    somebody = cloud.principal((CONTRIBUTOR, KEYLESS_ID), ("Storage Blob Delegator", KEYLESS_ID))
    now = datetime.now(UTC)
    with BlobServiceClient(
        f"https://{KEYLESS}.blob.core.windows.net", somebody, **cloud.options
    ) as service:
        blob_key = service.get_user_delegation_key(now - HOUR, now + HOUR)
    key = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK left it untyped
    vars(key).update(vars(blob_key))
    return generate_queue_sas(
        KEYLESS, name, permission="a", expiry=now + HOUR, user_delegation_key=key
    )


def signed_with_the_accounts_key(cloud: Cloud, _signer: Principal, name: str) -> str:
    return generate_queue_sas(
        KEYLESS, name, cloud.keys[KEYLESS], permission="a", expiry=datetime.now(UTC) + HOUR
    )


@pytest.mark.parametrize(
    "bad", [expired, of_another_account, of_the_blob_service, signed_with_the_accounts_key]
)
def test_a_sas_that_is_not_good_is_refused(
    cloud: Cloud,
    signer: Principal,
    queue: QueueClient,
    bad: Callable[[Cloud, Principal, str], str],
) -> None:
    sas = bad(cloud, signer, queue.queue_name)

    with (
        QueueClient(url_of(KEYLESS), queue.queue_name, credential=sas, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.send_message("x")

    assert refused.value.status_code == 403
    assert reason_of(refused.value) in (
        "AuthenticationFailed",
        "KeyBasedAuthenticationNotPermitted",
    )


def test_a_bad_token_or_none_is_refused(cloud: Cloud, queue: QueueClient) -> None:
    late = cloud.principal((CONTRIBUTOR, KEYLESS_ID), lifetime_s=-1)

    with (
        QueueClient(url_of(KEYLESS), queue.queue_name, credential=late, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.send_message("x")
    without = cloud.request("GET", f"{url_of(KEYLESS)}/{queue.queue_name}/messages")

    assert refused.value.status_code == 401
    assert reason_of(refused.value) == "InvalidAuthenticationInfo"
    assert without.status == 401
    assert without.headers["x-ms-error-code"] == "NoAuthenticationInformation"


def test_the_accounts_key_works_only_where_the_account_takes_it(cloud: Cloud) -> None:
    for account in (ACCOUNT, KEYLESS):
        sas = generate_account_sas(
            account,
            cloud.keys[account],
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions(read=True, list=True, create=True, add=True),
            datetime.now(UTC) + HOUR,
        )
        for credential in (cloud.keys[account], sas):
            name = f"by-key-{uuid.uuid4()}"
            with QueueClient(
                url_of(account), name, credential=credential, **cloud.options
            ) as client:
                if account == ACCOUNT:
                    client.create_queue(metadata={"a_b": "1"})
                    client.send_message("x")
                    continue
                with pytest.raises(HttpResponseError) as refused:
                    client.create_queue()
                assert reason_of(refused.value) == "KeyBasedAuthenticationNotPermitted"
