"""A repository in the simulated Azure, whose operator is the real core, and a hostile run in it."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import urllib3
from azure.storage.blob import ContainerClient
from msgspec.structs import replace

from tests.contract.simulator_storage.cloud import KEYLESS, KEYLESS_ID, Cloud, Principal
from tests.contract.simulator_storage.data_sas import AT_ONCE, URL, data_of, data_sas
from tests.hostile.worker import HostileVerifier, HostileWorker
from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.verify.verify_bench import VerifyBench, answered, job_of, verify_run
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import BackupJob, DiskToBackUp, RepositoryAccess, write_message
from vmbackup_core.repository.control.verify.verify_work import VerifyTold, VerifyWork
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_worker.renewable_store import RenewableStore


@dataclass
class VerifyStory:
    """*bench* is the operator, whose workers store by one SAS and read back by another."""

    bench: VerifyBench
    reading: RenewableStore
    pool: urllib3.PoolManager
    storing_url: str
    reading_url: str
    control_url: str

    def hostile(self, number: int, name: str, content: bytes) -> HostileWorker:
        """Return a worker that has the job of run *number*, which is to store the disk *name*."""
        asked = self.bench.asked(number, name, content)
        prepared = self.bench.opened().prepare_disk(asked, PARAMETERS)
        disk = DiskToBackUp(
            prepared.chain.chain, prepared.keys.text, prepared.grant, "https://export/x?sig=s"
        )
        access = RepositoryAccess(self.storing_url)
        message = write_message(BackupJob(JobId("job"), asked.run, [disk], access))
        return HostileWorker(message, self.pool)

    def hostile_verifier(self, work: VerifyWork) -> HostileVerifier:
        """Return one that has the job to read back what *work* names."""
        job = replace(job_of(work, verify_run()), repository=RepositoryAccess(self.reading_url))
        return HostileVerifier(write_message(job), self.pool)

    def honest(self, work: VerifyWork) -> VerifyTold:
        """Read back what *work* names, with the rights that it takes and no others."""
        return answered(job_of(work, verify_run()), self.reading).told()


@contextmanager
def verify_story(cloud: Cloud) -> Iterator[VerifyStory]:
    """Tell it until the block ends."""
    data, control = (f"{kind}-{uuid.uuid4().hex}" for kind in ("data", "control"))
    for container in (data, control):
        cloud.run(cloud.accounts.create_container(KEYLESS, container))
    somebody = cloud.principal(("Storage Blob Data Contributor", KEYLESS_ID))
    storing, reading = (data_sas(cloud, somebody, data, given) for given in ("rc", "r"))
    trust = ssl.create_default_context(cafile=cloud.ca)
    with ExitStack() as stack:

        def client(container: str, credential: Principal | str) -> ContainerClient:
            return stack.enter_context(ContainerClient(URL, container, credential, **cloud.options))

        places = [
            AzureBlobStore(client(name, somebody), patience=AT_ONCE) for name in (data, control)
        ]
        pool = urllib3.ProxyManager(cloud.proxy, ssl_context=trust, retries=False)
        yield VerifyStory(
            VerifyBench(Places(*places), data_of(client(data, storing))),
            data_of(client(data, reading)),
            stack.enter_context(pool),
            f"{URL}/{data}?{storing}",
            f"{URL}/{data}?{reading}",
            f"{URL}/{control}",
        )


def numbered(content: bytes, block: int) -> Sequence[tuple[int, bytes]]:
    """Return the blocks of a disk with their numbers."""
    return [(at // block, content[at : at + block]) for at in range(0, len(content), block)]
