"""A data place that lets a worker do what its SAS does: create and read, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer


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
