"""Kubernetes Events: what a person reads under ``kubectl describe``."""

from __future__ import annotations

import hashlib
import logging
from typing import Literal

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.redaction import shown
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import AlreadyThere
from vmbackup_operator.model.kinds import Resource
from vmbackup_operator.model.metadata import API_VERSION
from vmbackup_operator.model.session import Session

#: The API server takes 1024 bytes.
MAX_NOTE_BYTES = 1000

REPORTER = "vmbackup.dev/operator"

logger = logging.getLogger(__name__)


class ToldEvents:
    """Keeps the domain's ports called EventLog.

    An event's name is computed from what it says of whom, so saying the same again is refused by
    the API server for as long as it keeps the first (an hour), whichever replica says it.
    """

    def __init__(self, connection: Connection, clock: Clock, instance: str) -> None:
        self._connection = connection
        self._clock = clock
        self._instance = instance

    async def tell(
        self,
        about: Resource | Session,
        kind: Literal["Normal", "Warning"],
        reason: str,
        message: str,
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""
        metadata = about.metadata
        said = hashlib.sha256(f"{metadata.uid}\n{kind}\n{reason}\n{message}".encode())
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata.name[:200]}.{said.hexdigest()[:16]}",
                "namespace": metadata.namespace,
            },
            "eventTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": REPORTER,
            "reportingInstance": self._instance,
            "action": reason,
            "reason": reason,
            "type": kind,
            "note": shown(message).encode()[:MAX_NOTE_BYTES].decode(errors="ignore"),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": about.kind,
                "namespace": metadata.namespace,
                "name": metadata.name,
                "uid": metadata.uid,
            },
        }
        path = f"/apis/events.k8s.io/v1/namespaces/{metadata.namespace}/events"
        try:
            await self._connection.send("POST", path, body=body)
        except AlreadyThere:
            return
        except (TransientError, PermanentError) as error:
            logger.warning("event %s about %s was not recorded: %s", reason, metadata.key, error)
