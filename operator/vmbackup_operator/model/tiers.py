"""In which access tier a repository's packs end, and which one they are put into first."""

from __future__ import annotations

from typing import Literal

from vmbackup_core.stores.port import Tier

#: Workers put packs there, but for Archive: into that the operator moves them, once their recovery
#: point counts.
RepositoryTier = Literal["Hot", "Cool", "Cold", "Archive"]


def written_into(tier: RepositoryTier) -> Tier:
    """Return the tier that workers put packs into: they read back what they wrote."""
    return "Hot" if tier == "Archive" else tier
