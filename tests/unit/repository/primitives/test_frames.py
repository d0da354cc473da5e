"""A frame is exactly one, of the size that is said, and never believed over it."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives import frames

TEXT = b"the same again, " * 100


SAMPLES = [f"sample {n} of many alike {n * n}".encode() * 4 for n in range(300)]


def frame_of(content: bytes, *, checksum: bool = False, size: bool = True) -> bytes:
    made = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=size)
    return made.compress(content)


def trained() -> zstandard.ZstdCompressionDict:
    return zstandard.train_dictionary(2048, [*SAMPLES])


@given(payload=st.binary(max_size=300).flatmap(lambda b: st.just(b * 20)), level=st.integers(1, 19))
def test_what_is_compressed_comes_back(payload: bytes, level: int) -> None:
    codec, body = frames.compress(payload, level)

    if codec == frames.PLAIN:
        assert body == payload
    else:
        assert len(body) < len(payload)
        assert frames.decompress("o", body, len(payload)) == payload


def test_what_does_not_get_shorter_stays_as_it_is() -> None:
    assert frames.compress(b"abc") == (frames.PLAIN, b"abc")


def test_a_frame_may_have_a_checksum() -> None:
    assert frames.decompress("o", frame_of(TEXT, checksum=True), len(TEXT)) == TEXT


def test_a_frame_may_hold_nothing() -> None:
    assert frames.decompress("o", frame_of(b""), 0) == b""


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


@pytest.mark.parametrize(
    ("body", "size"),
    [
        pytest.param(frame_of(TEXT) + b"\0", len(TEXT), id="a byte behind it"),
        pytest.param(frame_of(TEXT) + frame_of(TEXT), len(TEXT), id="another frame behind it"),
        pytest.param(frame_of(TEXT) + SKIPPABLE, len(TEXT), id="a skippable frame behind it"),
        pytest.param(SKIPPABLE + frame_of(TEXT), len(TEXT), id="a skippable frame before it"),
        pytest.param(frame_of(b"") + b"\0", 0, id="a byte behind nothing"),
        pytest.param(frame_of(b"") + frame_of(TEXT), 0, id="a frame behind nothing"),
        pytest.param(frame_of(b"")[:-1], 0, id="nothing, cut"),
        pytest.param(frame_of(TEXT)[:-1], len(TEXT), id="cut"),
        pytest.param(frame_of(TEXT)[:5], len(TEXT), id="cut in its header"),
        pytest.param(b"", 0, id="no frame"),
        pytest.param(frame_of(TEXT), len(TEXT) - 1, id="longer than said"),
        pytest.param(frame_of(TEXT), len(TEXT) + 1, id="shorter than said"),
        pytest.param(frame_of(TEXT, size=False), len(TEXT), id="without a size"),
    ],
)
def test_anything_but_one_frame_of_the_size_is_damaged(body: bytes, size: int) -> None:
    with pytest.raises(CorruptRepository, match=r"^o: "):
        frames.decompress("o", body, size)


def test_a_frame_that_names_a_dictionary_is_damaged() -> None:
    body = zstandard.ZstdCompressor(dict_data=trained()).compress(SAMPLES[0])

    with pytest.raises(CorruptRepository, match="names the dictionary"):
        frames.decompress("o", body, len(SAMPLES[0]))


def test_a_frame_that_says_more_than_the_bound_allocates_nothing() -> None:
    bomb = frame_of(bytes(64 * 1024 * 1024))
    tracemalloc.start()

    with pytest.raises(CorruptRepository):
        frames.decompress("o", bomb, 1000)

    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@given(
    base=st.binary(min_size=1, max_size=2000), at=st.integers(0, 2000), new=st.binary(max_size=9)
)
def test_a_block_after_its_base_comes_back(base: bytes, at: int, new: bytes) -> None:
    block = base[:at] + new + base[at:]
    body = frames.compress_after(base, block)

    assert frames.decompress_after("o", base, body, len(block)) == block


def test_a_base_that_looks_like_a_dictionary_is_raw_content() -> None:
    base = trained().as_bytes()
    block = base[100:1500] + b"and more"
    body = frames.compress_after(base, block)

    assert zstandard.get_frame_parameters(body).dict_id == 0
    assert len(body) < 100
    assert frames.decompress_after("o", base, body, len(block)) == block
