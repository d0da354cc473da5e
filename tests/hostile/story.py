"""A repository's data with what honest runs have stored, and one job given to a hostile worker."""

from __future__ import annotations

import hashlib
import random
import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import urllib3
from azure.storage.blob import ContainerClient

from tests.contract.simulator_storage.cloud import KEYLESS, KEYLESS_ID, Cloud
from tests.contract.simulator_storage.data_sas import AT_ONCE, URL, data_of, data_sas
from tests.hostile.worker import HostileWorker
from tests.worlds.hand_made_grants import HandMadeChain, committed, written
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import BackupJob, DiskDone, RepositoryAccess, write_message
from vmbackup_core.repository.data.grants import DiskGrant, Parameters
from vmbackup_core.repository.data.said import KIB, MIB
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_worker.renewable_store import RenewableStore

SLOT = 2
BLOCK = 64 * KIB
PARAMETERS = Parameters(BLOCK, 16 * MIB, MIB)
DISK_BYTES = 3 * MIB


@dataclass
class Story:
    """*first* is the newest commit's manifest of *chain*; *neighbour* is another disk's chain."""

    chain: HandMadeChain
    neighbour: HandMadeChain
    content: bytes
    first: DiskDone
    beside: DiskDone
    worker: HostileWorker
    honest: RenewableStore
    operator: AzureBlobStore

    def grant(self, run: RunId) -> DiskGrant:
        """Return what lets an honest run write the hostile one's slot, with all that lies there."""
        prefix = f"c/{self.chain.chain}/p/00000/{SLOT:03x}/"
        left = self.chain.left(each.name for each in self.operator.list(prefix))
        return self.chain.grant(run, SLOT, newest=committed(self.first), left=left)

    def backed_up(self, run: RunId, content: bytes) -> DiskDone:
        """Have an honest worker write *content* for the slot."""
        return written(self.chain, self.honest, self.grant(run), content, threads=2)

    def stored(self) -> dict[str, str]:
        """Return the digest of everything that is there of the two chains."""
        chains = (self.chain.chain, self.neighbour.chain)
        names = [each.name for chain in chains for each in self.operator.list(f"c/{chain}/")]
        return {name: hashlib.sha256(self.operator.get(name)).hexdigest() for name in names}


def new_run() -> RunId:
    return RunId(uuid.uuid4().hex)


def noise(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)  # noqa: S311 - repeatable


@contextmanager
def story(cloud: Cloud) -> Iterator[Story]:
    """Tell it until the block ends."""
    somebody = cloud.principal(("Storage Blob Data Contributor", KEYLESS_ID))
    cloud.run(cloud.accounts.create_container(KEYLESS, "data-control"))
    sas = data_sas(cloud, somebody)
    chain, neighbour = (HandMadeChain(uuid.uuid4().hex, DISK_BYTES, PARAMETERS) for _ in range(2))
    content = noise(DISK_BYTES)
    trust = ssl.create_default_context(cafile=cloud.ca)
    with ExitStack() as stack:
        by_sas = stack.enter_context(ContainerClient(URL, "data", sas, **cloud.options))
        by_role = stack.enter_context(ContainerClient(URL, "data", somebody, **cloud.options))
        pool = stack.enter_context(
            urllib3.ProxyManager(cloud.proxy, ssl_context=trust, retries=False)
        )
        honest = data_of(by_sas)
        first = written(chain, honest, chain.grant(new_run()), content)
        beside = written(neighbour, honest, neighbour.grant(new_run()), content)
        message = write_message(job(chain, first, f"{URL}/data?{sas}"))
        yield Story(
            chain,
            neighbour,
            content,
            first,
            beside,
            HostileWorker(message, pool),
            honest,
            AzureBlobStore(by_role, patience=AT_ONCE),
        )


def job(chain: HandMadeChain, first: DiskDone, container_url: str) -> BackupJob:
    """Return the job that the hostile worker gets: one run's, for the slot behind *first*."""
    run = new_run()
    disk = chain.disk(chain.grant(run, SLOT, newest=committed(first)), "https://export/x?sig=s")
    return BackupJob(JobId("job"), run, [disk], RepositoryAccess(container_url))
