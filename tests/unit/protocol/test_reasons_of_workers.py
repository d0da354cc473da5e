"""The closed list of reasons: as the document has it, and all that ends a job is on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from tests.reasons import reasons_in
from vmbackup_core.protocol import REASONS
from vmbackup_operator.model.session import Outcome

ROOT = Path(__file__).parents[3]
#: Of the bundle and the settings: no job has begun where they are found.
BEFORE_ANY_JOB = {"BadBundle", "BadSettings"}
#: Of repositories in a directory, which workers don't have.
OF_DIRECTORIES = {
    "ObjectUnreadable",
    "StoreAccessDenied",
    "StoreFull",
    "StoreNotADirectory",
    "StoreReadOnly",
    "StoreUnsuitable",
}
#: Where repository format 1.0 is, which no job reads or writes yet.
NOT_IN_JOBS_YET = ("primitives", "data", "control")


def test_the_document_lists_just_these() -> None:
    text = (ROOT / "docs/worker-protocol.md").read_text()
    table = text.split("### Reasons")[1].split("\n## ")[0].split("| --- | --- |")[1]

    assert sorted(re.findall("`([A-Za-z]+)`", table)) == sorted(REASONS)


def test_whatever_ends_a_job_is_on_the_list() -> None:
    format_1_0 = {
        reason
        for folder in NOT_IN_JOBS_YET
        for reason in reasons_in(ROOT / "core/vmbackup_core/repository" / folder)
    }
    elsewhere = BEFORE_ANY_JOB | OF_DIRECTORIES | format_1_0
    for place in ("core/vmbackup_core", "worker_agent/vmbackup_worker"):
        missing = set(reasons_in(ROOT / place)) - set(REASONS) - elsewhere
        assert not missing, f"{place} can end a job for {missing}"


def test_no_reason_is_a_way_for_a_session_to_end() -> None:
    assert not set(REASONS) & {*get_args(Outcome), "Deleted", "Complete"}
