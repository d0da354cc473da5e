"""A disk's retained snapshot, in which lost blocks are looked for: a file, a device, an export."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_operator.cli.commands import Elsewhere
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.secret_files import read_export_file


class DiskImage(DiskSource):
    """A raw image in a file or on a block device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.file = path.open("rb", buffering=0)
            self.size_bytes = self.file.seek(0, os.SEEK_END)
        except OSError as error:
            raise self._failure(error) from error

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        done = 0
        try:
            while done < len(buffer):
                read = os.preadv(self.file.fileno(), [buffer[done:]], offset + done)
                if not read:
                    raise PermanentError(
                        f"snapshot {self._path} ends at byte {offset + done}",
                        reason="SnapshotUnreadable",
                    )
                done += read
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> PermanentError:
        return PermanentError(
            f"snapshot {self._path}: {error.strerror}", reason="SnapshotUnreadable"
        )


@contextmanager
def snapshot_of(asked: Elsewhere, console: Console) -> Iterator[tuple[DiskSource, int] | None]:
    """Give the snapshot that was given and how long it is; None where none was."""
    if asked.snapshot_file is not None:
        image = DiskImage(asked.snapshot_file)
        with image.file:
            yield image, image.size_bytes
    elif asked.snapshot_url_file is not None:
        # Azure's SDKs take a second to load.
        from vmbackup_operator.services.exported_disk import exported_disk  # noqa: PLC0415

        disk = exported_disk(read_export_file(asked.snapshot_url_file, console.complain))
        yield disk, disk.size_bytes()
    else:
        yield None
