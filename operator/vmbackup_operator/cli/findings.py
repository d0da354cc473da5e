"""What was found of a repository's objects, as people and programs read it."""

from __future__ import annotations

from vmbackup_core.repository.control.check import Finding
from vmbackup_operator.cli.printing import size

#: How many recovery points are named beside one object.
MOST_NAMED = 8


def finding_as_json(finding: Finding) -> dict[str, object]:
    """Return *finding* with the fields that docs/operations.md promises."""
    return {
        "object": f"{finding.place}/{finding.object}",
        "what": finding.what,
        "found": finding.found,
        "points": list(finding.points),
        "hurt": [
            {
                "disk": each.disk,
                "chain": each.chain,
                "lostBytes": each.lost_bytes,
                "extents": [
                    {"offset": extent.offset, "length": extent.length} for extent in each.extents
                ],
                "points": list(each.points),
            }
            for each in finding.hurt
        ],
    }


def cost_of(finding: Finding) -> str:
    """Return what it costs, to be put behind what was found."""
    named, more = finding.points[:MOST_NAMED], len(finding.points) - MOST_NAMED
    if not named:
        return "; no recovery point refers to it"
    lost = "".join(f"; {size(each.lost_bytes)} of {each.disk} lost" for each in finding.hurt)
    runs = f"; referred to by {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
    return lost + runs
