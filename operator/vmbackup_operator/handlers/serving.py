"""Runs kopf, which watches and does nothing else, with settings fit for production."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Iterator

import kopf

from vmbackup_operator.handlers import watching  # noqa: F401 - importing it registers the handlers
from vmbackup_operator.model.metadata import GROUP, VERSION
from vmbackup_operator.wiring.operating import Operator

log = logging.getLogger(__name__)

#: Kopf's own finite list ends its watchers after a minute of an API server's bad health.
_FIRST_BACKOFFS_S = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0)
_LAST_BACKOFF_S = 30.0


class EndlessBackoffs:
    """Pauses between attempts to reach the API server: longer, then the same for ever, jittered.

    Kopf iterates over it anew for each request.
    """

    def __iter__(self) -> Iterator[float]:
        for pause_s in itertools.chain(_FIRST_BACKOFFS_S, itertools.repeat(_LAST_BACKOFF_S)):
            yield pause_s * random.uniform(0.8, 1.2)  # noqa: S311 - nothing depends on its secrecy


def production_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: each says why where it is not kopf's own."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    # Our CRDs are there before kopf starts; watching all CRDs would need rights on them.
    settings.scanning.disabled = True
    # Events are told by ourselves, about what matters to a person.
    settings.posting.enabled = False
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.watching.reconnect_backoff = 1.0
    # Ended sessions are hundreds, and nothing happens to them: a sixth of the memory without them.
    for plural in ("backupsessions", "restoresessions"):
        settings.watching.field_selectors[GROUP, VERSION, plural] = "status.outcome="
    settings.process.ultimate_exiting_timeout = 25
    return settings


async def watch(operator: Operator, ready: asyncio.Event) -> None:
    """Watch until SIGTERM, or until a watch dies for good; *ready* is set when it begins."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    memo = kopf.Memo(operator=operator)
    await kopf.operator(
        clusterwide=True, settings=production_settings(), memo=memo, ready_flag=ready
    )


@kopf.on.startup()
async def watching_begins(**_: object) -> None:
    """Say that objects are watched from here on."""
    log.info("watching")


@kopf.on.cleanup()
async def ending(memo: kopf.Memo, **_: object) -> None:
    """End what runs in the background, so that kopf does not wait for it when it ends."""
    await memo.operator.end()
