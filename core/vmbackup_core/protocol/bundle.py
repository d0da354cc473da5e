"""The list of the agent's bundle: what is in it, and proof that a folder holds just that."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from vmbackup_core.errors import PermanentError

BUNDLE_LIST = "bundle.json"
BUNDLE_VERSION = 1

#: One path component: nothing that leaves the folder.
FileName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")]


class BundleFile(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One file of the bundle; *md5* is base64 as Azure's Content-MD5, *sha256* hex."""

    name: FileName
    size_bytes: int
    md5: str
    sha256: str


class BundleList(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What `bundle.json` says."""

    v: int
    id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
    python: Annotated[str, msgspec.Meta(pattern=r"\A3\.[0-9]{1,2}\Z")]
    platform: str
    files: list[BundleFile]

    def encoded(self) -> bytes:
        """Return the bytes of `bundle.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @property
    def sha256(self) -> str:
        """The SHA-256 of `bundle.json`, which the launch script compares."""
        return hashlib.sha256(self.encoded()).hexdigest()


_LIST: Final = msgspec.json.Decoder(BundleList)


def bundle_file(path: Path) -> BundleFile:
    """Return the line for the file at *path*."""
    data = path.read_bytes()
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
    return BundleFile(path.name, len(data), md5, hashlib.sha256(data).hexdigest())


def bundle_list(python: str, platform: str, files: Sequence[BundleFile]) -> BundleList:
    """Return the list of *files*, with the id that follows from it."""
    ordered = sorted(files, key=lambda file: file.name)
    blank = BundleList(BUNDLE_VERSION, "0" * 16, python, platform, ordered)
    digest = hashlib.sha256(blank.encoded()).hexdigest()
    return msgspec.structs.replace(blank, id=digest[:16])


def read_bundle(folder: Path) -> BundleList:
    """Return the list of the bundle in *folder*, each file compared; raise BadBundle."""
    listed = _read_list(folder / BUNDLE_LIST)
    expected = bundle_list(listed.python, listed.platform, listed.files)
    if listed != expected:
        raise PermanentError(f"{folder / BUNDLE_LIST}: id {listed.id} does not fit its files",
                             reason="BadBundle")  # fmt: skip
    for file in listed.files:
        path = folder / file.name
        if not path.is_file():
            raise PermanentError(f"{path}: listed in the bundle, not there", reason="BadBundle")
        if bundle_file(path) != file:
            raise PermanentError(f"{path}: not the file that the bundle lists", reason="BadBundle")
    return listed


def _read_list(path: Path) -> BundleList:
    try:
        data = path.read_bytes()
        listed = _LIST.decode(data)
    except FileNotFoundError:
        raise PermanentError(f"{path}: no bundle there", reason="BadBundle") from None
    except msgspec.MsgspecError as error:
        raise PermanentError(f"{path}: {error}", reason="BadBundle") from error
    if listed.v != BUNDLE_VERSION:
        detail = f"{path}: version {listed.v}, this reader knows {BUNDLE_VERSION}"
        raise PermanentError(detail, reason="BadBundle")
    if data != listed.encoded():
        raise PermanentError(f"{path}: not in its canonical form", reason="BadBundle")
    return listed
