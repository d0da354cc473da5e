"""What putting objects into Azure's Archive tier, and bringing them back, needs of their place.

What is there is listed, can be deleted, and is not read; a copy of it is readable hours later.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

#: How soon a copy can be read: within 15 hours, or within one where it is smaller than 10 GB.
Priority = Literal["Standard", "High"]

#: The reasons for which a store cannot give what is in the tier, or on its way out of it.
OFFLINE: Final = frozenset({"BlobArchived", "BlobBeingRehydrated"})

#: How many objects are asked about side by side: each is a request of some ten milliseconds.
AT_ONCE: Final = 16


class ArchiveTier(Protocol):
    """The tier of one store."""

    def put_away(self, name: str) -> None:
        """Put *name* into the tier; twice is once. Nothing of it can be read from then on.

        Raise NotStored where *name* is not, PermanentError where the store has no such tier.
        """

    def bring_back(self, name: str, copy: str, priority: Priority) -> None:
        """Begin to copy *name*, which is in the tier and stays there, to *copy*.

        Until it can be read *copy* is listed as archived, too. Where it is there already nothing
        is begun. Raise NotStored where *name* is not.
        """
