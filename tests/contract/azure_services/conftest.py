"""One simulated Azure for the suite, with an appliance whose two regions have come up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    Adapters,
    Cloud,
    adapters,
    settings_for,
)
from tools import azure_roles
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.operator_process import azure_environment
from vmbackup_core.protocol.bundle import BUNDLE_LIST, bundle_file, bundle_list
from vmbackup_operator.sessions.seen import Region


def _let_work_anywhere(azure: Administrator) -> None:
    """Give the operator's identity in the whole subscription what it has in its own groups.

    The suite makes environments under names of its own, groups included, which the documented roles
    leave to the administrator.
    """
    settings, principal = seed.example_settings(), seed.OPERATOR_OBJECT_ID
    scope = f"/subscriptions/{SUBSCRIPTION}"
    made = azure_roles.define(settings, "workers", [scope])
    (permission,) = made.body["properties"]["permissions"]
    permission["actions"].append("Microsoft.Resources/subscriptions/resourceGroups/write")
    source = azure_roles.define(settings, "source", [scope])
    restore = azure_roles.define(settings, "restore", [scope])
    for put in (
        made,
        source,
        restore,
        azure_roles.assign(settings, "workers", scope, principal),
        azure_roles.assign(settings, "source", scope, principal),
        azure_roles.assign(settings, "restore", scope, principal),
    ):
        azure.arm(put.id, put.api_version, put.body)


def _make_bundle(folder: Path) -> Path:
    """Return a bundle of two small files, listed as `make bundle` lists them."""
    folder.mkdir()
    for name in ("agent.whl", "install.sh"):
        (folder / name).write_bytes(name.encode() * 1000)
    lines = [bundle_file(path) for path in sorted(folder.iterdir())]
    listed = bundle_list("3.10", "manylinux_2_35_x86_64", lines)
    (folder / BUNDLE_LIST).write_bytes(listed.encoded())
    return folder


async def _come_up(bundle: Path) -> tuple[Region, Region]:
    accounts = (seed.REPOSITORY_ACCOUNT_ID,)
    async with adapters(settings_for(APPLIANCE, bundle)) as ours:
        home = await ours.ready(seed.HOME_REGION, accounts)
        return home, await ours.ready(seed.VM_REGION, accounts)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The simulated Azure as a process, seeded, with a home region and another one ready."""
    folder = tmp_path_factory.mktemp("azure-services")
    bundle = _make_bundle(folder / "bundle")
    with simulated_azure(folder / "azure", speed=60) as ready:
        azure = Administrator(ready)
        seed.seed_appliance(azure)
        seed.give_rights(azure)
        _let_work_anywhere(azure)
        before = azure.last_entry()
        with pytest.MonkeyPatch.context() as patch:
            become_the_operator(patch, ready)
            home, region = asyncio.run(_come_up(bundle))
        built = azure.journal(before)
        yield Cloud(azure, ready, bundle, home, region, built)


def become_the_operator(patch: pytest.MonkeyPatch, ready: Mapping[str, Any]) -> None:
    """Set what the operator's clients find in the environment: identity, proxy and CA."""
    for name, value in azure_environment(ready).items():
        patch.setenv(name, value)


@pytest.fixture(autouse=True)
def operators_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the operator for the time of one test: pip in another one must not ask this Azure."""
    become_the_operator(monkeypatch, cloud.ready)


@pytest.fixture
async def ours(cloud: Cloud, operators_environment: None) -> AsyncIterator[Adapters]:
    """The appliance's adapters, as after a restart: they remember nothing."""
    del operators_environment
    async with adapters(settings_for(APPLIANCE, cloud.bundle)) as made:
        yield made
