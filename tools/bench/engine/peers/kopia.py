"""kopia: chunks by content, packs, AES-GCM; it reads the whole disk for each backup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.images import Images
from tools.bench.engine.peers.port import Peer, Round, restored, shown
from tools.bench.engine.peers.programs import built, pinned_version
from tools.bench.engine.processes import Cost, folder_mb, measured


class Kopia(Peer):
    """With its defaults, and zstd, which it leaves out otherwise."""

    @property
    @override
    def name(self) -> str:
        return "kopia"

    @override
    def version(self) -> str:
        built("kopia")
        return pinned_version("kopia")

    @override
    def one_round(self, images: Images, scratch: Path) -> Round:
        folder, repository, out = scratch / "disk", scratch / "repository", scratch / "out"
        folder.mkdir()

        def run(*arguments: str) -> Cost:
            program: list[str | Path] = [built("kopia"), *arguments, "--no-progress"]
            return measured(program, environment=_environment(scratch), folder=scratch)

        def backed_up(image: Path) -> Mapping[str, float]:
            shown(image, folder / "disk.img")
            before = folder_mb(repository)
            cost = run("snapshot", "create", str(folder))
            return {**cost.figures(), "stored_mb": folder_mb(repository) - before}

        repository.mkdir()
        run("repository", "create", "filesystem", "--path", str(repository))
        run("policy", "set", "--global", "--compression=zstd")
        return {
            "full": backed_up(images.first),
            "incremental": backed_up(images.second),
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
