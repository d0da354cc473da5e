"""
Read a repository of format 1.0 with nothing but the page that describes it.

Written from docs/repository-format.md alone and sharing no code with the rest of the project,
it proves that the page suffices. Every object, digest and proof is looked at, and each disk of each
counted point is restored.

    python -I tests/format/reader ROOT KEYFILE [--json] [--into FOLDER [--no-digests]]
                                  [--wrap PRINTED] [--offline NAMES]
    python -I tests/format/reader --known-values
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from format_1_0.chains import Chain
from format_1_0.checking import check_chain, read_healing
from format_1_0.keys import read_user_key
from format_1_0.known_values import known_values
from format_1_0.log import Log
from format_1_0.places import Place
from format_1_0.repository import Repository
from format_1_0.restoring import Restore, zeros
from format_1_0.sealed import read_printed_wrap
from format_1_0.shapes import Json


def chains_of(repository: Repository) -> list[str]:
    kinds = [(repository.control, "chain commit"), (repository.data, "manifest pack index healing")]
    found = [place.found[kind] for place, names in kinds for kind in names.split()]
    return sorted({groups[0] for names in found for _, groups in names})


@dataclass(frozen=True)
class Wanted:
    """What is to come of each disk: a file in a folder, its SHA-256, or both."""

    into: Path | None = None
    digests: bool = True


class SparseFile:
    """A disk's file, in which zero bytes take no room."""

    def __init__(self, path: Path, size: int) -> None:
        self.file = path.open("wb")
        self.file.truncate(size)

    def write(self, content: bytes) -> None:
        if content == zeros(len(content)):
            self.file.seek(len(content), 1)
        else:
            self.file.write(content)


def restore_disk(chain: Chain, disk: Json, run: str, wanted: Wanted) -> Json:
    """The SHA-256 of a disk of a point, and its holes; null where its manifest does not open."""
    shown: Json = {
        "name": disk["name"],
        "chain": disk["chainId"],
        "slot": disk["slot"],
        "sha256": None,
        "holes": [],
    }
    manifest = chain.open_manifest(f"c/{chain.chain}/{disk['manifest']}", disk["manifestSha256"])
    if manifest is None:
        return shown
    body = manifest.body
    with chain.repository.look(chain.data, f"c/{chain.chain}/{disk['manifest']}"):
        told = (disk["uniqueId"], disk["sizeBytes"], disk["snapshotUniqueId"])
        if told != (body["disk"]["uniqueId"], body["diskBytes"], body["snapshotUniqueId"]):
            chain.repository.find(
                chain.data, f"c/{chain.chain}/{disk['manifest']}", "not the disk of the point"
            )
    restore = Restore(chain, manifest, read_healing(chain), run)
    digest = hashlib.sha256()
    if wanted.into is None:
        restore.write(digest.update)
    else:
        path = wanted.into / f"{disk['chainId']}-{disk['slot']}"
        sparse = SparseFile(path, body["diskBytes"])
        with sparse.file:
            restore.write(both(digest.update, sparse.write) if wanted.digests else sparse.write)
    return shown | {
        "sha256": digest.hexdigest() if wanted.digests else None,
        "holes": restore.holes,
    }


def both(
    first: Callable[[bytes], object], second: Callable[[bytes], object]
) -> Callable[[bytes], object]:
    def write(content: bytes) -> None:
        first(content)
        second(content)

    return write


def read_all(repository: Repository, wanted: Wanted) -> Json:
    log = Log(repository)
    repository.facts = log.facts
    chains = {chain: Chain(repository, chain) for chain in chains_of(repository)}
    points = []
    for vm, run, body in repository.counted_points():
        disks = body["disks"] if body else []
        restored = [restore_disk(chains[disk["chainId"]], disk, run, wanted) for disk in disks]
        described = json.loads(body["vmDescription"]) if body else {}
        points.append(
            {
                "vm": vm,
                "run": run,
                "vmName": body and body["vmName"],
                "disks": restored,
                "excluded": described.get("excludedDisks", []),
            }
        )
    shown = [check_chain(chain) for chain in chains.values()]
    places = (repository.control, repository.data)
    return {
        "repositoryId": repository.ring.repository.hex(),
        "masters": sorted(repository.ring.masters),
        "headers": {
            epoch: body["putIfAbsent"] for epoch, body in sorted(repository.headers.items())
        },
        "log": {
            "number": log.last,
            "head": log.head,
            **log.facts.shown(),
            "kinds": dict(sorted(log.facts.kinds.items())),
        },
        "objects": {place.kind: count_objects(place) for place in places},
        "records": dict(sorted(repository.records.items())),
        "chains": shown,
        "points": points,
        "uncounted": repository.uncounted_points(),
        "holds": repository.read_holds(),
        "sealed": dict(sorted(repository.ring.seen.items())),
        "findings": unique(repository.findings),
    }


def count_objects(place: Place) -> dict[str, int]:
    return {kind: len(names) for kind, names in place.found.items() if names}


def unique(findings: list[Json]) -> list[Json]:
    return [json.loads(one) for one in dict.fromkeys(map(json.dumps, findings))]


def show(report: Json) -> None:
    for name, value in report.items():
        if isinstance(value, list):
            sys.stdout.writelines(f"{name}: {json.dumps(one)}\n" for one in value)
        else:
            sys.stdout.write(f"{name}: {json.dumps(value)}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Read a repository of format 1.0")
    parser.add_argument("root", type=Path, nargs="?")
    parser.add_argument("key_file", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--into", type=Path, help="a folder for the disks")
    parser.add_argument(
        "--no-digests", action="store_true", help="no SHA-256 of the disks, which reads their zeros"
    )
    parser.add_argument("--wrap", type=Path, help="a printed wrap")
    parser.add_argument(
        "--offline", type=Path, help="names of packs in data that are in the Archive tier, by line"
    )
    parser.add_argument("--known-values", action="store_true")
    said = parser.parse_args()
    if said.known_values:
        sys.stdout.write(json.dumps(known_values(), indent=1))
        return 0
    if said.root is None or said.key_file is None:
        parser.error("ROOT and KEYFILE are needed")
    if said.no_digests and said.into is None:
        parser.error("--no-digests leaves nothing to do without --into")
    key = read_user_key(said.key_file.read_bytes())
    wrap = read_printed_wrap(said.wrap.read_text()) if said.wrap else None
    wanted = Wanted(said.into, not said.no_digests)
    offline = frozenset(said.offline.read_text().split()) if said.offline else frozenset()
    report = read_all(Repository(said.root, key, wrap, offline), wanted)
    if said.json:
        sys.stdout.write(json.dumps(report, indent=1))
    else:
        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
