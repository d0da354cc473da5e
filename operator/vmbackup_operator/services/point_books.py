"""What is known of the points of repositories: read once by whichever job needs it first."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.control.retention.point_book import PointBook


@dataclass
class PointBooks:
    """A book for each repository, to be used in the repository's turns only."""

    _of: dict[RepositoryId, PointBook] = field(default_factory=dict)

    def of(self, repository: RepositoryId) -> PointBook:
        """Return the book of *repository*."""
        return self._of.setdefault(repository, PointBook())
