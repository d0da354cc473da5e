"""The local control plane is a real one, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.local_cloud import control_plane
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubectlRefused
from tools.local_cloud.processes import free_port

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]

#: Starts a control plane in the folder it is told and says which processes that made.
STARTS_ONE = """
import json, sys, time
from pathlib import Path
from tools.local_cloud.control_plane import control_plane
with control_plane(Path(sys.argv[1])) as plane:
    print(json.dumps([program.process.pid for program in plane._programs]), flush=True)
    time.sleep(600)
"""


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_it_is_the_pinned_kubernetes(plane: ControlPlane) -> None:
    version = json.loads(plane.administrator.kubectl("version", "--output=json"))
    pins = (ROOT / "tools" / "kubernetes" / "go.mod").read_text()

    assert f"k8s.io/kubernetes {version['serverVersion']['gitVersion']}" in pins


def test_a_service_account_has_no_rights_of_its_own(plane: ControlPlane, namespace: str) -> None:
    nobody = plane.service_account(namespace, "default")

    with pytest.raises(KubectlRefused, match=f"system:serviceaccount:{namespace}:default"):
        nobody.kubectl("get", "secrets", "--namespace", namespace)


def test_the_audit_log_tells_who_was_refused(plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(KubectlRefused):
        plane.service_account(namespace, "default").kubectl("get", "pods", "-n", namespace)

    refused = [
        entry["objectRef"]["resource"]
        for entry in plane.audited()
        if entry["user"].get("username") == f"system:serviceaccount:{namespace}:default"
        and entry["responseStatus"]["code"] == 403
    ]
    assert "pods" in refused


def test_a_deleted_namespace_goes(plane: ControlPlane, namespace: str) -> None:
    plane.administrator.kubectl("delete", "namespace", namespace, "--timeout=60s")

    with pytest.raises(KubectlRefused, match="not found"):
        plane.administrator.get("namespace", namespace)


def test_a_port_that_somebody_took_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [free_port() for _ in range(9)]  # three at each attempt
        ports[0] = taken.getsockname()[1]  # etcd's, at the first
        ports[5] = taken.getsockname()[1]  # the API server's, at the second
        monkeypatch.setattr(control_plane, "free_port", lambda: ports.pop(0))
        started = control_plane.start(tmp_path)
        try:
            assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
            assert started.administrator.get("namespace", "default")["metadata"]["uid"]
        finally:
            started.stop()
            started.stop()  # again is no error


def test_what_was_stopped_or_killed_starts_again_with_its_objects_addresses_and_tokens(
    tmp_path: Path,
) -> None:
    with control_plane.control_plane(tmp_path) as plane:
        plane.administrator.kubectl("create", "namespace", "kept")
        kept = plane.administrator.get("namespace", "kept")["metadata"]["uid"]
        account = plane.service_account("kept", "default")
        plane.stop()
        with pytest.raises(KubectlRefused):
            plane.administrator.get("namespace", "kept")

        plane.start_again()
        plane.start_again()  # once more is no error

        assert plane.administrator.get("namespace", "kept")["metadata"]["uid"] == kept
        assert "kept:default" in account.kubectl("auth", "whoami")
        plane.administrator.kubectl("create", "namespace", "after")
        plane.administrator.kubectl("delete", "namespace", "after", "--timeout=60s")

        plane.restart_api_server()

        assert plane.administrator.get("namespace", "kept")["metadata"]["uid"] == kept
        assert "kept:default" in account.kubectl("auth", "whoami")


def test_nothing_outlives_the_program_that_started_it(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    starter = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-c", STARTS_ONE, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        pids = json.loads(starter.stdout.readline())
        assert len(pids) == 3
        assert all(map(is_running, pids))
        os.kill(starter.pid, signal.SIGKILL)

    deadline = time.monotonic() + 60
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_running(pid)]
    assert list(temporary.iterdir()) == []
