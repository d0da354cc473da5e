"""Packs that lie in the Archive tier, read from the copies that were made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.primitives.names import copy_name
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.archive_tier import OFFLINE
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

T = TypeVar("T")


class CopiedPacks(DataSource):
    """Reads a pack that *inner* has in the Archive tier from the copy made for *run*.

    Without a copy it is as unreadable as it was. A copy has the pack's bytes or is none: whoever
    reads it holds it against the same digests.
    """

    def __init__(self, inner: DataSource, run: RunId) -> None:
        self._inner = inner
        self._run = run
        self._copied: set[str] = set()

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self._read(name, lambda each: self._inner.get(each, most=most))

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._read(name, lambda each: self._inner.get_range(each, offset, length))

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._read(name, lambda each: self._inner.get_end(each, length))

    def _read(self, name: str, read: Callable[[str], T]) -> T:
        if name in self._copied:
            return read(copy_name(self._run, name))
        try:
            return read(name)
        except ObjectUnreadable as error:
            if error.reason not in OFFLINE or not is_pack(name):
                raise
            try:
                content = read(copy_name(self._run, name))
            except NotStored:
                raise error from None
        self._copied.add(name)  # a pack is read in many ranges: the next ones ask the copy at once
        return content
