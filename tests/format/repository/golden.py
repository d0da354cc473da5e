"""The golden repositories: one folder for each version of the format, added and never edited."""

from __future__ import annotations

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent


class GoldenPoint(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A recovery point of one disk, and what that disk held."""

    run_id: str
    kind: str
    size_bytes: int
    sha256: str
    snapshot_unique_id: str | None = None


class Golden(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is in a golden repository; *files* are the SHA-256 of every object."""

    key: str
    unique_id: str
    repository_id: str
    appliance_id: str
    points: list[GoldenPoint]
    files: dict[str, str]


VERSIONS = sorted(each.parent.name for each in FOLDER.glob("*/expected.json"))


def repository_folder(version: str) -> Path:
    """Return the directory that holds the repository of *version*."""
    return FOLDER / version / "repository"


def expected(version: str) -> Golden:
    """Return what the repository of *version* holds."""
    return msgspec.json.decode((FOLDER / version / "expected.json").read_bytes(), type=Golden)
