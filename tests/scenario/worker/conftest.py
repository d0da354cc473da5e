"""What the worker's scenarios share: one Azurite, one built bundle, a cloud for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.worker.agent_process import AgentProcess, unpacked
from tests.scenario.worker.backup_case import BackupCase, backup_case
from tests.scenario.worker.cloud import Cloud
from tests.scenario.worker.machine import Machine, machine
from tools.bundle import build
from tools.local_cloud.azurite import Azurite, azurite, new_account_key
from tools.local_cloud.worker_python import worker_python

ACCOUNT = "workers"


@pytest.fixture(scope="session")
def workers_azurite() -> Iterator[Azurite]:
    with azurite({ACCOUNT: new_account_key()}) as running:
        yield running


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's bundle for the Python of the worker's image."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    build(worker_python().version, folder)
    return folder


@pytest.fixture
def cloud(workers_azurite: Azurite) -> Cloud:
    return Cloud(workers_azurite, ACCOUNT, uuid.uuid4().hex[:12])


@pytest.fixture
def worker_machine(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def installed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(bundle, tmp_path_factory.mktemp("installed") / "agent")


@pytest.fixture
def agent(cloud: Cloud, installed: Path, bundle: Path, tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent that has not been started yet."""
    process = AgentProcess(cloud, installed, bundle, tmp_path)
    try:
        yield process
    finally:
        process.clean_up()


@pytest.fixture
def backup(cloud: Cloud) -> Iterator[BackupCase]:
    with backup_case(cloud) as case:
        yield case
