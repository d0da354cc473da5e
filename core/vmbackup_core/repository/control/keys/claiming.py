"""Which appliance owns a repository, by a person's word; see section 33 of the format's page."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Claimed


class OwnerChanged(PermanentError):
    """The owner is another one than the person who claims was told."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the repository was not claimed: {why}", reason="OwnerChanged")


def claim(log: Log, appliance: str, owner: str | None) -> None:
    """Have *appliance* own the repository that *owner* has had; raise OwnerChanged.

    The earlier owner reads it before its next append or deletion, and stops.
    """
    entry = Claimed(appliance=appliance, from_=owner)
    appended = log.append(lambda state: () if state.owner == appliance else (entry,))
    for _, why in appended.refused:
        raise OwnerChanged(why)
