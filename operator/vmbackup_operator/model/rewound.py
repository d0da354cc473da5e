"""What a restore of mode Rewind has found and makes: disks that take the place of a VM's own."""

from __future__ import annotations

import msgspec


class RewoundDisk(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One disk of the VM that another one takes the place of; *disk* is its position.

    *replaced_disk_id* is the VM's own: it is never changed or deleted. *snapshot_id* holds what
    that one was when the VM had stopped, *disk_id* is made of *source_snapshot_id*, which may be
    the same. How the disk is
    attached is here because the VM does not say it any more between detaching and attaching.
    """

    disk: str
    replaced_disk_id: str
    disk_id: str
    snapshot_id: str
    source_snapshot_id: str
    size_gib: int = msgspec.field(name="sizeGiB")
    caching: str = ""
    delete_option: str = ""
    write_accelerator: bool = False

    @property
    def is_of_retained(self) -> bool:
        """Tell whether the new disk is made of what an earlier run has retained."""
        return self.source_snapshot_id != self.snapshot_id


class Rewound(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is made for a rewind, planned before anything is.

    *was_running*: the VM is started again in the end, whatever that is. *swap_token* is the word
    that has the disks swapped, there once they are made; *swap_confirmed*: it was given.
    *next_backup* says what the next backup of the disks will be. *rewritten*: the new disks are
    made of what is nearest to the point, and a worker writes what differs, in *zone* if that is in
    one.
    """

    virtual_machine_id: str
    was_running: bool
    disks: tuple[RewoundDisk, ...]
    swap_token: str = ""
    swap_confirmed: bool = False
    next_backup: str = ""
    rewritten: bool = False
    zone: str = ""
