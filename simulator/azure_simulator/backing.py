"""What stands behind ARM's resources: disks with content, exports, accounts, machines.

ARM's handlers call these ports while an operation is under way; the packages `disks`, `storage` and
`machines` keep them. Ids are ARM ids. Every call is idempotent for the same arguments, unless it
says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


class DiskContents(Protocol):
    """The bytes of managed disks and snapshots, as sparse files."""

    async def create_empty(self, disk_id: str, size_bytes: int) -> None:
        """Make a disk of zeros."""

    async def create_from(self, target_id: str, source_id: str, size_bytes: int) -> None:
        """Make disk or snapshot *target_id* as a copy of *source_id* at this moment.

        The copy shares the extents of its source (a reflink or a hole-preserving copy), remembers
        *source_id* and its place in the source's family for page-range differences.
        """

    async def delete(self, arm_id: str) -> None:
        """Forget the content."""

    async def show(self, disk_id: str, path: Path) -> None:
        """Have the disk's bytes be those of the file *path* too: who writes one writes both."""

    async def hide(self, disk_id: str) -> None:
        """End that; what still has the file open there writes the disk no more."""


class Exports(Protocol):
    """SAS access to the content of disks and snapshots, over export hosts."""

    async def grant(
        self, arm_id: str, access: Literal["Read", "Write"], duration_s: int, host: str
    ) -> str:
        """Return a SAS URL on *host*, good for *duration_s* seconds of wall time.

        Granted again while good, it is the same URL.
        """

    async def revoke(self, arm_id: str) -> None:
        """Make every URL given out for *arm_id* useless at once."""

    def granted(self, arm_id: str) -> bool:
        """Tell whether a URL of *arm_id* is good."""

    def uploaded(self, arm_id: str) -> bool:
        """Tell whether all of a VHD was written into *arm_id*: its footer makes it one."""


class StorageAccounts(Protocol):
    """One Azurite process for each storage account."""

    async def create(self, name: str, key: str) -> None:
        """Start the account's data plane; *key* is base64."""

    async def delete(self, name: str) -> None:
        """Stop it; its data is gone."""

    async def create_container(self, name: str, container: str) -> None:
        """Make a blob container, as ARM does, past the account's network rules."""

    async def container_exists(self, name: str, container: str) -> bool:
        """Tell whether *container* is there, whoever made it."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a Run Command ended: what a managed run command's instance view shows."""

    exit_code: int
    stdout: str
    stderr: str


class MachineNotRunning(Exception):
    """A Run Command was for a machine that is down, or that went down meanwhile."""


class Machines(Protocol):
    """VMs as process trees in networks of their own."""

    async def create(self, vm_id: str, image: Mapping[str, str]) -> None:
        """Make the machine's file tree from *image* (publisher, offer, sku) and start it."""

    async def start(self, vm_id: str) -> None:
        """Boot it again: enabled units start; what was on its disk is still there."""

    async def stop(self, vm_id: str) -> None:
        """Kill every process of it, as deallocation does; the file tree stays."""

    async def delete(self, vm_id: str) -> None:
        """Stop it and remove its file tree."""

    async def run(
        self, vm_id: str, script: str, environment: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run *script* by ``bash -c`` as root of the machine, to its end; not idempotent.

        A script that takes longer than *timeout_s* is killed, and that raises TimeoutError;
        cancelling kills it, too. Raises `MachineNotRunning`.
        """

    def running(self, vm_id: str) -> bool:
        """Tell whether the machine is up."""

    def disk_path(self, vm_id: str, lun: int) -> Path:
        """Return where on the host the machine's tree has the data disk at *lun*."""


@dataclass(frozen=True, slots=True)
class Backing:
    """The ports together, as ARM's handlers are given them."""

    contents: DiskContents
    exports: Exports
    accounts: StorageAccounts
    machines: Machines


@dataclass(frozen=True, slots=True)
class ContentFile:
    """Where a disk's or snapshot's bytes lie, for the administration interface."""

    path: Path
    size_bytes: int
    allocated: Sequence[tuple[int, int]]
