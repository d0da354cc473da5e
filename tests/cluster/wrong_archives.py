"""What the API server refuses of archives; imported by the CRDs' tests."""

from __future__ import annotations

_POINT = {"recoveryPointRef": {"name": "web-01-202611220130-0123ab"}}
_BELONGS = "sessions of type Archive have it, and no others"


def _into(**parts: object) -> dict[str, object]:
    return {"repositoryRef": {"name": "archives"}, "retention": {"last": 1}, **parts}


#: Each as in the tests' other tables: kind, field, the wrong value, and what is said then.
WRONG_ARCHIVES: list[tuple[str, str, object, str]] = [
    ("backuppolicies", "spec.archive", {}, "archive.repositoryRef: Required value"),
    ("backuppolicies", "spec.archive", _into(points="Daily"), "supported values"),
    ("backuppolicies", "spec.archive", _into(retention={"last": 0}), "greater than"),
    ("backupsessions", "spec.type", "Archive", _BELONGS),
    ("backupsessions", "spec.archive", _POINT, _BELONGS),
    ("backupsessions", "spec.archive", {}, "recoveryPointRef: Required value"),
]
