"""One real control plane for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.cluster.crd_objects import Writer
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.installation import give_rights, make_namespace, serve
from tools.local_cloud.kubernetes_user import KubernetesUser
from vmbackup_operator.cluster.connection import Connection, connected

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with control_plane() as running:
        yield running


@pytest.fixture(scope="session")
def served(plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRDs."""
    plane.install_crds(ROOT / "crds")
    return plane


@pytest.fixture(scope="session")
def installed(served: ControlPlane) -> ControlPlane:
    """The control plane with CRDs, the examples' namespaces, and rights."""
    give_rights(served)
    return served


@pytest.fixture(scope="session")
def operator(installed: ControlPlane) -> KubernetesUser:
    """Who the operator is to the API server."""
    return installed.service_account("vmbackup-system", "vmbackup-operator")


@pytest.fixture
async def connection(operator: KubernetesUser) -> AsyncIterator[Connection]:
    """The operator's own connection, with the operator's rights."""
    async with connected(str(operator.kubeconfig)) as made:
        yield made


@pytest.fixture
async def judge(served: ControlPlane) -> AsyncIterator[Writer]:
    """Has objects judged: nothing of that stays, so one namespace does for all tests."""
    async with connected(str(served.administrator.kubeconfig)) as made:
        yield Writer(made, "default")


@pytest.fixture
def writer(judge: Writer, unserved: str) -> Writer:
    """Writes what stays into a namespace of the test's own."""
    return judge.within(unserved)


@pytest.fixture
def namespace(plane: ControlPlane, unserved: str) -> str:
    """A namespace of the test's own, in which the operator works."""
    serve(plane, unserved)
    return unserved


@pytest.fixture
def unserved(plane: ControlPlane) -> str:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    make_namespace(plane, name)
    return name
