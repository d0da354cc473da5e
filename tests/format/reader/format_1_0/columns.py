"""Payloads that are columns of numbers."""

import struct
from typing import Any

from .ciphers import Damaged, need


class Columns:
    """A payload that is read from front to back, no count believed before the bytes are there."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.at = payload, 0

    def take(self, size: int) -> bytes:
        if size > len(self.payload) - self.at:
            raise Damaged("a count is past the end")
        self.at += size
        return self.payload[self.at - size : self.at]

    def numbers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.take(4 * count))

    def rows(self, count: int, layout: str) -> list[tuple[Any, ...]]:
        return list(struct.iter_unpack(layout, self.take(count * struct.calcsize(layout))))

    def bits(self, count: int) -> list[int]:
        value = int.from_bytes(self.take((count + 7) // 8), "little")
        if value >> count:
            raise Damaged("spare bits are set")
        return [index for index in range(count) if value >> index & 1]

    def end(self) -> None:
        if self.at != len(self.payload):
            raise Damaged("bytes after the end")


def at_index(rows: Any, index: int) -> Any:
    need(index < len(rows), "a row that is not there")
    return rows[index]
