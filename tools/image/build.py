"""Puts the image together: four layers for each architecture, the lowest of what changes least."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.bundle.build import REQUIREMENTS as WORKERS_LOCK
from tools.image import debian, parts, sbom, unpacked, wheels
from tools.image.bytecode import compile_bytecode
from tools.image.layers import Layer, layer_of
from tools.image.layout import Json, Layout
from tools.local_cloud.toolchains import ROOT

#: Architectures as images call them, with what wheels and kernels call them.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

#: How an image is started. Nothing is written anywhere: a pod's root may be read-only.
RUNNING: Json = {
    "User": f"{unpacked.USER_ID}:{unpacked.USER_ID}",
    "Entrypoint": ["/usr/bin/python3", "-P", "-m", "vmbackup_operator"],
    "Env": [
        f"PATH={parts.PROGRAMS}:/usr/bin",
        f"PYTHONPATH={parts.PRODUCT}:{parts.LIBRARY}",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        "LANG=C.UTF-8",
        f"SSL_CERT_FILE={unpacked.CA_FILE}",
    ],
    "WorkingDir": "/",
}

STDLIB = f"/usr/lib/python{wheels.PYTHON}"
#: Where the digest lies of what an image was made from.
MADE_FROM = "made-from"
LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built: its index, and what each architecture's layers take compressed."""

    digest: str
    sizes: dict[str, list[int]]


def inputs() -> str:
    """Return a digest of every file that an image is made from."""
    files = [debian.LOCK, wheels.REQUIREMENTS, WORKERS_LOCK, wheels.PROJECT]
    worker = ROOT / "worker_agent" / "vmbackup_worker"
    tools = (ROOT / "tools" / "image", ROOT / "tools" / "bundle")
    for folder in (*parts.OWN_PACKAGES, worker, *tools):
        files += [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    digest = hashlib.sha256()
    for path in sorted(set(files)):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()


def own_architecture() -> str:
    """Return this machine's architecture, as images call it: its programs run here."""
    found = [name for name, machine in MACHINES.items() if machine == platform.machine()]
    if not found:
        raise LookupError(f"the image is built on {' or '.join(MACHINES.values())} only")
    return found[0]


def build(out: Path, tell: Callable[[str], None]) -> Built:
    """Make the image anew in the folder *out*: the layout, bills of material, its inputs' digest.

    *tell* hears what begins.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".image-", dir=out.parent) as name:
        made = Path(name) / "made"
        (made / LAYOUT).mkdir(parents=True)
        built = _Building(made, Path(name), tell).run()
        (made / MADE_FROM).write_text(inputs())
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    return built


class _Building:
    """One build: what it has made so far lies in a folder *work*."""

    def __init__(self, made: Path, work: Path, tell: Callable[[str], None]) -> None:
        self._made = made
        self._work = work
        self._tell = tell
        self._bases: dict[str, Path] = {}

    def run(self) -> Built:
        self._tell("the workers' bundles")
        bundles = parts.add_bundles(self._work / "bundles")
        self._tell("Debian's packages")
        parts.add_product(self._work / "product", self._base(own_architecture()))
        # These two are the same on every processor.
        common = [layer_of(self._work / part) for part in ("product", "bundles")]
        version = wheels.project_version()
        notes = {
            "org.opencontainers.image.title": "vmbackup",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        }
        layout, images, sizes = Layout(self._made / LAYOUT), [], {}
        for architecture, machine in MACHINES.items():
            self._tell(f"the image for {architecture}")
            files = wheels.wheels(machine)
            layers = [*self._layers(architecture, files), *common]
            image = layout.add_image(architecture, layers, RUNNING, notes)
            pins = debian.packages(architecture)
            bill = sbom.bill(version, image["digest"], pins, files, bundles)
            (self._made / f"sbom-{architecture}.cdx.json").write_text(bill)
            images.append(image)
            sizes[architecture] = [len(layer.content) for layer in layers]
        return Built(layout.finish(images, version, notes), sizes)

    def _layers(self, architecture: str, files: list[Path]) -> list[Layer]:
        python = self._base(own_architecture())
        root = self._base(architecture)
        library = self._work / f"library-{architecture}"
        parts.add_library(library, files, python)
        return [layer_of(root), layer_of(library)]

    def _base(self, architecture: str) -> Path:
        """Return the tree of *architecture*'s Debian with bytecode, made where it is not yet."""
        if architecture not in self._bases:
            root = self._bases[architecture] = self._work / f"base-{architecture}"
            unpacked.unpack(debian.packages(architecture), root)
            compile_bytecode(root, self._base(own_architecture()), [STDLIB])
        return self._bases[architecture]
