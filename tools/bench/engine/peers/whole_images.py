"""Tools that know one state of a disk only: what a conversion and a compression alone take."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.images import Images
from tools.bench.engine.peers.port import Missing, Peer, Round, restored
from tools.bench.engine.processes import measured

#: What writes a file from another one.
Command = Callable[[Path, Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class WholeImage(Peer):
    """A tool that makes a file of a disk, and a disk of that file."""

    called: str
    program: str
    package: str
    pack: Command
    unpack: Command

    @property
    @override
    def name(self) -> str:
        return self.called

    @override
    def version(self) -> str:
        if shutil.which(self.program) is None:
            raise Missing(f"not on PATH: {self.program} comes with the package {self.package}")
        asked = [self.program, "--version"]
        said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        found = re.search(r"\d+\.\d+\.\d+", said)
        return found[0] if found else said.splitlines()[0]

    @override
    def one_round(self, images: Images, scratch: Path) -> Round:
        packed, out = scratch / "packed", scratch / "out.img"
        full = measured(self.pack(images.first, packed))
        stored_mb = packed.stat().st_size / 1e6
        return {
            "full": {**full.figures(), "stored_mb": stored_mb},
            "restore": restored(images.first, out, lambda: measured(self.unpack(packed, out))),
        }


def _convert(image: Path, packed: Path) -> list[str]:
    options = ["-c", "-O", "qcow2", "-o", "compression_type=zstd", "-m", "8", "-W"]
    return ["qemu-img", "convert", *options, str(image), str(packed)]


def _convert_back(packed: Path, out: Path) -> list[str]:
    return ["qemu-img", "convert", "-O", "raw", "-m", "8", "-W", str(packed), str(out)]


def _compress(image: Path, packed: Path) -> list[str]:
    return ["zstd", "-q", f"-T{os.cpu_count()}", "-3", str(image), "-o", str(packed)]


def _decompress(packed: Path, out: Path) -> list[str]:
    return ["zstd", "-q", "-d", "--sparse", str(packed), "-o", str(out)]


QEMU_IMG = WholeImage("qemu-img", "qemu-img", "qemu-utils", _convert, _convert_back)
ZSTD = WholeImage("zstd", "zstd", "zstd", _compress, _decompress)
