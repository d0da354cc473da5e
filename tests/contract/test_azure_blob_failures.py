"""What only a remote store can do: lose an answer, refuse a caller, be away."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from tests.contract.conftest import ACCOUNT
from tests.contract.lossy_proxy import LossyProxy, lossy_proxy
from tests.contract.test_stores import new_container_url, with_sas
from tools.local_cloud.azurite import Azurite
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import AlreadyStored, CredentialsRefused

AT_ONCE = Patience(attempts=3, pause=lambda _seconds: None)


@pytest.fixture
def container_url(running_azurite: Azurite) -> str:
    return new_container_url(running_azurite)


@pytest.fixture
def proxy(running_azurite: Azurite) -> Iterator[LossyProxy]:
    with lossy_proxy(running_azurite.blob_port) as started:
        yield started


@pytest.fixture
def through_proxy(
    running_azurite: Azurite, container_url: str, proxy: LossyProxy
) -> Iterator[ContainerClient]:
    url = container_url.replace(f":{running_azurite.blob_port}/", f":{proxy.port}/")
    with container_client(url, running_azurite.accounts[ACCOUNT]) as client:
        yield client


def test_a_put_whose_answer_was_lost_succeeds(
    through_proxy: ContainerClient, proxy: LossyProxy
) -> None:
    store = AzureBlobStore(through_proxy, patience=AT_ONCE)
    proxy.lose_answers(1)

    store.put_new("k/00000001", b"mine")

    assert proxy.lost == 1
    assert store.get("k/00000001") == b"mine"


def test_a_lost_answer_does_not_hide_that_another_was_first(
    through_proxy: ContainerClient, proxy: LossyProxy
) -> None:
    store = AzureBlobStore(through_proxy, patience=AT_ONCE)
    store.put_new("k/00000001", b"theirs")
    proxy.lose_answers(1)

    with pytest.raises(AlreadyStored):
        store.put_new("k/00000001", b"mine")

    assert proxy.lost == 1
    assert store.get("k/00000001") == b"theirs"


def test_answers_that_are_lost_again_and_again_are_a_transient_failure(
    through_proxy: ContainerClient, proxy: LossyProxy
) -> None:
    store = AzureBlobStore(through_proxy, patience=AT_ONCE)
    proxy.lose_answers(100)

    with pytest.raises(TransientError, match="storing k/00000001 in"):
        store.put_new("k/00000001", b"mine")


def test_a_read_whose_answer_was_lost_is_asked_for_again(
    through_proxy: ContainerClient, proxy: LossyProxy
) -> None:
    store = AzureBlobStore(through_proxy, patience=AT_ONCE)
    store.put_new("a", b"content")
    proxy.lose_answers(2)

    assert store.get("a") == b"content"


def test_pauses_grow_and_never_undercut_what_was_asked_for() -> None:
    pauses: list[float] = []
    patience = Patience(attempts=5, first_wait_s=1, longest_wait_s=4, pause=pauses.append)

    def refuse(attempt: int) -> None:
        raise TransientError("busy", retry_after_s=7.0 if attempt == 1 else None)

    with pytest.raises(TransientError, match="busy"):
        patience.ask(refuse)

    assert len(pauses) == 4
    assert pauses[0] <= 2
    assert pauses[1] >= 7
    assert max(pauses[2:]) <= 4


def test_a_sas_that_may_only_create_never_overwrites(
    running_azurite: Azurite, container_url: str
) -> None:
    with container_client(with_sas(container_url, running_azurite, "rc")) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)
        store.put_new("k/00000001", b"first")

        with pytest.raises(AlreadyStored):
            store.put_new("k/00000001", b"second")
        assert store.get("k/00000001") == b"first"


@pytest.mark.parametrize("stored", [b"mine", b"theirs"])
def test_a_put_by_a_sas_that_may_only_create_is_compared_where_its_answer_was_lost(
    running_azurite: Azurite, container_url: str, proxy: LossyProxy, stored: bytes
) -> None:
    """Azurite answers 403 to the second put, with another word than Azure does."""
    behind = with_sas(container_url, running_azurite, "rc")
    through = behind.replace(f":{running_azurite.blob_port}/", f":{proxy.port}/")
    with container_client(behind) as direct, container_client(through) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)
        if stored != b"mine":
            AzureBlobStore(direct).put_new("k/00000001", stored)
        proxy.lose_answers(1)

        if stored == b"mine":
            store.put_new("k/00000001", b"mine")
        else:
            with pytest.raises(AlreadyStored):
                store.put_new("k/00000001", b"mine")
        assert (proxy.lost, store.get("k/00000001")) == (1, stored)


def test_a_sas_that_reads_and_creates_cannot_list(
    running_azurite: Azurite, container_url: str
) -> None:
    with container_client(with_sas(container_url, running_azurite, "rc")) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)
        store.put_new("p/1", b"x")

        for ask in (lambda: list(store.list("p/")), lambda: list(store.folders(""))):
            with pytest.raises(CredentialsRefused):
                ask()
        with pytest.raises(CredentialsRefused):
            store.delete("p/1")
        assert store.get_end("p/1", 10) == (b"x", 1)


def test_snapshots_of_an_object_do_not_keep_it_from_being_deleted(
    running_azurite: Azurite, container_url: str
) -> None:
    with container_client(container_url, running_azurite.accounts[ACCOUNT]) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)
        store.put_new("p/1", b"x")
        client.get_blob_client("p/1").create_snapshot()

        store.delete("p/1")
        assert list(store.list("")) == []
        assert list(client.list_blobs(include=["snapshots"])) == []


def test_a_refusal_names_the_object_and_the_reason_but_no_secret(
    running_azurite: Azurite, container_url: str
) -> None:
    address = with_sas(container_url, running_azurite, "rl")
    with container_client(address) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)

        with pytest.raises(PermanentError) as refused:
            store.put_new("p/1", b"x")

    assert refused.value.reason == "AuthorizationPermissionMismatch"
    assert "storing p/1 in contracts/" in str(refused.value)
    assert "sig=" not in str(refused.value)


def test_a_tampered_sas_is_permanent(running_azurite: Azurite, container_url: str) -> None:
    address = with_sas(container_url, running_azurite, "rl").replace("sp=rl", "sp=rcl")
    with container_client(address) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)

        with pytest.raises(PermanentError) as refused:
            store.put_new("p/1", b"x")

    # Azure says the first, Azurite the second.
    assert refused.value.reason in {"AuthenticationFailed", "AuthorizationFailure"}


def test_a_missing_container_is_permanent_and_says_so(
    running_azurite: Azurite, container_url: str
) -> None:
    key = running_azurite.accounts[ACCOUNT]
    with container_client(f"{container_url}gone", key) as client:
        store = AzureBlobStore(client, patience=AT_ONCE)
        for ask in (
            lambda: store.get("header"),
            lambda: list(store.list("")),
            lambda: store.put_new("header", b"x"),
        ):
            with pytest.raises(PermanentError) as refused:
                ask()
            assert refused.value.reason == "ContainerNotFound"


def test_an_account_that_does_not_answer_is_a_transient_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with container_client(f"http://127.0.0.1:{port}/a/c?sig=secret") as client:
        store = AzureBlobStore(client, patience=AT_ONCE)

        with pytest.raises(TransientError) as failed:
            store.get("header")

    assert "reading header in" in str(failed.value)
    assert "secret" not in str(failed.value)


def test_a_listing_of_many_pages_is_whole(through_proxy: ContainerClient) -> None:
    store = AzureBlobStore(through_proxy, page_size=7)
    names = [f"p/{n:08x}" for n in range(40)]
    for name in names:
        store.put_new(name, b"")

    assert [each.name for each in store.list("p/")] == names
