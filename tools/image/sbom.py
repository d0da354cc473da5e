"""What an image is made of, as a software bill of materials: CycloneDX 1.6, in JSON."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.image.apt import RELEASE, Package

Json = dict[str, Any]

_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "vmbackup.dev")


def bill(
    version: str, digest: str, packages: Iterable[Package], wheels: Iterable[Path],
    bundles: Iterable[Path],
) -> str:  # fmt: skip
    """Return the bill of the image with the manifest *digest*.

    *wheels* are what the operator runs with, *bundles* the folders of what it sends to workers.
    """
    components = [_debian(package) for package in packages]
    components += [_python(wheel, "image") for wheel in wheels]
    components += _sent_to_workers(bundles)
    product = {
        "type": "container",
        "bom-ref": digest,
        "name": "vmbackup",
        "version": version,
        "hashes": [_hash(digest.removeprefix("sha256:"))],
    }
    said = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest)}",
        "version": 1,
        "metadata": {"component": product},
        "components": sorted(components, key=lambda one: str(one["bom-ref"])),
    }
    return json.dumps(said, indent=1) + "\n"


def _debian(package: Package) -> Json:
    where = f"arch={package.architecture}&distro=debian-{RELEASE}"
    purl = f"pkg:deb/debian/{quote(package.name)}@{quote(package.version, safe='')}?{where}"
    return _component(package.name, package.version, purl, package.sha256)


def _python(wheel: Path, where: str) -> Json:
    name, version = wheel.name.split("-")[:2]
    name = name.replace("_", "-").lower()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    purl = f"pkg:pypi/{name}@{quote(version, safe='')}?file_name={quote(wheel.name)}"
    component = _component(name, version, purl, digest)
    return {**component, "properties": [{"name": "vmbackup:place", "value": where}]}


def _sent_to_workers(bundles: Iterable[Path]) -> Iterator[Json]:
    """Yield each wheel of each bundle, named after the bundle: most lie in several of them."""
    for bundle in bundles:
        for wheel in sorted(bundle.glob("*.whl")):
            component = _python(wheel, bundle.name)
            yield {**component, "bom-ref": f"{bundle.name}:{component['bom-ref']}"}


def _component(name: str, version: str, purl: str, sha256: str) -> Json:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [_hash(sha256)],
    }


def _hash(sha256: str) -> Json:
    return {"alg": "SHA-256", "content": sha256}
