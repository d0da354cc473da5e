"""Putting the bundle where the operator puts it."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.worker.cloud import Cloud
from vmbackup_core.protocol import Launch, read_bundle


def upload(cloud: Cloud, folder: Path) -> Launch:
    """Put the bundle where the operator puts it, and return what the worker is told."""
    listed = read_bundle(folder)
    container = cloud.blobs.create_container(f"bundle-{cloud.name}")
    for path in folder.iterdir():
        container.upload_blob(f"{listed.id}/{path.name}", path.read_bytes())
    base, _, sas = cloud.container_url(container.container_name, "r").partition("?")
    return Launch(
        worker_id=cloud.worker_id,
        nonce=cloud.launch,
        key=cloud.key,
        bundle_url=f"{base}/{listed.id}?{sas}",
        bundle_sha256=listed.sha256,
        jobs_url=cloud.jobs_url,
        events_url=cloud.events_url,
    )


def spoil(cloud: Cloud, folder: Path, name: str) -> None:
    """Change one byte of the uploaded file."""
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    container = cloud.blobs.get_container_client(f"bundle-{cloud.name}")
    container.upload_blob(f"{read_bundle(folder).id}/{name}", bytes(data), overwrite=True)
