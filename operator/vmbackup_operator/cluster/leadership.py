"""Which of several operators of one appliance works: the one that holds a Lease of the cluster.

The protocol is that of Kubernetes' own controllers: who waits takes the Lease over when it has not
seen it renewed for its whole length, by its own monotonic clock; who holds it counts as holder only
for a shorter time after its last renewal, so that the two never work at once, whatever the clocks
of their machines say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.answers import read
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere
from vmbackup_operator.reconciling.outcome import Conflict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a Lease lasts, how long its holder counts as such, and how often it is looked at.

    The defaults are those of Kubernetes' own controllers.
    """

    duration_s: int = 15
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a Lease says; times are for people, nobody decides by another machine's clock."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0


class LeaseMetadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Its name, and the version that was read."""

    name: str
    namespace: str
    resource_version: str = ""


class StoredLease(msgspec.Struct, frozen=True):
    """A Lease as the API server keeps it."""

    metadata: LeaseMetadata
    spec: LeaseSpec = LeaseSpec()


class LeadershipLost(TransientError):
    """Another operator may work now: this one must write nothing any more, and end."""


class Leadership:
    """One operator's part in it; *instance* tells it from every other."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        where: tuple[str, str],
        instance: str,
        terms: Terms | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._namespace, self._name = where
        self._instance = instance
        self._terms = terms or Terms()
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        self._observed: tuple[str, float] = ("", 0.0)
        self._held: StoredLease | None = None
        self._until_s = 0.0

    def check(self) -> None:
        """Raise LeadershipLost where this operator may not write at this moment."""
        if self._held is None or self._clock.monotonic_s() >= self._until_s:
            raise LeadershipLost(
                f"Lease {self._namespace}/{self._name} is not held by this process"
            )

    async def acquire(self, waiting: Callable[[str], None]) -> None:
        """Return once the Lease is held; *waiting* is told who holds it meanwhile."""
        while True:
            holder = ""
            try:
                holder = await self._try()
            except Conflict:
                pass  # somebody else was quicker: who, says the next look
            except TransientError as error:
                log.warning("lease: %s", error)
            if self._held is not None:
                return
            if holder:
                waiting(holder)
            await asyncio.sleep(self._terms.retry_s)

    async def keep(self) -> None:
        """Renew the Lease for as long as that goes; raise LeadershipLost when it does not."""
        while True:
            await asyncio.sleep(self._terms.retry_s)
            try:
                await self._renew()
            except (TransientError, PermanentError, TimeoutError) as error:
                log.warning("lease: %s", str(error) or "no answer in time")
            self.check()

    async def release(self) -> None:
        """Give the Lease back, so that another operator need not wait for its end."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            await self._put(held, replace(held.spec, holder_identity="", lease_duration_seconds=1))
        except (TransientError, PermanentError) as error:
            log.info("lease: not given back: %s", error)

    async def _try(self) -> str:
        """Take the Lease if it is free; return who holds it otherwise."""
        lease = await self._find()
        if lease is None:
            await self._create()
            return ""
        holder = lease.spec.holder_identity
        if holder and holder != self._instance and not self._has_run_out(lease):
            return holder
        now_s = self._clock.monotonic_s()
        moved = int(holder != self._instance)
        taken = replace(
            lease.spec,
            holder_identity=self._instance,
            lease_duration_seconds=self._terms.duration_s,
            acquire_time=self._now(),
            renew_time=self._now(),
            lease_transitions=lease.spec.lease_transitions + moved,
        )
        self._take(await self._put(lease, taken), now_s)
        return ""

    def _has_run_out(self, lease: StoredLease) -> bool:
        """Tell whether the Lease has not changed for its whole length, seen from here."""
        version, since_s = self._observed
        now_s = self._clock.monotonic_s()
        if lease.metadata.resource_version != version:
            self._observed = (lease.metadata.resource_version, now_s)
            return False
        return now_s - since_s > max(lease.spec.lease_duration_seconds, 1)

    async def _renew(self) -> None:
        held = self._held
        if held is None:
            return
        now_s = self._clock.monotonic_s()
        async with asyncio.timeout(self._terms.renew_deadline_s):
            try:
                renewed = await self._put(held, replace(held.spec, renew_time=self._now()))
            except Conflict:
                # Somebody wrote it: still ours where they left our name in it.
                lease = await self._find()
                if lease is None or lease.spec.holder_identity != self._instance:
                    self._held = None
                    return
                renewed = lease
        self._take(renewed, now_s)

    def _take(self, lease: StoredLease, asked_at_s: float) -> None:
        # From the moment of asking: the API server may have taken it long before its answer came.
        self._held = lease
        self._until_s = asked_at_s + self._terms.renew_deadline_s

    async def _find(self) -> StoredLease | None:
        try:
            answer = await self._connection.send("GET", f"{self._folder}/{self._name}")
        except NotThere:
            return None
        return read(answer, StoredLease)

    async def _create(self) -> None:
        now_s = self._clock.monotonic_s()
        spec = LeaseSpec(self._instance, self._terms.duration_s, self._now(), self._now())
        body = self._body(LeaseMetadata(self._name, self._namespace), spec)
        try:
            answer = await self._connection.send("POST", self._folder, body=body)
        except AlreadyThere:
            return
        self._take(read(answer, StoredLease), now_s)

    async def _put(self, lease: StoredLease, spec: LeaseSpec) -> StoredLease:
        body = self._body(lease.metadata, spec)
        answer = await self._connection.send("PUT", f"{self._folder}/{self._name}", body=body)
        return read(answer, StoredLease)

    @staticmethod
    def _body(metadata: LeaseMetadata, spec: LeaseSpec) -> dict[str, object]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": msgspec.to_builtins(metadata),
            "spec": msgspec.to_builtins(spec),
        }

    def _now(self) -> str:
        moment: datetime = self._clock.now()
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
