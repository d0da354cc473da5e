"""Numbers are little-endian, and no count is believed before the bytes that it stands for."""

from __future__ import annotations

import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.numbers import (
    Code,
    Reader,
    column_bytes,
    column_of,
    u16,
    u32,
    u64,
)


def test_numbers_have_their_lowest_byte_first() -> None:
    assert (u16(0x1234), u32(0x12345678), u64(1)) == (
        b"\x34\x12",
        b"\x78\x56\x34\x12",
        b"\1" + bytes(7),
    )


@pytest.mark.parametrize("write", [u16, u32, u64])
def test_a_number_that_does_not_fit_is_refused(write: object) -> None:
    assert callable(write)
    with pytest.raises(OverflowError):
        write(2**64)


@given(values=st.lists(st.integers(0, 255)), code=st.sampled_from(["B", "I", "Q"]))
def test_a_column_comes_back_as_it_was_written(values: list[int], code: Code) -> None:
    stored = column_bytes(array(code, values))

    assert list(column_of(code, stored)) == values
    assert list(Reader("o", stored).column(code, len(values))) == values


def test_a_column_is_little_endian() -> None:
    assert column_bytes(array("I", [1, 2])) == b"\1\0\0\0\2\0\0\0"


def test_a_payload_is_read_from_its_beginning_to_its_end() -> None:
    reader = Reader("o", u32(2) + b"abc" + u64(7) + u64(8))

    assert (reader.u32(), reader.bytes(3)) == (2, b"abc")
    reader.expect(16)
    assert list(reader.column("Q", 2)) == [7, 8]
    reader.end()


def test_a_count_beyond_the_bytes_that_are_left_allocates_nothing() -> None:
    reader = Reader("m/one", bytes(100))
    tracemalloc.start()

    with pytest.raises(CorruptRepository, match="m/one: ends"):
        reader.column("Q", 2**40)

    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_what_is_too_short_or_too_long_is_damaged() -> None:
    with pytest.raises(CorruptRepository, match="ends 1 bytes too early"):
        Reader("o", b"abc").u32()
    with pytest.raises(CorruptRepository, match="1 bytes behind its end"):
        Reader("o", b"a").end()
    with pytest.raises(CorruptRepository, match="3 bytes left, its counts say 4"):
        Reader("o", b"abc").expect(4)
