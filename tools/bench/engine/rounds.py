"""The engine beside its peers: rounds in which each has its turn, and medians over them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.bench.engine.images import FIRST, SECOND, Images, Kind, images
from tools.bench.engine.increments import ten_increments
from tools.bench.engine.ours import Ours, Refused
from tools.bench.engine.peers.kopia import Kopia
from tools.bench.engine.peers.port import Missing, Peer, restored
from tools.bench.engine.peers.restic import Restic
from tools.bench.engine.peers.whole_images import QEMU_IMG, ZSTD
from tools.bench.engine.ratios import medians_of
from tools.bench.engine.repository import Disk
from tools.bench.engine.restore_requests import requests_of_a_restore
from tools.bench.engine.scratch import scratch_folder
from tools.bench.engine.source import Source, source
from tools.bench.engine.time_limit import OutOfTime

Figures = dict[str, Any]
Round = Mapping[str, Mapping[str, float]]

PEERS: Final[tuple[Peer, ...]] = (QEMU_IMG, Restic(), Kopia(), ZSTD)

#: How many rounds, and after how long no further one is begun, nor a further increment.
ROUNDS, ENOUGH_S, ALL_S = 3, 720.0, 1020.0
#: What the disk is called.
DISK = "disk"


def measure(kind: Kind | None = None) -> Figures:
    """Return what operations of the engine and of its peers took, on images of *kind*."""
    made = images(kind)
    known, not_measured = versions()
    began = time.monotonic()
    ours: list[Round] = []
    theirs: dict[str, list[Round]] = {name: [] for name in known}
    found: Figures = {"image": _described(made)}
    try:
        with scratch_folder() as scratch, source(scratch) as exports:
            _show(exports, made)
            for number in range(ROUNDS):
                before = time.monotonic()
                ours.append(_our_round(exports, made, scratch, found, not_measured))
                for peer in PEERS:
                    if peer.name in known:
                        theirs[peer.name].append(_peers_round(peer, made, scratch))
                now = time.monotonic()
                _tell(f"round {number + 1} took {now - before:.0f} s")
                if now - began + (now - before) > ENOUGH_S:
                    break
            found["increments_10"] = ten_increments(exports, made, scratch, began + ALL_S)
    except (OutOfTime, Refused) as error:
        not_measured["what of the rounds is not here"] = str(error)
    peers = {name: {"version": known[name], **medians_of(theirs[name])} for name in known}
    return {
        **found,
        **medians_of(ours),
        "peers": peers,
        "rounds": len(ours),
        "not_measured": not_measured,
    }


def versions() -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the peers that are here, and why others are not."""
    versions, missing = {}, {}
    for peer in PEERS:
        try:
            versions[peer.name] = peer.version()
        except Missing as error:
            missing[peer.name] = str(error)
    missing["borg 2"] = (
        "2.0.0b25 is built from source against a newer OpenSSL than Debian 12's 3.0, and no root of"
        " Debian 13 is made for it"
    )
    return versions, missing


def _described(made: Images) -> Figures:
    extents = made.extents()
    return {
        "size_mb": round(made.kind.size_bytes / 1e6, 1),
        "content_mb": round(made.content_bytes / 1e6, 1),
        "changed_mb": round(sum(length for _, length in extents) / 1e6, 1),
        "changed_extents": len(extents),
        "tree": made.kind.tree,
        "seed": made.kind.seed,
    }


def _show(exports: Source, made: Images) -> None:
    exports.show(FIRST, made.first)
    exports.show(SECOND, made.second)
    exports.show_changes(SECOND, made.extents(), FIRST)


def _our_round(
    exports: Source, made: Images, scratch: Path, found: Figures, not_measured: dict[str, str]
) -> Round:
    folder = scratch / "ours"
    ours = Ours(exports, folder)
    size_bytes = made.kind.size_bytes
    full = ours.back_up([Disk(DISK, exports.url(FIRST), size_bytes)])
    took = {"full": full.figures()}
    base = ours.repository.manifest_of(full.committed[0])
    changed = Disk(DISK, exports.url(SECOND), size_bytes, exports.url(FIRST), base)
    try:
        took["incremental"] = ours.back_up([changed]).figures()
    except Refused as error:
        not_measured["incremental"] = str(error)
        later = ours.back_up([Disk(DISK, exports.url(SECOND), size_bytes)])
        took["later_full"] = later.figures()
    target = scratch / "restored.img"
    took["restore"] = dict(restored(made.second, target, lambda: ours.restore(DISK, target)))
    took["check"] = ours.check().figures()
    found["restore_requests"] = requests_of_a_restore(ours.repository)
    found["packs"] = sum(1 for path in ours.repository.data.glob("c/*/p/**/*") if path.is_file())
    shutil.rmtree(folder)
    _tell_round("ours", took)
    return took


def _peers_round(peer: Peer, made: Images, scratch: Path) -> Round:
    folder = scratch / "peer"
    folder.mkdir()
    took = peer.one_round(made, folder)
    shutil.rmtree(folder)
    _tell_round(peer.name, took)
    return took


def _tell_round(name: str, took: Round) -> None:
    """Say it as it comes: whoever breaks the run off has seen so much."""
    for operation, of in took.items():
        told = f"{of['s']:.2f} s, {of['cpu_s']:.2f} CPU s, {of['rss_mb']:.0f} MB"
        _tell(f"{name}, {operation}: {told}")


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)
