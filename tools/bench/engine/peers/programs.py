"""Peers that are built from source, once: from the modules that the folders beside this pin."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.peers.port import Missing, Peer
from tools.local_cloud.toolchains import cache_folder, go, made_once

_PINS = Path(__file__).with_name("pins")


class Built(Peer):
    """A peer that is built, and of the version that is pinned."""

    @override
    def version(self) -> str:
        built(self.name)
        return pinned_version(self.name)


def built(name: str) -> Path:
    """Return the program called *name*; raise Missing where its modules are not to be had."""
    pins = _PINS / name
    pinned = b"".join((pins / file).read_bytes() for file in ("go.mod", "go.sum"))
    digest = hashlib.sha256(pinned).hexdigest()[:16]

    def build(folder: Path) -> None:
        command = [str(go(pins)), "build", "-trimpath", "-mod=readonly", "-buildvcs=false"]
        command += ["-ldflags", "-s -w", "-o", str(folder / name), _package(pins)]
        environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": ""}
        done = subprocess.run(
            command, cwd=pins, env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise Missing(f"building it failed: {done.stderr.strip()[-500:]}")

    return made_once(cache_folder() / f"{name}-{digest}", build) / name


def pinned_version(name: str) -> str:
    """Return the version that is built."""
    module = _package(_PINS / name).removesuffix(f"/cmd/{name}")
    text = (_PINS / name / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"{name}'s go.mod requires no {module}")
    return found[1]


def _package(pins: Path) -> str:
    found = re.search(r"^tool (\S+)$", (pins / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{pins / 'go.mod'} names no tool")
    return found[1]
