"""What it takes a worker to learn which extents a disk has: a process that asks and ends.

``python -m tools.bench.engine.planning_process URL DISK_BYTES``
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from vmbackup_core.protocol.limits import RENEWAL_S
from vmbackup_worker.access import Renewable
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.source import Export


def main(arguments: Sequence[str]) -> None:
    """Ask for the whole list."""
    url, disk_bytes = arguments
    export = Export(
        "disk",
        Renewable(url),
        int(disk_bytes),
        export_pool(1),
        threading.Event(),
        renewal_s=RENEWAL_S,
    )
    print(f"{len(export.allocated().extents)} extents")


if __name__ == "__main__":
    main(sys.argv[1:])
