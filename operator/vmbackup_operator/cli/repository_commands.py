"""``vmbackup repository``: list, check and restore with the container and the key alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository import (
    CheckReport,
    RecoveryPoint,
    RecoveryPointDisk,
    Repository,
    RepositoryKey,
    open_repository,
)
from vmbackup_core.repository.keys import KEY_BYTES
from vmbackup_operator.cli.arguments import Check, ListPoints, Restore, Where
from vmbackup_operator.cli.printing import (
    ProgressLine,
    size,
    write_complaint,
    write_json,
    write_line,
    write_table,
)
from vmbackup_operator.cli.restored_file import refuse_existing, restored_file
from vmbackup_operator.services.repository_access import store_at

DONE = 0
DAMAGE = 3


def list_points(asked: ListPoints) -> int:
    """Print every recovery point, the oldest first; damaged ones are named, with exit code 3."""
    damaged: list[str] = []
    found = _open(asked.where).points(lambda error: damaged.append(str(error)))
    points = sorted(found, key=lambda each: (each.created_at, each.run_id))
    if asked.where.output == "json":
        write_json(points)
    else:
        _print_points(points)
    for each in damaged:
        write_complaint(each)
    return DAMAGE if damaged else DONE


def _print_points(points: list[RecoveryPoint]) -> None:
    rows = [
        (
            each.run_id,
            each.vm_name,
            each.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            each.kind,
            ",".join(disk.name for disk in each.disks),
            size(sum(disk.size_bytes for disk in each.disks)),
            size(sum(disk.stored_bytes for disk in each.disks)),
        )
        for each in points
    ]
    write_table(("RUN", "VM", "CREATED", "KIND", "DISKS", "SIZE", "STORED"), rows)


def check(asked: Check) -> int:
    """Print what is not as it was written; that there is something is exit code 3."""
    repository = _open(asked.where)
    line = ProgressLine("read")
    try:
        report = repository.check(read_data=asked.read_data, progress=line.show)
    finally:
        line.clear()
    if asked.where.output == "json":
        write_json({"good": report.good, "readData": asked.read_data, **_counts(report)})
    else:
        _print_report(report, read_data=asked.read_data)
    return DONE if report.good else DAMAGE


def restore(asked: Restore) -> int:
    """Write a recovery point's disks to files."""
    repository = _open(asked.where)
    point = repository.find_point(asked.point)
    if point is None:
        raise PermanentError(
            f"the repository has no recovery point {asked.point}", reason="NoRecoveryPoint"
        )
    targets = _targets(asked, point)
    if not asked.force:
        for _, path in targets:
            refuse_existing(path)
    restored = [_restore(repository, point, disk, path, asked) for disk, path in targets]
    if asked.where.output == "json":
        write_json(restored)
    return DONE


def _open(where: Where) -> Repository:
    return open_repository(store_at(where.repository), _key(where.key_file))


def _key(path: Path) -> RepositoryKey:
    try:
        content = path.read_bytes()
        if len(content) == KEY_BYTES:
            return RepositoryKey(content)
        return RepositoryKey.parse(content.decode("ascii"))
    except OSError as error:
        raise PermanentError(f"key file {path}: {error.strerror}", reason="InvalidKey") from error
    except UnicodeDecodeError:
        raise PermanentError(
            f"key file {path}: neither {KEY_BYTES} bytes nor text", reason="InvalidKey"
        ) from None


def _targets(asked: Restore, point: RecoveryPoint) -> list[tuple[RecoveryPointDisk, Path]]:
    """Return which disks go to which files."""
    if asked.disk is None:
        return [(disk, asked.to / name) for disk, name in _file_names(point)]
    found = [disk for disk in point.disks if asked.disk in {disk.name, disk.disk_id}]
    if len(found) != 1:
        names = ", ".join(disk.name for disk in point.disks)
        raise PermanentError(
            f"recovery point {point.run_id} has {len(found)} disks called {asked.disk}; it has"
            f" {names} (a disk's ARM id does as well)",
            reason="NoSuchDisk",
        )
    return [(found[0], asked.to)]


def _file_names(point: RecoveryPoint) -> list[tuple[RecoveryPointDisk, str]]:
    """Return a file name for each disk: its name, with the LUN where two have the same."""
    often = Counter(disk.name for disk in point.disks)
    named: list[tuple[RecoveryPointDisk, str]] = []
    for disk in point.disks:
        lun = "os" if disk.lun is None else f"lun{disk.lun}"
        name = disk.name if often[disk.name] == 1 else f"{disk.name}-{lun}"
        if "/" in name or name.startswith("."):
            raise PermanentError(
                f"disk {name!r} makes no file name: use --disk", reason="NoSuchDisk"
            )
        named.append((disk, f"{name}.img"))
    return named


def _restore(
    repository: Repository,
    point: RecoveryPoint,
    disk: RecoveryPointDisk,
    path: Path,
    asked: Restore,
) -> dict[str, str | int]:
    line = ProgressLine(disk.name)
    try:
        with restored_file(path, disk.size_bytes, force=asked.force) as file:
            repository.restore_disk(point, disk, file, line.show)
    finally:
        line.clear()
    if asked.where.output == "table":
        write_line(f"{disk.name}   {size(disk.size_bytes)}   {path}")
    return {"disk": disk.name, "sizeBytes": disk.size_bytes, "path": str(path)}


def _counts(report: CheckReport) -> dict[str, object]:
    return {
        "findings": [{"object": each.object, "found": each.found} for each in report.findings],
        "points": report.points,
        "chains": report.chains,
        "commits": report.commits,
        "indexes": report.indexes,
        "packs": report.packs,
        "unreferencedPacks": report.unreferenced_packs,
        "readBytes": report.read_bytes,
    }


def _print_report(report: CheckReport, *, read_data: bool) -> None:
    looked = f"every byte of {report.packs} packs" if read_data else f"{report.packs} packs' sizes"
    write_line(
        f"{report.points} recovery points, {report.chains} disks, {report.commits} commits,"
        f" {report.indexes} indexes, {looked} ({report.unreferenced_packs} not referred to)"
    )
    if read_data:
        write_line(f"read {size(report.read_bytes)}")
    for each in report.findings:
        write_line(f"DAMAGED {each.object}: {each.found}")
    write_line("nothing found" if report.good else f"{len(report.findings)} objects are damaged")
