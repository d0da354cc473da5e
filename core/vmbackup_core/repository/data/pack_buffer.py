"""The bytes of one pack in memory, which are stored without ever being there twice."""

from __future__ import annotations

import io

#: What most feet take: with it they are written where the records end, and nothing is moved.
_FOOT_BYTES = 64 * 1024


class PackBuffer:
    """A pack being filled, of at most *pack_bytes* before its foot; used again for another one.

    `io.BytesIO` lends its bytes to be written into and gives them away as `bytes` without a copy,
    which is what clients of stores want.
    """

    def __init__(self, pack_bytes: int) -> None:
        self._length = pack_bytes + _FOOT_BYTES
        self._file = io.BytesIO(bytes(self._length))

    def view(self) -> memoryview:
        """Return the bytes to be written into; release it before the pack is finished."""
        return self._file.getbuffer()

    def finished(self, end: int, foot: bytes) -> bytes:
        """Return the pack whose records end at *end*, with its foot behind them."""
        self._file.truncate(end)
        self._file.seek(end)
        self._file.write(foot)
        return self._file.getvalue()

    def reopen(self) -> None:
        """Have the records changed, or another pack filled, once nobody has the finished one."""
        self._file.truncate(self._length)
        if self._file.seek(0, io.SEEK_END) < self._length:
            self._file.seek(self._length - 1)
            self._file.write(b"\0")
