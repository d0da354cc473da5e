"""The data place as a running job has it: its credential may be renewed under it.

It reads and creates and does nothing else: a worker that could list might find out by names what
only the operator may tell it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.protocol import RepositoryAccess
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    CredentialsRefused,
    NotStored,
    Tier,
)
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.trust import ca_file

T = TypeVar("T")


def container_store(access: RepositoryAccess) -> DataStore:
    """Return the store of the container at the URL of *access*, which carries its SAS.

    Packs are put into the tier of *access*.
    """
    from vmbackup_core.stores.azure_blob import (  # noqa: PLC0415 - half of what a job imports
        AzureBlobStore,
        container_client,
    )

    def tier_of(name: str) -> Tier:
        return access.tier if is_pack(name) else "Hot"

    client = container_client(access.container_url, ca_file=ca_file())
    return AzureBlobStore(client, tier_of=tier_of)


OpenStore = Callable[[RepositoryAccess], DataStore]


class JobContainer:
    """The way to the data place that a job was given, and the store that goes by the newest."""

    def __init__(
        self,
        access: RepositoryAccess,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: OpenStore = container_store,
    ) -> None:
        self._access = access
        self._open_store = open_store
        self._current = Renewable(open_store(access))
        self.store = RenewableStore(self._current, stop, renewal_s=renewal_s)

    def renew(self, access: RepositoryAccess) -> None:
        """Go by *access* from now on, where it is another one."""
        if access != self._access:
            self._access = access
            self._current.renew(self._open_store(access))


class RenewableStore(DataStore):
    """Hands each call to the store that is current; a refused one waits for its successor."""

    def __init__(
        self, current: Renewable[DataStore], stop: threading.Event, *, renewal_s: float
    ) -> None:
        self._current = current
        self._stop = stop
        self._renewal_s = renewal_s

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        try:
            self._asked(lambda store: store.put_new(name, data))
        except AlreadyStored:
            # The answer to an attempt before may have been lost, here or on its way.
            if not self._holds(name, bytes(data)):
                raise

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self._asked(lambda store: store.get(name, most=most))

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._asked(lambda store: store.get_range(name, offset, length))

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._asked(lambda store: store.get_end(name, length))

    def _holds(self, name: str, content: bytes) -> bool:
        """Tell whether the object called *name* is *content*."""
        try:
            return self.get(name, most=len(content)) == content
        except (CorruptRepository, NotStored):
            return False

    def _asked(self, ask: Callable[[DataStore], T]) -> T:
        while True:
            if self._stop.is_set():
                raise Stopped("told to stop")
            generation, store = self._current.current()
            try:
                return ask(store)
            except CredentialsRefused as error:
                if not self._current.wait_for_newer(generation, self._renewal_s, self._stop):
                    detail = f"repository refused the worker: {error}, no fresh SAS came"
                    raise AccessRefused(detail) from None
