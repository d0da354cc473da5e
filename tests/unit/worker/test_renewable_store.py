"""A store whose credential is renewed while a put is under way."""

from __future__ import annotations

import threading

import pytest
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored, Buffer, CredentialsRefused
from vmbackup_worker.access import AccessRefused, Renewable
from vmbackup_worker.renewable_store import RenewableStore


class ExpiringStore(MemoryStore):
    """Loses the answer of its first put, and finds its SAS expired when the put is sent again."""

    def __init__(self, stored: bytes | None) -> None:
        super().__init__()
        self._stored = stored
        self.put = threading.Event()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if not self.put.is_set():
            if self._stored is not None:
                super().put_new(name, self._stored)
            self.put.set()
            raise CredentialsRefused("status 403", reason="AuthenticationFailed")
        super().put_new(name, data)


class SameStore(MemoryStore):
    """What the fresh SAS reaches: the objects of *other*."""

    def __init__(self, other: MemoryStore) -> None:
        super().__init__()
        self._objects = other._objects  # noqa: SLF001 - one container, two credentials
        self._names = other._names  # noqa: SLF001


def put_through_a_renewal(stored: bytes | None) -> MemoryStore:
    expired = ExpiringStore(stored)
    current = Renewable[DataStore](expired)
    store = RenewableStore(current, threading.Event(), renewal_s=10)

    def renew() -> None:
        assert expired.put.wait(60)
        current.renew(SameStore(expired))

    renewer = threading.Thread(target=renew)
    renewer.start()
    try:
        store.put_new("p/1", b"mine")
    finally:
        renewer.join()
    return expired


def test_a_put_whose_answer_was_lost_before_the_sas_expired_is_known_as_ones_own() -> None:
    assert put_through_a_renewal(b"mine").get("p/1") == b"mine"


def test_a_put_that_was_never_stored_is_stored_with_the_fresh_sas() -> None:
    assert put_through_a_renewal(None).get("p/1") == b"mine"


def test_another_object_under_the_name_is_not_taken_for_ones_own() -> None:
    with pytest.raises(AlreadyStored):
        put_through_a_renewal(b"another's")


class Echo(MemoryStore):
    """Has stored each put before it came, as a sender on the way that sends everything twice."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        super().put_new(name, data)
        super().put_new(name, data)


def test_a_put_that_somebody_on_the_way_has_sent_twice_is_known_as_ones_own() -> None:
    store = RenewableStore(Renewable[DataStore](Echo()), threading.Event(), renewal_s=0.01)
    store.put_new("p/1", b"mine")

    assert store.get("p/1", most=4) == b"mine"


@pytest.mark.parametrize("there", [b"another's", b"", b"mine and more", b"mime"])
def test_a_name_that_is_taken_by_other_bytes_is_told(there: bytes) -> None:
    taken = MemoryStore()
    taken.put_new("p/1", there)
    store = RenewableStore(Renewable[DataStore](taken), threading.Event(), renewal_s=0.01)

    with pytest.raises(AlreadyStored):
        store.put_new("p/1", b"mine")
    assert store.get("p/1", most=100) == there


class Refusing(MemoryStore):
    """Refuses every read in its own way."""

    def __init__(self, error: PermanentError) -> None:
        super().__init__()
        self._error = error

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        raise self._error


def refusing(error: PermanentError) -> RenewableStore:
    return RenewableStore(Renewable[DataStore](Refusing(error)), threading.Event(), renewal_s=0.01)


def test_credentials_that_are_not_renewed_in_time_are_refused_whatever_the_code() -> None:
    with pytest.raises(AccessRefused, match="no fresh SAS came"):
        refusing(CredentialsRefused("status 403", reason="AWordOfNextYear")).get("p/1", most=1)


def test_a_refusal_that_no_credentials_change_is_told_as_it_is() -> None:
    error = PermanentError("status 403", reason="UnauthorizedBlobOverwrite")

    with pytest.raises(PermanentError) as refused:
        refusing(error).get("p/1", most=1)
    assert refused.value is error
