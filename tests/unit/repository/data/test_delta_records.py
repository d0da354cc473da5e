"""When a block is stored as what has changed since the block before, and how it is opened."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.unit.repository.data.bench import noise
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.records import (
    BaseBlock,
    RecordKind,
    encode_block,
    new_compressor,
    open_record,
    seal_record,
)
from vmbackup_core.repository.primitives.frames import DELTA, LEVEL, PLAIN, ZSTD


def test_a_delta_needs_its_base_and_its_bases_hash() -> None:
    cipher, block = AESGCM(bytes(32)), noise(1, BLOCK)
    base = BaseBlock(block[:-3] + b"old", b"B" * 16, BLOCK)
    codec, encoded = encode_block(block, new_compressor(LEVEL), base)
    assert codec == DELTA
    kind = RecordKind(DELTA, BLOCK, b"H" * 16, b"B" * 16)
    stored = seal_record(cipher, 5, kind, encoded)
    assert open_record("pack", cipher, 5, kind, stored, base.content) == block
    for wrong in (
        RecordKind(DELTA, BLOCK, b"H" * 16, b"C" * 16),
        RecordKind(DELTA, BLOCK, b"H" * 16),
    ):
        with pytest.raises(CorruptRepository):
            open_record("pack", cipher, 5, wrong, stored, base.content)
    with pytest.raises(CorruptRepository, match="base is not there"):
        open_record("pack", cipher, 5, kind, stored)


def test_a_delta_that_is_not_shorter_is_not_made() -> None:
    base = BaseBlock(noise(1, BLOCK), b"B" * 16, BLOCK)
    assert encode_block(noise(2, BLOCK), new_compressor(LEVEL), base)[0] == PLAIN


@pytest.mark.parametrize(
    ("changed", "codec"), [(BLOCK // 2, DELTA), (BLOCK * 7 // 8, PLAIN), (BLOCK, PLAIN)]
)
def test_a_delta_is_made_where_it_is_a_quarter_shorter(changed: int, codec: int) -> None:
    before = noise(1, BLOCK)
    block = noise(2, changed) + before[changed:]
    made, encoded = encode_block(block, new_compressor(LEVEL), BaseBlock(before, b"B" * 16, BLOCK))
    assert made == codec
    assert (len(encoded) < BLOCK * 3 // 4) == (codec == DELTA)


def test_a_block_of_a_text_is_stored_whole_where_a_delta_takes_nearly_as_much() -> None:
    text = b"".join(b"%07d" % number for number in range(BLOCK // 7))
    before = text[: BLOCK // 2] + noise(1, BLOCK // 2)
    block = text[: BLOCK // 2] + noise(2, BLOCK // 2)
    base = BaseBlock(before, b"B" * 16, len(new_compressor(LEVEL).compress(before)))
    whole = new_compressor(LEVEL).compress(block)
    assert encode_block(block, new_compressor(LEVEL), base) == (ZSTD, whole)


def test_a_delta_that_is_as_long_as_its_base_is_compared_with_the_block_itself() -> None:
    """The base was half zero; of a block of noise alone the delta leaves out the other half."""
    kept, compressor = noise(1, BLOCK // 2), new_compressor(LEVEL)
    before, block = kept + bytes(BLOCK // 2), kept + noise(2, BLOCK // 2)
    base = BaseBlock(before, b"B" * 16, len(compressor.compress(before)))
    made, encoded = encode_block(block, compressor, base)
    assert made == DELTA
    assert base.encoded_bytes * 3 // 4 < len(encoded) < len(block) * 3 // 4
