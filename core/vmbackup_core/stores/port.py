"""What a repository needs of the place where its objects lie.

The contract, kept by one suite over every adapter (tests/contract/ports/store_facts.py): an object
is there whole or not at all; a put is visible to every later read and list; nothing is ever
overwritten by `put_new`. Calls may come from several threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Union

from vmbackup_core.errors import PermanentError

#: What a store takes to write (``collections.abc.Buffer`` came with Python 3.12).
Buffer = Union[bytes, bytearray, memoryview]  # noqa: UP007 - evaluated at run time on 3.10


_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def checked_name(name: str) -> str:
    """Return *name* where every store can hold it; no part begins with a dot or is empty."""
    if len(name) > 512 or _NAME.fullmatch(name) is None:  # noqa: PLR2004 - Azure takes 1,024
        raise ValueError(f"{name!r} is no name of an object")
    return name


class CredentialsRefused(PermanentError):
    """The store does not let the caller in: expired, revoked, or lacking the right.

    The same call with other credentials may succeed. That an object is never overwritten is not
    this: whoever asks is refused it.
    """


class AlreadyStored(PermanentError):
    """An object of that name is there; what it holds is for the caller to look at."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already stored", reason="AlreadyStored")
        self.name = name


class NotStored(PermanentError):
    """No object of that name is there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not stored", reason="NotStored")
        self.name = name


class ObjectUnreadable(PermanentError):
    """The object is there, and the store can't give its bytes; other objects may be well.

    Where the reason is ``ObjectUnreadable`` other parts of the object may be well, too.
    """


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One line of a listing."""

    name: str
    size_bytes: int


class Store(Protocol):
    """Named runs of bytes.

    Names are relative, with ``/`` between their parts; no name is the beginning of another's parts
    (``a`` and ``a/b``), since a directory could not hold both.
    """

    def put_new(self, name: str, data: Buffer) -> None:
        """Store *data* under *name*; raise AlreadyStored, and change nothing, where it is taken.

        A put whose answer was lost may be sent again by the adapter: it then compares, and the
        caller sees success where its own bytes are what is there.
        """

    def get(self, name: str) -> bytes:
        """Return the whole object; raise NotStored or ObjectUnreadable."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer at the object's end.

        Raise NotStored or ObjectUnreadable.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose names begin with *prefix*, in order of name.

        *prefix* may end within a name, or be empty for everything. Raise ObjectUnreadable where
        some of them can't be listed.
        """

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is no error."""
