"""What a node gives every container beside its image and volumes: names, and who it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tools.nodeagent.contained import Bind
from tools.nodeagent.pods import Pod
from tools.nodeagent.services import Endpoint


def write_names(pod: Pod, address: str, behind: Iterable[Endpoint], folder: Path) -> list[Bind]:
    """Write the files of /etc that tell names; return where the container sees them."""
    services = "".join(endpoint.hosts_line() for endpoint in behind)
    texts = {
        "hosts": f"127.0.0.1 localhost\n{address} {pod.name}\n{services}",
        # A Service has an address for each of its pods.
        "host.conf": "multi on\n",
        # Nothing in a pod's network answers for other names: its proxy knows them.
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "passwd": f"root:x:0:0::/:\npod:x:{pod.user}:{pod.group}::/:\n",
        "group": f"root:x:0:\npod:x:{pod.group}:\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [Bind(f"/etc/{name}", str(folder / name)) for name in texts]
