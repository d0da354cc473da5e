"""restic: chunks by content, packs, AES; it reads the whole disk for each backup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.images import Images
from tools.bench.engine.peers.port import Round, backed_up, restored
from tools.bench.engine.peers.programs import Built, built
from tools.bench.engine.processes import Cost, measured


class Restic(Built):
    """With its defaults: repository version 2, compression `auto`."""

    @property
    @override
    def name(self) -> str:
        return "restic"

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

        def backup_of(image: Path) -> Mapping[str, float]:
            return backed_up(image, disk, repository, lambda: run("backup", "disk.img"))

        run("init")
        return {
            "full": backup_of(images.first),
            "incremental": backup_of(images.second),
            "restore": restored(
                images.second,
                out / "disk.img",
                lambda: run("restore", "latest", "--sparse", "--target", str(out)),
            ),
            "check": run("check", "--read-data").figures(),
        }


def _environment(repository: Path) -> dict[str, str]:
    return {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "bench"}
