"""A layer of the image: a folder as a tar whose bytes depend on names, modes and content only."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

#: Moments, owners and what the umask decides say nothing: they are the same for every file.
_MOMENT = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer, and the digest of what it is uncompressed."""

    content: bytes
    diff_id: str


def layer_of(root: Path) -> Layer:
    """Return the files below *root* as a layer; files that are the same share their content."""
    raw = io.BytesIO()
    seen: dict[bytes, str] = {}
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            _add(archive, path, path.relative_to(root).as_posix(), seen)
    tar = raw.getvalue()
    packed = gzip.compress(tar, 6, mtime=_MOMENT)
    return Layer(packed, f"sha256:{hashlib.sha256(tar).hexdigest()}")


def _add(archive: tarfile.TarFile, path: Path, name: str, seen: dict[bytes, str]) -> None:
    entry = tarfile.TarInfo(name)
    entry.mtime = _MOMENT
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        archive.addfile(entry)
    elif stat.S_ISDIR(mode):
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o1777 if mode & stat.S_ISVTX else 0o755
        archive.addfile(entry)
    else:
        content = path.read_bytes()
        entry.mode = 0o755 if mode & stat.S_IXUSR else 0o644
        first = seen.setdefault(hashlib.sha256(content).digest() + bytes([entry.mode & 1]), name)
        if content and first != name:
            entry.type, entry.linkname = tarfile.LNKTYPE, first
            archive.addfile(entry)
        else:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
