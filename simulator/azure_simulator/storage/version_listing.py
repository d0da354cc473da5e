"""Azurite's listings with what it does not know: versions, and until when each is locked; pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from email.utils import format_datetime

from azure_simulator.storage.kept_versions import Blob, Policy, Version
from azure_simulator.storage.wire import not_simulated

#: How many versions are listed, at most: a listing of versions has one page here.
MOST = 5000
_PROPERTIES = ("Last-Modified", "ETag", "Content-Type", "Content-MD5")


def blobs_of(page: bytes) -> tuple[list[ET.Element], str]:
    """Return the blobs on a page of Azurite's, and the marker of the next."""
    root = ET.fromstring(page.decode("utf-8-sig"))  # noqa: S314 - Azurite's
    return list(root.iterfind("Blobs/Blob")), root.findtext("NextMarker") or ""


def with_locks(page: bytes, known: Mapping[str, Blob]) -> bytes:
    """Return a page of Azurite's with the locks of the blobs on it."""
    root = ET.fromstring(page.decode("utf-8-sig"))  # noqa: S314 - Azurite's
    for element in root.iterfind("Blobs/Blob"):
        blob = known.get(element.findtext("Name") or "")
        if blob is not None:
            _add_policy(element, blob.policy)
    return _written(root)


def with_versions(
    container: str, current: Sequence[ET.Element], known: Mapping[str, Blob], *, locks: bool
) -> bytes:
    """Return a listing of all versions, by name, then by age; raise where it is too long."""
    of_name = {element.findtext("Name") or "": element for element in current}
    names = sorted({*of_name, *(name for name, blob in known.items() if blob.earlier)})
    rows = [
        row
        for name in names
        for row in _rows(name, of_name.get(name), known.get(name, Blob()), locks=locks)
    ]
    if len(rows) > MOST:
        raise not_simulated(f"a listing of {len(rows)} versions")
    root = ET.Element("EnumerationResults", {"ContainerName": container})
    ET.SubElement(root, "Blobs").extend(rows)
    ET.SubElement(root, "NextMarker")
    return _written(root)


def _rows(
    name: str, current: ET.Element | None, blob: Blob, *, locks: bool
) -> Iterator[ET.Element]:
    for version in blob.earlier:
        yield _row(name, version, locks=locks)
    if current is None:
        return
    if locks:
        _add_policy(current, blob.policy)
    if blob.current:
        _insert(current, "VersionId", blob.current)
        _insert(current, "IsCurrentVersion", "true")
    yield current


def _row(name: str, version: Version, *, locks: bool) -> ET.Element:
    row = ET.Element("Blob")
    ET.SubElement(row, "Name").text = name
    ET.SubElement(row, "VersionId").text = version.id
    properties = ET.SubElement(row, "Properties")
    for each in _PROPERTIES:
        if each in version.headers:
            ET.SubElement(properties, "Etag" if each == "ETag" else each).text = version.headers[
                each
            ]
    ET.SubElement(properties, "Content-Length").text = str(len(version.content))
    ET.SubElement(properties, "BlobType").text = version.headers.get("x-ms-blob-type", "BlockBlob")
    if locks:
        _add_policy(row, version.policy)
    return row


def _insert(element: ET.Element, tag: str, text: str) -> None:
    child = ET.Element(tag)
    child.text = text
    element.insert(1, child)


def _add_policy(element: ET.Element, policy: Policy | None) -> None:
    properties = element.find("Properties")
    if policy is None or properties is None:
        return
    until = ET.SubElement(properties, "ImmutabilityPolicyUntilDate")
    until.text = format_datetime(policy.until, usegmt=True)
    ET.SubElement(properties, "ImmutabilityPolicyMode").text = policy.mode


def _written(root: ET.Element) -> bytes:
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
