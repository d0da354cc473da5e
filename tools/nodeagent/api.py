"""The API server, as the agent asks it: over connections that stay open."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import urllib3

from tools.local_cloud.kubernetes_user import KubernetesUser

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
_JSON = "application/json"
_TIMEOUT_S = 30.0
_NOT_FOUND, _REFUSED = 404, 400


class ApiRefused(Exception):
    """The API server answered with an error; *status* is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_not_found(self) -> bool:
        """Tell whether there is no such object."""
        return self.status == _NOT_FOUND


class Api:
    """What the user of a kubeconfig may do; any thread may ask."""

    def __init__(self, user: KubernetesUser) -> None:
        access = user.access()
        self._server = access.server
        self._token = access.token
        context = ssl.create_default_context(cadata=access.authority)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what is at *path*."""
        return self._ask("GET", path, None, _JSON, query)

    def find(self, path: str) -> Any:
        """Return the object at *path*, or None where there is none."""
        try:
            return self.get(path)
        except ApiRefused as error:
            if error.is_not_found:
                return None
            raise

    def send(self, method: Method, path: str, body: Any, kind: str = _JSON) -> Any:
        """Send *body* to *path*; return what is there then."""
        return self._ask(method, path, body, kind, None)

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return what is in a ConfigMap, or None where there is none."""
        found = self.find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            return None
        binary = found.get("binaryData", {})
        texts = {key: text.encode() for key, text in found.get("data", {}).items()}
        return texts | {key: base64.b64decode(text) for key, text in binary.items()}

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return what is in a Secret, or None where there is none."""
        found = self.find(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        return {key: base64.b64decode(text) for key, text in found.get("data", {}).items()}

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _ask(
        self, method: Method, path: str, body: Any, kind: str, query: Mapping[str, str] | None
    ) -> Any:
        answer = self._pool.request(
            method,
            f"{self._server}{path}",
            fields=dict(query) if query else None,
            body=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": kind},
            timeout=_TIMEOUT_S,
        )
        if answer.status >= _REFUSED:
            raise ApiRefused(answer.status, f"{method} {path}: {answer.data.decode()}")
        return answer.json()
