"""An OCI image layout: layers, configurations and manifests as files named by their digests.

The layout is that of the Open Container Initiative's image specification 1.1: any tool that copies
images (skopeo, crane, oras) takes it from here to a registry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.image.layers import Layer

_MEDIA = "application/vnd.oci.image"
MANIFEST = f"{_MEDIA}.manifest.v1+json"
INDEX = f"{_MEDIA}.index.v1+json"
LAYER = f"{_MEDIA}.layer.v1.tar+gzip"
CONFIG = f"{_MEDIA}.config.v1+json"
REFERENCE = "org.opencontainers.image.ref.name"

#: A JSON object.
Json = dict[str, Any]


class Layout:
    """A layout that is being written into an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)

    def add_image(
        self, architecture: str, layers: Sequence[Layer], running: Json, notes: Mapping[str, str]
    ) -> Json:
        """Store an image that runs as *running* says, and return the descriptor of its manifest."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": running,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._add_json(config, CONFIG),
            "layers": [self._add(layer.content, LAYER) for layer in layers],
            "annotations": dict(notes),
        }
        platform = {"architecture": architecture, "os": "linux"}
        return {**self._add_json(manifest, MANIFEST), "platform": platform}

    def finish(self, images: Sequence[Json], reference: str, notes: Mapping[str, str]) -> str:
        """Write the index over *images* under the name *reference*, and return its digest."""
        listed = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": list(images),
            "annotations": dict(notes),
        }
        entry = {**self._add_json(listed, INDEX), "annotations": {REFERENCE: reference}}
        top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        (self._folder / "index.json").write_bytes(_encoded(top))
        (self._folder / "oci-layout").write_bytes(_encoded({"imageLayoutVersion": "1.0.0"}))
        return str(entry["digest"])

    def _add_json(self, value: Json, media: str) -> Json:
        return self._add(_encoded(value), media)

    def _add(self, content: bytes, media: str) -> Json:
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}


def _encoded(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_blob(layout: Path, descriptor: Json) -> bytes:
    """Return what *descriptor* of the layout names; raise ValueError where it is something else."""
    digest = str(descriptor["digest"])
    content = (layout / "blobs" / digest.replace(":", "/")).read_bytes()
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if found != digest or len(content) != descriptor["size"]:
        raise ValueError(f"{digest}: {len(content)} bytes of {found} lie there")
    return content


def index_digest(layout: Path) -> str:
    """Return the digest by which the image in the layout is called."""
    (top,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    return str(top["digest"])


def manifests(layout: Path) -> dict[str, Json]:
    """Return the manifest of each architecture in the layout."""
    (top,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    images = json.loads(read_blob(layout, top))["manifests"]
    return {
        image["platform"]["architecture"]: json.loads(read_blob(layout, image)) for image in images
    }
