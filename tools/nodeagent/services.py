"""Where a Service without an address of its own leads: names for hosts files, places to dial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.nodeagent.api import Api

_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready pod behind a Service."""

    service: str
    namespace: str
    address: str
    ports: tuple[int, ...]

    def hosts_line(self) -> str:
        """Return the line of a hosts file that has the Service's names for it."""
        name = f"{self.service}.{self.namespace}.svc"
        return f"{self.address} {name} {name}.cluster.local\n"


def find_endpoints(api: Api, namespace: str) -> list[Endpoint]:
    """Return what is ready behind the Services of *namespace* at this moment."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    return list(endpoints(namespace, api.get(path)["items"]))


def endpoints(namespace: str, slices: Sequence[Mapping[str, Any]]) -> Iterator[Endpoint]:
    """Yield what is ready in *slices*."""
    for each in slices:
        ports = tuple(port["port"] for port in each.get("ports") or ())
        service = each["metadata"]["labels"][_SERVICE]
        for endpoint in each.get("endpoints") or ():
            if endpoint["conditions"].get("ready"):
                yield Endpoint(service, namespace, endpoint["addresses"][0], ports)
