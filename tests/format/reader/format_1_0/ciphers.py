"""What may be wrong with bytes, and the ciphers and frames that say so [7, 17]."""

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NO_NONCE = bytes(12)


class Damaged(Exception):
    """[17] Authentication, digest, bound or structure fails; or it is missing though named."""

    def __init__(self, what: str, place: str | None = None) -> None:
        super().__init__(what)
        self.place = place  # and name of the object, where it is not the one that is looked at


class NotUnderstood(Exception):
    """[16] Authentic, and made by a later version."""


def need(condition: object, what: str, place: str | None = None) -> None:
    if not condition:
        raise Damaged(what, place)


def open_gcm(key: bytes, nonce: bytes, sealed: bytes, said: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, said)
    except (InvalidTag, ValueError):
        raise Damaged("does not authenticate") from None


def decode_frame(frame: bytes, size: int, prefix: bytes | None = None) -> bytes:
    """[7] One zstd frame of exactly this content, perhaps after a prefix [9]."""
    try:
        said = zstandard.get_frame_parameters(frame)
        if frame[:4] != b"\x28\xb5\x2f\xfd" or said.content_size != size or said.dict_id:
            raise Damaged("a frame of another kind or size")
        raw = zstandard.DICT_TYPE_RAWCONTENT
        known = None if prefix is None else zstandard.ZstdCompressionDict(prefix, dict_type=raw)
        decoder = zstandard.ZstdDecompressor(dict_data=known)
        content = decoder.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as failure:
        raise Damaged(f"no zstd frame: {failure}") from None
    if len(content) != size:
        raise Damaged("a frame of another size")
    return content
