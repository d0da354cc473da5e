"""What surrounds the pods of an agent: images, the API server, and where addresses lead to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tools.nodeagent.api import Api
from tools.nodeagent.images import Image
from tools.nodeagent.network import Network
from tools.nodeagent.pods import Pod
from tools.nodeagent.relays import Dial, Relays
from tools.nodeagent.services import Endpoint

#: An address and a port.
Place: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every pod.

    *routes* are places of this machine by those that pods dial. *networks* are those of the pods
    that run, by their addresses.
    """

    api: Api
    folder: Path
    images: Mapping[str, Image]
    routes: Mapping[Place, Place]
    relays: Relays
    networks: dict[str, Network] = field(default_factory=dict)

    def carry(self, pod: Pod, network: Network, behind: list[Endpoint]) -> list[Callable[[], None]]:
        """Have *network* lead where *routes* say, and to the pods of *behind*; return the ends.

        At a port that it serves itself a pod does not reach others: its own server has that.
        """
        dials: dict[Place, Dial] = {
            place: _to_machine(target) for place, target in self.routes.items()
        }
        for endpoint in behind:
            for port in endpoint.ports:
                if port not in pod.container.ports:
                    dials[endpoint.address, port] = self._to_pod(endpoint.address, port)
        return [self.relays.serve(network.listen(*place), dial) for place, dial in dials.items()]

    def _to_pod(self, address: str, port: int) -> Dial:
        def dial() -> socket.socket:
            if address not in self.networks:
                raise ConnectionError(f"{address}: no such pod")
            return self.networks[address].connect(address, port)

        return dial


def _to_machine(target: Place) -> Dial:
    return lambda: socket.create_connection(target)
