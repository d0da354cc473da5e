"""The bill of material names every package with the digest of the file that it came from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tools.image.apt import Package
from tools.image.sbom import bill

PACKAGES = [
    Package("amd64", "libc6", "2.36-9+deb12u14", "a" * 64),
    Package("amd64", "zlib1g", "1:1.2.13.dfsg-1", "b" * 64),
]
DIGEST = "sha256:" + "c" * 64


def made(folder: Path) -> dict[str, Any]:
    """Return a bill of two packages, a wheel of the operator's and the same one of a worker's."""
    bundle = folder / "3.10-x86_64"
    bundle.mkdir(parents=True)
    wheel = folder / "msgspec_x-0.20.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    wheel.write_bytes(b"for 3.11")
    (bundle / "msgspec_x-0.20.0-cp310-cp310-manylinux_2_17_x86_64.whl").write_bytes(b"for 3.10")
    said: dict[str, Any] = json.loads(bill("0.1.0", DIGEST, PACKAGES, [wheel], [bundle]))
    return said


def test_it_is_a_bill_of_the_image(tmp_path: Path) -> None:
    said = made(tmp_path)

    assert (said["bomFormat"], said["specVersion"]) == ("CycloneDX", "1.6")
    assert said["metadata"]["component"]["bom-ref"] == DIGEST
    assert said["metadata"]["component"]["version"] == "0.1.0"


def test_a_package_of_debian_is_named_as_scanners_name_it(tmp_path: Path) -> None:
    found = {one["name"]: one for one in made(tmp_path)["components"]}

    zlib = found["zlib1g"]
    assert zlib["version"] == "1:1.2.13.dfsg-1"
    assert zlib["purl"] == (
        "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64&distro=debian-bookworm"
    )
    assert zlib["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]


def test_a_wheel_is_named_once_for_each_place_in_which_it_lies(tmp_path: Path) -> None:
    found = [one for one in made(tmp_path)["components"] if one["name"] == "msgspec-x"]

    assert {
        (one["properties"][0]["value"], one["hashes"][0]["content"]) for one in found
    } == {
        ("image", hashlib.sha256(b"for 3.11").hexdigest()),
        ("3.10-x86_64", hashlib.sha256(b"for 3.10").hexdigest()),
    }  # fmt: skip


def test_nothing_is_named_twice_and_two_bills_of_the_same_are_the_same(tmp_path: Path) -> None:
    said = made(tmp_path / "one")

    references = [one["bom-ref"] for one in said["components"]]
    assert len(set(references)) == len(references) == len(PACKAGES) + 2
    assert made(tmp_path / "other") == said
