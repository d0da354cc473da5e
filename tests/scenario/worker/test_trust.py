"""TLS under a private CA, as an enterprise or the simulator has it: the machine's store decides."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.scenario.worker.cloud import Cloud
from tests.scenario.worker.machine import Machine
from tests.scenario.worker.uploading import upload
from tools.local_cloud.azurite import azurite, new_account_key
from vmbackup_core.protocol import Hello, launch_parameters, launch_script

pytestmark = [pytest.mark.azurite, pytest.mark.machines]

ACCOUNT = "trusted"


@pytest.fixture
def secure_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Azurite over TLS, with a certificate of a CA that nobody knows yet."""
    folder = tmp_path_factory.mktemp("ca")
    authority = trustme.CA()
    served = authority.issue_cert("127.0.0.1")
    served.private_key_pem.write_to_path(folder / "key.pem")
    for pem in served.cert_chain_pems:
        pem.write_to_path(folder / "cert.pem", append=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    tls = ("--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem"))
    with azurite({ACCOUNT: new_account_key()}, options=tls) as running:
        yield Cloud(running, ACCOUNT, uuid.uuid4().hex[:12], str(folder / "ca.pem"))


def test_launch_and_agent_trust_what_the_machine_trusts(
    secure_cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    secure_cloud.make_queues()
    launch = upload(secure_cloud, bundle)
    assert launch.jobs_url.startswith("https://")
    assert secure_cloud.ca is not None
    store = worker_machine.path("/etc/ssl/certs/ca-certificates.crt")
    store.write_text(Path(secure_cloud.ca).read_text())
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    assert ran.returncode == 0, ran.stderr

    assert secure_cloud.wait_for(Hello).worker_id == secure_cloud.worker_id


def test_a_host_that_the_machine_does_not_trust_gets_nothing(
    secure_cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    launch = upload(secure_cloud, bundle)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))

    assert ran.returncode == 3
    assert "SSLCertVerificationError" in ran.stderr
    assert "sig=" not in ran.stderr
