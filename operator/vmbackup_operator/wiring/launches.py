"""Launches of unfinished sessions, as what needs a key of the ring: a worker's key is derived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmbackup_operator.environments.seals import Sealed, region_key
from vmbackup_operator.model.session import Session


def launches_of(sessions: Iterable[Session]) -> Iterator[Sealed]:
    """Yield the launch of each of *sessions* that has one, and where its worker is."""
    for session in sessions:
        worker, resolved = session.status.worker, session.status.resolved
        environment = None if resolved is None else resolved.environment
        if worker is not None and worker.key_id and environment is not None:
            place = region_key(environment.subscription_id, environment.region)
            yield Sealed(place, worker.key_id, f"launch of worker {worker.id}")
