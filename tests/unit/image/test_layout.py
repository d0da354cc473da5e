"""What a layout names lies there under its digest, and two of the same are the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tools.image.layers import Layer
from tools.image.layout import (
    LAYER,
    REFERENCE,
    Layout,
    index_digest,
    manifests,
    read_blob,
)

LAYERS = [Layer(b"packed", "sha256:" + "1" * 64), Layer(b"also packed", "sha256:" + "2" * 64)]
RUNNING = {"User": "65532:65532"}


def written(folder: Path) -> str:
    folder.mkdir()
    layout = Layout(folder)
    images = [layout.add_image(name, LAYERS, RUNNING, {}) for name in ("amd64", "arm64")]
    return layout.finish(images, "1.2.3", {})


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_layouts_of_the_same_are_the_same(tmp_path: Path) -> None:
    digests = {written(tmp_path / "one"), written(tmp_path / "other")}

    assert len(digests) == 1
    assert content(tmp_path / "one") == content(tmp_path / "other")


def test_every_blob_is_named_by_its_digest(tmp_path: Path) -> None:
    written(tmp_path / "one")

    blobs = list((tmp_path / "one/blobs/sha256").iterdir())
    assert len(blobs) == len(LAYERS) + 2 * 2 + 1  # layers are shared
    for blob in blobs:
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_an_architecture_has_its_layers_in_order_and_how_it_runs(tmp_path: Path) -> None:
    written(tmp_path / "one")

    found = manifests(tmp_path / "one")
    config = json.loads(read_blob(tmp_path / "one", found["arm64"]["config"]))
    layers = found["arm64"]["layers"]
    assert found.keys() == {"amd64", "arm64"}
    assert config["architecture"] == "arm64"
    assert config["config"] == RUNNING
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in LAYERS]
    assert [read_blob(tmp_path / "one", layer) for layer in layers] == [
        layer.content for layer in LAYERS
    ]
    assert {layer["mediaType"] for layer in layers} == {LAYER}


def test_the_index_is_called_by_its_version(tmp_path: Path) -> None:
    digest = written(tmp_path / "one")

    (top,) = json.loads((tmp_path / "one/index.json").read_bytes())["manifests"]
    assert top["annotations"] == {REFERENCE: "1.2.3"}
    assert index_digest(tmp_path / "one") == top["digest"] == digest


def test_a_blob_that_was_altered_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "one")
    layer = manifests(tmp_path / "one")["amd64"]["layers"][0]
    path = tmp_path / "one/blobs" / layer["digest"].replace(":", "/")
    path.write_bytes(b"PACKED")

    with pytest.raises(ValueError, match="lie there"):
        read_blob(tmp_path / "one", layer)
