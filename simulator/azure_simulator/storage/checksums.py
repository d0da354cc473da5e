"""MD5s that requests say of their bodies, where Azure compares them and Azurite does not.

Azurite compares those of what becomes a blob's content.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from azure_simulator.storage.wire import StorageError

#: Operations whose bodies are documents.
OF_DOCUMENTS = frozenset({"PutBlockList", "SetBlobTags"})

_MD5_BYTES = 16


def check_md5(said: str, body: bytes) -> None:
    """Raise StorageError where *said*, the header Content-MD5, is not what the body has."""
    _check_form(said)
    found = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if found != said:
        raise StorageError(
            400,
            "Md5Mismatch",
            "The MD5 value specified in the request did not match with the MD5 value calculated "
            "by the server.",
            {"UserSpecifiedMd5": said, "ServerCalculatedMd5": found},
        )


def _check_form(said: str) -> None:
    try:
        is_md5 = len(base64.b64decode(said, validate=True)) == _MD5_BYTES
    except binascii.Error:
        is_md5 = False
    if not is_md5:
        raise StorageError(
            400,
            "InvalidMd5",
            "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits "
            "and Base64-encoded.",
        )
