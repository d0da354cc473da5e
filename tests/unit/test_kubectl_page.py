"""docs/kubectl.md shows the columns that the CRDs have, and reasons that are explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_documents import explained

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "kubectl.md").read_text()
CRDS = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]

#: The kinds by their short names, as the page calls them.
KINDS = {crd["spec"]["names"]["shortNames"][0]: crd for crd in CRDS}

#: RestoreSessions are not shown there: they are told of where restores are.
SHOWN = sorted(KINDS.keys() - {"rses"})

COMMAND = re.compile(r"^\$ kubectl get (\w+)(?: -n [\w-]+)?( -o wide)?\n(.*)$", re.MULTILINE)
#: kubectl puts three spaces between columns, and one between the words of a heading.
GAP = re.compile(r" {2,}")
#: In a description, behind a phase's colon, and before disks that are read whole.
REASON = re.compile(
    r"^ +Reason: +(\w+)$|\b(?:BackingOff|Failed): ([A-Z]\w+)|\b([A-Z]\w+): os\b", re.MULTILINE
)


def columns(crd: dict[str, Any], *, wide: bool) -> list[str]:
    (version,) = crd["spec"]["versions"]
    found = [
        column["name"].upper()
        for column in version["additionalPrinterColumns"]
        if wide or not column.get("priority")
    ]
    return ["NAME", *found]


def headings() -> dict[tuple[str, bool], list[str]]:
    return {
        (kind, bool(wide)): GAP.split(heading.strip())
        for kind, wide, heading in COMMAND.findall(PAGE)
    }


@pytest.mark.parametrize("wide", [False, True], ids=["default", "wide"])
@pytest.mark.parametrize("kind", SHOWN)
def test_the_page_shows_each_column_of_a_kind(kind: str, *, wide: bool) -> None:
    assert headings()[kind, wide] == columns(KINDS[kind], wide=wide)


def test_the_page_shows_no_other_kind() -> None:
    assert sorted({kind for kind, _ in headings()}) == SHOWN


def test_every_reason_on_the_page_is_explained() -> None:
    shown = {word for found in REASON.findall(PAGE) for word in found if word}

    assert {"TransferInterrupted", "DiskNotSupported", "NoPredecessor"} <= shown
    assert sorted(shown - explained()) == []


@pytest.mark.parametrize(
    "section", ["conditions", "errors"], ids=["conditions", "the errors of a session"]
)
def test_the_failed_session_has_fields_that_sessions_have(section: str) -> None:
    (version,) = KINDS["bses"]["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    fields = {_as_described(name) for name in status[section]["items"]["properties"]}
    text = PAGE[PAGE.index("### One that failed") : PAGE.index("## BackupPolicies")]
    start = text.index(f"  {section.title()}:\n") + len(f"  {section.title()}:\n")
    lines = re.match(r"(?:    .*\n)+", text[start:])

    assert lines is not None
    assert {line.split(":")[0].strip() for line in lines.group().splitlines()} <= fields


def _as_described(name: str) -> str:
    """Return a field's name as kubectl describe writes it: ``lastTime`` is Last Time."""
    words = re.sub(r"([A-Z])", r" \1", name)
    return words[0].upper() + words[1:]
