"""Secrets, events, CRDs and the connection, on a real API server, with the operator's rights."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.kubernetes_user import KubernetesUser
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection, connected
from vmbackup_operator.cluster.definitions import missing_definitions
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.secrets_by_name import NamedSecrets
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionSpec
from vmbackup_operator.model.kinds import KINDS
from vmbackup_operator.model.metadata import GROUP, Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference

pytestmark = pytest.mark.control_plane

VM = (
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-production"
    "/providers/Microsoft.Compute/virtualMachines/web-01"
)


def session(namespace: str) -> BackupSession:
    spec = BackupSessionSpec(VM, ObjectReference("west"))
    return BackupSession(Metadata("nightly-1", namespace), spec)


async def test_secrets_are_read_by_name(connection: Connection, installed: ControlPlane) -> None:
    create = ("create", "secret", "generic", "a-key", "--from-literal=key=0123")
    for namespace in ("web-team", "default"):
        installed.administrator.kubectl(*create, "-n", namespace)
    secrets = NamedSecrets(connection)

    assert await secrets.find(ObjectKey("web-team", "a-key")) == {"key": b"0123"}
    assert await secrets.find(ObjectKey("web-team", "no-key")) is None
    with pytest.raises(PermanentError, match="a-key") as caught:
        await secrets.find(ObjectKey("default", "a-key"))
    assert caught.value.reason == "NotAuthorized"


async def test_an_event_is_told_once(
    connection: Connection, namespace: str, plane: ControlPlane
) -> None:
    about = await StoredSessions(connection).create(session(namespace))
    events = ToldEvents(connection, SystemClock(), "vmbackup-operator-0")
    for _ in range(2):
        await events.tell(about, "Warning", "WorkerLost", "ü" * 2000)
    await events.tell(about, "Normal", "Complete", "all is stored")

    words = ("events", "-n", namespace, f"--field-selector=involvedObject.uid={about.metadata.uid}")
    told = plane.administrator.get(*words)["items"]
    assert sorted(event["reason"] for event in told) == ["Complete", "WorkerLost"]
    described = plane.administrator.kubectl(
        "describe", "backupsession", about.metadata.name, "-n", namespace
    )
    assert "all is stored" in described


async def test_an_event_that_cannot_be_told_fails_nothing(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    lost = session("no-such-namespace")
    await ToldEvents(connection, SystemClock(), "x").tell(lost, "Normal", "Complete", "stored")

    assert "event Complete about no-such-namespace/nightly-1 was not recorded" in caplog.text


async def test_crds_that_are_missing_are_named(connection: Connection, tmp_path: Path) -> None:
    assert await missing_definitions(connection) == []
    with control_plane(tmp_path) as bare:
        async with connected(str(bare.administrator.kubeconfig)) as elsewhere:
            assert await missing_definitions(elsewhere) == [
                f"{kind.plural}.{GROUP}" for kind in KINDS
            ]
            with pytest.raises(TransientError, match="does not serve its kind"):
                await StoredSessions(elsewhere).find(ObjectKey("default", "s"))


async def test_an_api_server_that_does_not_answer_is_transient(
    plane: ControlPlane, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = KubernetesUser.made(
            tmp_path / "config", f"https://127.0.0.1:{silent.getsockname()[1]}", plane.ca, "token"
        )
        async with connected(str(nobody.kubeconfig)) as connection:
            with pytest.raises(TransientError, match=r"GET /apis/vmbackup\.dev"):
                await StoredSessions(connection).find(ObjectKey("web-team", "s"))


async def test_a_token_that_is_not_known_is_transient_and_not_repeated_in_the_message(
    plane: ControlPlane, tmp_path: Path
) -> None:
    stranger = KubernetesUser.made(tmp_path / "config", plane.url, plane.ca, "a-wrong-token")
    async with connected(str(stranger.kubeconfig)) as connection:
        with pytest.raises(TransientError, match="Unauthorized") as caught:
            await StoredSessions(connection).find(ObjectKey("web-team", "s"))

    assert "a-wrong-token" not in str(caught.value)


async def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="absent"):
        async with connected(str(tmp_path / "absent")):
            pass
