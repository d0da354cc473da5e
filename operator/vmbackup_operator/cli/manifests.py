"""Manifests by themselves: listed, and restored without the recovery point that named them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.points.catalog import DAMAGE as OF_DAMAGE
from vmbackup_core.repository.control.repair.taken_manifests import Taken, TakenOfChain
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.commands import ListManifests, RestoreManifest
from vmbackup_operator.cli.holes import Hole, joined
from vmbackup_operator.cli.opening import data_alone
from vmbackup_operator.cli.printing import Console, size
from vmbackup_operator.cli.progress import ProgressLine
from vmbackup_operator.cli.restored_disks import Restored, sink_into, write_restored
from vmbackup_operator.cli.targets import look_at, objection


def list_manifests(asked: ListManifests, console: Console) -> int:
    """Print what data has of each disk, the oldest first, and what is unclear."""
    chains = data_alone(asked.where, asked.printed_wrap, console).taken()
    lost = lost_of(chains)
    if asked.where.output == "json":
        console.write_json({"manifests": manifests_as_json(chains), "lost": lost})
    else:
        write_manifests(chains, lost, console)
    return complaints.DAMAGE if lost else complaints.GOOD


def restore_manifest(asked: RestoreManifest, console: Console) -> int:
    """Write a manifest's disk to a file or device."""
    alone = data_alone(asked.where, asked.printed_wrap, console)
    manifest = alone.open(asked.manifest)
    name, size_bytes = manifest.said.disk.name, manifest.said.disk_bytes
    target = look_at(asked.to)
    refusal = objection(target, name, size_bytes, force=asked.force)
    if refusal is not None:
        raise refusal
    holes: list[Hole] = []

    def on_hole(extent: Extent, why: str) -> None:
        holes.append(Hole(extent.offset, extent.length, why))

    try:
        with (
            ProgressLine(name, console, quiet=asked.where.quiet) as line,
            sink_into(target, size_bytes, line, force=asked.force) as sink,
        ):
            how = on_hole if asked.keep_going else None
            alone.restore(manifest, sink, progress=line.show, on_hole=how)
        done = Restored(name, size_bytes, target.path, joined(holes))
    except OF_DAMAGE as error:
        if not asked.keep_going:
            raise
        done = Restored(name, size_bytes, None, [Hole(0, size_bytes, str(error))])
    write_restored([done], asked.where, console)
    return complaints.DAMAGE if done.holes else complaints.GOOD


def lost_of(chains: Iterable[TakenOfChain]) -> list[str]:
    """Return in words what of *chains* is lost or unclear."""
    return [each for chain in chains for each in chain.lost]


def write_manifests(chains: Iterable[TakenOfChain], lost: Sequence[str], console: Console) -> None:
    """Print them for people."""
    rows = [_row(each) for each in _in_order(chains)]
    console.write_table(("MANIFEST", "DISK", "VM", "RUN", "TAKEN", "SIZE"), rows)
    for each in lost:
        console.write_line(f"LOST {each}")


def manifests_as_json(chains: Iterable[TakenOfChain]) -> list[dict[str, object]]:
    """Return them with the fields that docs/operations.md promises."""
    return [
        {
            "manifest": each.name,
            "chain": each.manifest.said.chain_id,
            "slot": each.slot,
            "disk": each.manifest.said.disk.name,
            "diskId": each.manifest.said.disk.id,
            "vmName": each.manifest.said.vm.name,
            "vmId": each.manifest.said.vm.id,
            "runId": each.manifest.said.run_id,
            "takenAt": _taken_at(each) or None,
            "sizeBytes": each.manifest.said.disk_bytes,
        }
        for each in _in_order(chains)
    ]


def _in_order(chains: Iterable[TakenOfChain]) -> list[Taken]:
    taken = [each for chain in chains for each in chain.by_slot.values()]
    return sorted(taken, key=lambda each: (each.manifest.said.vm.name, each.slot, each.name))


def _row(taken: Taken) -> tuple[str, ...]:
    said = taken.manifest.said
    disk = size(said.disk_bytes)
    return taken.name, said.disk.name, said.vm.name, said.run_id, _taken_at(taken), disk


def _taken_at(taken: Taken) -> str:
    at = taken.manifest.said.taken_at
    return "" if at is None else str(at)
