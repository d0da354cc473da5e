"""What is waited for before anything is looked at: the kinds that are served, the key ring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.definitions import missing_definitions
from vmbackup_operator.cluster.secrets_by_name import NamedSecrets
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.sessions.keys import KeyRing, read_key_ring
from vmbackup_operator.settings import Settings

log = logging.getLogger(__name__)

#: How soon the API server, or a CRD that is not there yet, is asked again at the start.
START_AGAIN_S = 2.0


async def established(connection: Connection) -> None:
    """Return once the API server serves all six kinds; say what is missing meanwhile."""
    said: Sequence[str] = ()
    while True:
        try:
            missing = await missing_definitions(connection)
        except TransientError as error:
            log.warning("the API server does not answer: %s", error)
            missing = ("?",)
        if not missing:
            return
        if missing != said:
            log.info("waiting for the CRDs %s", ", ".join(missing))
            said = missing
        await asyncio.sleep(START_AGAIN_S)


async def key_ring(settings: Settings, connection: Connection) -> KeyRing:
    """Return the appliance's key ring; raise PermanentError where its Secret holds none."""
    reference = settings.appliance.key_ring.secret_ref
    where = ObjectKey(reference.namespace, reference.name)
    while True:
        try:
            values = await NamedSecrets(connection).find(where)
        except TransientError as error:
            log.warning("Secret %s: %s", where, error)
            await asyncio.sleep(START_AGAIN_S)
            continue
        if values is None:
            raise PermanentError(
                f"appliance.keyRing.secretRef: there is no Secret {where}", reason="WrongSettings"
            )
        return read_key_ring(values, f"Secret {where}")
