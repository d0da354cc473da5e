"""The blobs in which jobs lie that are too large for a queue message."""

from __future__ import annotations

import urllib3
from urllib3.exceptions import HTTPError

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol import without_query
from vmbackup_core.protocol.bounds import JOB_BYTES
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_worker.trust import tls_context

OK = 200
GONE = frozenset({404, 410})


class OverflowBlobs:
    """Reads one blob at a time, each by its own SAS."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(
            ssl_context=tls_context(), timeout=urllib3.Timeout(connect=10, read=30), retries=False
        )

    def get(self, url: str) -> bytes:
        """Return the blob at *url*; raise TransientError, or PermanentError where it is gone."""
        name = without_query(url)
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers={"x-ms-version": SERVICE_VERSION},
                preload_content=False,
                redirect=False,
            )
            data: bytes = answer.read(JOB_BYTES + 1)
            answer.close()
        except (HTTPError, OSError) as error:  # their text holds the URL
            raise TransientError(f"reading job {name}: {type(error).__name__}") from None
        if answer.status in GONE:
            raise PermanentError(f"job {name} is not there", reason="JobUnreadable")
        if answer.status != OK:
            raise TransientError(f"reading job {name}: HTTP {answer.status}")
        if len(data) > JOB_BYTES:
            raise PermanentError(f"job {name} is above {JOB_BYTES} bytes", reason="JobUnreadable")
        return data
