"""Names [3], and the two folders in which objects lie [2]."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .ciphers import Damaged


@dataclass(frozen=True)
class Origin:
    """A session of a table, and the number of one of its packs."""

    slot: int
    session: bytes
    run: bytes
    epoch: int
    number: int

    @property
    def place(self) -> tuple[int, bytes, int]:
        return self.slot, self.session, self.number

    @property
    def pack(self) -> bytes:
        return struct.pack("<I16sI", self.slot, self.session, self.number)


def cut(digits: str) -> str:
    return f"{digits[:-3]}/{digits[-3:]}"


def object_name(chain: str, folder: str, slot: int, session: bytes, number: int) -> str:
    """The name of a pack (`p`; `h` where its slot is 0) or index object (`i`)."""
    aimed = (
        f"h/{session.hex()}"
        if folder == "p" and slot == 0
        else f"{folder}/{cut(f'{slot:08x}')}/{session.hex()}"
    )
    return f"c/{chain}/{aimed}-{cut(f'{number:08x}')}"


def log_name(number: int) -> str:
    return f"l/{cut(f'{(1 << 40) - 1 - number:010x}')}"


H8, H32 = "([0-9a-f]{5}/[0-9a-f]{3})", "([0-9a-f]{32})"
COPY = re.compile(rf"a/{H32}/{H32}/({H8[1:-1]}/[0-9a-f]{{32}}-{H8[1:-1]})")
NAMES = {
    "control": {
        "header": r"header(?:-([0-9a-f]{8}))?",
        "wrap": rf"w/([0-9a-f]{{8}})-{H32}",
        "log": "l/([0-9a-f]{7}/[0-9a-f]{3})",
        "state": rf"s/([0-9a-f]{{7}}/[0-9a-f]{{3}})-{H32}-([0-9a-f]{{4}})",
        "chain": rf"c/{H32}/chain",
        "commit": rf"c/{H32}/k/{H8}",
        "list": rf"c/{H32}/x/{H8}/{H32}-([0-9a-f]{{4}})",
        "point": f"v/{H32}/{H32}",
        "hold": f"d/{H32}/{H8}/{H32}",
    },
    "data": {
        "header": r"header(?:-([0-9a-f]{8}))?",
        "wrap": rf"w/([0-9a-f]{{8}})-{H32}",
        "pack": rf"c/{H32}/p/{H8}/{H32}-{H8}",
        "index": rf"c/{H32}/i/{H8}/{H32}-{H8}",
        "manifest": rf"c/{H32}/m/{H8}/{H32}",
        "healing": rf"c/{H32}/h/{H32}-{H8}",
    },
}


def commit_name(chain: str, slot: int) -> str:
    return f"c/{chain}/k/{cut(f'{(1 << 32) - 1 - slot:08x}')}"


def number_of(group: str) -> int:
    return int(group.replace("/", ""), 16)


class Offline(Damaged):
    """An object in the Archive tier: the store lists it and does not give it."""


class Place:
    """A folder of objects; what begins with a dot is none. What is offline is told beside it."""

    def __init__(self, root: Path, kind: str, offline: frozenset[str] = frozenset()) -> None:
        self.root, self.kind, self.offline = root, kind, offline
        self.copies: dict[str, dict[str, str]] = {}
        self.sizes: dict[str, int] = {}
        self.found: dict[str, list[tuple[str, tuple[str, ...]]]] = {
            kind: [] for kind in NAMES[kind]
        }
        self.foreign: list[str] = []
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
                self.take(name, path.stat().st_size)

    def take(self, name: str, size: int) -> None:
        self.sizes[name] = size
        for kind, pattern in NAMES[self.kind].items():
            if match := re.fullmatch(pattern, name):
                self.found[kind].append((name, match.groups()))
                return
        if match := COPY.fullmatch(name):
            run, chain, pack = match.groups()
            self.copies.setdefault(run, {})[f"c/{chain}/p/{pack}"] = name
        if not name.startswith("a/"):
            self.foreign.append(name)

    def other_copies(self) -> Iterator[str]:
        """[21] What has a copy's name and cannot be one of the pack."""
        for copies in self.copies.values():
            for pack, copy in copies.items():
                if self.sizes.get(pack, self.sizes[copy]) != self.sizes[copy]:
                    yield copy

    def readable(self, name: str, run: str) -> str:
        """[3] The pack itself, or the copy of it that was made for the run where it is offline."""
        copy = self.copies.get(run, {}).get(name)
        if name not in self.offline or copy is None or copy in self.other_copies():
            return name
        return copy

    def check_online(self, name: str) -> None:
        if name not in self.sizes:
            raise Damaged("missing", f"{self.kind}:{name}")
        if name in self.offline:
            raise Offline("is in the Archive tier", f"{self.kind}:{name}")

    def read(self, name: str, most: int) -> bytes:
        self.check_online(name)
        if self.sizes[name] > most:
            raise Damaged(f"{self.sizes[name]} bytes, past {most}", f"{self.kind}:{name}")
        return (self.root / name).read_bytes()

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        self.check_online(name)
        if offset + length > self.sizes[name]:
            what = f"has {self.sizes[name]} bytes and should have {offset + length}"
            raise Damaged(what, f"{self.kind}:{name}")
        with (self.root / name).open("rb") as file:
            file.seek(offset)
            return file.read(length)
