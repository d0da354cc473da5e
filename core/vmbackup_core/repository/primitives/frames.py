"""Exactly one zstd frame of a known size, and blocks as differences from a base block."""

from __future__ import annotations

import threading
from typing import Final

import zstandard
from zstandard import ZstdCompressionDict, ZstdCompressor, ZstdDecompressor, ZstdError

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.stores.port import Buffer

PLAIN: Final = 0
ZSTD: Final = 1
DELTA: Final = 2

LEVEL = 3

_MAGIC = b"\x28\xb5\x2f\xfd"


class _Kept(threading.local):
    """A thread's own decompressor: a new one costs as much as 20 KiB of what it decompresses."""

    def __init__(self) -> None:
        self.decompressor = ZstdDecompressor()


_kept = _Kept()


def compress(payload: Buffer, level: int = LEVEL) -> tuple[int, Buffer]:
    """Return the codec and the body of *payload*: a frame where that is shorter."""
    frame = ZstdCompressor(level=level).compress(payload)
    return (ZSTD, frame) if len(frame) < len(payload) else (PLAIN, payload)


def compress_after(base: Buffer, block: Buffer, level: int = LEVEL) -> bytes:
    """Return *block* as one frame that refers to *base*, which lies before it."""
    return ZstdCompressor(level=level, dict_data=_raw(base)).compress(block)


def decompress(name: str, body: Buffer, size: int) -> bytes:
    """Return the *size* bytes that the frame *body* holds; raise CorruptRepository."""
    return _decompressed(name, body, size, None)


def decompress_after(name: str, base: Buffer, body: Buffer, size: int) -> bytes:
    """Return the *size* bytes of a frame made after *base*.

    After another base they are other bytes and no error: compare the block's hash.
    """
    return _decompressed(name, body, size, _raw(base))


def _raw(base: Buffer) -> ZstdCompressionDict:
    # The type is said: a base may begin with a dictionary's magic, and is raw content all the same.
    return ZstdCompressionDict(bytes(base), dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _decompressed(name: str, body: Buffer, size: int, base: ZstdCompressionDict | None) -> bytes:
    try:
        _check_frame(name, body, size)
        decompressor = _kept.decompressor if base is None else ZstdDecompressor(dict_data=base)
        if size == 0:
            payload = _of_nothing(decompressor, body)
        else:
            payload = decompressor.decompress(body, max_output_size=size, allow_extra_data=False)
    except ZstdError as error:
        raise CorruptRepository(f"{name}: does not decompress") from error
    if len(payload) != size:
        raise CorruptRepository(f"{name}: decompresses to {len(payload)} bytes, says {size}")
    return payload


def _check_frame(name: str, body: Buffer, size: int) -> None:
    """Look at what the frame says before the library believes it."""
    if bytes(body[:4]) != _MAGIC:
        raise CorruptRepository(f"{name}: begins with no zstd frame")
    said = zstandard.frame_content_size(body)
    if said != size:
        raise CorruptRepository(f"{name}: its frame holds {said} bytes, {size} are said")
    if named := zstandard.get_frame_parameters(body).dict_id:
        raise CorruptRepository(f"{name}: its frame names the dictionary {named}")


def _of_nothing(decompressor: ZstdDecompressor, body: Buffer) -> bytes:
    """Decompress a frame of no content, which the library's own `decompress` does not look at."""
    reading = decompressor.decompressobj()
    payload = reading.decompress(body)
    if not reading.eof or reading.unused_data:
        raise ZstdError("not exactly one frame")
    return payload
