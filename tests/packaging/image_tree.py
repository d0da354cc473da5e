"""The image's file tree, unpacked from its layers, and programs that run in it as a pod's would."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.image.layout import manifests, read_blob

#: Root in a namespace of its own makes the tree its read-only root; then nothing is left of root.
_INSIDE = """\
set -e
root=$1 user=$2
shift 2
mount --make-rprivate /
mount --rbind "$root" "$root"
mount -o remount,bind,ro "$root"
exec unshare --user --map-user="$user" --map-group="$user" --root "$root" --wd / "$@"
"""
_TIMEOUT_S = 240


@dataclass(frozen=True)
class ImageTree:
    """The tree of one architecture, in *root*, and the configuration that an image runs by."""

    root: Path
    config: dict[str, Any]

    def path(self, absolute: str) -> Path:
        """Return where the host finds the image's *absolute* path."""
        return self.root / absolute.lstrip("/")

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run *command* with the image's user and environment; its root cannot be written to."""
        user = self.config["User"].split(":")[0]
        outer = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
        outer += ["--kill-child=SIGKILL", "bash", "-c", _INSIDE, "bash", str(self.root), user]
        variables = dict(line.split("=", 1) for line in self.config["Env"])
        # The programs that make the namespaces are the host's, and found after the image's.
        variables["PATH"] += ":/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(  # noqa: S603 - the image's own programs
            [*outer, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            env=variables,
        )


def unpack(layout: Path, architecture: str, root: Path) -> ImageTree:
    """Unpack the layers of *architecture* into the new folder *root*, in their order."""
    root.mkdir()
    manifest = manifests(layout)[architecture]
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(read_blob(layout, layer))) as archive:
            archive.extractall(root, filter="fully_trusted")  # noqa: S202 - our own
    config = json.loads(read_blob(layout, manifest["config"]))
    return ImageTree(root, config["config"])
