"""A disk as a VHD image of the fixed kind, which Azure takes: its bytes, then a footer."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from typing import Final

from typing_extensions import override

from vmbackup_core.stores.port import Buffer
from vmbackup_core.vhd_footer import FOOTER_BYTES, footer
from vmbackup_operator.cli.restored_file import Image
from vmbackup_operator.cli.writing_out import WritingOut

#: Azure takes images whose disks have whole MiB, and no others.
_WHOLE_BYTES: Final = 1024**2


class VhdImage(Image):
    """A VHD on its way into a file; the disk is longer by zeros where it has no whole MiB."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._out = WritingOut(descriptor)
        self._size_bytes = -(-size_bytes // _WHOLE_BYTES) * _WHOLE_BYTES
        os.ftruncate(descriptor, self._size_bytes + FOOTER_BYTES)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset* of the disk."""
        self._out.write_all(offset, data)

    @override
    def finish(self) -> None:
        """Write what makes it an image."""
        content = footer(self._size_bytes, datetime.now(UTC), uuid.uuid4())
        self._out.write_all(self._size_bytes, content)
