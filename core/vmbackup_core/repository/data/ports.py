"""What reading and writing a repository need of its data place."""

from __future__ import annotations

from typing import Protocol

from vmbackup_core.stores.port import Buffer


class DataSource(Protocol):
    """Reads objects by their names; several threads ask at once."""

    def get(self, name: str, *, most: int) -> bytes:
        """Return the whole object; raise NotStored, or CorruptRepository for more than *most*."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer at the object's end; raise NotStored."""

    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the last *length* bytes and the size of the object; raise NotStored."""


class DataTarget(Protocol):
    """Creates objects and overwrites none."""

    def put_new(self, name: str, data: Buffer) -> None:
        """Store *data* under *name*; raise AlreadyStored where other bytes are there."""


class DataStore(DataSource, DataTarget, Protocol):
    """What a backup worker has of the place: it reads and creates, and lists nothing."""
