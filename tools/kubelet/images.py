"""Images as a node takes them in: one file each, which says by what name pods ask for it."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

from tools.image.build import own_architecture
from tools.image.layers import layer_of
from tools.image.layout import Layout

#: What holds a pod's namespaces; pods do not name it.
PAUSE = "docker.io/vmbackup-tests/pause:1"
_SLEEP_S = 2**31 - 1


def pack(layout: Path, name: str, to: Path) -> None:
    """Write the image in *layout* into the file *to*, called *name*."""
    top = json.loads((layout / "index.json").read_bytes())
    for entry in top["manifests"]:
        entry["annotations"] = {"io.containerd.image.name": name}
    index = json.dumps(top).encode()
    said = tarfile.TarInfo("index.json")
    said.size = len(index)
    with tarfile.open(to, "w") as archive:
        for part in ("blobs", "oci-layout"):
            archive.add(layout / part, part)
        archive.addfile(said, io.BytesIO(index))


def pack_pause(busybox: Path, folder: Path, to: Path) -> None:
    """Write an image that sleeps into the file *to*; what it is made of is left in *folder*."""
    root, layout = folder / "root", folder / "layout"
    (root / "bin").mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    made = Layout(layout)
    running = {"Entrypoint": ["/bin/busybox", "sleep", str(_SLEEP_S)], "User": "65535:65535"}
    made.finish([made.add_image(own_architecture(), [layer_of(root)], running, {})], "1", {})
    pack(layout, PAUSE, to)
