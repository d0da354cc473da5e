"""Little-endian numbers and columns, and a reader that never believes a count."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.stores.port import Buffer

#: The type codes of columns: u8, u32 and u64.
Code = Literal["B", "I", "Q"]

_WIDTH: dict[Code, int] = {"B": 1, "I": 4, "Q": 8}
_U32 = struct.Struct("<I")

U32_MOST = 2**32 - 1
U64_MOST = 2**64 - 1


def u16(number: int) -> bytes:
    """Return *number* as 2 bytes."""
    return number.to_bytes(2, "little")


def u32(number: int) -> bytes:
    """Return *number* as 4 bytes."""
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    """Return *number* as 8 bytes."""
    return number.to_bytes(8, "little")


def column_bytes(values: array[int]) -> bytes:
    """Return a column as it is stored."""
    if sys.byteorder == "little":
        return values.tobytes()
    turned = values[:]
    turned.byteswap()
    return turned.tobytes()


def column_of(code: Code, stored: Buffer) -> array[int]:
    """Return the column that *stored* is, whose length the caller has looked at."""
    values = array(code)
    values.frombytes(stored)
    if sys.byteorder != "little":
        values.byteswap()
    return values


class Reader:
    """Takes a binary payload apart from its beginning to its end.

    Whatever is asked for is compared with the bytes that are left before anything is allocated;
    *name* says in the message of CorruptRepository whose payload it is.
    """

    def __init__(self, name: str, payload: Buffer) -> None:
        self._name = name
        self._rest = memoryview(payload).toreadonly()

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._rest)

    def bytes(self, length: int) -> bytes:
        """Return the next *length* bytes."""
        return bytes(self._take(length))

    def u32(self) -> int:
        """Return the next 4 bytes as a number."""
        number: int
        (number,) = _U32.unpack(self._take(4))
        return number

    def column(self, code: Code, count: int) -> array[int]:
        """Return the next *count* numbers."""
        return column_of(code, self._take(count * _WIDTH[code]))

    def expect(self, length: int) -> None:
        """Raise unless exactly *length* bytes are left, as the counts of a structure say."""
        if length != self.left:
            raise CorruptRepository(
                f"{self._name}: {self.left} bytes left, its counts say {length}"
            )

    def end(self) -> None:
        """Raise where anything is left."""
        if self.left:
            raise CorruptRepository(f"{self._name}: {self.left} bytes behind its end")

    def _take(self, length: int) -> memoryview:
        if length > self.left:
            raise CorruptRepository(f"{self._name}: ends {length - self.left} bytes too early")
        taken, self._rest = self._rest[:length], self._rest[length:]
        return taken
