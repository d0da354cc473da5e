"""Copies a repository's container into a folder: ``python -m tools.demo.copying URL FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_operator.services.repository_access import container_store


def copy(url: str, folder: Path) -> None:
    """Put every blob of the container at *url*, by the identity of the environment."""
    source, target = container_store(url, ""), DirectoryStore(folder, "link")
    for each in source.list(""):
        target.put_new(each.name, source.get(each.name))


if __name__ == "__main__":
    copy(sys.argv[1], Path(sys.argv[2]))
