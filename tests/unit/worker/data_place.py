"""A data place that lets a worker do what its SAS does: create and read, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from typing_extensions import override

from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer, CredentialsRefused

T = TypeVar("T")


class DataPlace(DataStore):
    """What a worker is given; what the operator sees of it is *behind*."""

    def __init__(self) -> None:
        self.behind = MemoryStore()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self.behind.put_new(name, data)

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self.behind.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.behind.get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self.behind.get_end(name, length)

    def sizes(self) -> Mapping[str, int]:
        """Return the objects that are there."""
        return {each.name: each.size_bytes for each in self.behind.list("")}


class Expired(DataPlace):
    """What a SAS that has expired reaches: nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._refused = threading.Event()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._refuse()

    @override
    def get(self, name: str, *, most: int) -> bytes:
        self._refuse()

    def _refuse(self) -> NoReturn:
        self._refused.set()
        raise CredentialsRefused("status 403", reason="AuthenticationFailed")

    def run_renewed(self, run: Callable[[], T], renew: Callable[[], None]) -> T:
        """Return what *run* comes to, with *renew* called once it was refused something here."""

        def renew_then() -> None:
            assert self._refused.wait(60)
            renew()

        renewer = threading.Thread(target=renew_then)
        renewer.start()
        result = run()
        renewer.join(60)
        return result
