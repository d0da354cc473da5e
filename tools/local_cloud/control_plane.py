"""A real Kubernetes control plane on loopback: etcd, API server and controller manager, no nodes.

tools/nodeagent brings nodes to one that is asked for the controllers of `WORKLOADS` as well.

For tests and the demo. Nothing of it outlives the program that starts it, and nothing of it is
shared: each has its own folder, ports, CA and keys.
"""

from __future__ import annotations

import json
import secrets
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.local_cloud.kubernetes_programs import kubernetes_program
from tools.local_cloud.kubernetes_user import KubectlRefused, KubernetesUser
from tools.local_cloud.processes import Program, free_port, start_program

START_DEADLINE_S = 300.0

#: Another program may take a port between our looking and our listening.
ATTEMPTS = 3

#: How much the API server's memory may grow before it looks for garbage, where 100 is usual. A
#: sixth of what it computes until our kinds are served was for looking.
GARBAGE_PERCENT = "300"

#: Namespaces, ServiceAccounts with the CA beside them, owner references, aggregated ClusterRoles.
CONTROLLERS = (
    "namespace-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
)

#: What makes pods of Deployments and Jobs, and says where Services lead.
WORKLOADS = (
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "endpointslice-controller",
    "disruption-controller",
)

#: What takes the taints from nodes that are ready.
NODES = ("node-lifecycle-controller",)

#: The address that pods have the API server at: the first of the Services'.
SERVICE_ADDRESS = "10.0.0.1"

#: Who asked for what and what came back, for every request; no bodies.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class DidNotStart(RuntimeError):
    """A part of the control plane ended or was not ready in time; the message ends in its log."""


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Where the programs listen: they find each other, and kubeconfigs name them, by these."""

    etcd: str
    etcd_peers: str
    api_server: str

    @classmethod
    def free(cls) -> _Addresses:
        etcd, peers, api_server = (f"127.0.0.1:{free_port()}" for _ in range(3))
        return cls(f"http://{etcd}", f"http://{peers}", f"https://{api_server}")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane and its administrator."""

    folder: Path
    administrator: KubernetesUser
    _addresses: _Addresses = field(repr=False)
    _programs: list[Program] = field(repr=False)
    _controllers: tuple[str, ...] = CONTROLLERS

    @property
    def url(self) -> str:
        return self._addresses.api_server

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def stop(self) -> None:
        """End all of it, the last started first: an API server without its etcd would hang.

        It may be called at any time, and again.
        """
        _stop(self._programs)

    def start_again(self) -> None:
        """Start what was stopped, with every object that it had, at the same addresses.

        Kubeconfigs and the tokens in them go on working. Where it is running, nothing happens.
        """
        if self._programs:
            return
        try:
            _start_programs(
                self.folder,
                self._addresses,
                self.administrator,
                self._programs,
                self._controllers,
            )
        except BaseException:
            _stop(self._programs)
            raise

    def restart_api_server(self) -> None:
        """Kill the API server alone and start it again on the same etcd; return when it serves."""
        names = [program.name for program in self._programs]
        at = names.index("kube-apiserver")
        self._programs[at].kill()
        started: list[Program] = []
        try:
            _start_api_server(self.folder, self._addresses, started)
        finally:
            self._programs[at : at + 1] = started

    def service_account(self, namespace: str, name: str, *, valid_s: int = 86400) -> KubernetesUser:
        """Return somebody who acts with a token of that ServiceAccount, which must exist."""
        asked = ("create", "token", name, "--namespace", namespace, f"--duration={valid_s}s")
        token = self.administrator.kubectl(*asked).strip()
        kubeconfig = self.folder / f"{namespace}-{name}.kubeconfig"
        return KubernetesUser.made(kubeconfig, self.url, self.ca, token)

    def install_crds(self, folder: Path) -> None:
        """Apply every CRD in *folder* and wait until objects of each are served."""
        self.administrator.apply(folder)
        established = ("--for=condition=Established", "--timeout=60s")
        self.administrator.kubectl("wait", *established, "-f", str(folder))
        for path in sorted(folder.glob("*.yaml")):
            self._wait_for_storage(yaml.safe_load(path.read_text())["spec"])

    def _wait_for_storage(self, definition: dict[str, Any]) -> None:
        """Wait until the objects of a CRD are listed: Established comes a moment before that."""
        group, names = definition["group"], definition["names"]
        path = f"/apis/{group}/{definition['versions'][0]['name']}/{names['plural']}?limit=1"
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                self.administrator.kubectl("get", "--raw", path)
            except KubectlRefused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def audited(self) -> list[dict[str, Any]]:
        """Return every request that was answered so far: who asked for what, what came back."""
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()]


@contextmanager
def control_plane(
    folder: Path | None = None, more_controllers: Sequence[str] = ()
) -> Iterator[ControlPlane]:
    """Run a control plane until the block ends; its files lie in *folder* or one of its own."""
    with _folder(folder) as own:
        running = start(own, more_controllers)
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Yield the folder that is given, or one that is removed after the block."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="control-plane-") as made:
        yield Path(made)


def start(folder: Path, more_controllers: Sequence[str] = ()) -> ControlPlane:
    """Start a control plane that keeps its files in *folder*; return when it serves.

    It ends when it is stopped, or with the thread that called.
    """
    attempt = 1
    while True:
        programs: list[Program] = []
        try:
            return _start(folder / str(attempt), programs, (*CONTROLLERS, *more_controllers))
        except DidNotStart as error:
            _stop(programs)
            if attempt == ATTEMPTS or "address already in use" not in str(error):
                raise
        except BaseException:
            _stop(programs)
            raise
        attempt += 1


def _stop(programs: list[Program]) -> None:
    while programs:
        programs.pop().stop()


def _start(folder: Path, programs: list[Program], controllers: tuple[str, ...]) -> ControlPlane:
    folder.mkdir(parents=True)
    token = secrets.token_urlsafe(32)
    _write_secrets(folder, token)
    at = _Addresses.free()
    kubeconfig = folder / "admin.kubeconfig"
    administrator = KubernetesUser.made(kubeconfig, at.api_server, folder / "ca.pem", token)
    _start_programs(folder, at, administrator, programs, controllers)
    return ControlPlane(folder, administrator, at, programs, controllers)


def _start_programs(
    folder: Path,
    at: _Addresses,
    administrator: KubernetesUser,
    programs: list[Program],
    controllers: Sequence[str],
) -> None:
    _start_etcd(folder, at, programs)
    _start_api_server(folder, at, programs)
    _start_controllers(folder, administrator, programs, controllers)


def _write_secrets(folder: Path, token: str) -> None:
    """Write the CA, the API server's certificate, the ServiceAccounts' key and the only token."""
    folder.chmod(0o700)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert(
        "127.0.0.1", "localhost", SERVICE_ADDRESS, "kubernetes.default.svc"
    )
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "service-accounts.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (folder / "tokens.csv").write_text(f"{token},administrator,administrator,system:masters\n")
    (folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))


def _start_etcd(folder: Path, at: _Addresses, programs: list[Program]) -> None:
    etcd = start_program(
        [
            kubernetes_program("etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={at.etcd}",
            f"--advertise-client-urls={at.etcd}",
            f"--listen-peer-urls={at.etcd_peers}",
            f"--initial-advertise-peer-urls={at.etcd_peers}",
            f"--initial-cluster=default={at.etcd_peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        folder / "etcd.log",
    )
    programs.append(etcd)
    _wait(etcd, lambda: _answers(f"{at.etcd}/health"))


def _start_api_server(folder: Path, at: _Addresses, programs: list[Program]) -> None:
    key = folder / "service-accounts.pem"
    server = start_program(
        [
            kubernetes_program("kube-apiserver"),
            f"--etcd-servers={at.etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={at.api_server.rsplit(':', 1)[1]}",
            f"--tls-cert-file={folder / 'server.pem'}",
            f"--tls-private-key-file={folder / 'server.pem'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--audit-policy-file={folder / 'audit-policy.json'}",
            f"--audit-log-path={folder / 'audit.log'}",
            "--profiling=false",
        ],
        folder / "kube-apiserver.log",
        {"GOGC": GARBAGE_PERCENT},
    )
    programs.append(server)
    # Only our own CA is believed: whoever else took the port is no API server of ours.
    trusted = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    _wait(server, lambda: _answers(f"{at.api_server}/readyz", trusted))


def _start_controllers(
    folder: Path,
    administrator: KubernetesUser,
    programs: list[Program],
    controllers: Sequence[str],
) -> None:
    manager = start_program(
        [
            kubernetes_program("kube-controller-manager"),
            f"--kubeconfig={administrator.kubeconfig}",
            f"--controllers={','.join(controllers)}",
            f"--root-ca-file={folder / 'ca.pem'}",
            f"--service-account-private-key-file={folder / 'service-accounts.pem'}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
        ],
        folder / "kube-controller-manager.log",
    )
    programs.append(manager)
    _wait(manager, lambda: _has_default_account(administrator))


def _has_default_account(administrator: KubernetesUser) -> bool:
    """Return whether the controllers work: each namespace gets a ServiceAccount from them."""
    try:
        administrator.kubectl("get", "serviceaccount", "default", "--namespace=default")
    except KubectlRefused:
        return False
    return True


def _answers(url: str, trusted: ssl.SSLContext | None = None) -> bool:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),  # a proxy of the simulator's is for Azure only
        urllib.request.HTTPSHandler(context=trusted),
    )
    try:
        with opener.open(url, timeout=5):
            return True
    except (OSError, urllib.error.HTTPError):
        return False


def _wait(program: Program, is_ready: Callable[[], bool]) -> None:
    """Wait until *is_ready*; where *program* has ended, somebody else would be answering."""
    deadline = time.monotonic() + START_DEADLINE_S
    ready = False
    while not ready:
        ready = is_ready()
        if program.has_ended or time.monotonic() > deadline:
            raise DidNotStart(f"{program.name} did not start:\n{program.last_words()}")
        if not ready:
            time.sleep(0.1)
