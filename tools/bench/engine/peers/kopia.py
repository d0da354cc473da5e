"""kopia: chunks by content, packs, AES-GCM; it reads the whole disk for each backup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.images import Images
from tools.bench.engine.peers.port import Round, backed_up, restored
from tools.bench.engine.peers.programs import Built, built
from tools.bench.engine.processes import Cost, measured


class Kopia(Built):
    """With its defaults, and zstd, which it leaves out otherwise."""

    @property
    @override
    def name(self) -> str:
        return "kopia"

    @override
    def one_round(self, images: Images, scratch: Path) -> Round:
        folder, repository, out = scratch / "disk", scratch / "repository", scratch / "out"
        folder.mkdir()

        def run(*arguments: str) -> Cost:
            program: list[str | Path] = [built("kopia"), *arguments, "--no-progress"]
            return measured(program, environment=_environment(scratch), folder=scratch)

        def backup_of(image: Path) -> Mapping[str, float]:
            return backed_up(
                image,
                folder / "disk.img",
                repository,
                lambda: run("snapshot", "create", str(folder)),
            )

        repository.mkdir()
        run("repository", "create", "filesystem", "--path", str(repository))
        run("policy", "set", "--global", "--compression=zstd")
        return {
            "full": backup_of(images.first),
            "incremental": backup_of(images.second),
            "restore": restored(
                images.second,
                out / "disk.img",
                lambda: run("restore", str(folder), str(out), "--write-sparse-files"),
            ),
        }


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "KOPIA_PASSWORD": "bench",
        "KOPIA_CONFIG_PATH": str(scratch / "kopia.config"),
        "KOPIA_CACHE_DIRECTORY": str(scratch / "cache"),
        "KOPIA_LOG_DIR": str(scratch / "log"),
        "KOPIA_CHECK_FOR_UPDATES": "false",
    }
