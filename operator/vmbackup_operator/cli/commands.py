"""What the command line is asked for, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.retention.rules import Retention
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.cli.targets import Format
from vmbackup_operator.cli.wanted_points import WantedPoint

Output = Literal["table", "json"]
Dropping = Literal["commit", "manifest", "healing"]


@dataclass(frozen=True, slots=True)
class Where:
    """A repository, how it is opened, and how answers are printed."""

    repository: str
    key_file: Path
    sas_file: Path | None = None
    control_sas_file: Path | None = None
    output: Output = "table"
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class ListPoints:
    """``vmbackup repository list``; all of them where neither *point* nor *vm* is given."""

    where: Where
    point: WantedPoint | None = None
    vm: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """``vmbackup repository check``."""

    where: Where
    read_data: bool
    expect_head: Head | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    """``vmbackup repository restore``; *disk* is None for all of them."""

    where: Where
    point: WantedPoint
    vm: str | None
    disk: str | None
    to: Path
    force: bool
    keep_going: bool
    image: Format = "raw"


@dataclass(frozen=True, slots=True)
class Rehydrate:
    """``vmbackup repository rehydrate``; *remove* deletes what it has had copied."""

    where: Where
    point: WantedPoint
    vm: str | None
    priority: Priority
    remove: bool


@dataclass(frozen=True, slots=True)
class ListManifests:
    """``vmbackup repository list --manifests``: what data has, whether it counts or not."""

    where: Where
    printed_wrap: Path | None = None


@dataclass(frozen=True, slots=True)
class RestoreManifest:
    """``vmbackup repository restore --manifest``: one disk, without the point that named it."""

    where: Where
    manifest: str
    to: Path
    force: bool
    keep_going: bool
    printed_wrap: Path | None = None
    image: Format = "raw"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where ``repair`` looks for lost blocks beside the repository itself."""

    other: Where | None = None
    snapshot_file: Path | None = None
    snapshot_url_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """``vmbackup repository repair``; every disk where *disk* is None."""

    where: Where
    read_data: bool
    dry_run: bool
    disk: str | None = None
    elsewhere: Elsewhere = Elsewhere()


@dataclass(frozen=True, slots=True)
class RebuildControl:
    """``vmbackup repository rebuild-control``; without *accept_losses* it only tells."""

    where: Where
    accept_losses: bool
    appliance: str | None = None
    printed_wrap: Path | None = None


@dataclass(frozen=True, slots=True)
class Prune:
    """``vmbackup repository prune``."""

    where: Where
    dry_run: bool
    expect_head: Head | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """``vmbackup repository expire --dry-run``; *retention* is tried in place of policies'."""

    where: Where
    vm: str | None = None
    retention: Retention | None = None


@dataclass(frozen=True, slots=True)
class Retire:
    """``vmbackup repository retire``: the chain *chain*, or those of *disk*."""

    where: Where
    chain: str | None
    disk: str | None


@dataclass(frozen=True, slots=True)
class Drop:
    """``vmbackup repository drop``: a commit or manifest by chain and slot, a repair by session."""

    where: Where
    what: Dropping
    chain: str | None
    slot: int | None
    session: str | None
    why: str


@dataclass(frozen=True, slots=True)
class ListKeys:
    """``vmbackup repository key list``."""

    where: Where


@dataclass(frozen=True, slots=True)
class AddKey:
    """``vmbackup repository key add``."""

    where: Where
    new_key_file: Path
    label: str | None


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """``vmbackup repository key remove``."""

    where: Where
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RotateKeys:
    """``vmbackup repository key rotate``; the key of *where* is kept beside *keep*."""

    where: Where
    keep: tuple[Path, ...]
    end: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExportKey:
    """``vmbackup repository key export``; the newest epoch where none is given."""

    where: Where
    epoch: int | None


@dataclass(frozen=True, slots=True)
class ImportKey:
    """``vmbackup repository key import``."""

    where: Where
    printed: Path


@dataclass(frozen=True, slots=True)
class Holds:
    """``vmbackup repository holds``; removes those of the holder *remove*, where it is given."""

    where: Where
    remove: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """``vmbackup repository claim``; without *owner* it only asks whose the repository is."""

    where: Where
    appliance: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class Adopt:
    """``vmbackup adopt``."""

    account: str
    config: Path


KeyCommand = ListKeys | AddKey | RemoveKey | RotateKeys | ExportKey | ImportKey
Mending = Repair | RebuildControl | Expire | Prune | Retire | Drop
Command = (
    ListPoints
    | ListManifests
    | Check
    | Restore
    | RestoreManifest
    | Rehydrate
    | KeyCommand
    | Holds
    | Claim
    | Mending
    | Adopt
)
