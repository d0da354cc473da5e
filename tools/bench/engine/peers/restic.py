"""restic: chunks by content, packs, AES; it reads the whole disk for each backup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.images import Images
from tools.bench.engine.peers.port import Peer, Round, restored, shown
from tools.bench.engine.peers.programs import built, pinned_version
from tools.bench.engine.processes import Cost, folder_mb, measured


class Restic(Peer):
    """With its defaults: repository version 2, compression `auto`."""

    @property
    @override
    def name(self) -> str:
        return "restic"

    @override
    def version(self) -> str:
        built("restic")
        return pinned_version("restic")

    @override
    def one_round(self, images: Images, scratch: Path) -> Round:
        disk, repository, out = scratch / "disk.img", scratch / "repository", scratch / "out"

        def run(*arguments: str) -> Cost:
            program: list[str | Path] = [
                built("restic"),
                "--quiet",
                "--cache-dir",
                scratch / "cache",
                *arguments,
            ]
            return measured(program, environment=_environment(repository), folder=scratch)

        def backed_up(image: Path) -> Mapping[str, float]:
            shown(image, disk)
            before = folder_mb(repository)
            cost = run("backup", "disk.img")
            return {**cost.figures(), "stored_mb": folder_mb(repository) - before}

        run("init")
        return {
            "full": backed_up(images.first),
            "incremental": backed_up(images.second),
            "restore": restored(
                images.second,
                out / "disk.img",
                lambda: run("restore", "latest", "--sparse", "--target", str(out)),
            ),
            "check": run("check", "--read-data").figures(),
        }


def _environment(repository: Path) -> dict[str, str]:
    return {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "bench"}
