"""What of an object that the watch tells is news to those who look at it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def without_maintenance(raw: Mapping[str, object]) -> bytes:
    """Return a digest of a BackupRepository but for its maintenance and what each write changes."""
    metadata = {**_mapping(raw.get("metadata")), "resourceVersion": "", "managedFields": ()}
    status = {**_mapping(raw.get("status")), "maintenance": None}
    told = {**raw, "metadata": metadata, "status": status}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).digest()


def _mapping(part: object) -> Mapping[str, object]:
    return part if isinstance(part, Mapping) else {}
