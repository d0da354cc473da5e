"""What the simulator tells a VM's first process: where everything is, as one JSON argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """Paths are the host's; *control* and *channel* are inherited file descriptors.

    *root* is an empty folder to build the VM's root on, *tree* holds its own folders, *sources* the
    guest's programs. *python* is the image's interpreter and *python_prefix* where it is installed.
    """

    root: str
    tree: str
    sources: str
    python: str
    python_prefix: str
    hostname: str
    control: int
    channel: int

    def to_json(self) -> str:
        """Return the argument that `from_json` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what `to_json` wrote."""
        return Plan(**json.loads(text))
