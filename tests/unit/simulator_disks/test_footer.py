"""The footer of an exported disk is that of a valid fixed VHD."""

from __future__ import annotations

import struct
import uuid

import pytest

from azure_simulator.disks.footer import FOOTER_BYTES, checksum, vhd_footer

GIB = 1024**3
DISK = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_fields_are_where_the_specification_has_them() -> None:
    footer = vhd_footer(30 * GIB, DISK, 800_000_000)

    assert len(footer) == FOOTER_BYTES
    assert footer[:8] == b"conectix"
    assert struct.unpack_from(">I", footer, 12) == (0x00010000,)
    assert struct.unpack_from(">Q", footer, 16) == (2**64 - 1,)
    assert struct.unpack_from(">I", footer, 24) == (800_000_000,)
    assert struct.unpack_from(">QQ", footer, 40) == (30 * GIB, 30 * GIB)
    assert struct.unpack_from(">I", footer, 60) == (2,)
    assert footer[68:84] == DISK.bytes
    assert not any(footer[84:])


def test_the_checksum_is_of_all_other_bytes() -> None:
    footer = vhd_footer(30 * GIB, DISK, 800_000_000)
    stored = struct.unpack_from(">I", footer, 64)[0]
    blank = footer[:64] + bytes(4) + footer[68:]

    assert stored == 0xFFFFFFFF - sum(blank)
    assert checksum(footer) == stored


@pytest.mark.parametrize(
    ("size", "cylinders", "heads", "sectors"),
    [
        pytest.param(40 * 1024**2, 963, 5, 17, id="small"),
        pytest.param(GIB // 2, 1040, 16, 63, id="half a gibibyte"),
        pytest.param(32 * GIB, 16448, 16, 255, id="where 63 ends"),
        pytest.param(4096 * GIB, 65535, 16, 255, id="more than geometry can say"),
    ],
)
def test_geometry(size: int, cylinders: int, heads: int, sectors: int) -> None:
    footer = vhd_footer(size, DISK, 0)

    found = struct.unpack_from(">HBB", footer, 56)
    assert found == (cylinders, heads, sectors)
    assert found[0] * found[1] * found[2] * 512 <= size
