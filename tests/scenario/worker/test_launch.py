"""The launch script and the installer on a machine of their own, with the bundle in Azurite."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from tests.scenario.worker.cloud import Cloud, until
from tests.scenario.worker.machine import Machine
from tests.scenario.worker.uploading import spoil, upload
from tools.local_cloud.worker_python import worker_python
from vmbackup_core.protocol import (
    BUNDLE_LIST,
    Hello,
    bundle_list,
    launch_parameters,
    launch_script,
    read_bundle,
)

pytestmark = [pytest.mark.azurite, pytest.mark.machines]


def test_a_launched_agent_says_hello_on_the_images_python(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    cloud.make_queues()
    launch = upload(cloud, bundle)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    assert ran.returncode == 0, ran.stderr

    hello = cloud.wait_for(Hello)
    assert hello.worker_id == cloud.worker_id
    assert hello.bundle_id == read_bundle(bundle).id
    assert hello.python.rpartition(".")[0] == worker_python().version
    rules = worker_machine.path("/etc/udev/rules.d/99-vmbackup-agent.rules").read_text()
    assert 'SYMLINK=="disk/azure/scsi1/lun*|disk/azure/data/by-lun/*"' in rules
    assert 'GROUP="vmbackup-agent", MODE="0660"' in rules


def test_secrets_are_in_memory_in_roots_file_and_nowhere_on_the_disk(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    cloud.make_queues()
    launch = upload(cloud, bundle)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    cloud.wait_for(Hello)

    settings = worker_machine.path("/run/vmbackup/agent.json")
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert json.loads(settings.read_text())["launchKey"] == cloud.key.to_text()
    trees = [worker_machine.path(name) for name in ("etc", "opt", "var")]
    files = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    written = [path.read_bytes().decode("latin-1") for path in files]
    for text in [ran.stdout, ran.stderr, *written]:
        assert cloud.key.to_text() not in text
        assert launch.jobs_url.partition("?")[2] not in text


def test_launching_again_renews_the_settings_and_restarts(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    cloud.make_queues()
    launch = upload(cloud, bundle)
    first = {**launch_parameters(launch), "VMBACKUP_EVENTS_URL": "http://127.0.0.1:1/nowhere?sig=x"}
    assert worker_machine.run(launch_script(), first).returncode == 0
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    assert ran.returncode == 0, ran.stderr

    cloud.wait_for(Hello)
    commands = worker_machine.path("/run/systemctl.log").read_text().splitlines()
    assert commands == ["daemon-reload", "restart vmbackup-agent.service"] * 2
    assert len(list(worker_machine.path("/opt/vmbackup").iterdir())) == 1


def test_a_launch_of_what_is_installed_downloads_nothing(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    cloud.make_queues()
    launch = upload(cloud, bundle)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    assert ran.returncode == 0, ran.stderr
    first = cloud.wait_for(Hello)
    cloud.blobs.delete_container(f"bundle-{cloud.name}")

    again = worker_machine.run(launch_script(), launch_parameters(launch))

    assert again.returncode == 0, again.stderr
    second = cloud.wait_for(Hello, 2)
    assert second.started_at > first.started_at
    assert second.launch == cloud.launch


def test_another_bundle_than_the_installed_one_is_downloaded(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    cloud.make_queues()
    launch = upload(cloud, bundle)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))
    assert ran.returncode == 0, ran.stderr
    installed = worker_machine.path(f"/opt/vmbackup/{read_bundle(bundle).id}/bundle.json")
    installed.write_bytes(installed.read_bytes() + b" ")
    cloud.blobs.delete_container(f"bundle-{cloud.name}")

    again = worker_machine.run(launch_script(), launch_parameters(launch))

    assert again.returncode == 3


def test_the_agent_has_a_user_of_its_own_that_cannot_log_in(
    bundle: Path, worker_machine: Machine
) -> None:
    shutil.copytree(bundle, worker_machine.path("/var/bundle"))
    for _ in range(2):
        ran = worker_machine.run("bash /var/bundle/install.sh")
        assert ran.returncode == 0, ran.stderr

    users = worker_machine.path("/etc/passwd").read_text().splitlines()
    (line,) = [user for user in users if user.startswith("vmbackup-agent:")]
    assert line.split(":")[2] != "0"
    assert line.endswith(":/nonexistent:/usr/sbin/nologin")


@pytest.mark.parametrize("file", [BUNDLE_LIST, "install.sh", "vmbackup_core.zip", "zstandard"])
def test_one_wrong_byte_is_refused_by_the_launch_with_the_files_name(
    cloud: Cloud, bundle: Path, worker_machine: Machine, file: str
) -> None:
    launch = upload(cloud, bundle)
    name = next(path.name for path in bundle.iterdir() if path.name.startswith(file))
    spoil(cloud, bundle, name)
    ran = worker_machine.run(launch_script(), launch_parameters(launch))

    assert ran.returncode == 4
    assert name in ran.stderr
    assert "sig=" not in ran.stderr
    assert list(worker_machine.path("/opt").iterdir()) == []
    assert not worker_machine.path("/run/vmbackup").exists()


def test_a_missing_file_is_named(cloud: Cloud, bundle: Path, worker_machine: Machine) -> None:
    launch = upload(cloud, bundle)
    container = cloud.blobs.get_container_client(f"bundle-{cloud.name}")
    container.delete_blob(f"{read_bundle(bundle).id}/vmbackup_worker.zip")
    ran = worker_machine.run(launch_script(), launch_parameters(launch))

    assert ran.returncode == 3
    assert "vmbackup_worker.zip" in ran.stderr
    assert "sig=" not in ran.stderr


def test_one_wrong_byte_is_refused_by_the_installer_with_the_files_name(
    bundle: Path, worker_machine: Machine
) -> None:
    folder = worker_machine.path("/var/bundle")
    shutil.copytree(bundle, folder)
    name = next(path.name for path in folder.iterdir() if path.name.startswith("urllib3"))
    data = bytearray((folder / name).read_bytes())
    data[100] ^= 1
    (folder / name).write_bytes(data)
    ran = worker_machine.run("bash /var/bundle/install.sh")

    assert ran.returncode == 4
    assert name in ran.stderr
    assert list(worker_machine.path("/opt").iterdir()) == []


def test_another_python_is_refused_with_both_versions_named(
    bundle: Path, worker_machine: Machine
) -> None:
    folder = worker_machine.path("/var/bundle")
    shutil.copytree(bundle, folder)
    listed = read_bundle(folder)
    other = bundle_list("3.9", listed.platform, listed.files)
    (folder / BUNDLE_LIST).write_bytes(other.encoded())
    ran = worker_machine.run("bash /var/bundle/install.sh")

    assert ran.returncode == 5
    assert "3.9" in ran.stderr
    assert worker_python().version in ran.stderr
    assert list(worker_machine.path("/opt").iterdir()) == []


def test_an_image_prepared_without_settings_starts_nothing(
    bundle: Path, worker_machine: Machine
) -> None:
    shutil.copytree(bundle, worker_machine.path("/var/bundle"))
    ran = worker_machine.run("bash /var/bundle/install.sh")

    assert ran.returncode == 0, ran.stderr
    assert worker_machine.path(f"/opt/vmbackup/{read_bundle(bundle).id}/start.py").is_file()
    assert "restart" not in worker_machine.path("/run/systemctl.log").read_text()


#: Says of each call what it is asked for and what is installed at that moment; then does it.
SYNC = """#!/bin/bash
echo "$* | $(ls -A /opt/vmbackup) | $(ls /etc/systemd/system)" >> /run/sync.log
exec /usr/bin/sync "$@"
"""


def test_what_is_installed_is_on_disk_before_its_name_counts(
    bundle: Path, worker_machine: Machine
) -> None:
    shutil.copytree(bundle, worker_machine.path("/var/bundle"))
    (worker_machine.folder / "bin/sync").write_text(SYNC)
    (worker_machine.folder / "bin/sync").chmod(0o755)
    ran = worker_machine.run("mkdir -p /etc/systemd/system; bash /var/bundle/install.sh")

    assert ran.returncode == 0, ran.stderr
    installed = read_bundle(bundle).id
    unfinished, unit = f".{installed}.unfinished", "vmbackup-agent.service"
    assert worker_machine.path("/run/sync.log").read_text().splitlines() == [
        f"-f /opt/vmbackup/{unfinished} | {unfinished} | ",
        f"-f /opt/vmbackup /etc/systemd/system /etc/udev/rules.d | {installed} | {unit}",
    ]


def test_the_agent_ends_by_itself_where_its_settings_are_wrong(
    cloud: Cloud, bundle: Path, worker_machine: Machine
) -> None:
    launch = upload(cloud, bundle)
    parameters = {**launch_parameters(launch), "VMBACKUP_LAUNCH_KEY": "c2hvcnQ="}
    assert worker_machine.run(launch_script(), parameters).returncode == 0

    log = worker_machine.path("/var/log/agent.log")
    until(lambda: log.exists() and "launch key" in log.read_text())
    assert "c2hvcnQ" not in log.read_text()
