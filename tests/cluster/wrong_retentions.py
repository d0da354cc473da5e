"""Retentions that the schemas refuse, of policies and of sessions, and what is said then."""

from __future__ import annotations

ZONE = "must be the name of an IANA time zone, as in Europe/Berlin"

#: Kind, field, the value that makes a right object wrong, and what is said then.
WRONG_RETENTIONS: list[tuple[str, str, object, str]] = [
    *[
        (kind, f"spec.retention.{line}", number, f"than or equal to {limit}")
        for kind in ("backuppolicies", "backupsessions")
        for line, number, limit in (
            ("last", 0, 1),
            ("last", 1001, 1000),
            ("hourly", -1, 0),
            ("daily", 1001, 1000),
            ("withinDays", -1, 0),
            ("withinDays", 10_001, 10_000),
            ("minSuccessful", 0, 1),
        )
    ],
    ("backuppolicies", "spec.retention.timeZone", "Etc/UTC", "unknown field"),
    *[
        ("backupsessions", "spec.retention.timeZone", zone, said)
        for zone, said in (
            ("Europe/Atlantis", ZONE),
            ("Local", ZONE),
            ("+05:30", "spec.retention.timeZone"),
            ("", "spec.retention.timeZone"),
        )
    ],
]
