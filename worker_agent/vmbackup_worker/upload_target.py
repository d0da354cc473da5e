"""A disk made for upload, behind its write SAS: how long it is, and pages written into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.connections import Answer
from vmbackup_worker.export_answers import OddAnswer
from vmbackup_worker.page_blob import CREATED, OK, PageBlob, Question

#: Azure takes no more in one request.
WRITTEN_BYTES: Final = 4 * 1024 * 1024

#: What is read of an answer that has no content.
_NOTHING_BYTES: Final = 4 * 1024


class UploadTarget(PageBlob):
    """Takes whole pages anywhere, in any order, several at once; the same again changes nothing."""

    def size_bytes(self) -> int:
        """Return how long the blob is: the disk and its footer."""

        def take(answer: Answer) -> int:
            said = answer.header("Content-Length")
            answer.read(0)
            if not said.isdecimal() or len(said) > 20:  # noqa: PLR2004 - 64 bits
                raise TransientError(f"{self._name}: of a length of {said[:20]!r}")
            return int(said)

        return self.asked(Question("", {}, OK, method="HEAD"), take)

    def write(self, offset: int, pieces: Sequence[Buffer]) -> None:
        """Write *pieces*, which follow each other from *offset* on."""
        length = sum(len(memoryview(piece)) for piece in pieces)
        headers = {
            "x-ms-page-write": "update",
            "x-ms-range": f"bytes={offset}-{offset + length - 1}",
            "Content-Length": str(length),
        }
        asked = Question("comp=page", headers, CREATED, method="PUT", body=tuple(pieces))
        self.asked(asked, lambda answer: answer.read(_NOTHING_BYTES))

    @override
    def for_good(self, error: OddAnswer) -> PermanentError:
        detail = f"{self._name}: the upload is refused for good: {error.said}"
        return PermanentError(detail, reason="UploadRefused")
