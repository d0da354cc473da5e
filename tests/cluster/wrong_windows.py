"""Blackout windows, objectives and histories that the schema refuses, and what is said then."""

from __future__ import annotations

_NIGHT = {"start": "22:00", "end": "04:00"}

#: Kind, field, the value that makes a right object wrong, and what is said then.
WRONG_WINDOWS: list[tuple[str, str, object, str]] = [
    *[
        ("backuppolicies", "spec.schedule.blackout.windows", windows, said)
        for windows, said in (
            ([], "should have at least 1 items"),
            ([_NIGHT] * 21, "must have at most 20 items"),
            ([{"start": "22:00"}], "windows[0].end: Required value"),
            ([{"end": "22:00"}], "windows[0].start: Required value"),
            ([{**_NIGHT, "start": "24:00"}], "windows[0].start"),
            ([{**_NIGHT, "start": "9:00"}], "windows[0].start"),
            ([{**_NIGHT, "end": "24:30"}], "windows[0].end"),
            ([{**_NIGHT, "end": "tomorrow"}], "windows[0].end"),
            ([{**_NIGHT, "end": "22:00"}], "start and end are the same"),
            ([{**_NIGHT, "days": ["Sat"]}], 'supported values: "Monday"'),
            ([{**_NIGHT, "days": ["Sunday", "Sunday"]}], "Duplicate value"),
            ([{**_NIGHT, "timeZone": "Etc/UTC"}], "unknown field"),
            ([{"start": "00:00", "end": "24:00"}], "leaves no time for sessions"),
        )
    ],
    ("backuppolicies", "spec.schedule.blackout", {}, "windows: Required value"),
    *[
        ("backuppolicies", "spec.sessionHistory", {"ttlSecondsAfterFinished": seconds}, said)
        for seconds, said in ((3599, "greater than"), (315_360_001, "less than"), ("1d", "integer"))
    ],
    *[
        (
            "backuppolicies",
            "spec.schedule.blackout",
            {"windows": [_NIGHT], "maxPostponementSeconds": seconds},
            f"than or equal to {limit}",
        )
        for seconds, limit in ((-1, 0), (604_801, 604_800))
    ],
    *[
        ("backuppolicies", "spec.rpo", rpo, "spec.rpo")
        for rpo in ("", "0h", "-1h", "24", "1h30m", "a day", "100000m")
    ],
]
