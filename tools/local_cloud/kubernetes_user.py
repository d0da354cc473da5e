"""Somebody who uses a local control plane: a kubeconfig with a token, and kubectl with it.

Who waits for something looks with `read`: a kubectl that starts takes a tenth of a second of a
processor, and whoever is waited for needs that more.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import urllib3

from tools.local_cloud.toolchains import kubectl

KUBECTL_DEADLINE_S = 120.0

#: How many threads of a test look at once, at most, without a handshake for each look.
CONNECTIONS = 8

#: Where the objects of our six kinds are, and Kubernetes' own.
OURS, CORE = "/apis/vmbackup.dev/v1alpha1", "/api/v1"


class ReadRefused(RuntimeError):
    """The API server gave no object; the message is what it said."""


class PostRefused(RuntimeError):
    """The API server took no object; the message is what it said."""


class KubectlRefused(RuntimeError):
    """kubectl ended with an error; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, the CA that vouches for it, and who asks."""

    server: str
    authority: str
    token: str


@dataclass(frozen=True)
class KubernetesUser:
    """Whoever the token in *kubeconfig* speaks for."""

    kubeconfig: Path

    @classmethod
    def made(cls, kubeconfig: Path, url: str, ca: Path, token: str) -> KubernetesUser:
        """Write *kubeconfig*, readable by its owner alone, and return its user."""
        authority = base64.b64encode(ca.read_bytes()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "local",
            "clusters": [
                {
                    "name": "local",
                    "cluster": {"server": url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "local", "user": {"token": token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        }
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(document))
        return cls(kubeconfig)

    def kubectl(self, *words: str, given: str | None = None, editor: str = "false") -> str:
        """Return what kubectl prints; *given* is its input, *editor* what it edits with."""
        environment = {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl-cache"),
            "HOME": str(self.kubeconfig.parent),
            "TMPDIR": str(self.kubeconfig.parent),  # kubectl edit leaves what was refused there
            "PATH": "/usr/bin:/bin",
            "KUBE_EDITOR": editor,
        }
        done = subprocess.run(
            [str(kubectl()), *words],
            env=environment,
            input=given,
            check=False,
            capture_output=True,
            text=True,
            timeout=KUBECTL_DEADLINE_S,
        )
        if done.returncode:
            raise KubectlRefused(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *paths: Path) -> str:
        """Apply the manifests in *paths*, files or folders, as the server merges them."""
        named = [word for path in paths for word in ("-f", str(path))]
        return self.kubectl("apply", "--server-side", *named)

    def create(self, manifest: dict[str, Any]) -> None:
        """Create one object."""
        self.kubectl("create", "-f", "-", given=json.dumps(manifest))

    def get(self, *words: str) -> Any:
        """Return the object or list that ``kubectl get`` finds, parsed."""
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def access(self) -> Access:
        """Return what the kubeconfig says, for who asks without kubectl."""
        config = json.loads(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
        return Access(cluster["server"], authority, user["token"])

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what the API server answers to a GET of *path*, parsed: as `get`, and quicker."""
        answer = self._server.request(
            "GET", path, fields=dict(query or {}), timeout=KUBECTL_DEADLINE_S
        )
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise ReadRefused(f"GET {path}: {answer.status} {answer.data.decode()}")
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Create one object in the folder *path*: as `create`, and quicker."""
        answer = self._server.request("POST", path, json=body, timeout=KUBECTL_DEADLINE_S)
        if answer.status != 201:  # noqa: PLR2004 - Created
            raise PostRefused(f"POST {path}: {answer.status} {answer.data.decode()}")

    @cached_property
    def _server(self) -> urllib3.HTTPSConnectionPool:
        """The API server's connections: a handshake takes more than an answer."""
        access = self.access()
        at = urllib3.util.parse_url(access.server)
        return urllib3.HTTPSConnectionPool(
            str(at.host),
            at.port,
            maxsize=CONNECTIONS,
            ssl_context=ssl.create_default_context(cadata=access.authority),
            headers={"Authorization": f"Bearer {access.token}"},
            retries=False,
        )

    def find(
        self,
        namespace: str,
        plural: str,
        name: str = "",
        *,
        within: str = OURS,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the object, or the list, of a namespace: of one of our kinds where no other is."""
        folder = f"{within}/namespaces/{namespace}/{plural}"
        return self.read(f"{folder}/{name}" if name else folder, query)
