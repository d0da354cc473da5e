"""What the Run Command gets: a script without secrets, parameters with all of them."""

from __future__ import annotations

import subprocess

from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol import Launch, launch_key, launch_parameters, launch_script

WORKER = WorkerId("w-1")
NONCE = LaunchNonce("a" * 32)
LAUNCH = Launch(
    worker_id=WORKER,
    nonce=NONCE,
    key=launch_key(bytes(32), WORKER, NONCE),
    bundle_url="https://region.blob.core.windows.net/bundles/0123?sig=one",
    bundle_sha256="0" * 64,
    jobs_url="https://home.queue.core.windows.net/w-1?sig=two",
    events_url="https://home.queue.core.windows.net/events?sig=three",
)


def test_the_script_is_bash_that_parses() -> None:
    subprocess.run(["/bin/bash", "-n"], input=launch_script().encode(), check=True)


def test_every_parameter_that_the_script_reads_is_given() -> None:
    script, parameters = launch_script(), launch_parameters(LAUNCH)

    for name in ("VMBACKUP_BUNDLE_URL", "VMBACKUP_BUNDLE_SHA256"):
        assert name in script
        assert name in parameters
    assert all(parameters.values())


def test_a_launch_prints_no_secret() -> None:
    assert "sig=" not in repr(LAUNCH)
    assert LAUNCH.key.to_text() not in repr(LAUNCH)
